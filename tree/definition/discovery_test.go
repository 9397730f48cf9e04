package definition_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/definition"
	"grove/tree/definition/diff"
	"grove/tree/definition/rolluptest"
)

const web = `
grove: 1
application: web
parameters: { address: { type: address, required: true } }
probes: { page: { kind: http, url: "http://${address}/" } }
tree: { Up: { from: page.up } }
`

// rowOf makes a row of cells given as column, text, column, text, …
func rowOf(cells ...string) map[string]tree.Value {
	row := map[string]tree.Value{}
	for i := 0; i+1 < len(cells); i += 2 {
		row[cells[i]] = tree.Text(cells[i+1])
	}
	return row
}

// found loads files beside rows that every discovery has found.
func found(t *testing.T, running *definition.Plan, text string, rows ...map[string]tree.Value) (*definition.Plan, string) {
	t.Helper()
	l := loader()
	l.Found = func(string) []map[string]tree.Value { return rows }
	if running != nil {
		l.Running = func() []*definition.Instance { return running.Instances }
	}
	plan, errs := l.FS(files(text), "")
	return plan, printed(errs)
}

// outcome writes what became of rows, a line each.
func outcome(p *definition.Plan) string {
	var b strings.Builder
	for _, i := range p.Instances {
		if i.Application != "discovery" {
			b.WriteString(i.Name + " " + i.Application + " " + i.At.String() + " " + i.Why + "\n")
		}
	}
	for _, d := range p.Discoveries {
		for _, l := range d.LeftOut {
			b.WriteString("- " + l.Key + " " + l.Why + "\n")
		}
	}
	return b.String()
}

func TestRowsBecomeInstances(t *testing.T) {
	const head = "use: web\nname: shop\neach: { kind: dns_srv, names: [x] }\nwith: { address: \"${row.address}\" }\n"
	for _, c := range []struct {
		name, text string
		rows       []map[string]tree.Value
		want, errs string
	}{
		{"in the order of their keys", head + "at: /shop/${row.target}",
			[]map[string]tree.Value{rowOf("address", "b:80", "target", "b"), rowOf("address", "a", "target", "a")},
			"shop-a web /shop/a row \"a\"\nshop-b_80 web /shop/b row \"b:80\"\n", ""},
		{"nothing was found", head + "at: /shop/${row.target}", nil, "", ""},
		{"a name of its own", strings.Replace(head, "name: shop", "name: sw-${row.target}", 1) + "at: /shop/${row.target}",
			[]map[string]tree.Value{rowOf("address", "a", "target", "Core 1/2")},
			"sw-Core-1-2-d4ca8887 web /shop/Core 1~12 row \"a\"\n", ""},
		{"a cell is one name of a path", head + "at: /shop/${row.target}/x",
			[]map[string]tree.Value{rowOf("address", "a", "target", "../~etc/b")}, "shop-a web /shop/..~1~0etc~1b/x row \"a\"\n", ""},
		{"but a whole path where it is alone", head + "at: ${row.target}",
			[]map[string]tree.Value{rowOf("address", "a", "target", "/x/y")}, "shop-a web /x/y row \"a\"\n", ""},
		{"a cell is no variable", head + "at: /shop/${row.target}",
			[]map[string]tree.Value{rowOf("address", "a", "target", "${hostname}")}, "shop-a web /shop/${hostname} row \"a\"\n", ""},
		{"where", head + "at: /shop/${row.target}\nwhere: row.target startsWith \"w\"",
			[]map[string]tree.Value{rowOf("address", "a", "target", "a"), rowOf("address", "w", "target", "w"), rowOf("address", "x")},
			"shop-w web /shop/w row \"w\"\n- a where does not hold\n- x where does not hold\n", ""},
		{"the row says the definition", strings.Replace(head, "use: web", "use: ${row.target}", 1) + "at: /shop/${row.address}",
			[]map[string]tree.Value{rowOf("address", "a", "target", "web"), rowOf("address", "b", "target", "wbe")},
			"shop-a web /shop/a row \"a\"\n", "b.yaml:1:6: row \"b\": there is no definition of \"wbe\" (did you mean \"web\"?)\n"},
		{"one row is wrong", head + "at: /shop/${row.target}",
			[]map[string]tree.Value{rowOf("address", "a b", "target", "x"), rowOf("address", "c", "target", "c"), rowOf("address", "d")},
			"shop-c web /shop/c row \"c\"\n",
			"b.yaml:4:18: row \"a b\": parameter \"address\": \"a b\" is not an address: a host name or IP address, with or without \":port\"\nb.yaml:5:5: row \"d\": at names a place by row.target, which is empty (leave such rows out by where)\n"},
		{"two rows want one place", head + "at: /shop/${row.target}",
			[]map[string]tree.Value{rowOf("address", "a", "target", "x"), rowOf("address", "b", "target", "x")},
			"shop-a web /shop/x row \"a\"\n",
			"b.yaml:1:1: row \"b\": instance \"shop-a\" is at /shop/x already, asked for at b.yaml:1:1 (each has a place of its own: at: …)\n"},
		{"the bound", head + "at: /shop/${row.target}\nmost: 1",
			[]map[string]tree.Value{rowOf("address", "a", "target", "x"), rowOf("address", "b", "target", "y")},
			"shop-a web /shop/x row \"a\"\n", "b.yaml:1:1: discovery \"shop\" found 2 rows, and at most 1 become instances (raise it: most: 2)\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan, errs := found(t, nil, c.text, c.rows...)
			if diff := cmp.Diff(c.want, outcome(plan)); diff != "" {
				t.Errorf("instances (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.errs, errs); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}

// TestProfiles chooses definitions by what rows say.
func TestProfiles(t *testing.T) {
	const text = `
grove: 1
application: cisco
profile: { object_id: 1.3.6.1.4.1.9.1.* }
parameters: { address: {} }
tree: { Up: { kind: status } }
---
grove: 1
application: catalyst
profile: { object_id: [.1.3.6.1.4.1.9.1.12*, 1.3.6.1.4.1.9.1.55] }
parameters: { address: {} }
tree: { Up: { kind: status } }
---
grove: 1
application: other
profile: { object_id: 1.3.6.1.4.1.9.1.12* }
tree: { Up: { kind: status } }
---
use: { by: row.object_id, choose: { 1.3.6.1.4.1.11.*: web } }
name: n
at: /n/${row.address}
each: { kind: snmp_range, addresses: [10.0.0.0/24] }
with: { address: "${row.address}" }
`
	rows := []map[string]tree.Value{
		rowOf("address", "a", "object_id", "1.3.6.1.4.1.9.1.1"),
		rowOf("address", "b", "object_id", ".1.3.6.1.4.1.9.1.55"),
		rowOf("address", "c", "object_id", "1.3.6.1.4.1.9.1.123"),
		rowOf("address", "d", "object_id", "1.3.6.1.4.1.11.5"),
		rowOf("address", "e", "object_id", "1.3.6.1.4.1.8072.3.2.10"),
	}
	plan, errs := found(t, nil, text, rows...)
	want := `n-a cisco /n/a row "a": object_id "1.3.6.1.4.1.9.1.1" begins like 1.3.6.1.4.1.9.1.* of its profile
n-b catalyst /n/b row "b": object_id ".1.3.6.1.4.1.9.1.55" is 1.3.6.1.4.1.9.1.55 of its profile
n-d web /n/d row "d": object_id "1.3.6.1.4.1.11.5" begins like 1.3.6.1.4.1.11.*
- e object_id "1.3.6.1.4.1.8072.3.2.10" is in no profile of a definition, and there is no default
`
	if diff := cmp.Diff(want, outcome(plan)); diff != "" {
		t.Errorf("instances (-want +got):\n%s", diff)
	}
	wantErrs := `b.yaml:19:6: row "c": object_id: two definitions are for it: "1.3.6.1.4.1.9.1.123" fits .1.3.6.1.4.1.9.1.12* of catalyst, at b.yaml:10:24, and 1.3.6.1.4.1.9.1.12* of other, at b.yaml:16:23
`
	if diff := cmp.Diff(wantErrs, errs); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	before := plan
	plan, _ = found(t, nil, strings.Replace(text, "choose: {", "default: other, choose: {", 1), rows[4])
	var b strings.Builder
	changes := diff.Compare(before, plan)
	if err := changes.Print(&b); err != nil {
		t.Fatal(err)
	}
	if want := `definition "other" has no parameter "address"`; !strings.Contains(b.String()+errsOf(plan), want) {
		t.Errorf("%s%s, want %s", b.String(), errsOf(plan), want)
	}
}

func errsOf(p *definition.Plan) string {
	var b strings.Builder
	for _, broken := range p.Broken {
		b.WriteString(printed(broken.Err))
	}
	return b.String()
}

// TestErrorsTakeNoInstanceAway lets what runs go on while its file or its row is wrong.
func TestErrorsTakeNoInstanceAway(t *testing.T) {
	const text = "use: web\nname: shop\nat: /shop/${row.target}\neach: { kind: dns_srv, names: [x] }\nwith: { address: \"${row.address}\" }\n"
	before, errs := found(t, nil, text, rowOf("address", "a", "target", "a"), rowOf("address", "b", "target", "b"))
	if errs != "" || len(before.Instances) != 3 {
		t.Fatal(errs)
	}
	for name, c := range map[string]struct {
		text string
		rows []map[string]tree.Value
		want string
	}{
		"the file is malformed":  {"use: [", nil, "discovery-shop shop-a shop-b"},
		"an option is wrong":     {strings.Replace(text, "names: [", "nmaes: [", 1), nil, "discovery-shop shop-a shop-b"},
		"there is no definition": {strings.Replace(text, "use: web", "use: wbe", 1), nil, "discovery-shop shop-a shop-b"},
		"a row is wrong":         {text, []map[string]tree.Value{rowOf("address", "a", "target", "a\x00"), rowOf("address", "b", "target", "b")}, "shop-a"},
		"a row is gone":          {text, []map[string]tree.Value{rowOf("address", "b", "target", "b")}, ""},
		"the file is gone":       {"", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			plan, _ := found(t, before, c.text, c.rows...)
			var kept []string
			for _, i := range plan.Keep(before) {
				kept = append(kept, i.Name)
			}
			if got := strings.Join(kept, " "); got != c.want {
				t.Errorf("kept %q, want %q", got, c.want)
			}
		})
	}
}

// TestRunningRowsKeepTheirPlaces lets newcomers lose where two rows want one name.
func TestRunningRowsKeepTheirPlaces(t *testing.T) {
	const text = "use: web\nname: s-${row.target}\nat: /shop/${row.target}\neach: { kind: dns_srv, names: [x] }\nwith: { address: \"${row.address}\" }\n"
	before, errs := found(t, nil, text, rowOf("address", "b", "target", "x"))
	if errs != "" {
		t.Fatal(errs)
	}
	plan, errs := found(t, before, text, rowOf("address", "a", "target", "x"), rowOf("address", "b", "target", "x"))
	if !strings.Contains(errs, "there is an instance") {
		t.Error(errs)
	}
	if got := outcome(plan); got != "s-x web /shop/x row \"b\"\n" {
		t.Error(got)
	}
}

// TestDiscoveryColumns tells apart what instances depend on.
func TestDiscoveryColumns(t *testing.T) {
	plan, errs := found(t, nil, "use: { by: row.object_id, default: web }\nname: n\nat: /n/${row.name}\neach: { kind: snmp_range, addresses: [a] }\nwith: { address: \"${row.address}\" }\n")
	if errs != "" {
		t.Fatal(errs)
	}
	if diff := cmp.Diff([]string{"address", "name", "object_id"}, plan.Discoveries[0].Columns); diff != "" {
		t.Error(diff)
	}
}

// TestDiscoveryInXML says the same as YAML does.
func TestDiscoveryInXML(t *testing.T) {
	l := loader()
	fsys := files("")
	fsys["a.xml"] = mapFile(`<instances>
  <instance name="shop" at="/shop/${row.target}" where="row.port != 8443" keep="2h" most="100">
    <use by="row.target" default="web"><choose><application name="db*" value="web"/></choose></use>
    <each kind="dns_srv" every="1m"><names><item>_http._tcp.shop</item></names></each>
    <with><parameter name="address" value="${row.address}"/></with>
    <tests>
      <test name="in XML as in YAML">
        <rows><item address="web1:80" target="web1" port="80"/></rows>
        <expect><node name="shop-web1_80" value="/shop/web1"/></expect>
      </test>
    </tests>
  </instance>
</instances>
`)
	plan, errs := l.FS(fsys, "")
	if len(errs) > 0 {
		t.Fatal(printed(errs))
	}
	if d := plan.Discoveries[0]; d.Name != "shop" || d.Most != 100 || d.Keep.Hours() != 2 {
		t.Errorf("%+v", d)
	}
	for _, r := range rolluptest.Discovery(plan.Discoveries[0]) {
		for _, f := range r.Failures {
			t.Error(f)
		}
	}
}

func TestDiscoveryTestsThatFail(t *testing.T) {
	plan, errs := load(t, "a.yaml", web, "b.yaml", `use: web
name: shop
at: /shop/${row.target}
each: { kind: dns_srv, names: [x] }
where: row.port < 1000
with: { address: "${row.address}" }
tests:
  - name: all is wrong
    rows:
      - { address: "a:80", target: a, port: 80 }
      - { address: "b:8080", target: b, port: 8080 }
      - { address: "c d", target: c, port: 1 }
    expect:
      shop-a_80: absent
      shop-b_8080: /shop/b
      shop-c: absent
  - name: its values are others
    rows: [ { address: "a:80", target: a, port: 80 } ]
    expect:
      shop-a_80: { use: wbe, at: /shop/b, with: { address: b, port: 1 } }
`)
	if len(errs) > 0 {
		t.Fatal(printed(errs))
	}
	var got strings.Builder
	for _, r := range rolluptest.Discovery(plan.Discoveries[0]) {
		for _, f := range r.Failures {
			got.WriteString(f.String() + "\n")
		}
	}
	want := `b.yaml:6:18: row "c d": parameter "address": "c d" is not an address: a host name or IP address, with or without ":port"
b.yaml:14:18: instance shop-a_80 is there, want none
b.yaml:15:20: there is no instance shop-b_8080 (there are shop-a_80, shop-c-d-41d4f42b; row "b:8080": where does not hold)
b.yaml:20:18: instance shop-a_80 uses web, want wbe (row "a:80")
b.yaml:20:18: instance shop-a_80 is at /shop/a, want /shop/b
b.yaml:20:18: parameter address of instance shop-a_80 is a:80, want b
b.yaml:20:18: definition web has no parameter "port"
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}

func files(text string) fstest.MapFS {
	if text == "" {
		return fstest.MapFS{"a.yaml": mapFile(web)}
	}
	return fstest.MapFS{"a.yaml": mapFile(web), "b.yaml": mapFile(text)}
}

func mapFile(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func FuzzFindRows(f *testing.F) {
	f.Add("a", "b", "1.3")
	f.Add("${x}", "/a/~", "")
	f.Fuzz(func(t *testing.T, address, name, id string) {
		plan, _ := found(t, nil, "use: { by: row.object_id, default: web }\nname: n-${row.name}\nat: /n/${row.name}\neach: { kind: snmp_range, addresses: [a] }\nwith: { address: \"${row.address}\" }\nproperties: { host: \"${row.name}\" }\n",
			rowOf("address", address, "name", name, "object_id", id))
		for _, i := range plan.Instances {
			if i.Application == "web" && i.At.Depth() != 2 {
				t.Errorf("%q hangs at %s", name, i.At)
			}
		}
	})
}

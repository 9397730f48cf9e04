package bean_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/bean"
)

// TestRights is who may do what with which bean, one case a line.
func TestRights(t *testing.T) {
	const (
		read   = "read"
		set    = "set"
		run    = "run"
		reset  = "reset"
		listen = "listen"
	)
	cpu, fan, probe := nodeName("/shop/a/cpu"), "test:type=Fan", "test:type=Probe,at=a"
	w := grow(t)
	if _, err := w.beans.Register(w.fan, beans.MustName(probe)); err != nil {
		t.Fatal(err)
	}
	do := func(act, name string) int {
		var status int
		switch act {
		case read:
			status, _ = w.ask(t, "GET", about("/api/v1/bean", name), nil, nil)
		case set:
			attribute, value := "Speed", any(5)
			if name == cpu {
				attribute, value = "StaleAfter", "30s"
			}
			status, _ = w.ask(t, "PUT", about("/api/v1/bean/attribute", name), map[string]any{"attribute": attribute, "value": value}, nil)
		case run:
			operation := "look"
			if name == cpu {
				operation = "refresh"
			}
			status, _ = w.ask(t, "POST", about("/api/v1/bean/operation", name), map[string]any{"operation": operation}, nil)
		case reset:
			status, _ = w.ask(t, "POST", about("/api/v1/bean/operation", name), map[string]any{"operation": "reset"}, nil)
		case listen:
			status = w.listen(t, name).status
		}
		return status
	}
	for _, c := range []struct {
		grants string // with semicolons between them; empty: everything
		name   string
		want   map[string]int
	}{
		{"", cpu, map[string]int{read: 200, set: 200, run: 200, reset: 200, listen: 200}},
		{"", fan, map[string]int{read: 200, set: 200, run: 200, listen: 200}},
		{"viewer /shop/a", cpu, map[string]int{read: 200, set: 403, run: 403, reset: 403, listen: 200}},
		{"operator /shop/a", cpu, map[string]int{read: 200, set: 403, run: 200, reset: 403}},
		{"editor /shop/a", cpu, map[string]int{read: 200, set: 200, run: 200, reset: 200}},
		{"editor / customer=acme", cpu, map[string]int{read: 200, set: 200, run: 200, reset: 200}},
		{"admin /shop/b", cpu, map[string]int{read: 404, set: 404, run: 404, reset: 404, listen: 404}},
		{"admin / customer=zenith", cpu, map[string]int{read: 404, set: 404, run: 404, reset: 404}},
		{"admin /shop/b", nodeName("/shop"), map[string]int{read: 403, run: 403, reset: 403}},
		{"admin /shop/a", fan, map[string]int{read: 403, set: 403, run: 403, listen: 403}},
		{"viewer", fan, map[string]int{read: 200, set: 403, run: 403, listen: 200}},
		{"editor", fan, map[string]int{read: 200, set: 403, run: 403}},
		{"admin", fan, map[string]int{read: 200, set: 200, run: 200}},
		{"admin / customer=acme", fan, map[string]int{read: 403, set: 403, run: 403}},
		{"viewer /shop/a", probe, map[string]int{read: 200, set: 403, run: 403, listen: 200}},
		{"operator /shop/a", probe, map[string]int{read: 200, set: 403, run: 200}},
		{"editor /shop/a", probe, map[string]int{read: 200, set: 200, run: 200}},
		{"admin /shop/b", probe, map[string]int{read: 403, set: 403, run: 403, listen: 403}},
		{"viewer", probe, map[string]int{read: 200, set: 403, run: 403}},
		{"viewer /shop; admin /bank", cpu, map[string]int{read: 200, set: 403, run: 403}},
	} {
		t.Run(c.grants+" on "+c.name, func(t *testing.T) {
			var texts []string
			if c.grants != "" {
				texts = strings.Split(c.grants, "; ")
			}
			w.as(t, texts...)
			for act, want := range c.want {
				if got := do(act, c.name); got != want {
					t.Errorf("%s: %d, want %d", act, got, want)
				}
			}
		})
	}
}

// TestHiddenIsNotThere asks for the bean of a node that is hidden and for one that is not
// there: nobody can tell them apart.
func TestHiddenIsNotThere(t *testing.T) {
	w := grow(t)
	if _, err := w.beans.Register(w.fan, beans.MustName("test:type=Probe,at=b")); err != nil {
		t.Fatal(err)
	}
	w.as(t, "admin /shop/a")
	for _, c := range []struct{ hidden, absent string }{
		{nodeName("/bank/cpu"), nodeName("/bank/cpx")},
		{"test:type=Probe,at=b", "test:type=Probf,at=b"},
	} {
		before, hidden := w.ask(t, "GET", about("/api/v1/bean", c.hidden), nil, nil)
		after, absent := w.ask(t, "GET", about("/api/v1/bean", c.absent), nil, nil)
		if before != after || strings.ReplaceAll(hidden, "/bank/cpu", "") != strings.ReplaceAll(absent, "/bank/cpx", "") {
			t.Errorf("hidden: %s\nabsent: %s", hidden, absent)
		}
	}
}

func TestList(t *testing.T) {
	w := grow(t)
	shop := []string{nodeName("/shop"), nodeName("/shop/a"), nodeName("/shop/a/cpu"), nodeName("/shop/b"), nodeName("/shop/b/cpu")}
	all := append([]string{"JMImplementation:type=MBeanServerDelegate", "test:type=Fan", nodeName("/")}, shop...)
	all = append(all, nodeName("/bank"), nodeName("/bank/cpu"))
	for _, c := range []struct {
		name, grants, query string
		total               int
		want                []string
	}{
		{"everything", "", "", 10, all},
		{"a domain", "", "query=test:*", 1, []string{"test:type=Fan"}},
		{"the default domain", "", "query=:type=Node,*&limit=1", 8, []string{nodeName("/")}},
		{"nodes by a pattern", "", "query=" + url.QueryEscape(`*:type=Node,path="/shop/*"`), 4, shop[1:]},
		{"nodes of another type", "", "query=grove:type=Nod,*", 0, nil},
		{"one name", "", "query=" + url.QueryEscape(shop[2]), 1, shop[2:3]},
		{"one name that is not there", "", "query=" + url.QueryEscape(nodeName("/no")), 0, nil},
		{"words", "", "text=" + url.QueryEscape("CPU shop"), 2, []string{shop[2], shop[4]}},
		{"words in a pattern", "", "query=" + url.QueryEscape(`*:path="/shop*",*`) + "&text=/b/", 1, shop[4:]},
		{"a page across", "", "offset=1&limit=3", 10, all[1:4]},
		{"a page of nodes", "", "offset=4&limit=2", 10, all[4:6]},
		{"beyond the end", "", "offset=99", 10, nil},
		{"a part", "viewer /shop/a", "", 2, []string{nodeName("/shop/a"), shop[2]}},
		{"a part by pattern", "viewer /shop/a", "query=" + url.QueryEscape(`*:type=Node,path="/*"`), 2, []string{nodeName("/shop/a"), shop[2]}},
		{"a name in another's part", "viewer /shop/a", "query=" + url.QueryEscape(shop[4]), 0, nil},
		{"a customer's", "viewer / customer=zenith", "", 1, shop[4:]},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.as(t, slices.DeleteFunc([]string{c.grants}, func(s string) bool { return s == "" })...)
			var page bean.NameList
			if status, text := w.ask(t, "GET", "/api/v1/beans?"+c.query, nil, &page); status != 200 {
				t.Fatal(text)
			}
			var got []string
			for _, e := range page.Beans {
				got = append(got, e.Name)
			}
			if diff := cmp.Diff(c.want, got); diff != "" || page.Total != c.total {
				t.Errorf("total %d, want %d\n%s", page.Total, c.total, diff)
			}
		})
	}
	w.as(t)
	for query, want := range map[string]int{"query=x": 400, "limit=0": 422, "limit=1001": 422, "offset=-1": 422, "what=x": 422} {
		if status, text := w.ask(t, "GET", "/api/v1/beans?"+query, nil, nil); status != want {
			t.Errorf("%s: %d, want %d: %s", query, status, want, text)
		}
	}
}

func TestDomains(t *testing.T) {
	w := grow(t)
	for grants, want := range map[string][]bean.DomainCount{
		"":               {{Name: "JMImplementation", Beans: 1}, {Name: "grove", Beans: 8}, {Name: "test", Beans: 1}},
		"viewer /shop/a": {{Name: "grove", Beans: 2}},
		"viewer /no":     {},
	} {
		w.as(t, slices.DeleteFunc([]string{grants}, func(s string) bool { return s == "" })...)
		var got bean.DomainList
		w.ask(t, "GET", "/api/v1/beans/domains", nil, &got)
		if diff := cmp.Diff(want, got.Domains); diff != "" {
			t.Errorf("%q: %s", grants, diff)
		}
	}
}

func TestDescribe(t *testing.T) {
	w := grow(t)
	var got bean.DescribedBean
	if status, text := w.ask(t, "GET", about("/api/v1/bean", "test:type=Fan"), nil, &got); status != 200 {
		t.Fatal(text)
	}
	want := bean.DescribedBean{
		Name: "test:type=Fan", Class: "test.Fan", Description: "turns",
		Attributes: []bean.AttributeValue{
			{Name: "Speed", Type: "int64", Unit: "1/s", Readable: true, Writable: true, May: true, Value: 3.0},
			{Name: "Big", Type: "int64", Readable: true, Value: "9007199254740993"},
			{Name: "Broken", Type: "string", Readable: true, Error: `attribute "Broken": the wire is cut`},
			{Name: "Since", Type: "time", Readable: true, Value: "2026-03-02T12:00:00.000Z"},
			{Name: "Blades", Type: "table", Readable: true, Key: "n", Columns: []bean.TableColumn{{Name: "n", Type: "int64"}}, Value: []any{map[string]any{"n": 1.0}, map[string]any{"n": 2.0}}},
			{Name: "Secret", Type: "string", Writable: true, May: true},
		},
		Operations: []bean.OperationForm{
			{Name: "look", Signature: "look()", Parameters: []bean.OperationParameter{}, Returns: "string", Impact: "info", May: true},
			{Name: "fail", Signature: "fail()", Parameters: []bean.OperationParameter{}, Returns: "void", Impact: "action", May: true},
			{Name: "say", Signature: "say(string)", Parameters: []bean.OperationParameter{{Name: "text", Type: "string"}}, Returns: "any", Impact: "action", May: true},
			{Name: "say", Signature: "say(duration,int64)", Parameters: []bean.OperationParameter{{Name: "for", Type: "duration"}, {Name: "times", Type: "int64"}}, Returns: "any", Impact: "action", May: true},
			{Name: "say", Signature: "say([]string)", Parameters: []bean.OperationParameter{{Name: "parts", Type: "[]string"}}, Returns: "any", Impact: "action", May: true},
		},
		Notifications: []bean.NotificationClass{{Name: "test.Turn", Types: []string{"test.turned"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]int{"test:type=Fax": 404, "test:*": 400, "x": 400, "": 422} {
		if status, text := w.ask(t, "GET", about("/api/v1/bean", name), nil, nil); status != want {
			t.Errorf("%s: %d, want %d: %s", name, status, want, text)
		}
	}
}

// TestPartialGroup reads and changes a group below which something is hidden.
func TestPartialGroup(t *testing.T) {
	w := grow(t)
	for _, n := range []struct{ path, customer string }{{"/mall", "acme"}, {"/mall/own", ""}, {"/mall/other", "zenith"}} {
		spec := &tree.Spec{Kind: tree.Performance, Mode: tree.Push, Threshold: &tree.Threshold{Red: tree.Level{Form: tree.Above, High: 90, OffHigh: 90}}}
		if n.path == "/mall" {
			spec = &tree.Spec{Kind: tree.Group}
		}
		if n.customer != "" {
			spec.Properties = map[string]string{grant.CustomerProperty: n.customer}
		}
		ref, err := w.tree.Add(tree.MustPath(n.path), spec)
		if err != nil {
			t.Fatal(err)
		}
		if n.path != "/mall" {
			w.tree.Apply([]tree.Reading{{Node: ref, Value: 99, Time: 1}})
		}
	}
	w.tree.Flush()
	see := func(grants ...string) (hidden bool, attributes []string, causes any, reset int) {
		w.as(t, grants...)
		var b bean.DescribedBean
		if status, text := w.ask(t, "GET", about("/api/v1/bean", nodeName("/mall")), nil, &b); status != 200 {
			t.Fatal(text)
		}
		for _, a := range b.Attributes {
			if a.Name == "Counts" || a.Name == "Children" {
				attributes = append(attributes, a.Name)
			}
		}
		var r bean.OperationResult
		if status, text := w.ask(t, "POST", about("/api/v1/bean/operation", nodeName("/mall")), map[string]any{"operation": "causes"}, &r); status != 200 {
			t.Fatal(text)
		}
		reset, _ = w.ask(t, "POST", about("/api/v1/bean/operation", nodeName("/mall")), map[string]any{"operation": "reset"}, nil)
		return b.Hidden, attributes, r.Value, reset
	}
	hidden, attributes, causes, reset := see("admin / customer=acme")
	if diff := cmp.Diff([]any{true, []string(nil), []any{"/mall/own"}, 403}, []any{hidden, attributes, causes, reset}); diff != "" {
		t.Error(diff)
	}
	hidden, attributes, causes, reset = see("admin /mall")
	if diff := cmp.Diff([]any{false, []string{"Children", "Counts"}, []any{"/mall/own", "/mall/other"}, 200}, []any{hidden, attributes, sorted(causes), reset}); diff != "" {
		t.Error(diff)
	}
}

// sorted puts the causes of one status into a certain order.
func sorted(v any) any {
	list, _ := v.([]any)
	slices.SortFunc(list, func(a, b any) int { return -strings.Compare(a.(string), b.(string)) })
	return list
}

func TestSet(t *testing.T) {
	w := grow(t)
	address := about("/api/v1/bean/attribute", "test:type=Fan")
	for _, c := range []struct {
		name, body string
		status     int
		says       string // is in the answer
		audited    []string
	}{
		{"a number", `{"attribute":"Speed","value":7}`, 200, `"value":7`, []string{`anonymous begins: bean set test:type=Fan Speed {"became":7,"was":3}`, "ok"}},
		{"a text of a number", `{"attribute":"Speed","value":"8"}`, 200, `"value":8`, []string{`anonymous begins: bean set test:type=Fan Speed {"became":8,"was":7}`, "ok"}},
		{"what cannot be read", `{"attribute":"Secret","value":"x"}`, 200, `"name":"Secret"`, []string{`anonymous begins: bean set test:type=Fan Secret {"became":"x","was":null}`, "ok"}},
		{"what the bean refuses", `{"attribute":"Speed","value":101}`, 422, "it would take off",
			[]string{`anonymous begins: bean set test:type=Fan Speed {"became":101,"was":8}`, `set test:type=Fan: attribute "Speed": invalid value: it would take off`}},
		{"another type", `{"attribute":"Speed","value":"fast"}`, 422, `attribute \"Speed\": invalid value: \"fast\" is no int64`, nil},
		{"a fraction", `{"attribute":"Speed","value":1.5}`, 422, "it has a fraction", nil},
		{"too large", `{"attribute":"Speed","value":1e400}`, 400, "cannot unmarshal number", nil},
		{"a list", `{"attribute":"Speed","value":[1]}`, 422, "a list is no int64", nil},
		{"read-only", `{"attribute":"Big","value":1}`, 409, "read-only attribute", nil},
		{"unknown", `{"attribute":"Sped","value":1}`, 404, `no such attribute \"Sped\"`, nil},
		{"no value", `{"attribute":"Speed"}`, 422, "required property value", nil},
		{"no JSON", `{"attribute":`, 400, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, text := w.ask(t, "PUT", address, c.body, nil)
			if status != c.status || !strings.Contains(text, c.says) {
				t.Errorf("%d %s", status, text)
			}
			if diff := cmp.Diff(c.audited, w.records()); diff != "" {
				t.Error(diff)
			}
		})
	}
	w.refuses = errors.New("the disk is full")
	if status, text := w.ask(t, "PUT", address, `{"attribute":"Speed","value":1}`, nil); status != 503 || strings.Contains(text, "disk") || w.fan.speed != 8 {
		t.Errorf("%d %s, and the speed is %d", status, text, w.fan.speed)
	}
}

// TestSetThreshold tunes a node as an editor does.
func TestSetThreshold(t *testing.T) {
	w := grow(t)
	w.as(t, "editor /shop/a")
	status, text := w.ask(t, "PUT", about("/api/v1/bean/attribute", nodeName("/shop/a/cpu")), `{"attribute":"YellowToRed","value":95}`, nil)
	if status != 200 {
		t.Fatal(text)
	}
	n, err := w.tree.Node(tree.MustPath("/shop/a/cpu"))
	if err != nil || n.Threshold.Red.High != 95 || !n.Tuned {
		t.Errorf("%+v, %v", n.Threshold, err)
	}
	want := []string{`ada begins: bean set grove:type=Node,path="/shop/a/cpu" YellowToRed {"became":95,"was":90}`, "ok"}
	if diff := cmp.Diff(want, w.records()); diff != "" {
		t.Error(diff)
	}
}

func TestInvoke(t *testing.T) {
	w := grow(t)
	address := about("/api/v1/bean/operation", "test:type=Fan")
	for _, c := range []struct {
		name, body string
		status     int
		says       string
		audited    []string
	}{
		{"one that only reads", `{"operation":"look"}`, 200, `"value":"round"`, nil},
		{"by the only form that fits", `{"operation":"say","arguments":["hello"]}`, 200, `"operation":"say(string)"`, []string{`anonymous begins: bean invoke test:type=Fan say(string) ["hello"]`, "ok"}},
		{"by the number of arguments", `{"operation":"say","arguments":["1m30s","3"]}`, 200, `"value":["1m30s",3]`, []string{`anonymous begins: bean invoke test:type=Fan say(duration,int64) ["1m30s",3]`, "ok"}},
		{"by names", `{"operation":"say","arguments":{"times":3,"for":90}}`, 200, `"value":["1m30s",3]`, []string{`anonymous begins: bean invoke test:type=Fan say(duration,int64) ["1m30s",3]`, "ok"}},
		{"by the type", `{"operation":"say","arguments":[["a","b"]]}`, 200, `"operation":"say([]string)"`, []string{`anonymous begins: bean invoke test:type=Fan say([]string) [["a","b"]]`, "ok"}},
		{"by signature", `{"operation":"say(string)","arguments":[5]}`, 200, `"value":["5"]`, []string{`anonymous begins: bean invoke test:type=Fan say(string) ["5"]`, "ok"}},
		{"the bean fails", `{"operation":"fail"}`, 409, "the bearing is stuck", []string{`anonymous begins: bean invoke test:type=Fan fail() []`, `invoke test:type=Fan: operation "fail": the bearing is stuck`}},
		{"which argument", `{"operation":"say","arguments":["1m","often"]}`, 422, `argument 2, \"times\", of say: invalid value: \"often\" is no int64`, nil},
		{"where it is", `{"operation":"say(duration,int64)","arguments":["soon",1]}`, 422, `"location":"body.arguments[0]"`, nil},
		{"which name", `{"operation":"say(duration,int64)","arguments":{"for":"soon","times":1}}`, 422, `"location":"body.arguments.for"`, nil},
		{"a name that is none", `{"operation":"say(string)","arguments":{"txt":"x"}}`, 422, `has no parameter \"txt\"; its parameters are: text (string)`, nil},
		{"a missing name", `{"operation":"say(duration,int64)","arguments":{"for":1}}`, 422, `argument \"times\" of say is missing; its type is int64`, nil},
		{"too few", `{"operation":"say(duration,int64)","arguments":[1]}`, 422, "takes 2 arguments, and 1 came; its parameters are: for (duration), times (int64)", nil},
		{"too many", `{"operation":"look","arguments":[1]}`, 422, "takes 0 arguments, and 1 came", nil},
		{"none that fits", `{"operation":"say","arguments":[1,2,3]}`, 422, "there are: say(string), say(duration,int64), say([]string)", nil},
		{"a text for the arguments", `{"operation":"look","arguments":"x"}`, 422, "neither a list nor an object", nil},
		{"more than the bound", `{"operation":"look","arguments":[` + strings.Repeat("1,", 64) + `1]}`, 422, "65 arguments are more than the bound of 64", nil},
		{"unknown", `{"operation":"loo"}`, 404, `no such operation \"loo\"`, nil},
		{"an unknown form", `{"operation":"say(int64)","arguments":[1]}`, 404, "no such operation", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, text := w.ask(t, "POST", address, c.body, nil)
			if status != c.status || !strings.Contains(text, c.says) {
				t.Errorf("%d %s", status, text)
			}
			if diff := cmp.Diff(c.audited, w.records()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestNothingByGet holds every address with effect against GET.
func TestNothingByGet(t *testing.T) {
	w := grow(t)
	for _, path := range []string{"/api/v1/bean/attribute", "/api/v1/bean/operation"} {
		if status, _ := w.ask(t, http.MethodGet, about(path, "test:type=Fan"), nil, nil); status < 400 {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// TestAmbiguous runs an operation of which two forms take the arguments.
func TestAmbiguous(t *testing.T) {
	w := grow(t)
	if _, err := w.beans.Register(&twice{}, beans.MustName("test:type=Twice")); err != nil {
		t.Fatal(err)
	}
	status, text := w.ask(t, "POST", about("/api/v1/bean/operation", "test:type=Twice"), `{"operation":"add","arguments":["1"]}`, nil)
	if status != 422 || !strings.Contains(text, "2 operations named add take these arguments; say which one is meant: add(string), add(int64)") {
		t.Errorf("%d %s", status, text)
	}
}

type twice struct{ fan }

func (*twice) Info() beans.Info {
	return beans.Info{ClassName: "test.Twice", Operations: []beans.OperationInfo{
		{Name: "add", Parameters: []beans.ParameterInfo{{Name: "text", Type: beans.TypeString}}},
		{Name: "add", Parameters: []beans.ParameterInfo{{Name: "number", Type: beans.TypeInt}}},
	}}
}

// BenchmarkList lists beans of a large tree: one page, and by a pattern that every name
// has to be held against.
func BenchmarkList(b *testing.B) {
	w := grow(b)
	for i := range 100_000 {
		path := "/many/" + strconv.Itoa(i/100) + "/" + strconv.Itoa(i%100)
		if _, err := w.tree.Add(tree.MustPath(path), &tree.Spec{Kind: tree.Performance, Mode: tree.Push}); err != nil {
			b.Fatal(err)
		}
	}
	for name, query := range map[string]string{
		"page": "offset=50000&limit=200", "pattern": "query=" + url.QueryEscape(`*:type=Node,path="/many/5*/7"`), "words": "text=" + url.QueryEscape("many /77"),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if status, text := w.ask(b, "GET", "/api/v1/beans?"+query, nil, nil); status != 200 {
					b.Fatal(text)
				}
			}
		})
	}
}

package document

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/endpoint"
	"grove/runtime/probe/extract"
	"grove/runtime/probe/files"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type attributes = map[string]extract.Attribute

// write writes a file that is old enough to be taken for finished.
func write(t *testing.T, name, text string) string {
	t.Helper()
	file := name
	if !filepath.IsAbs(name) {
		file = filepath.Join(t.TempDir(), name)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func options(change func(*Options)) *Options {
	o := Kind(Policies{}).NewOptions().(*Options)
	change(o)
	return o
}

func build(t *testing.T, o *Options) *documentProbe {
	t.Helper()
	p, err := Kind(Policies{}).New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p.(*documentProbe)
}

// values runs a probe once and returns what it read as text: tables as lines, events joined.
func values(t *testing.T, p probe.Probe) (map[string]string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r, err := p.Run(ctx)
	got := map[string]string{}
	for _, v := range r.Values {
		got[v.Attribute] = v.Value.String()
		var lines []string
		for _, e := range v.Events {
			lines = append(lines, e.Text)
		}
		if lines != nil {
			got[v.Attribute] = strings.Join(lines, "; ")
		}
	}
	for _, table := range r.Tables {
		lines := []string{}
		for _, row := range table.Rows {
			cells := make([]string, len(row))
			for i, c := range row {
				cells[i] = c.String()
			}
			lines = append(lines, strings.Join(cells, ","))
		}
		got[table.Attribute] = strings.Join(lines, " ")
	}
	return got, err
}

const sampleXML = `<?xml version="1.0" encoding="ISO-8859-1"?>
<shop xmlns:s="urn:s"><server id="1" state="ok"><port>80</port></server><server id="2" state="K` + "\xf6" + `ln"><port>81</port></server><made>2020-01-01T00:00:00Z</made></shop>`

func TestFormats(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		change     func(*Options)
		want       map[string]string
	}{
		{"a.json", `{"server": {"workers": 4, "debug": false, "name": "web", "none": null}, "list": [{"host": "a", "w": 1}, {"host": "b"}], "by": {"x": {"n": 1}, "y": {"n": 2}}, "empty": []}`, func(o *Options) {
			o.Attributes = attributes{"workers": {From: "$.server.workers"}, "debug": {From: "$.server.debug", Type: "bool"}, "host": {From: "$.list[1].host", Type: "text"},
				"none": {From: "$.server.none"}, "server": {Type: "text"}}
			o.Tables = map[string]Table{
				"list":  {Rows: "$.list", Key: "host", Attributes: attributes{"w": {}}},
				"every": {Rows: "$.list[*]", Key: "host"},
				"by":    {Rows: "$.by", Key: "name", Attributes: attributes{"name": {From: "@key", Type: "text"}, "n": {}}},
				"empty": {Rows: "$.empty", Key: "x"},
			}
		}, map[string]string{"workers": "4", "debug": "0", "host": "b", "server": `{"debug":false,"name":"web","none":null,"workers":4}`, "list": "a,1 b,", "every": "a b", "by": "1,x 2,y", "empty": ""}},
		{"a.xml", sampleXML, func(o *Options) {
			o.Attributes = attributes{"port": {From: "//server[@id='2']/port"}, "count": {From: "count(//server)"}, "town": {From: "/shop/server[2]/@state", Type: "text"}, "old": {From: "//made", Type: "age"}, "any": {From: "boolean(//server)", Type: "bool"}}
			o.Tables = map[string]Table{"servers": {Rows: "//server", Key: "id", Attributes: attributes{"id": {From: "@id", Type: "text"}, "port": {}, "number": {From: "@key"}}}}
		}, map[string]string{"port": "81", "count": "2", "town": "Köln", "any": "1", "servers": "1,1,80 2,2,81"}},
		{"a.csv", "host, state ,n\nweb1,ok,1\n\"web,2\",down\n", func(o *Options) {
			o.CSV.Key = "host"
			o.Attributes = attributes{"first": {From: "web1.state", Type: "text"}, "second": {From: "web,2.state", Type: "text"}}
			o.Tables = map[string]Table{"hosts": {Key: "host", Attributes: attributes{"n": {}, "row": {From: "@key", Type: "text"}}}}
		}, map[string]string{"first": "ok", "second": "down", "hosts": "web1,1,web1 web,2,,web,2"}},
		{"b.csv", "# made by hand\na;1\nb;2\n", func(o *Options) {
			o.CSV = CSV{Delimiter: ";", Comment: "#", NoHeader: true}
			o.Attributes = attributes{"n": {From: "2.2"}}
		}, map[string]string{"n": "2"}},
		{"c.tsv", "a\tb\n1\t2\n", func(o *Options) { o.Attributes = attributes{"n": {From: "1.b"}} }, map[string]string{"n": "2"}},
		{"a.ini", "top = 1\n; no\n[server]\nworkers = 4\nflag\npath = %(top)s/${HOME}\n[db.one]\nport = 5432\n[db.two]\nport=5433\n", func(o *Options) {
			o.Attributes = attributes{"top": {}, "workers": {From: "server.workers"}, "flag": {From: "server.flag", Type: "bool"}, "path": {From: "server.path", Type: "text"}, "port": {From: "db.one.port"}}
			o.Tables = map[string]Table{"sections": {Key: "name", Attributes: attributes{"name": {From: "@key", Type: "text"}, "port": {}}}}
		}, map[string]string{"top": "1", "workers": "4", "flag": "1", "path": "%(top)s/${HOME}", "port": "5432", "sections": "server, db.one,5432 db.two,5433"}},
		{"a.properties", "# x\nserver.port: 80\nhome=${HOME}\nlong = a \\\n  b\n", func(o *Options) {
			o.Attributes = attributes{"port": {From: "server.port"}, "home": {Type: "text"}, "long": {Type: "text"}}
		}, map[string]string{"port": "80", "home": "${HOME}", "long": "a b"}},
		{"d.json", "\xff\xfe{\x00}\x00", func(*Options) {}, map[string]string{}},
		{"e.ini", "town = K\xf6ln\n", func(o *Options) {
			o.Charset = "windows-1252"
			o.Attributes = attributes{"town": {Type: "text"}}
		}, map[string]string{"town": "Köln"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := options(tt.change)
			o.File = write(t, tt.name, tt.text)
			probetest.Run(t, Kind(Policies{}), o)
			got, err := values(t, build(t, o))
			if err != nil || got["up"] != "1" || got["state"] != "up" {
				t.Fatalf("%v, %v", got, err)
			}
			if _, dated := o.Attributes["old"]; dated && !strings.HasPrefix(got["old"], "2.") {
				t.Errorf("old is %s", got["old"])
			}
			for _, name := range []string{"up", "state", "error", "duration", "age", "size", "checksum", "changed", "old"} {
				if got[name] == "" && name != "error" && name != "old" {
					t.Errorf("no %s", name)
				}
				delete(got, name)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestMalformed(t *testing.T) {
	deep := strings.Repeat("<a>", 201) + strings.Repeat("</a>", 201)
	for _, tt := range []struct{ name, file, text, state, err string }{
		{"JSON", "a.json", `{"a": `, "malformed", "is not JSON: unexpected end of JSON input"},
		{"XML", "a.xml", "<a><b></a>", "malformed", "is not XML: "},
		{"an entity bomb", "a.xml", `<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;">]><a>&y;</a>`, "malformed", "invalid character entity &y;"},
		{"an external entity", "a.xml", `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>`, "malformed", "invalid character entity &x;"},
		{"XML that is deep", "a.xml", deep, "malformed", "has elements within elements more than 200 deep"},
		{"XML of an unknown charset", "a.xml", `<?xml version="1.0" encoding="klingon"?><a/>`, "malformed", `the charset "klingon" is not known`},
		{"JSON that is deep", "a.json", strings.Repeat("[", 20000), "malformed", "is not JSON: "},
		{"not UTF-8", "a.ini", "a = \xff\n", "malformed", "is not UTF-8: say by the option charset what it is"},
		{"INI", "a.ini", "[a\nb=1\n", "malformed", "is not INI: "},
		{"too long", "a.json", strings.Repeat(" ", 1001), "too_long", "has more than max_size, 1000 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := values(t, build(t, options(func(o *Options) {
				o.File = write(t, tt.file, tt.text)
				if tt.state == "too_long" {
					o.MaxSize = 1000
				}
			})))
			if err != nil || got["up"] != "0" || got["state"] != tt.state || !strings.Contains(got["error"], tt.err) {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

func TestFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.ini")
	p := build(t, options(func(o *Options) { o.File, o.Attributes = file, attributes{"n": {From: "a.n"}} }))
	if got, err := values(t, p); err != nil || got["state"] != "missing" || got["error"] != "there is no such file" {
		t.Errorf("%v, %v", got, err)
	}
	look := func(text, n, changed, changes string) {
		t.Helper()
		write(t, file, text)
		got, err := values(t, p)
		if err != nil || got["n"] != n || got["changed"] != changed || got["changes"] != changes {
			t.Errorf("%v, %v", got, err)
		}
	}
	look("[a]\nn = 1\nx = 1\n", "1", "0", "")
	look("[a]\nn = 1\nx = 1\n", "1", "0", "")
	look("[a]\nn = 2\ny = 1\n", "2", "1", "changed: a.n; added: a.y; removed: a.x")
	look("[a]\n; just words\nn = 2\ny = 1\n", "2", "1", "changed: spaces, comments or the order alone")
	write(t, file, "[a\n")
	if got, err := values(t, p); err != nil || got["state"] != "malformed" {
		t.Errorf("%v, %v", got, err)
	}
	// What was wrong for a while is compared with what was right before.
	look("[a]\nn = 3\ny = 1\n", "3", "1", "changed: a.n")

	// Over a restart.
	again := build(t, options(func(o *Options) { o.File, o.Attributes = file, attributes{"n": {From: "a.n"}} }))
	again.Recall(p.Memory())
	p = again
	look("[a]\nn = 4\ny = 1\n", "4", "1", "changed: a.n")
	p.Recall([]byte("nonsense"))
	look("[a]\nn = 5\ny = 1\n", "5", "0", "")

	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(file, past, past); err != nil {
		t.Fatal(err)
	}
	first, err := values(t, p)
	second, err2 := values(t, p) // which does not parse it
	if err != nil || err2 != nil || second["n"] != "5" || !strings.HasPrefix(second["age"], "360") || first["checksum"] != second["checksum"] || second["size"] != first["size"] {
		t.Errorf("%v, then %v", first, second)
	}
}

func TestManyChanges(t *testing.T) {
	var first, second strings.Builder
	for i := range 300 {
		fmt.Fprintf(&first, "k%03d=1\n", i)
		fmt.Fprintf(&second, "k%03d=2\n", i)
	}
	file := write(t, "a.properties", first.String())
	p := build(t, options(func(o *Options) { o.File = file }))
	if _, err := values(t, p); err != nil {
		t.Fatal(err)
	}
	write(t, file, second.String())
	got, err := values(t, p)
	if lines := strings.Split(got["changes"], "; "); err != nil || len(lines) != maxEvents+1 || lines[maxEvents] != "and 200 more" {
		t.Errorf("%v, %v", lines, err)
	}
	if m := p.Memory(); len(m) == 0 || len(m) > probe.MaxMemory {
		t.Errorf("%d bytes are remembered", len(m))
	}
}

func TestAbsent(t *testing.T) {
	p := build(t, options(func(o *Options) {
		o.File = write(t, "a.json", `{"a": [1, 2], "s": "x"}`)
		o.Attributes = attributes{"none": {From: "$.none"}, "two": {From: "$.a[*]"}, "text": {From: "$.s"}, "first": {From: "$.a[0]"}}
		o.Tables = map[string]Table{"rows": {Rows: "$.none", Key: "k"}}
	}))
	got, err := values(t, p)
	const want = "attributes.none: $.none finds nothing\nattributes.text: \"x\" is not a number\nattributes.two: $.a[*] finds 2 values, want one"
	if err == nil || err.Error() != want || got["up"] != "1" || got["first"] != "1" {
		t.Errorf("%v\n%v", got, err)
	}
}

func TestXPathIsBounded(t *testing.T) {
	p := build(t, options(func(o *Options) {
		o.File = write(t, "a.xml", "<a>"+strings.Repeat("<a><a></a></a>", 3000)+"</a>")
		o.Attributes = attributes{"many": {From: "count(//a[count(//a[count(//a) > 1]) > 1])"}, "all": {From: "count(//a)"}}
	}))
	got, err := values(t, p)
	if err == nil || !strings.HasSuffix(err.Error(), "the XPath cannot be followed: it needs more than 5000000 steps") || got["all"] != "6001" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestRemote(t *testing.T) {
	var asked, sent atomic.Int32
	var text, tag atomic.Value
	text.Store(`{"n": 1}`)
	tag.Store(`"1"`)
	password := write(t, "password", "hunter22")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if user, pass, _ := r.BasicAuth(); user != "grove" || pass != "hunter22" {
			http.Error(w, "no hunter22 here", http.StatusUnauthorized)
			return
		}
		w.Header().Set("ETag", tag.Load().(string))
		w.Header().Set("Last-Modified", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Type", "application/json; charset=iso-8859-1")
		if r.Header.Get("If-None-Match") == tag.Load().(string) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		sent.Add(1)
		fmt.Fprint(w, text.Load())
	}))
	defer s.Close()
	o := options(func(o *Options) {
		o.URL, o.Attributes = s.URL+"/report.json", attributes{"n": {}}
		o.Basic = endpoint.Basic{User: "grove", Password: secret.Ref("file:" + password)}
	})
	probetest.Run(t, Kind(Policies{}), o)
	p := build(t, o)
	before := sent.Load()
	for range 3 {
		got, err := values(t, p)
		if err != nil || got["n"] != "1" || got["changed"] != "0" || got["size"] != "8" || !strings.HasPrefix(got["age"], "36") {
			t.Errorf("%v, %v", got, err)
		}
	}
	if n := sent.Load() - before; n != 1 {
		t.Errorf("it was sent %d times, want once", n)
	}
	text.Store(`{"n": 2, "town": "K` + "\xf6" + `ln"}`)
	tag.Store(`"2"`)
	if got, err := values(t, p); err != nil || got["n"] != "2" || got["changes"] != "changed: $.n; added: $.town" {
		t.Errorf("%v, %v", got, err)
	}

	wrong := *o
	wrong.Basic.Password = secret.Ref("file:" + write(t, "wrong", "hunter23"))
	if got, err := values(t, build(t, &wrong)); err != nil || got["state"] != "refused_access" || strings.Contains(got["error"], "hunter") {
		t.Errorf("%v, %v", got, err)
	}
	s.Close()
	if got, err := values(t, p); err != nil || got["up"] != "0" || got["state"] != "refused" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestPolicies(t *testing.T) {
	allowed, err := files.NewPolicy([]string{t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	address, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	kind := Kind(Policies{Dial: address, Files: allowed})
	p, err := kind.New(options(func(o *Options) { o.File = write(t, "a.json", "{}") }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(t.Context()); !errors.Is(err, files.ErrDenied) {
		t.Errorf("got %v", err)
	}
	p, err = kind.New(options(func(o *Options) { o.URL = "http://127.0.0.1:1/a.json" }))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Run(t.Context()); !errors.Is(err, dial.ErrDenied) {
		t.Errorf("got %v", err)
	}
}

func TestContract(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	probetest.Stops(t, Kind(Policies{}), options(func(o *Options) { o.URL = "http://" + l.Addr().String() + "/a.json" }))
	with := func(change func(*Options)) *Options {
		return options(func(o *Options) { o.File = "/etc/a.json"; change(o) })
	}
	probetest.Refuses(t, Kind(Policies{}),
		probetest.Bad{Name: "nothing", Options: options(func(*Options) {}), Option: "file", Want: "file: either file or url must be given"},
		probetest.Bad{Name: "both", Options: with(func(o *Options) { o.URL = "http://a/" }), Option: "file", Want: "file: either file or url must be given"},
		probetest.Bad{Name: "a path", Options: with(func(o *Options) { o.File = "a.json" }), Option: "file", Want: `file: "a.json" is not an absolute path without detours`},
		probetest.Bad{Name: "a URL", Options: options(func(o *Options) { o.URL = "ftp://a/b.json" }), Option: "url", Want: `url: the scheme is "ftp", not http or https`},
		probetest.Bad{Name: "a token for a file", Options: with(func(o *Options) { o.Bearer = "env:A" }), Option: "bearer", Want: "bearer: is of no use for a file"},
		probetest.Bad{Name: "no format", Options: with(func(o *Options) { o.File = "/etc/passwd" }), Option: "format", Want: "format: is missing: the name does not tell it; one of json, xml, csv, ini, properties"},
		probetest.Bad{Name: "a format", Options: with(func(o *Options) { o.Format = "toml" }), Option: "format", Want: `format: "toml" is none of json, xml, csv, ini, properties`},
		probetest.Bad{Name: "a charset", Options: with(func(o *Options) { o.Charset = "klingon" }), Option: "charset", Want: `charset: "klingon" is not known`},
		probetest.Bad{Name: "a size", Options: with(func(o *Options) { o.MaxSize = 1 << 30 }), Option: "max_size", Want: "max_size: 1073741824 is outside 1..16777216"},
		probetest.Bad{Name: "csv", Options: with(func(o *Options) { o.CSV.Key = "a" }), Option: "csv", Want: "csv: is of no use: the format is json"},
		probetest.Bad{Name: "a delimiter", Options: with(func(o *Options) { o.File, o.CSV.Delimiter = "/a.csv", "--" }), Option: "csv", Want: `csv: delimiter: "--" is not one character that separates`},
		probetest.Bad{Name: "a JSONPath", Options: with(func(o *Options) { o.Attributes = attributes{"a": {From: "$.["}} }), Option: "attributes.a.from",
			Want: `attributes.a.from: "$.[" is no JSONPath: an expression fragment can not start with a '[' at 4 in $.[`},
		probetest.Bad{Name: "an XPath", Options: with(func(o *Options) { o.File, o.Attributes = "/a.xml", attributes{"a": {From: "//["}} }), Option: "attributes.a.from",
			Want: `attributes.a.from: "//[" is no XPath: expression must evaluate to a node-set`},
		probetest.Bad{Name: "no rows", Options: with(func(o *Options) { o.Tables = map[string]Table{"t": {Key: "k"}} }), Option: "tables.t.rows", Want: "tables.t.rows: is missing: where the rows are"},
		probetest.Bad{Name: "no key", Options: with(func(o *Options) { o.Tables = map[string]Table{"t": {Rows: "$.a"}} }), Option: "tables.t.key", Want: "tables.t.key: is missing: the column that tells rows apart"},
		probetest.Bad{Name: "a table of properties", Options: with(func(o *Options) { o.File, o.Tables = "/a.properties", map[string]Table{"t": {Key: "k"}} }), Option: "tables.t", Want: "tables.t: properties have no rows"},
		probetest.Bad{Name: "a name that is taken", Options: with(func(o *Options) { o.Attributes = attributes{"age": {}} }), Option: "attributes.age", Want: `attributes.age: "age" is an attribute that every probe of the kind has`},
	)
}

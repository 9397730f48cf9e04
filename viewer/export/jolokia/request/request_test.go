package request

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/viewer/export/jolokia/value"
)

func TestSplit(t *testing.T) {
	for path, want := range map[string][]string{
		"":                   nil,
		"a":                  {"a"},
		"a/b":                {"a", "b"},
		"a/b/":               {"a", "b"},
		"a//b":               {"a", "", "b"},
		"a//":                {"a", ""},
		"a!/b":               {"a/b"},
		"a!!/b":              {"a!", "b"},
		"a!!!/b":             {"a!/b"},
		`!"a!"`:              {`"a"`},
		"!xy":                {"xy"},
		"a!":                 {"a!"},
		"name!//attribute":   {"name/", "attribute"},
		"d:path=!/!/a!/b/c":  {"d:path=//a/b", "c"},
		"ü!/é/日本":            {"ü/é", "日本"},
		"[null]/\"\"/!*/*/a": {"[null]", `""`, "*", "*", "a"},
	} {
		if diff := cmp.Diff(want, split(path)); diff != "" {
			t.Errorf("%s:\n%s", path, diff)
		}
	}
}

func TestFromGet(t *testing.T) {
	for _, tt := range []struct{ name, path, query, want string }{
		{"nothing", "", "", `{"type":"version"}`},
		{"slashes", "///", "", `{"type":"version"}`},
		{"read", "/read/d:a=b", "", `{"type":"read","mbean":"d:a=b","attribute":[]}`},
		{"empty attribute", "/read/d:a=b//c", "", `{"type":"read","mbean":"d:a=b","attribute":[],"path":"c"}`},
		{"escaped comma", `/read/d:a=b/x\,y`, "", `{"type":"read","mbean":"d:a=b","attribute":"x,y"}`},
		{"path with escapes", "/read/d:a=b/X/a!/b/!!/*/c", "", `{"type":"read","mbean":"d:a=b","attribute":"X","path":"a!/b/!!/*/c"}`},
		{"parameter p", "/", "p=read/d:a%3Db/X", `{"type":"read","mbean":"d:a=b","attribute":"X"}`},
		{"canonical", "/read/d:b=1,a=2/X", "canonicalNaming=true", `{"type":"read","mbean":"d:a=2,b=1","attribute":"X"}`},
		{"pattern is canonical", "/search/d:b=1,*,a=2", "", `{"type":"search","mbean":"d:a=2,b=1,*"}`},
		{"write", "/write/d:a=b/X/[null]", "", `{"type":"write","mbean":"d:a=b","attribute":"X"}`},
		{"write with a path", `/write/d:a=b/X/""/c`, "", `{"type":"write","mbean":"d:a=b","attribute":"X","value":"","path":"c"}`},
		{"exec", "/exec/d:a=b/op/1/[null]/*", "", `{"type":"exec","mbean":"d:a=b","operation":"op","arguments":["1",null,"*"]}`},
		{"list", "/list/d/a=b,c=!/d/attr", "", `{"type":"list","path":"d/a=b,c=!/d/attr"}`},
		{"add", "/notification/add/c/sse/d:a=b/x,y/{\"a\":1}/back!/slash", "", `{"type":"notification","command":"add","client":"c","mbean":"d:a=b","mode":"sse","filter":["x","y"],"config":{"a":1},"handback":"back/slash"}`},
		{"add without filter", "/notification/add/c/sse/d:a=b//", "", `{"type":"notification","command":"add","client":"c","mbean":"d:a=b","mode":"sse"}`},
		{"remove", "/notification/remove/c/7", "", `{"type":"notification","command":"remove","client":"c","handle":"7"}`},
		{"open", "/notification/open/c/sse", "", `{"type":"notification","command":"open","client":"c","mode":"sse"}`},
		{"unknown parameters", "/version", "a=b&maxDepth=3&maxDepth=x", `{"type":"version"}`},
		// Errors.
		{"wildcard at the end", "/list/d/*", "", "Path 'd/*' must not end with a wildcard"},
		{"write without a value", "/write/d:a=b/X", "", "Write GET requests require at least three path elements"},
		{"exec without an operation", "/exec/d:a=b", "", "Exec GET requests require at least two path elements"},
		{"search without a pattern", "/search", "", "Search requests require an ObjectName pattern"},
		{"search for nonsense", "/search/x", "", `parse "x": malformed name: there is no ':' after the domain`},
		{"add without a name", "/notification/add/c/pull", "", "No MBean name given for add"},
		{"add without a mode", "/notification/add/c", "", "No mode given for add"},
		{"remove without a handle", "/notification/remove/c", "", "No notification handle given for remove"},
		{"ping without a client", "/notification/ping", "", "No notification client given for 'ping'"},
		{"add with a config that is none", "/notification/add/c/sse/d:a=b/x/[]", "", "Cannot parse config '[]' as JSON Object"},
		{"flag", "/version", "listCache=perhaps", "Invalid value of listCache parameter"},
		{"negative", "/version", "maxObjects=-1", "Invalid value of maxObjects parameter"},
		{"long", "/version", "serializeLong=hex", "Invalid value of serializeLong parameter"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			query, err := url.ParseQuery(tt.query)
			if err != nil {
				t.Fatal(err)
			}
			r, err := FromGet(tt.path, query)
			got := ""
			if err != nil {
				got = err.Error()
			} else if got = string(value.Append(nil, r.Echo())); !r.Get {
				t.Error("it does not say that it came by GET")
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestFromPost(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"attributes of several kinds", `{"type":"read","mbean":"d:a=b","attribute":["A",1,""," ","B"]}`, `{"type":"read","mbean":"d:a=b","attribute":["A","B"]}`},
		{"attributes as a list in a text", `{"type":"read","mbean":"d:a=b","attribute":"A,B"}`, `{"type":"read","mbean":"d:a=b","attribute":["A","B"]}`},
		{"asterisk", `{"type":"read","mbean":"d:a=b","attribute":"*"}`, `{"type":"read","mbean":"d:a=b","attribute":[]}`},
		{"large numbers stay", `{"type":"write","mbean":"d:a=b","attribute":"A","value":[12345678901234567890,1.0]}`, `{"type":"write","mbean":"d:a=b","attribute":"A","value":[12345678901234567890,1.0]}`},
		{"path of a slash", `{"type":"list","path":"/"}`, `{"type":"list"}`},
		{"case", `{"type":"LiSt"}`, `{"type":"list"}`},
		{"config of a command", `{"type":"Notification","command":"add","client":"c","mode":"pull","mbean":"d:a=b","filter":"x","config":{"maxDepth":"free"}}`,
			`{"type":"notification","command":"add","client":"c","mbean":"d:a=b","mode":"pull","filter":["x"],"config":{"maxDepth":"free"}}`},
		{"the last of two members", `{"type":"version","type":"list"}`, `{"type":"list"}`},
		{"escapes", `{"type":"\u0072ead","mbean":"d:a=\u0062"}`, `{"type":"read","mbean":"d:a=b","attribute":[]}`},
		// Errors.
		{"name of a wrong kind", `{"type":"read","mbean":7}`, "mbean must be a text"},
		{"type of a wrong kind", `{"type":7}`, "type must be a text"},
		{"path of a wrong kind", `{"type":"list","path":[]}`, "path must be a text"},
		{"attribute of a wrong kind", `{"type":"read","mbean":"d:a=b","attribute":7}`, "Can't determine attribute names to read from d:a=b: attribute must be a text or an array of texts"},
		{"arguments of a wrong kind", `{"type":"exec","mbean":"d:a=b","operation":"x","arguments":{}}`, "arguments must be an array"},
		{"no operation", `{"type":"exec","mbean":"d:a=b"}`, "Exec POST requests require an operation name to invoke"},
		{"no attribute", `{"type":"write","mbean":"d:a=b","value":1}`, "Write POST requests require an attribute name to write to"},
		{"config of a wrong kind", `{"type":"version","config":7}`, "config must be an object"},
		{"a parameter of a wrong kind", `{"type":"version","config":{"maxDepth":[]}}`, "Invalid value of maxDepth parameter"},
		{"filter of a wrong kind", `{"type":"notification","command":"add","client":"c","mode":"pull","mbean":"d:a=b","filter":[7]}`, "filter must be an array of texts"},
		{"handle that is missing", `{"type":"notification","command":"remove","client":"c"}`, "No notification handle given for remove"},
		{"a bad name", `{"type":"read","mbean":"d:a"}`, `parse "d:a": malformed name: property "a" has no '=' at byte 3`},
		{"nothing", ``, "Invalid JSON request: it ends too early"},
		{"null", `null`, "Invalid JSON Request. Expected Object or Array"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all, _, err := FromPost([]byte(tt.body), nil)
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				got = string(value.Append(nil, all[0].Echo()))
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// FuzzGet holds that every path is a request or an error, that the request can be
// repeated as JSON, and that this, posted, is the same request.
func FuzzGet(f *testing.F) {
	for _, path := range []string{
		"/read/d:a=b/X/a!/b/*/c", `/write/d:a="x,y"/X/[null]/p`, "/exec/d:a=b/op(int)/1/", "/search/*:*", "/list/d/a=b/attr", "/version",
		"/notification/add/c/pull/d:a=b/x,y/{\"a\":[1]}/h", "/read/ü:a=日本/\xff!", "//!//",
	} {
		f.Add(path, "maxDepth=3&canonicalNaming=true&p=/list")
	}
	f.Fuzz(func(t *testing.T, path, text string) {
		query, _ := url.ParseQuery(text)
		r, err := FromGet(path, query)
		if err != nil {
			return
		}
		echo := value.Append(nil, r.Echo())
		if !json.Valid(echo) {
			t.Fatalf("%s", echo)
		}
		delete(query, "p")
		all, bulk, err := FromPost(echo, query)
		if err != nil {
			// What only a path can say: nothing to set, and names that are empty.
			if r.Type == Write || r.Type == Notification || r.Type == Exec && r.Operation == "" {
				return
			}
			t.Fatalf("%s: %v", echo, err)
		}
		if strings.ContainsAny(r.Attribute, `,\`) || len(r.Path) > 0 && r.Path[len(r.Path)-1] == (value.Step{}) {
			return // as one text a body cannot say it: a list is meant, or the last slash ends the path
		}
		if again := value.Append(nil, all[0].Echo()); bulk || string(again) != string(echo) {
			t.Fatalf("%s became %s", echo, again)
		}
	})
}

// FuzzPost holds that every body is requests or an error, and that requests can be
// repeated as JSON.
func FuzzPost(f *testing.F) {
	for _, body := range []string{
		`{"type":"read","mbean":"d:a=b","attribute":["A"],"path":"a/*/b","config":{"maxDepth":1}}`, `[{"type":"version"},{"type":"list"}]`,
		`{"type":"exec","mbean":"d:a=b","operation":"x","arguments":[1,null,{"a":[]}]}`, `{"type":"write","mbean":"d:a=b","attribute":"A","value":1e400}`,
		`{"type":"notification","command":"add","client":"c","mode":"pull","mbean":"d:*","filter":["x"],"handback":{"a":1}}`, `[]`, `[[[`, `{"a":"\`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		all, _, err := FromPost(body, nil)
		if err != nil {
			if all != nil && all[0] != nil {
				t.Log(all) // what there is of it is not used
			}
			return
		}
		for _, r := range all {
			echo := value.Append(nil, r.Echo())
			if !json.Valid(echo) {
				t.Fatalf("%s", echo)
			}
			if _, _, err := FromPost(echo, nil); err != nil && r.Type != Write {
				t.Fatalf("%s: %v", echo, err)
			}
		}
	})
}

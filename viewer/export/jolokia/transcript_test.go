package jolokia

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// transcripts are requests in their order; a body makes a POST of it. What the agent
// answers is in the golden file, in full.
var transcripts = []struct{ name, target, body string }{
	{"version", "/jolokia", ""},
	{"version with a slash", "/jolokia/", ""},
	{"version by name, in any case", "/jolokia/VERSION", ""},
	{"version by POST", "/jolokia/", `{"type":"version"}`},
	{"config", "/jolokia/config", ""},
	{"config with a path", "/jolokia/config/x", ""},

	{"read one attribute", "/jolokia/read/grove:type=Fan,name=one/Speed", ""},
	{"read by POST", "/jolokia", `{"type":"read","mbean":"grove:type=Fan,name=one","attribute":"Speed"}`},
	{"the address of a POST does not count", "/jolokia/exec/x/y?ignored=1", `{"type":"READ","mbean":"grove:name=one,type=Fan","attribute":"Speed"}`},
	{"canonical naming", "/jolokia?canonicalNaming=true", `{"type":"read","mbean":"grove:type=Fan,name=one","attribute":"Speed"}`},
	{"the default domain", "/jolokia/read/:type=Fan,name=one/Speed", ""},
	{"several", "/jolokia/read/grove:type=Fan,name=one/Speed,Load", ""},
	{"an array of one", "/jolokia", `{"type":"read","mbean":"grove:type=Fan,name=one","attribute":["Speed"]}`},
	{"all", "/jolokia/read/grove:type=Fan,name=one", ""},
	{"all by asterisk, longs as texts", "/jolokia/read/grove:type=Fan,name=one/*?serializeLong=string", ""},
	{"quoted name, escaped", "/jolokia/read/grove:type=Fan,name=%22q!/u!!o,te%5C%22d%22/Speed", ""},
	{"quoted name, as encodeURIComponent sends it", "/jolokia/read/grove%3Atype%3DFan%2Cname%3D%22q!%2Fu!!o%2Cte%5C%22d%22/Speed", ""},
	{"by the parameter p", "/jolokia?p=/read/grove:type=Fan,name=one/Speed", ""},
	{"p does not count beside a path", "/jolokia/version?p=/read/x", ""},
	{"without the request", "/jolokia/read/grove:type=Fan,name=one/Speed?includeRequest=false", ""},
	{"as text", "/jolokia/read/grove:type=Fan,name=one/Speed?mimeType=text/plain", ""},
	{"a type of one's own", "/jolokia/read/grove:type=Fan,name=one/Speed?mimeType=text/html", ""},
	{"JSONP", "/jolokia/version?callback=alert", ""},

	{"no such bean", "/jolokia/read/grove:type=None/Speed", ""},
	{"no such attribute", "/jolokia/read/grove:type=Fan,name=one/Nope", ""},
	{"no such attribute of several", "/jolokia/read/grove:type=Fan,name=one/Speed,Nope", ""},
	{"attribute that fails", "/jolokia/read/grove:type=Gadget/Failing", ""},
	{"attribute that is not supported", "/jolokia/read/grove:type=Gadget/Missing", ""},
	{"attribute that panics", "/jolokia/read/grove:type=Gadget/Panics", ""},
	{"all, and one fails", "/jolokia/read/grove:type=Gadget", ""},
	{"ignore errors", "/jolokia/read/grove:type=Gadget?ignoreErrors=true", ""},
	{"ignore errors of what is not there", "/jolokia/read/grove:type=Gadget/Good,Nope?ignoreErrors=true", ""},
	{"stack trace and exception", "/jolokia/read/grove:type=None/Speed?includeStackTrace=true&serializeException=true", ""},
	{"malformed name", "/jolokia/read/nonsense", ""},
	{"no name", "/jolokia/read", ""},
	{"unknown type", "/jolokia/frob/x", ""},

	{"pattern", "/jolokia/read/grove:type=Fan,*/Speed", ""},
	{"pattern, several that not all have", "/jolokia", `{"type":"read","mbean":"*:type=Fan,*","attribute":["Load","Speed","Nope"]}`},
	{"pattern that nothing matches", "/jolokia/read/nope:*/Speed", ""},
	{"pattern of beans without the attribute", "/jolokia/read/grove:type=Fan,*/Nope", ""},
	{"pattern with a path", "/jolokia/read/grove:type=Fan,*/Usage/*/*/used", ""},
	{"pattern with a path to one bean", "/jolokia/read/grove:type=Fan,*/Usage/grove:type=Fan,name=one/*/used", ""},

	{"path into a map", "/jolokia/read/grove:type=Fan,name=one/Usage/used", ""},
	{"path deeper", "/jolokia/read/grove:type=Fan,name=one/Usage/deep/er", ""},
	{"path to nothing", "/jolokia/read/grove:type=Fan,name=one/Usage/nope", ""},
	{"path into a list", "/jolokia/read/grove:type=Fan,name=one/Tags/1", ""},
	{"path beyond a list", "/jolokia/read/grove:type=Fan,name=one/Tags/3", ""},
	{"path into a table by key", "/jolokia/read/grove:type=Gadget/Pools/old/used", ""},
	{"path with a wildcard", "/jolokia/read/grove:type=Gadget/Pools/*/used", ""},
	{"path of all attributes", "/jolokia", `{"type":"read","mbean":"grove:type=Fan,name=one","path":"Usage/used"}`},
	{"path that ends with a wildcard", "/jolokia/read/grove:type=Gadget/Pools/*", ""},
	{"time of a time", "/jolokia/read/grove:type=Fan,name=one/Since/time", ""},

	{"depth 1", "/jolokia/read/grove:type=Fan,name=one/Speed,Usage,Tags,Since?maxDepth=1", ""},
	{"depth 2", "/jolokia/read/grove:type=Fan,name=one/Usage,Tags?maxDepth=2", ""},
	{"collection size", "/jolokia/read/grove:type=Fan,name=one/Usage,Tags?maxCollectionSize=2", ""},
	{"objects", "/jolokia/read/grove:type=Fan,name=one/Usage,Tags,Speed?maxObjects=2", ""},
	{"a number that is none", "/jolokia/version?maxDepth=x", ""},
	{"parameters in the body win", "/jolokia?serializeLong=string", `{"type":"read","mbean":"grove:type=Fan,name=one","attribute":"Speed","config":{"serializeLong":"number"}}`},
	{"a wrong parameter in the body", "/jolokia", `{"type":"version","config":{"ignoreErrors":"maybe"}}`},

	{"search", "/jolokia/search/grove:type=Fan,*", ""},
	{"search canonically", "/jolokia/search/grove:type=Fan,*?canonicalNaming=1", ""},
	{"search one", "/jolokia/search/grove:name=one,type=Fan", ""},
	{"search nothing", "/jolokia/search/nope:*", ""},
	{"search all by POST", "/jolokia", `{"type":"search","mbean":"*:type=Gadget,*"}`},
	{"search not modified", "/jolokia/search/*:*?ifModifiedSince=2000000000", ""},
	{"modified since", "/jolokia/search/grove:type=Gadget?ifModifiedSince=1", ""},
	{"modified since beyond 32 bits", "/jolokia/list?ifModifiedSince=2147483648", ""},

	{"write", "/jolokia", `{"type":"write","mbean":"grove:type=Fan,name=one","attribute":"Speed","value":43}`},
	{"write a text for a number", "/jolokia", `{"type":"write","mbean":"grove:type=Fan,name=one","attribute":"Speed","value":"44"}`},
	{"write a list", "/jolokia", `{"type":"write","mbean":"grove:type=Fan,name=one","attribute":"Tags","value":["a/b","c"]}`},
	{"write a list as text", "/jolokia", `{"type":"write","mbean":"grove:type=Fan,name=one","attribute":"Counts","value":"4,5"}`},
	{"write a time", "/jolokia", `{"type":"write","mbean":"grove:type=Fan,name=one","attribute":"Since","value":1000}`},
	{"write a duration", "/jolokia", `{"type":"write","mbean":"grove:type=Fan,name=one","attribute":"Pause","value":1.5}`},
	{"write a name", "/jolokia", `{"type":"write","mbean":"grove:type=Fan,name=one","attribute":"Twin","value":{"objectName":"a:b=c"}}`},
	{"write by a path", "/jolokia", `{"type":"write","mbean":"grove:type=Fan,name=one","attribute":"Usage","path":"used","value":5}`},
	{"write an index", "/jolokia", `{"type":"write","mbean":"grove:type=Fan,name=one","attribute":"Samples","path":"1","value":3}`},
	{"write a wrong index", "/jolokia", `{"type":"write","mbean":"grove:type=Fan,name=one","attribute":"Samples","path":"9","value":3}`},
	{"write anything", "/jolokia", `{"type":"write","mbean":"grove:type=Fan,name=one","attribute":"Any","value":{"a":[1,2.5,null]}}`},
	{"write what cannot be converted", "/jolokia", `{"type":"write","mbean":"grove:type=Fan,name=one","attribute":"Speed","value":"fast"}`},
	{"write nothing", "/jolokia", `{"type":"write","mbean":"grove:type=Fan,name=one","attribute":"Speed"}`},
	{"write what is read-only", "/jolokia", `{"type":"write","mbean":"grove:type=Fan,name=one","attribute":"Big","value":1}`},
	{"write what is not there", "/jolokia", `{"type":"write","mbean":"grove:type=Fan,name=one","attribute":"Nope","value":1}`},
	{"write to what is not there", "/jolokia", `{"type":"write","mbean":"grove:type=Fan,name=none","attribute":"Nope","value":1}`},
	{"write what is not allowed", "/jolokia", `{"type":"write","mbean":"grove:type=Timer","attribute":"SendPastNotifications","value":true}`},
	{"write by GET", "/jolokia/write/grove:type=Fan,name=one/Speed/1", ""},
	{"what was written", "/jolokia/read/grove:type=Fan,name=one", ""},

	{"exec", "/jolokia", `{"type":"exec","mbean":"grove:type=Fan,name=one","operation":"add","arguments":[1,"2"]}`},
	{"exec by signature", "/jolokia", `{"type":"exec","mbean":"grove:type=Fan,name=one","operation":"add(long, long)","arguments":[1,2]}`},
	{"exec by a wrong signature", "/jolokia", `{"type":"exec","mbean":"grove:type=Fan,name=one","operation":"add(int)","arguments":[1]}`},
	{"exec with too few arguments", "/jolokia", `{"type":"exec","mbean":"grove:type=Fan,name=one","operation":"add","arguments":[1]}`},
	{"exec with wrong arguments", "/jolokia", `{"type":"exec","mbean":"grove:type=Fan,name=one","operation":"add","arguments":[1,{}]}`},
	{"exec that fails", "/jolokia", `{"type":"exec","mbean":"grove:type=Fan,name=one","operation":"nap"}`},
	{"exec that is not there", "/jolokia", `{"type":"exec","mbean":"jolokia:type=History,agent=test","operation":"nope"}`},
	{"exec that is not allowed", "/jolokia", `{"type":"exec","mbean":"grove:type=Timer","operation":"start"}`},
	{"exec by GET", "/jolokia/exec/grove:type=Fan,name=one/add/1/2", ""},
	{"exec that only reads", "/jolokia", `{"type":"exec","mbean":"grove:type=Timer","operation":"getNotificationIDs","arguments":["x"]}`},
	{"exec of what is overloaded", "/jolokia", `{"type":"exec","mbean":"grove:type=Timer","operation":"addNotification","arguments":["a","b",null,"2030-01-01T00:00:00Z"]}`},
	{"exec of one of the overloads", "/jolokia", `{"type":"exec","mbean":"grove:type=Timer","operation":"addNotification(java.lang.String,java.lang.String,java.lang.Object,java.util.Date,long)","arguments":["a","b",null,4000000000000,1000]}`},
	{"exec with a path in the arguments", "/jolokia", `{"type":"exec","mbean":"grove:type=Timer","operation":"getNotificationIDs","arguments":["a","0"]}`},
	{"exec of a pattern, one of which is not allowed", "/jolokia", `{"type":"exec","mbean":"grove:type=*","operation":"getNotificationIDs","arguments":["x"]}`},
	{"exec of a pattern", "/jolokia", `{"type":"exec","mbean":"grove:type=Tim*","operation":"getNotificationIDs","arguments":["a"]}`},
	{"exec of nothing", "/jolokia", `{"type":"exec","mbean":"nope:*","operation":"x"}`},

	{"list of a bean", "/jolokia/list/grove/type=Gadget", ""},
	{"list of a bean in another order", "/jolokia/list/grove/name=one,type=Fan/op", ""},
	{"list of a group", "/jolokia/list/grove/type=Gadget/class", ""},
	{"list of a group that is empty", "/jolokia/list/grove/type=Gadget/op", ""},
	{"list of operations", "/jolokia/list/grove/type=Timer/op", ""},
	{"list of a domain by pattern", "/jolokia/list/gro*/type=G*/class", ""},
	{"list of a domain", "/jolokia/list/JMImplementation", ""},
	{"list of a domain that is not there", "/jolokia/list/nope", ""},
	{"list of a bean that is not there", "/jolokia/list/grove/type=None", ""},
	{"list of an unknown group", "/jolokia/list/grove/type=Gadget/frob", ""},
	{"list of too much", "/jolokia/list/grove/type=Gadget/attr/Good", ""},
	{"list with a path in the body", "/jolokia", `{"type":"list","path":"grove/type=Gadget/desc"}`},
	{"list of domains", "/jolokia/list?maxDepth=1", ""},
	{"list of names", "/jolokia/list?maxDepth=2", ""},
	{"list of names of a domain", "/jolokia/list/grove?maxDepth=2&canonicalNaming=true", ""},
	{"list with depth 4", "/jolokia/list/grove?maxDepth=4", ""},
	{"list with the cache", "/jolokia/list/grove?listCache=true&maxDepth=9", ""},
	{"list with everything", "/jolokia/list/grove/type=Gadget?listKeys=true&listInterfaces=true&openTypes=true", ""},
	{"list not modified", "/jolokia/list?ifModifiedSince=2000000000", ""},

	{"bulk", "/jolokia", `[{"type":"read","mbean":"grove:type=Gadget","attribute":"Good"},{"type":"read","mbean":"grove:type=None"},{"type":"version","config":{"includeRequest":false}}]`},
	{"bulk with a request that proves malformed", "/jolokia", `[{"type":"exec","mbean":"grove:type=Fan,name=one","operation":"add"},{"type":"search","mbean":"grove:type=Gadget"}]`},
	{"bulk with a malformed request", "/jolokia", `[{"type":"version"},{"type":"frob"}]`},
	{"bulk with no request", "/jolokia", `[1]`},
	{"empty bulk", "/jolokia", `[]`},
	{"truncated", "/jolokia", `{"type":"version"`},
	{"no object", "/jolokia", `"version"`},
	{"no JSON", "/jolokia", `type=version`},
	{"two documents", "/jolokia", `{"type":"version"} {}`},
	{"no type", "/jolokia", `{}`},
	{"no bean", "/jolokia", `{"type":"read"}`},
	{"proxy", "/jolokia", `{"type":"read","mbean":"a:b=c","target":{"url":"service:jmx:rmi:///jndi/rmi://evil:1/x"}}`},
	{"proxy in the options", "/jolokia", `{"type":"read","mbean":"a:b=c","options":{"target":{"url":"x"}}}`},

	{"unknown client", "/jolokia/notification/ping/nope", ""},
	{"unknown command", "/jolokia", `{"type":"notification","command":"frob"}`},
	{"no command", "/jolokia/notification", ""},
	{"no client", "/jolokia", `{"type":"notification","command":"ping"}`},
	{"register by GET", "/jolokia/notification/register", ""},
	{"open with a client that is not there", "/jolokia/notification/open/nope/sse", ""},
	{"open in another mode", "/jolokia/notification/open/nope/pull", ""},
	{"pull of an unknown client", "/jolokia", `{"type":"exec","mbean":"jolokia:agent=test,type=NotificationStore","operation":"pull","arguments":["a","1"]}`},
}

func TestTranscripts(t *testing.T) {
	r := newRig(t, nil)
	var b strings.Builder
	for _, tt := range transcripts {
		w := r.ask(tt.target, tt.body)
		if tt.body == "" {
			fmt.Fprintf(&b, "# %s\nGET %s\n", tt.name, tt.target)
		} else {
			fmt.Fprintf(&b, "# %s\nPOST %s\n%s\n", tt.name, tt.target, tt.body)
		}
		body := strings.TrimSpace(w.Body.String())
		fmt.Fprintf(&b, "-> %d %s\n%s\n\n", w.Code, w.Header().Get("Content-Type"), body)
		if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") && !json.Valid([]byte(body)) {
			t.Errorf("%s: no JSON: %s", tt.name, body)
		}
	}
	b.WriteString("# what was audited\n" + strings.Join(r.audit, "\n") + "\n")
	const golden = "testdata/transcripts.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); diff != "" {
		t.Errorf("run with -update if this is meant (-want +got):\n%s", diff)
	}
}

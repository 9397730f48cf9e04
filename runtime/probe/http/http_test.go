package http

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/extract"
	"grove/runtime/probe/probetest"
	"grove/tree"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// options returns the defaults with changes.
func options(url string, change ...func(*Options)) *Options {
	o := Kind(nil).NewOptions().(*Options)
	o.URL = url
	for _, c := range change {
		c(o)
	}
	return o
}

func run(t *testing.T, o *Options) (map[string]tree.Value, error) {
	t.Helper()
	p, err := Kind(nil).New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r, err := p.Run(ctx)
	return values(r), err
}

func values(r probe.Result) map[string]tree.Value {
	m := map[string]tree.Value{}
	for _, v := range r.Values {
		m[v.Attribute] = v.Value
	}
	return m
}

// expect compares some of the values; an empty text wants none.
func expect(t *testing.T, got map[string]tree.Value, want map[string]string) {
	t.Helper()
	for name, w := range want {
		if g := got[name].String(); g != w {
			t.Errorf("%s is %q, want %q", name, g, w)
		}
	}
}

func TestAnswers(t *testing.T) {
	n := startNginx(t)
	plain, secure := "http://"+n.plain, "https://"+n.secure
	trust := func(o *Options) { o.TLS.CA = n.ca }
	for _, c := range []struct {
		name    string
		options *Options
		want    map[string]string
		err     string
	}{
		{"plain", options(plain + "/hello"),
			map[string]string{"up": "1", "error": "", "status": "200", "size": "12", "truncated": "0", "protocol": "HTTP/1.1", "tls": "", "dns": "", "certificate_left": ""}, ""},
		{"stub_status", options(plain+"/status", func(o *Options) {
			o.Extract.Regex = `Active connections: (?P<active>\d+)[\s\S]*?requests\s+(?P<accepts>\d+)`
		}), map[string]string{"up": "1", "active": "1"}, ""},
		{"unexpected status", options(plain + "/teapot"), map[string]string{"up": "0", "error": "status 418, want 200-399", "status": "418", "size": "15"}, ""},
		{"expected status", options(plain+"/teapot", func(o *Options) { o.Status = Codes{"200", "4xx"} }), map[string]string{"up": "1", "status": "418"}, ""},
		{"match", options(plain+"/hello", func(o *Options) { o.Match, o.NotMatch = "^hello", "bye" }), map[string]string{"up": "1", "matched": "1"}, ""},
		{"no match", options(plain+"/hello", func(o *Options) { o.Match = "^world" }),
			map[string]string{"up": "0", "matched": "0", "error": `the body has nothing that fits match: "^world"`}, ""},
		{"not_match", options(plain+"/hello", func(o *Options) { o.NotMatch = "world" }),
			map[string]string{"up": "0", "matched": "0", "error": `the body has what not_match forbids: "world"`}, ""},
		{"redirect", options(plain + "/redirect"), map[string]string{"up": "1", "status": "200", "size": "12"}, ""},
		{"redirect as the answer", options(plain+"/redirect", func(o *Options) { o.Redirects = 0; o.Status = Codes{"302"} }), map[string]string{"up": "1", "status": "302"}, ""},
		{"redirect loop", options(plain+"/loop", func(o *Options) { o.Redirects = 3 }), map[string]string{"up": "0", "error": "redirect: more than 3", "status": ""}, ""},
		{"redirect to another scheme", options(plain + "/ftp"), map[string]string{"up": "0", "error": `redirect: the scheme is "ftp", not http or https`}, ""},
		{"redirect with a user name", options(plain + "/userinfo"), map[string]string{"up": "0", "error": "redirect: the URL holds a user name"}, ""},
		{"redirect with a body to another host", options(plain+"/away307", func(o *Options) { o.Method, o.Body = "POST", "secret" }),
			map[string]string{"up": "0", "error": "redirect: to another host, which would get the request's body"}, ""},
		{"redirect to the metadata service", options(plain + "/metadata"), map[string]string{"up": ""},
			"address 169.254.169.254 is not allowed: it is the metadata service of a cloud, which only a rule that names it allows"},
		{"huge body", options(plain+"/huge", func(o *Options) { o.MaxBody = 1000 }), map[string]string{"up": "1", "size": "1000", "truncated": "1"}, ""},
		{"gzip bomb", options(plain + "/bomb"), map[string]string{"up": "1", "size": "1.048576e+06", "truncated": "1"}, ""},
		{"broken gzip", options(plain + "/broken"), map[string]string{"up": "0", "error": "the answer broke off after 0 bytes: gzip: invalid header", "status": "200"}, ""},
		{"nobody there", options("http://127.0.0.1:1/"), map[string]string{"up": "0", "error": "dial tcp 127.0.0.1:1: connect: connection refused", "status": "", "connect": ""}, ""},
		{"plain port asked for TLS", options("https://" + n.plain), map[string]string{"up": "0", "error": "TLS: tls: first record does not look like a TLS handshake"}, ""},
		{"TLS", options(secure, trust), map[string]string{"up": "1", "protocol": "HTTP/2.0", "certificate_days": "10"}, ""},
		{"TLS by name", options(secure, trust, func(o *Options) { o.TLS.ServerName = "shop.example" }), map[string]string{"up": "1"}, ""},
		{"TLS by a wrong name", options(secure, trust, func(o *Options) { o.TLS.ServerName = "bank.example" }),
			map[string]string{"up": "0", "error": "TLS: x509: certificate is valid for shop.example, not bank.example", "certificate_days": "10"}, ""},
		{"TLS of an unknown authority", options(secure),
			map[string]string{"up": "0", "error": "TLS: x509: certificate signed by unknown authority", "certificate_days": "10"}, ""},
		{"TLS without a check", options("https://"+n.expired, func(o *Options) { o.TLS.Insecure = true }), map[string]string{"up": "1", "certificate_days": "-1"}, ""},
		{"TLS for another address", options("https://"+n.wrongName, trust),
			map[string]string{"up": "0", "error": "TLS: x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs"}, ""},
		{"TLS with a client's certificate", options(secure, trust, func(o *Options) {
			o.TLS.Certificate, o.TLS.Key = filepath.Join(n.dir, "client.pem"), filepath.Join(n.dir, "client.key")
			o.Match = "^secure CN=client$"
		}), map[string]string{"up": "1"}, ""},
		{"CA file that is missing", options(secure, func(o *Options) { o.TLS.CA = "/none.pem" }), nil, "tls.ca: open /none.pem: no such file or directory"},
		{"CA file that is none", options(secure, func(o *Options) { o.TLS.CA = filepath.Join(n.dir, "nginx.conf") }), nil, "tls.ca: " + n.dir + "/nginx.conf holds no certificate"},
		{"JSON", options(plain+"/json", func(o *Options) {
			o.Extract = Extract{
				JSON:       map[string]string{"active": "$.pool.active", "full": "$.pool.full", "big": "$.big", "pool": "$.pool", "text": "$..text", "name": "$.pool.name"},
				Header:     map[string]string{"shop": "X-Shop"},
				Attributes: map[string]Extracted{"pool": {Type: "text"}, "name": {Type: "text"}},
			}
		}), map[string]string{"active": "7", "full": "0", "big": "1.2345678901e+10", "text": "12.5", "shop": "open since ten", "name": "a b",
			"pool": `{"active":7,"full":false,"name":"a\u0007b"}`}, ""},
		{"JSON that lacks things", options(plain+"/json", func(o *Options) {
			o.Extract = Extract{
				JSON:   map[string]string{"a_missing": "$.pool.idle", "b_many": "$.list[*]", "c_null": "$.none", "d_list": "$.list", "e_nan": "$.worst", "active": "$.pool.active"},
				Header: map[string]string{"shop": "X-None"},
			}
		}), map[string]string{"up": "1", "active": "7"},
			"extract.json.a_missing: $.pool.idle finds 0 values, want one; extract.json.b_many: $.list[*] finds 2 values, want one; " +
				"extract.json.c_null: c_null: is null; extract.json.d_list: d_list: is a list or an object, not a number; " +
				`extract.json.e_nan: e_nan: "NaN" is not a number; extract.header.shop: the answer has no header X-None`},
		{"no JSON", options(plain+"/hello", func(o *Options) { o.Extract.JSON = map[string]string{"a": "$.a"} }),
			map[string]string{"up": "1", "a": ""}, "extract.json: the body is not JSON: invalid character 'h' looking for beginning of value"},
		{"regex that does not match", options(plain+"/hello", func(o *Options) { o.Extract.Regex = `(?P<n>\d+)` }),
			map[string]string{"up": "1", "n": ""}, "extract.regex: the body does not match"},
		{"what a server that is down lacks", options(plain+"/teapot", func(o *Options) { o.Extract.Regex = `(?P<n>\d+)` }), map[string]string{"up": "0"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := run(t, c.options)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if text != c.err {
				t.Errorf("error %q, want %q", text, c.err)
			}
			expect(t, got, c.want)
		})
	}

	t.Run("expired certificate", func(t *testing.T) {
		got, err := run(t, options("https://"+n.expired, trust))
		if err != nil {
			t.Fatal(err)
		}
		expect(t, got, map[string]string{"up": "0", "certificate_days": "-1"})
		if left, _ := got["certificate_left"].Number(); math.Abs(left+7260) > 30 {
			t.Errorf("certificate_left is %v, want about -7260", left)
		}
		if e := got["error"].String(); !strings.HasPrefix(e, "TLS: x509: certificate has expired or is not yet valid: current time ") {
			t.Errorf("error is %q", e)
		}
	})
	t.Run("steps add up", func(t *testing.T) {
		got, err := run(t, options(strings.Replace(plain, "127.0.0.1", "localhost", 1)+"/hello"))
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, step := range []string{"dns", "connect"} {
			v, ok := got[step].Number()
			if !ok || v < 0 {
				t.Errorf("%s is %v", step, got[step])
			}
			sum += v
		}
		first, _ := got["first_byte"].Number()
		whole, _ := got["duration"].Number()
		if first < sum || whole < first {
			t.Errorf("dns and connect %v, first_byte %v, duration %v", sum, first, whole)
		}
	})
	t.Run("slow body", func(t *testing.T) {
		p, err := Kind(nil).New(options(plain + "/slow"))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, err := p.Run(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if ctx.Err() != nil {
			t.Error("the run left nothing of its time")
		}
		got := values(r)
		expect(t, got, map[string]string{"up": "0", "status": "200"})
		if e := got["error"].String(); !strings.HasPrefix(e, "the answer was not complete within 900ms: ") {
			t.Errorf("error is %q", e)
		}
	})
	t.Run("kept connection", func(t *testing.T) {
		o := options(plain+"/echo", func(o *Options) {
			o.KeepAlive = true
			o.Extract.Regex = `connection=(?P<connection>\d+)`
		})
		p, err := Kind(nil).New(o)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		first, err := p.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		second, err := p.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		a, b := values(first), values(second)
		if a["connection"] != b["connection"] || a["connect"].IsNone() || !b["connect"].IsNone() {
			t.Errorf("connection %s then %s, connect %s then %q", a["connection"], b["connection"], a["connect"], b["connect"])
		}
	})
	t.Run("contract", func(t *testing.T) {
		probetest.Run(t, Kind(nil), options(plain+"/hello"), options(secure, trust, func(o *Options) { o.KeepAlive = true }), options(plain+"/json", func(o *Options) {
			o.Headers = map[string]string{"Accept": "application/json"}
			o.Match, o.NotMatch, o.Status = "pool", "bank", Codes{"2xx", "304", "400-404"}
			o.Extract.JSON = map[string]string{"active": "$.pool.active"}
			o.Extract.Attributes = map[string]Extracted{"active": {Type: "counter", Unit: "connections", Description: "Connections."}}
		}))
	})
}

const canary = "c4nary/secret+value"

func TestSecretsStayWithTheirOrigin(t *testing.T) {
	n := startNginx(t)
	t.Setenv("TEST_TOKEN", canary)
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, []byte(canary+"\n"))
	with := func(o *Options) {
		o.Headers = map[string]string{"x-token": "env:TEST_TOKEN", "Cookie": "file:" + file}
		o.Bearer = "env:TEST_TOKEN"
	}
	all := fmt.Sprintf("^authorization=Bearer %[1]s token=%[1]s cookie=%[1]s referer= ", strings.ReplaceAll(canary, "+", `\+`))
	none := `^authorization= token= cookie= referer=`
	for _, c := range []struct{ name, path, match string }{
		{"sent", "/echo", all},
		{"not to another port", "/away", none},
		{"nor back from there", "/away-and-back", none},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := run(t, options("http://"+n.plain+c.path, with, func(o *Options) { o.Match = c.match }))
			if err != nil {
				t.Fatal(err)
			}
			expect(t, got, map[string]string{"up": "1", "error": ""})
		})
	}
	t.Run("basic", func(t *testing.T) {
		got, err := run(t, options("http://"+n.plain+"/echo", func(o *Options) {
			o.Basic = Basic{User: "admin", Password: "env:TEST_TOKEN"}
			o.Match = "^authorization=Basic YWRtaW46YzRuYXJ5L3NlY3JldCt2YWx1ZQ== "
		}))
		if err != nil {
			t.Fatal(err)
		}
		expect(t, got, map[string]string{"up": "1"})
	})
	t.Run("what repeats them is blotted out", func(t *testing.T) {
		got, err := run(t, options("http://"+n.plain+"/leak", with))
		if err != nil {
			t.Fatal(err)
		}
		expect(t, got, map[string]string{"up": "0", "error": `redirect: the scheme is "gopher", not http or https`})
		got, err = run(t, options("http://"+n.plain+"/echo", with, func(o *Options) {
			o.Extract.Regex = "token=(?P<token>.*) cookie"
			o.Extract.Attributes = map[string]Extracted{"token": {Type: "text"}}
		}))
		if err != nil {
			t.Fatal(err)
		}
		expect(t, got, map[string]string{"token": "[secret]"})
		_, err = run(t, options("http://"+n.plain+"/echo", with, func(o *Options) { o.Extract.Regex = "token=(?P<token>.*) cookie" }))
		if want := `extract.regex: token: "[secret]" is not a number`; err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	})
	t.Run("missing", func(t *testing.T) {
		_, err := run(t, options("http://"+n.plain+"/echo", func(o *Options) { o.Bearer = "env:TEST_NONE" }))
		if want := "bearer: environment variable TEST_NONE is not set, or empty"; err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	})
	t.Run("not fit for a header", func(t *testing.T) {
		write(t, file, []byte("a\r\nX-Evil: 1\n"))
		_, err := run(t, options("http://"+n.plain+"/echo", func(o *Options) {
			o.Headers = map[string]string{"X-Token": "file:" + file}
		}))
		if want := "headers.X-Token: the secret has a character that headers may not have"; err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	})
}

func TestRefusedAddressIsAnError(t *testing.T) {
	n := startNginx(t)
	policy, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(n.plain)
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"} {
		p, err := Kind(policy).New(options("http://" + host + ":" + port + "/hello"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Run(t.Context())
		if !errors.Is(err, dial.ErrDenied) {
			t.Errorf("%s: error %v, want a refusal", host, err)
		}
		p.Close()
	}
}

func TestSilentServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address := listener.Addr().String()
	probetest.Stops(t, Kind(nil), options("http://"+address))
	probetest.Stops(t, Kind(nil), options("https://"+address))
	for url, want := range map[string]string{
		"http://" + address:  "no answer within 270ms",
		"https://" + address: "connected, but the TLS handshake was not complete within 270ms",
	} {
		p, err := Kind(nil).New(options(url))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		r, err := p.Run(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		expect(t, values(r), map[string]string{"up": "0", "error": want})
		p.Close()
	}
}

func TestCancelledRunIsNoReading(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	p, err := Kind(nil).New(options("http://" + listener.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithCancel(t.Context())
	stop := context.AfterFunc(t.Context(), cancel)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err == nil {
			cancel()
			conn.Close()
		}
	}()
	r, err := p.Run(ctx)
	<-done
	if !errors.Is(err, context.Canceled) || len(r.Values) != 0 {
		t.Errorf("error %v, values %v", err, r.Values)
	}
}

func TestTargetAndAttributes(t *testing.T) {
	p, err := Kind(nil).New(options("https://Shop.Example:8443/x", func(o *Options) {
		o.Extract.Regex = `(?P<hits>\d+) (?P<state>\w+)`
		o.Extract.Attributes = map[string]Extracted{"hits": {Type: "counter", Unit: "requests"}, "state": {Type: "text", Description: "Its state."}}
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.Target() != "shop.example" {
		t.Errorf("target %q", p.Target())
	}
	all := p.Attributes()
	hits, state := all[len(all)-2], all[len(all)-1]
	if hits.Name != "hits" || hits.Type != beans.TypeFloat || hits.Unit != "requests" || hits.Descriptor["metricType"] != "counter" {
		t.Errorf("hits: %+v", hits)
	}
	if state.Name != "state" || state.Type != beans.TypeString || state.Description != "Its state." {
		t.Errorf("state: %+v", state)
	}
}

func TestOptionsThatAreWrong(t *testing.T) {
	const url = "http://127.0.0.1/"
	bad := func(name, option, want string, change func(*Options)) probetest.Bad {
		return probetest.Bad{Name: name, Options: options(url, change), Option: option, Want: want}
	}
	probetest.Refuses(t, Kind(nil),
		bad("no URL", "url", "url: is missing", func(o *Options) { o.URL = "" }),
		bad("scheme", "url", `url: the scheme is "file", not http or https`, func(o *Options) { o.URL = "file:///etc/passwd" }),
		bad("no host", "url", "url: has no host", func(o *Options) { o.URL = "http:///x" }),
		bad("port", "url", `url: the port "99999" is outside 1..65535`, func(o *Options) { o.URL = "http://a:99999" }),
		bad("user in the URL", "url", "url: holds a user name; give it by basic", func(o *Options) { o.URL = "http://me:hunter2@a/" }),
		bad("URL that is none", "url", `url: is no URL: invalid character " " in host name`, func(o *Options) { o.URL = "http://a b/?token=hunter2" }),
		bad("long URL", "url", "url: has 5019 bytes, more than 4096", func(o *Options) { o.URL = "http://127.0.0.1/?q=" + strings.Repeat("x", 4999) }),
		bad("method", "method", `method: "GET /" is no method`, func(o *Options) { o.Method = "GET /" }),
		bad("header name", "headers", `headers: "a b" is no name of a header`, func(o *Options) { o.Headers = map[string]string{"a b": "c"} }),
		bad("header value", "headers.A", "headers.A: has a character that headers may not have", func(o *Options) { o.Headers = map[string]string{"A": "b\r\nC: d"} }),
		bad("header twice", "headers.a", "headers.a: is given twice", func(o *Options) { o.Headers = map[string]string{"A": "1", "a": "2"} }),
		bad("secret in the open", "headers.Authorization", "headers.Authorization: a secret is given by reference: file:/path, env:NAME or credential:NAME; see also basic and bearer",
			func(o *Options) { o.Headers = map[string]string{"Authorization": "Bearer hunter2"} }),
		bad("password in the open", "basic.password", "basic.password: a secret is given by reference: file:/path, env:NAME or credential:NAME", func(o *Options) { o.Basic = Basic{"me", "hunter2"} }),
		bad("password without user", "basic.user", "basic.user: is missing", func(o *Options) { o.Basic.Password = "env:X" }),
		bad("two credentials", "bearer", "bearer: basic is given, too: only one of them can be sent", func(o *Options) { o.Basic, o.Bearer = Basic{"me", "env:X"}, "env:X" }),
		bad("token in the open", "bearer", "bearer: a secret is given by reference: file:/path, env:NAME or credential:NAME", func(o *Options) { o.Bearer = "hunter2" }),
		bad("body", "body", "body: has 65537 bytes, more than 65536", func(o *Options) { o.Body = strings.Repeat("x", 65537) }),
		bad("status", "status", `status: "20" is neither a status code (204) nor a range (200-299, 2xx)`, func(o *Options) { o.Status = Codes{"20"} }),
		bad("match", "match", "match: error parsing regexp: missing closing ): `(`", func(o *Options) { o.Match = "(" }),
		bad("max_body", "max_body", "max_body: 67108865 is outside 1..67108864", func(o *Options) { o.MaxBody = 64<<20 + 1 }),
		bad("redirects", "redirects", "redirects: 21 is outside 0..20", func(o *Options) { o.Redirects = 21 }),
		bad("relative file", "tls.ca", `tls.ca: "ca.pem" is not an absolute path without detours`, func(o *Options) { o.TLS.CA = "ca.pem" }),
		bad("certificate without key", "tls.key", "tls.key: is missing: a certificate needs its key", func(o *Options) { o.TLS.Certificate = "/a" }),
		bad("insecure with authority", "tls.insecure", "tls.insecure: makes tls.ca useless: leave one of them out", func(o *Options) { o.TLS.Insecure, o.TLS.CA = true, "/a" }),
		bad("regex without a group", "extract.regex", "extract.regex: has no named group: write (?P<name>…) around what the attribute is", func(o *Options) { o.Extract.Regex = `(\d+)` }),
		bad("JSONPath", "extract.json.a", `extract.json.a: "$[" is no JSONPath: not terminated at 3 in $[`, func(o *Options) { o.Extract.JSON = map[string]string{"a": "$["} }),
		bad("JSONPath that descends", "extract.json.a", `extract.json.a: "$..a..b..c" descends by .. 3 times, more than 2`, func(o *Options) { o.Extract.JSON = map[string]string{"a": "$..a..b..c"} }),
		bad("attribute name", "extract.json.a-b", `extract.json.a-b: "a-b" is no name of an attribute: letters, digits and underscores`, func(o *Options) { o.Extract.JSON = map[string]string{"a-b": "$.a"} }),
		bad("attribute of every probe", "extract.json.up", `extract.json.up: "up" is an attribute that every probe of the kind has`, func(o *Options) { o.Extract.JSON = map[string]string{"up": "$.a"} }),
		bad("attribute twice", "extract.header.a", `extract.header.a: "a" is extracted twice`, func(o *Options) {
			o.Extract = Extract{Regex: "(?P<a>.)", Header: map[string]string{"a": "A"}}
		}),
		bad("type", "extract.attributes.a.type", `extract.attributes.a.type: "int" is none of number, counter, bool, text, age`, func(o *Options) {
			o.Extract = Extract{Regex: "(?P<a>.)", Attributes: map[string]Extracted{"a": {Type: "int"}}}
		}),
		bad("unit of a text", "extract.attributes.a.unit", "extract.attributes.a.unit: only a number has a unit", func(o *Options) {
			o.Extract = Extract{Regex: "(?P<a>.)", Attributes: map[string]Extracted{"a": {Type: "text", Unit: "s"}}}
		}),
		bad("unknown attribute", "extract.attributes", `extract.attributes: "b" is extracted by none of regex, json and header`, func(o *Options) {
			o.Extract = Extract{Regex: "(?P<a>.)", Attributes: map[string]Extracted{"b": {Unit: "s"}}}
		}),
	)
}

func FuzzStatusCodes(f *testing.F) {
	for _, s := range []string{"200", "2xx", "200-299", "100-599", "-", "600", "0200"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, ok := parseSpan(text)
		if ok && (s.from < 100 || s.to > 599 || s.from > s.to) {
			t.Errorf("%q is %+v", text, s)
		}
	})
}

func FuzzExtract(f *testing.F) {
	for _, s := range []string{`{"a":{"b":1}}`, `{"a":[1,{"b":"x"}]}`, `[`, `null`, "n=5", "\xff\x1b[31m"} {
		f.Add([]byte(s))
	}
	e, err := newExtractor(Extract{
		Regex: `n=(?P<n>.*)`, JSON: map[string]string{"one": "$.a.b", "any": "$..b", "filter": "$.a[?(@.b > 1)].b", "text": "$.a"},
		Attributes: map[string]Extracted{"text": {Type: "text"}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var r probe.Result
		err := e.extract(nil, body, &r)
		for _, v := range r.Values {
			if n, ok := v.Value.Number(); ok && (math.IsNaN(n) || math.IsInf(n, 0)) {
				t.Errorf("%s is %v", v.Attribute, n)
			}
			if s, ok := v.Value.Text(); ok && (len(s) > extract.MaxText+8 || strings.ContainsAny(s, "\x00\x1b\n\r")) {
				t.Errorf("%s is %q", v.Attribute, s)
			}
		}
		if len(r.Values) < len(e.items) && err == nil {
			t.Error("something is missing, and no error says so")
		}
	})
}

func BenchmarkRun(b *testing.B) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	go func() {
		answer := []byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
		request := make([]byte, 4096)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Read(request)
			conn.Write(answer)
			conn.Close()
		}
	}()
	p, err := Kind(nil).New(options("http://" + listener.Addr().String()))
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Run(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

package endpoint_test

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/endpoint"
	"grove/runtime/probe/secure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*endpoint.Options)
		option string // that is wrong; none: all are right
	}{
		{"a plain address", func(*endpoint.Options) {}, ""},
		{"a user", func(o *endpoint.Options) { o.Basic = endpoint.Basic{User: "u", Password: "env:P"} }, ""},
		{"no address", func(o *endpoint.Options) { o.URL = "" }, "url"},
		{"another scheme", func(o *endpoint.Options) { o.URL = "ftp://a/" }, "url"},
		{"no host", func(o *endpoint.Options) { o.URL = "http:///x" }, "url"},
		{"a port that is none", func(o *endpoint.Options) { o.URL = "http://a:70000/" }, "url"},
		{"a user in the address", func(o *endpoint.Options) { o.URL = "http://u:hidden@a/" }, "url"},
		{"a long address", func(o *endpoint.Options) { o.URL = "http://a/" + strings.Repeat("x", endpoint.MaxURL) }, "url"},
		{"a password in clear", func(o *endpoint.Options) { o.Basic = endpoint.Basic{User: "u", Password: "hidden"} }, "basic.password"},
		{"a user without a password", func(o *endpoint.Options) { o.Basic.User = "u" }, "basic.password"},
		{"a password without a user", func(o *endpoint.Options) { o.Basic.Password = "env:P" }, "basic.user"},
		{"a colon in the user", func(o *endpoint.Options) { o.Basic = endpoint.Basic{User: "u:v", Password: "env:P"} }, "basic.user"},
		{"a token in clear", func(o *endpoint.Options) { o.Bearer = "hidden" }, "bearer"},
		{"a user and a token", func(o *endpoint.Options) {
			o.Basic, o.Bearer = endpoint.Basic{User: "u", Password: "env:P"}, "env:T"
		}, "bearer"},
		{"nothing may be read", func(o *endpoint.Options) { o.MaxBody = 0 }, "max_body"},
		{"a key without a certificate", func(o *endpoint.Options) { o.TLS.Key = "/key" }, "tls.certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := endpoint.Defaults()
			o.URL = "http://app1:8080/x"
			tt.change(&o)
			_, err := o.Check()
			var bad *probe.OptionError
			if errors.As(err, &bad) != (tt.option != "") || err != nil && bad.Option != tt.option {
				t.Fatalf("%v, want one about %q", err, tt.option)
			}
			if err != nil && strings.Contains(err.Error(), "hidden") {
				t.Errorf("the error repeats what may be a secret: %v", err)
			}
		})
	}
}

func client(t *testing.T, policy *dial.Policy, o endpoint.Options) *endpoint.Client {
	t.Helper()
	u, err := o.Check()
	if err != nil {
		t.Fatal(err)
	}
	c := endpoint.New(o, u, policy, nil)
	t.Cleanup(c.Close)
	if err := c.Ready(); err != nil {
		t.Fatal(err)
	}
	return c
}

func options(url string) endpoint.Options {
	o := endpoint.Defaults()
	o.URL = url
	return o
}

// TestExchange says what is sent and what came of it.
func TestExchange(t *testing.T) {
	t.Setenv("TOKEN", "open sesame")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Said", r.Method+" "+r.URL.String()+" "+r.Header.Get("Authorization")+" "+r.Header.Get("X-More")+" "+string(body))
		switch r.URL.Path {
		case "/base/refused":
			w.WriteHeader(http.StatusUnauthorized)
		case "/base/broken":
			http.Error(w, "no such query", http.StatusBadRequest)
		case "/base/away":
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		case "/base/long":
			_, _ = io.WriteString(w, strings.Repeat("x", 11))
		default:
			_, _ = io.WriteString(w, "fine")
		}
	}))
	defer s.Close()
	o := options(s.URL + "/base?always=1")
	o.Bearer, o.MaxBody = "env:TOKEN", 10
	c := client(t, nil, o)
	a, err := c.Exchange(t.Context(), endpoint.Request{Method: "POST", Path: "/q", Query: "once=2", Body: "?", Header: http.Header{"X-More": {"yes"}}})
	if err != nil || string(a.Body) != "fine" || a.Status != 200 {
		t.Errorf("%v %+v", err, a)
	}
	if got, want := a.Header.Get("X-Said"), "POST /base/q?once=2&always=1 Bearer open sesame yes ?"; got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
	for _, tt := range []struct {
		path, state, err, body string
		status                 int
	}{
		{"/refused", "refused_access", "user and password, or the token, are refused (status 401)", "", 401},
		{"/broken", "status", "status 400 Bad Request: no such que", "no such que", 400},
		{"/away", "status", "status 302 Found", "", 302},
		{"/long", "too_long", "the answer has more than max_body, 10 bytes", "xxxxxxxxxx", 200},
	} {
		a, err := c.Exchange(t.Context(), endpoint.Request{Path: tt.path})
		var fault *answer.Fault
		if !errors.As(err, &fault) || fault.State != tt.state || !strings.HasPrefix(err.Error(), tt.err) || a.Status != tt.status || !strings.HasPrefix(string(a.Body), tt.body) {
			t.Errorf("%s: %v, %d %q", tt.path, err, a.Status, a.Body)
		}
	}
	var r probe.Result
	if err := c.Finish(t.Context(), &r, time.Now(), errors.New("it said open sesame and b3BlbiBzZXNhbWU=")); err != nil {
		t.Fatal(err)
	}
	for _, v := range r.Values {
		if v.Attribute == "error" && v.Value.String() != "it said [secret] and [secret]" {
			t.Errorf("error: %s", v.Value)
		}
	}
}

// TestWhatIsOurFault has errors of the run, and not of what is asked.
func TestWhatIsOurFault(t *testing.T) {
	refuse, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(nil)
	defer s.Close()
	var r probe.Result
	c := client(t, refuse, options(s.URL))
	_, err = c.Ask(t.Context(), endpoint.Request{})
	if err := c.Finish(t.Context(), &r, time.Now(), err); !errors.Is(err, dial.ErrDenied) {
		t.Errorf("an address that is not allowed: %v", err)
	}
	o := options(s.URL)
	o.Bearer = "env:NOT_SET_ANYWHERE"
	c = client(t, nil, o)
	_, err = c.Ask(t.Context(), endpoint.Request{})
	if err := c.Finish(t.Context(), &r, time.Now(), err); err == nil || !strings.HasPrefix(err.Error(), "bearer: environment variable NOT_SET_ANYWHERE") {
		t.Errorf("a secret that is not there: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Ask(ended, endpoint.Request{})
	if err := c.Finish(ended, &r, time.Now(), err); err == nil {
		t.Error("a run that was cancelled found something")
	}
	if len(r.Values) != 0 {
		t.Errorf("readings: %v", r.Values)
	}
}

// TestCertificateIsReadAnew has an authority that changes while the client lives.
func TestCertificateIsReadAnew(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") }))
	defer s.Close()
	s.Config.ErrorLog = nil
	other := httptest.NewTLSServer(nil)
	defer other.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	o := options(s.URL)
	o.TLS = secure.Options{CA: file, ServerName: "wrong.example"}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	write(authority)
	c := client(t, nil, o)
	if _, err := c.Ask(t.Context(), endpoint.Request{}); answer.State(err) != "tls" {
		t.Errorf("a certificate of another name: %v", err)
	}
	o.TLS.ServerName = "example.com"
	c = client(t, nil, o)
	if body, err := c.Ask(t.Context(), endpoint.Request{}); err != nil || string(body) != "fine" {
		t.Errorf("%q %v", body, err)
	}
	write("none\n")
	if err := c.Ready(); err == nil || !strings.Contains(err.Error(), "holds no certificate") {
		t.Errorf("a file without a certificate: %v", err)
	}
	write(authority + "\n")
	if err := c.Ready(); err != nil {
		t.Error(err)
	}
	if _, err := c.Ask(t.Context(), endpoint.Request{}); err != nil {
		t.Error(err)
	}
}

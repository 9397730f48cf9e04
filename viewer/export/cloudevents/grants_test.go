package cloudevents

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"grove/beans"
	"grove/tree"
	"grove/tree/grant"
)

// newStream returns a stream over a small tree of two customers.
func newStream(t *testing.T, o Options) *Stream {
	t.Helper()
	tr := tree.New(tree.Options{})
	for path, customer := range map[string]string{"/shop": "acme", "/shop/web": "", "/other": "zenith"} {
		spec := &tree.Spec{Kind: tree.Group}
		if customer != "" {
			spec.Properties = map[string]string{"customer": customer}
		}
		if _, err := tr.Add(tree.MustPath(path), spec); err != nil {
			t.Fatal(err)
		}
	}
	o.Guard = grant.NewGuard(tr)
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// as lets somebody ask.
func as(h http.Handler, s *grant.Subject) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(grant.With(r.Context(), s)))
	})
}

// TestEventsOfWhatIsSeen listens as somebody who sees a customer's nodes, and compares what
// he gets when much happens elsewhere with what he gets when nothing does.
func TestEventsOfWhatIsSeen(t *testing.T) {
	acme := &grant.Subject{Name: "ada", Grants: []grant.Grant{{Role: grant.Viewer, Customer: "acme"}}}
	s := newStream(t, Options{Manager: "web1", Ring: 8})
	server := httptest.NewServer(as(s, acme))
	defer server.Close()
	defer s.Close(context.Background()) // else the server would wait for those who listen
	first := listen(t, server.URL, "")
	n := int64(0)
	publish := func(paths ...string) {
		for _, path := range paths {
			n++
			s.Publish(statusChanged(n, path, "red"))
		}
	}
	publish("/other", "/other", "/gone", "/shop")
	s.Publish(beans.Notification{Type: "timer", Source: beans.MustName("grove:type=Timer"), Message: "tick"})
	s.Publish(beans.Notification{Type: "a", Source: beans.MustName(`grove:type=Node,path="/other"`), Message: "of a bean"})
	publish("/other", "/shop/web")
	for _, want := range []string{"/shop went to red", "/shop/web went to red"} {
		name, data := first.next()
		if name != "" || !strings.Contains(data, `"message":"`+want+`"`) {
			t.Errorf("%s %s, want %s", name, data, want)
		}
		if strings.Contains(data, "sequence") || strings.Contains(data, s.run+`-4"`) || strings.Contains(data, s.run+`-6"`) {
			t.Errorf("the event says its number: %s", data)
		}
		if len(first.lastID) != len(s.run)+1+32 {
			t.Errorf("the id is %q", first.lastID)
		}
	}
	publish("/other", "/shop")
	again := listen(t, server.URL, first.lastID)
	if got := again.message(); got != "/shop went to red" {
		t.Errorf("who comes back gets %q", got)
	}
	publish("/other", "/other", "/other", "/other", "/other", "/other", "/other", "/other", "/other", "/shop")
	late := listen(t, server.URL, first.lastID)
	if got := late.message(); got != `lost {"lost":0,"unknown":true}` {
		t.Errorf("who was away for too long is told %q", got)
	}
	if got := late.message(); got != "/shop went to red" {
		t.Errorf("and then gets %q", got)
	}
	for _, stranger := range []string{s.run + ".3", s.run + "." + strings.Repeat("0", 32), "other." + strings.Repeat("0", 32)} {
		if got := listen(t, server.URL, stranger).message(); got != `lost {"lost":0,"restarted":true}` {
			t.Errorf("with the id %s: %s", stranger, got)
		}
	}
}

func TestNobodyHearsNothing(t *testing.T) {
	s := newStream(t, Options{})
	server := httptest.NewServer(s)
	defer server.Close()
	nobody := listen(t, server.URL, "")
	s.Publish(statusChanged(1, "/shop", "red"))
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := nobody.message(); got != "end " {
		t.Errorf("nobody hears %s", got)
	}
	if _, err := New(Options{}); err == nil {
		t.Error("a stream without a guard is made")
	}
}

// TestWhoIsLoggedOutHearsNoMore ends the session behind a stream.
func TestWhoIsLoggedOutHearsNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out atomic.Bool
		ada := &grant.Subject{Name: "ada", Grants: []grant.Grant{grant.Everything}, Valid: func() bool { return !out.Load() }}
		s := newStream(t, Options{})
		w := &flushed{ResponseRecorder: httptest.NewRecorder()}
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.ServeHTTP(w, httptest.NewRequestWithContext(grant.With(t.Context(), ada), http.MethodGet, "/", nil))
		}()
		synctest.Wait()
		s.Publish(statusChanged(1, "/shop", "red"))
		synctest.Wait()
		out.Store(true)
		s.Publish(statusChanged(2, "/shop", "green"))
		begin := time.Now()
		<-done
		if took := time.Since(begin); took > stillEvery {
			t.Errorf("the stream ends after %s", took)
		}
		if body := w.Body.String(); !strings.Contains(body, "went to red") || strings.Contains(body, "went to green") {
			t.Error(body)
		}
	})
}

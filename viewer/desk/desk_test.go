package desk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/go-cmp/cmp"

	"grove/tree/grant"
	"grove/tree/store"
	"grove/tree/store/drawer"
	"grove/viewer/desk"
)

// office is a desk on a real database.
type office struct {
	handler http.Handler
	desk    *desk.Desk
	facts   *store.Store
}

func open(t *testing.T) *office {
	t.Helper()
	facts, err := store.Open(t.Context(), store.Options{Address: t.TempDir() + "/facts.db", Manager: "north"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = facts.Close() })
	o := &office{facts: facts, desk: desk.New(drawer.New(facts, desk.Kind, desk.MaxUsers), nil)}
	mux := http.NewServeMux()
	config := huma.DefaultConfig("grove", "1")
	config.CreateHooks = nil // No $schema in answers, as the server has it.
	o.desk.Register(humago.New(mux, config))
	o.handler = mux
	return o
}

// ask has somebody send a request and returns the status and the answer.
func (o *office) ask(who *grant.Subject, method, path, body string) (status int, text string) {
	r := httptest.NewRequest(method, "/api/v1/me/"+path, bytes.NewBufferString(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, r.WithContext(grant.With(context.Background(), who)))
	return w.Code, strings.TrimSpace(w.Body.String())
}

var (
	ada = &grant.Subject{Name: "ada"}
	bob = &grant.Subject{Name: "bob"}
)

func TestPreferences(t *testing.T) {
	o := open(t)
	const plain = `{"theme":"system","zone":"local","sound":false}`
	for _, c := range []struct {
		name   string
		who    *grant.Subject
		method string
		body   string
		status int
		want   string // is in the answer
	}{
		{"at first", ada, "GET", "", 200, plain},
		{"one changes", ada, "PUT", `{"theme":"dark"}`, 200, `{"theme":"dark","zone":"local","sound":false}`},
		{"the others stay", ada, "PUT", `{"zone":"utc","sound":true}`, 200, `{"theme":"dark","zone":"utc","sound":true}`},
		{"kept", ada, "GET", "", 200, `{"theme":"dark","zone":"utc","sound":true}`},
		{"another's", bob, "GET", "", 200, plain},
		{"without a login", grant.Anonymous, "PUT", `{"theme":"light"}`, 200, `"theme":"light"`},
		{"which is nobody else's", bob, "GET", "", 200, plain},
		{"nobody's", grant.Nobody, "GET", "", 403, ""},
		{"nobody's to change", grant.Nobody, "PUT", `{}`, 403, ""},
		{"an unknown theme", ada, "PUT", `{"theme":"pink"}`, 422, "body.theme"},
		{"an unknown key", ada, "PUT", `{"colour":"pink"}`, 422, "body.colour"},
		{"a wrong type", ada, "PUT", `{"sound":"loud"}`, 422, "body.sound"},
		{"still kept", ada, "GET", "", 200, `{"theme":"dark","zone":"utc","sound":true}`},
	} {
		if status, text := o.ask(c.who, c.method, "preferences", c.body); status != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s: %d %s", c.name, status, text)
		}
	}
}

func TestViews(t *testing.T) {
	o := open(t)
	for _, c := range []struct {
		name   string
		who    *grant.Subject
		method string
		view   string
		body   string
		status int
		want   string
	}{
		{"save", ada, "PUT", "Web servers", `{"address":"#/tree?find=web"}`, 200, `{"views":[{"name":"Web servers","address":"#/tree?find=web"}]}`},
		{"another", ada, "PUT", "All/of it", `{"address":"#/overview"}`, 200, `[{"name":"All/of it","address":"#/overview"},{"name":"Web servers","address":"#/tree?find=web"}]`},
		{"replace", ada, "PUT", " Web servers ", `{"address":"#/tree?find=www"}`, 200, `"address":"#/tree?find=www"`},
		{"rename", ada, "PUT", "Fronts", `{"address":"#/tree?find=www","from":"Web servers"}`, 200, `[{"name":"All/of it","address":"#/overview"},{"name":"Fronts","address":"#/tree?find=www"}]`},
		{"rename to one that is there", ada, "PUT", "Fronts", `{"address":"#/","from":"All/of it"}`, 409, "is there already"},
		{"rename what is not there", ada, "PUT", "New", `{"address":"#/","from":"Web servers"}`, 404, `no view named \"Web servers\" is saved`},
		{"another's", bob, "GET", "", "", 200, `{"views":[]}`},
		{"delete another's", bob, "DELETE", "Fronts", "", 404, "no view named"},
		{"delete", ada, "DELETE", "All/of it", "", 204, ""},
		{"what is left", ada, "GET", "", "", 200, `{"views":[{"name":"Fronts","address":"#/tree?find=www"}]}`},
		{"an address elsewhere", ada, "PUT", "x", `{"address":"https://example.org/"}`, 422, "begins with #/"},
		{"a script", ada, "PUT", "x", `{"address":"javascript:alert(1)"}`, 422, "begins with #/"},
		{"a long address", ada, "PUT", "x", `{"address":"#/` + strings.Repeat("x", 2000) + `"}`, 422, "2000"},
		{"a long name", ada, "PUT", strings.Repeat("ä", 65), `{"address":"#/"}`, 422, "longer than 64 characters"},
		{"a name of spaces", ada, "PUT", "  ", `{"address":"#/"}`, 422, "is empty"},
		{"a name with a line feed", ada, "PUT", "a\nb", `{"address":"#/"}`, 422, "cannot be shown"},
		{"nobody", grant.Nobody, "PUT", "x", `{"address":"#/"}`, 403, ""},
	} {
		path := "views"
		if c.view != "" {
			path += "/" + url.PathEscape(c.view)
		}
		if status, text := o.ask(c.who, c.method, path, c.body); status != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s: %d %s", c.name, status, text)
		}
	}
	for i := range desk.MaxViews {
		status, text := o.ask(bob, "PUT", fmt.Sprint("views/", i), `{"address":"#/"}`)
		if status != 200 {
			t.Fatalf("%d: %d %s", i, status, text)
		}
	}
	if status, text := o.ask(bob, "PUT", "views/more", `{"address":"#/"}`); status != 409 || !strings.Contains(text, "100 views are saved") {
		t.Errorf("one more: %d %s", status, text)
	}
	if status, text := o.ask(bob, "PUT", "views/7", `{"address":"#/other"}`); status != 200 {
		t.Errorf("one of them: %d %s", status, text)
	}
}

// TestTooMuchText saves more than fits into the database for one user.
func TestTooMuchText(t *testing.T) {
	o := open(t)
	long := "#/" + strings.Repeat("x", 1900)
	for i := range desk.MaxViews {
		status, text := o.ask(ada, "PUT", fmt.Sprint("views/", i), `{"address":"`+long+`"}`)
		if status == 409 && strings.Contains(text, "delete a saved view first") {
			return
		}
		if status != 200 {
			t.Fatalf("%d: %d %s", i, status, text)
		}
	}
	t.Error("everything fits")
}

// TestWhatCannotBeRead finds something else in the drawer.
func TestWhatCannotBeRead(t *testing.T) {
	o := open(t)
	if err := drawer.New(o.facts, desk.Kind, 10).Change(t.Context(), []drawer.Item{{Name: "ada", Text: `{"views":7}`}}, nil); err != nil {
		t.Fatal(err)
	}
	var got desk.Views
	_, text := o.ask(ada, "GET", "views", "")
	if err := json.Unmarshal([]byte(text), &got); err != nil || len(got.Views) != 0 {
		t.Errorf("%s: %v", text, err)
	}
	if diff := cmp.Diff([]desk.View{}, got.Views); diff != "" {
		t.Error(diff)
	}
}

func TestDatabaseAway(t *testing.T) {
	o := open(t)
	if err := o.facts.Close(); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"GET", "PUT"} {
		if status, text := o.ask(ada, method, "preferences", `{}`); status != 503 || !strings.Contains(text, "the database is not available") {
			t.Errorf("%s: %d %s", method, status, text)
		}
	}
}

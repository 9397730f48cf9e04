package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"grove/cmd/app"
	"grove/runtime/receive/push"
	"grove/test/grovetest"
	"grove/viewer"
)

// patience is how long a test waits for something that must come.
const patience = grovetest.Patience

// manager is a whole grove within the test's process, and a client of it.
type manager struct {
	testing.TB
	*app.App
	url  string // without a slash at the end
	drop string // its drop-in directory
	log  *grovetest.Log
	http *http.Client
	hurt bool // its end may say that not everything could be kept
}

// serve starts a manager without the tree of this host, and waits until it is ready.
// The end of the test stops it and fails when that does.
func serve(t testing.TB, edit ...func(*app.Config)) *manager {
	t.Helper()
	m := &manager{TB: t, log: new(grovetest.Log)}
	c := app.Config{
		Listen: "127.0.0.1:0", Data: t.TempDir(), NoHost: true, Version: "test",
		Log: slog.New(slog.NewTextHandler(m.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, e := range edit {
		e(&c)
	}
	a, err := app.New(c)
	if err != nil {
		t.Fatal(err)
	}
	m.App, m.url, m.drop = a, "http://"+a.Addr().String(), a.DropIn()
	transport := &http.Transport{}
	m.http = &http.Client{Transport: transport, Timeout: patience}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := a.Stop(ctx); err != nil && !m.hurt {
			t.Errorf("stop: %v", err)
		}
		if t.Failed() {
			t.Logf("the log of the manager:\n%s", m.log)
		}
	})
	a.Start()
	m.eventually(func() error {
		if code, body := m.get("/readyz"); code != http.StatusOK {
			return fmt.Errorf("/readyz answers %d: %s", code, body)
		}
		return nil
	})
	return m
}

// eventually asks again until check is content.
func (m *manager) eventually(check func() error) {
	m.Helper()
	grovetest.Eventually(m, check)
}

// do sends one request and returns the status and the body of the answer.
func (m *manager) do(req *http.Request) (int, []byte) {
	m.Helper()
	res, err := m.http.Do(req)
	if err != nil {
		m.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		m.Fatal(err)
	}
	return res.StatusCode, body
}

// get asks for a path of the server.
func (m *manager) get(path string) (int, []byte) {
	m.Helper()
	req, err := http.NewRequestWithContext(m.Context(), http.MethodGet, m.url+path, nil)
	if err != nil {
		m.Fatal(err)
	}
	return m.do(req)
}

// ask decodes the answer for a path of the server.
func (m *manager) ask(path string, into any) {
	m.Helper()
	code, body := m.get(path)
	if code != http.StatusOK {
		m.Fatalf("GET %s: %d: %s", path, code, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		m.Fatalf("GET %s: %v: %s", path, err, body)
	}
}

// errNoNode is returned by find for a path without a node.
var errNoNode = errors.New("no such node")

// find asks for a node over REST.
func (m *manager) find(path string) (n viewer.Details, err error) {
	m.Helper()
	code, body := m.get("/api/v1/nodes" + strings.ReplaceAll(path, " ", "%20"))
	switch {
	case code == http.StatusNotFound:
		return n, fmt.Errorf("%s: %w", path, errNoNode)
	case code != http.StatusOK:
		m.Fatalf("%s: %d: %s", path, code, body)
	}
	if err := json.Unmarshal(body, &n); err != nil {
		m.Fatalf("%s: %v: %s", path, err, body)
	}
	return n, nil
}

// is waits until a node has a value, as people read it, and a status.
func (m *manager) is(path, value, status string) {
	m.Helper()
	m.eventually(func() error {
		n, err := m.find(path)
		if err == nil {
			err = grovetest.Shows(n, value, status)
		}
		return err
	})
}

// gone waits until there is no node at a path.
func (m *manager) gone(path string) {
	m.Helper()
	m.eventually(func() error {
		if _, err := m.find(path); !errors.Is(err, errNoNode) {
			return fmt.Errorf("%s is still there", path)
		}
		return nil
	})
}

// subtree is everything that REST says of a subtree, for comparing.
func (m *manager) subtree(path string) string {
	m.Helper()
	var answer viewer.Tree
	m.ask("/api/v1/tree?path="+path, &answer)
	text, err := json.MarshalIndent(answer.Root, "", " ")
	if err != nil {
		m.Fatal(err)
	}
	return string(text)
}

// reading is one reading of POST /api/v1/readings.
type reading map[string]any

// push sends readings of which all must be taken.
func (m *manager) push(readings ...reading) {
	m.Helper()
	code, body := m.post(readings)
	var out push.Outcome
	if err := json.Unmarshal(body, &out); code != http.StatusOK || err != nil || out.Accepted != len(readings) {
		m.Fatalf("push %v: %d: %s", readings, code, body)
	}
}

// post sends anything to where readings go.
func (m *manager) post(body any) (int, []byte) {
	m.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		m.Fatal(err)
	}
	req, err := http.NewRequestWithContext(m.Context(), http.MethodPost, m.url+"/api/v1/readings", bytes.NewReader(text))
	if err != nil {
		m.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return m.do(req)
}

// write puts a file into the drop-in directory, whole at once.
func (m *manager) write(name, text string) {
	m.Helper()
	temporary := filepath.Join(m.drop, "."+name)
	if err := os.WriteFile(temporary, []byte(text), 0o600); err != nil {
		m.Fatal(err)
	}
	if err := os.Rename(temporary, filepath.Join(m.drop, name)); err != nil {
		m.Fatal(err)
	}
}

// remove takes a file out of the drop-in directory.
func (m *manager) remove(name string) {
	m.Helper()
	if err := os.Remove(filepath.Join(m.drop, name)); err != nil {
		m.Fatal(err)
	}
}

// loaded waits until the definition of a name shows as loaded in the tree itself.
func (m *manager) loaded(name string) {
	m.Helper()
	m.is("/grove/Definitions/"+name, "loaded", "green")
}

// refused waits until the definition of a name shows as wrong in the tree itself, and
// returns what is wrong.
func (m *manager) refused(name string) (text string) {
	m.Helper()
	m.eventually(func() error {
		n, err := m.find("/grove/Definitions/" + name)
		if err != nil {
			return err
		}
		if n.Status != "red" || n.Value == nil {
			return fmt.Errorf("%s is %s: %v", n.Path, n.Status, n.Value)
		}
		text = n.Value.String()
		return nil
	})
	return text
}

// definitions is the answer of GET /api/v1/definitions.
func (m *manager) definitions() (list viewer.DefinitionList) {
	m.Helper()
	m.ask("/api/v1/definitions", &list)
	return list
}

// instance is one instance of GET /api/v1/definitions.
func (m *manager) instance(name string) viewer.Instance {
	m.Helper()
	for _, i := range m.definitions().Instances {
		if i.Name == name {
			return i
		}
	}
	m.Fatalf("there is no instance %q", name)
	return viewer.Instance{}
}

// every walks over the nodes as REST shows them.
func every(b *viewer.Branch, yield func(*viewer.Branch)) {
	yield(b)
	for _, n := range b.Nodes {
		every(n, yield)
	}
}

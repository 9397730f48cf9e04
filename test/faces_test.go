package test

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"grove/cmd/app"
)

// hosted is a definition with everything that a document tells of.
const hosted = `grove: 1
application: hosted
title: A <hosted> shop & more
at: /hosted
properties: { location: Denver, portal: "https://shop.example/?a=1&b=2", customer: "ATT, AOL", contact: "ops@shop.example" }
tree:
  Front:
    properties: { service: checkout, host: web1 }
    nodes:
      Answer: { kind: performance, unit: ms, red: "> 100" }
      State: { kind: status, states: { running: green, "*": red } }
  Log: { kind: log }
`

// TestDocumentsValidate asks a running manager for its documents and reports in every
// form, and holds each to what it is said to be: the XML to the schema that the manager
// itself serves, read by libxml2.
func TestDocumentsValidate(t *testing.T) {
	t.Parallel()
	xmllint := installed(t, "xmllint", "libxml2-utils")
	m := serve(t, func(c *app.Config) { c.Name = "em1" })
	m.write("hosted.yaml", hosted)
	m.write("wrong.yaml", "use: nowhere\nat: /wrong\n")
	m.loaded("hosted")
	m.push(reading{"path": "/hosted/Front/Answer", "value": 250.5}, reading{"path": "/hosted/Front/State", "value": "<stopped> & \"gone\""},
		reading{"path": "/hosted/Log", "event": map[string]any{"text": "a\u0001b <c>", "status": "yellow"}})
	m.is("/hosted/Front/Answer", "250.5", "red")

	dir := t.TempDir()
	put := func(name string, text []byte) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	fetch := func(path string) []byte {
		t.Helper()
		code, body := m.get(path)
		if code != http.StatusOK {
			t.Fatalf("%s: %d: %s", path, code, body)
		}
		return body
	}
	lint := func(what string, args ...string) {
		t.Helper()
		if out, err := exec.Command(xmllint, append([]string{"--noout", "--nonet"}, args...)...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", what, err, out)
		}
	}

	schema := put("document.xsd", fetch("/documents/static/document-1.xsd"))
	compiler := jsonschema.NewCompiler()
	loaded, err := jsonschema.UnmarshalJSON(strings.NewReader(string(fetch("/documents/static/document-1.schema.json"))))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiler.AddResource("mem:document", loaded); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("mem:document")
	if err != nil {
		t.Fatal(err)
	}
	for i, form := range []struct{ before, after string }{
		{"/documents/tree", ""}, {"/documents/tree", "?path=/hosted"}, {"/documents/managers", ""}, {"/documents/managers/em1", ""},
		{"/documents/customers/ATT", ""}, {"/documents/tree", "?depth=3"}, {"/documents/customers/nobody", ""},
	} {
		code, body := m.get(form.before + ".xml" + form.after)
		if code == http.StatusNotFound && strings.HasSuffix(form.before, "nobody") {
			continue
		}
		if code != http.StatusOK {
			t.Errorf("%+v: %d: %s", form, code, body)
			continue
		}
		lint(form.before+form.after, "--schema", schema, put(fmt.Sprintf("%d.xml", i), body))
		said, err := jsonschema.UnmarshalJSON(strings.NewReader(string(fetch(form.before + ".json" + form.after))))
		if err == nil {
			err = compiled.Validate(said)
		}
		if err != nil {
			t.Errorf("%s.json%s: %v", form.before, form.after, err)
		}
		lint(form.before+".html"+form.after, "--html", put(fmt.Sprintf("%d.html", i), withoutNewElements(fetch(form.before+".html"+form.after))))
	}
	if document := string(fetch("/documents/tree.xml?path=/hosted")); !strings.Contains(document, "Denver") || !strings.Contains(document, "checkout") {
		t.Errorf("the document says too little: %s", document)
	}

	for _, form := range []string{"/reports/tree", "/reports/customers/ATT"} {
		var report map[string]any
		m.ask(form+".json?period=day", &report)
		if len(report) < 5 {
			t.Errorf("%s.json says %v", form, report)
		}
		if rows, err := csv.NewReader(strings.NewReader(string(fetch(form + ".csv?period=day")))).ReadAll(); err != nil || len(rows) < 2 {
			t.Errorf("%s.csv: %v: %v", form, err, rows)
		}
		lint(form, "--html", put("report.html", withoutNewElements(fetch(form+".html?period=day"))))
	}
	lint("the WSDL", put("service.wsdl", fetch("/SAPControl?wsdl")))
	var elements map[string]any
	m.ask("/ccms/v1/tree", &elements)
}

// withoutNewElements takes out of a page what libxml2, which knows HTML 4, calls unknown.
func withoutNewElements(page []byte) []byte {
	pairs := []string{}
	for _, name := range []string{"main", "header", "footer", "nav", "section", "article", "time", "svg", "meter", "details", "summary", "figure", "figcaption", "aside"} {
		pairs = append(pairs, "<"+name+">", "<div>", "<"+name+" ", "<div ", "</"+name+">", "</div>")
	}
	return []byte(strings.NewReplacer(pairs...).Replace(string(page)))
}

// stream is a client of server-sent events.
type stream struct {
	testing.TB
	response *http.Response
	lines    *bufio.Reader
	id       string // of the last event
}

// listen opens a stream of events; last is the id of the last event of a stream before.
func (m *manager) listen(query, last string) *stream {
	m.Helper()
	req, err := http.NewRequestWithContext(m.Context(), http.MethodGet, m.url+"/api/v1/events"+query, nil)
	if err != nil {
		m.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		m.Fatalf("the stream answers %s, %s", res.Status, res.Header.Get("Content-Type"))
	}
	return &stream{TB: m.TB, response: res, lines: bufio.NewReader(res.Body)}
}

// next waits for the next event, and holds it to the specification.
func (s *stream) next() (e event.Event) {
	s.Helper()
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			s.Fatal(err)
		}
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch name {
		case "id":
			s.id = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e); err != nil {
				s.Fatalf("%v: %s", err, line)
			}
			if err := e.Validate(); err != nil {
				s.Fatalf("%v: %s", err, line)
			}
			return e
		}
	}
}

// TestEventsAreStreamed follows a change of status as a CloudEvent, loses the connection,
// and comes back for what happened meanwhile.
func TestEventsAreStreamed(t *testing.T) {
	t.Parallel()
	m := serve(t, func(c *app.Config) { c.Name = "em1" })
	m.write("other.yaml", other)
	m.loaded("other")
	s := m.listen("?path=/other/Level&type=grove.status", "")
	told := func(s *stream, from, to string) string {
		t.Helper()
		e := s.next()
		var data struct {
			Message string
			Data    map[string]any
		}
		if err := json.Unmarshal(e.Data(), &data); err != nil {
			t.Fatal(err)
		}
		if e.Type() != "grove.status.changed" || e.Subject() != "/other/Level" || data.Data["from"] != from || data.Data["to"] != to || !strings.HasPrefix(e.Source(), "grove://em1/") {
			t.Errorf("%s %s of %s: %s", e.Type(), e.Subject(), e.Source(), e.Data())
		}
		return e.ID()
	}
	ids := []string{}
	m.push(reading{"path": "/other/Level", "value": 3})
	ids = append(ids, told(s, "white", "green"))
	_ = s.response.Body.Close()
	m.push(reading{"path": "/other/Level", "value": 11})
	m.push(reading{"path": "/other/Level", "value": 2})
	s = m.listen("?path=/other/Level&type=grove.status", s.id)
	ids = append(ids, told(s, "green", "red"), told(s, "red", "green"))
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 3 {
		t.Errorf("the ids are %q", ids)
	}
}

// TestStopEndsStreams stops a manager to which programs listen: they are told, and it does
// not wait for them.
func TestStopEndsStreams(t *testing.T) {
	t.Parallel()
	m := serve(t)
	s := m.listen("", "")
	answer := m.jolokia(map[string]any{"type": "notification", "command": "register"})
	var client struct{ ID string }
	if err := json.Unmarshal(answer.Value, &client); err != nil || client.ID == "" {
		t.Fatalf("%+v: %v", answer, err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, m.url+"/jolokia/notification/open/"+client.ID+"/sse", nil)
	if err != nil {
		t.Fatal(err)
	}
	jmx, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer jmx.Body.Close()
	alerts, err := m.http.Get(m.url + "/api/v1/alerts/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer alerts.Body.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := m.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
	for name, body := range map[string]io.Reader{"events": s.lines, "Jolokia": jmx.Body, "alerts": alerts.Body} {
		if _, err := io.ReadAll(body); err != nil {
			t.Errorf("the stream of %s was cut: %v", name, err)
		}
	}
}

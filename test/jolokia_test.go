package test

import (
	"bytes"
	"encoding/json"
	"net/http"

	"grove/beans"
)

// nodeBean is the name of the bean of a node.
func nodeBean(path string) string {
	return "grove:type=Node,path=" + beans.Quote(path)
}

// jolokiaAnswer is one answer of the Jolokia protocol.
type jolokiaAnswer struct {
	Status int
	Value  json.RawMessage
	Error  string
	Type   string `json:"error_type"`
}

// jolokia posts one request of the Jolokia protocol.
func (m *manager) jolokia(request map[string]any) (a jolokiaAnswer) {
	m.Helper()
	text, err := json.Marshal(request)
	if err != nil {
		m.Fatal(err)
	}
	req, err := http.NewRequestWithContext(m.Context(), http.MethodPost, m.url+"/jolokia/", bytes.NewReader(text))
	if err != nil {
		m.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	code, body := m.do(req)
	if err := json.Unmarshal(body, &a); err != nil || code != http.StatusOK {
		m.Fatalf("%s: %d %s", text, code, body)
	}
	return a
}

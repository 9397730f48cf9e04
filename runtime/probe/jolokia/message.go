package jolokia

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"grove/beans"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/mbean"
)

// request is one request of the Jolokia protocol. Version 7 and 8 of it take the same.
type request struct {
	Type      string   `json:"type"`
	MBean     string   `json:"mbean,omitempty"`
	Attribute any      `json:"attribute,omitempty"` // one name or a list
	Operation string   `json:"operation,omitempty"`
	Arguments []string `json:"arguments,omitempty"`
	Path      string   `json:"path,omitempty"`
	Command   string   `json:"command,omitempty"` // of notifications
	Mode      string   `json:"mode,omitempty"`
	Client    string   `json:"client,omitempty"`
	Filter    []string `json:"filter,omitempty"`
	Target    *target  `json:"target,omitempty"`
}

// target is the JMX server behind a proxy.
type target struct {
	URL      string `json:"url"`
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
}

// response is the response to one request. Version 7 has the class of the error before
// its text, version 8 has not.
type response struct {
	Status    int             `json:"status"`
	Value     json.RawMessage `json:"value"`
	ErrorType string          `json:"error_type"`
	Error     string          `json:"error"`
}

// fault is an error that an agent told.
type fault struct {
	status int
	class  string
	text   string
}

// Error implements error.
func (f *fault) Error() string { return f.text }

// notFound says that no MBean has the name or matches the pattern.
func (f *fault) notFound() bool {
	return f.status == 404 && strings.HasSuffix(f.class, ".InstanceNotFoundException")
}

func (r *response) failure() error {
	if r.Status == 200 {
		return nil
	}
	text := strings.TrimPrefix(r.Error, r.ErrorType+" : ")
	if text == "" {
		text = strings.TrimSpace(r.ErrorType + " without a text")
	}
	line, _, _ := strings.Cut(text, "\n")
	return &fault{status: r.Status, class: r.ErrorType, text: strings.ToValidUTF8(line, "�")}
}

// protocol is the fault of what answers, but not as Jolokia does.
func protocol(format string, args ...any) error {
	return &answer.Fault{State: "protocol", Err: fmt.Errorf(format, args...)}
}

// readAll reads the answer to a bulk request of n requests.
func readAll(body []byte, n int) ([]response, error) {
	trimmed := bytes.TrimSpace(body)
	if len(trimmed) == 0 {
		return nil, protocol("the answer is empty: is this the address of a Jolokia agent?")
	}
	if trimmed[0] == '{' {
		// An agent that takes the whole bulk for wrong answers with one error.
		var one response
		if err := json.Unmarshal(trimmed, &one); err != nil {
			return nil, protocol("the answer is no JSON of a Jolokia agent: %w", err)
		}
		if err := one.failure(); err != nil {
			return nil, protocol("the agent answers: %w", err)
		}
		return nil, protocol("one answer to %d requests", n)
	}
	var all []response
	if err := json.Unmarshal(trimmed, &all); err != nil {
		return nil, protocol("the answer is no JSON of a Jolokia agent: %w", err)
	}
	if len(all) != n {
		return nil, protocol("%d answers to %d requests", len(all), n)
	}
	return all, nil
}

// decode reads a value with its numbers as they are written.
func decode(raw json.RawMessage) (any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something stands behind the value")
	}
	return v, nil
}

// question is the request for a query.
func question(q mbean.Query) request {
	switch {
	case len(q.Attributes) == 0:
		return request{Type: "search", MBean: q.Name.String()}
	case len(q.Attributes) == 1:
		// An agent of version 7 takes a list of one for the one.
		return request{Type: "read", MBean: q.Name.String(), Attribute: q.Attributes[0]}
	}
	return request{Type: "read", MBean: q.Name.String(), Attribute: q.Attributes}
}

// take reads the response to question.
func take(q mbean.Query, r *response) mbean.Answer {
	var told *fault
	if err := r.failure(); errors.As(err, &told) {
		if told.notFound() {
			return mbean.Answer{}
		}
		return mbean.Answer{Err: err}
	}
	v, err := decode(r.Value)
	if err != nil {
		return mbean.Answer{Err: fmt.Errorf("value: %w", err)}
	}
	switch {
	case len(q.Attributes) == 0:
		return takeSearch(v)
	case q.Name.IsPattern():
		return takePattern(q, v)
	}
	b := mbean.Bean{Name: q.Name}
	if len(q.Attributes) == 1 {
		v = map[string]any{q.Attributes[0]: v}
	}
	values, ok := v.(map[string]any)
	if !ok {
		return mbean.Answer{Err: errors.New("the value is no map of attributes")}
	}
	return mbean.Answer{Beans: []mbean.Bean{fill(b, q, values)}}
}

func takeSearch(v any) (a mbean.Answer) {
	names, ok := v.([]any)
	if !ok {
		return mbean.Answer{Err: errors.New("the value is no list of names")}
	}
	for _, n := range names {
		text, _ := n.(string)
		name, err := beans.ParseName(text)
		if err != nil {
			return mbean.Answer{Err: err}
		}
		a.Beans = append(a.Beans, mbean.Bean{Name: name})
	}
	return a
}

func takePattern(q mbean.Query, v any) (a mbean.Answer) {
	all, ok := v.(map[string]any)
	if !ok {
		return mbean.Answer{Err: errors.New("the value is no map of MBeans")}
	}
	for text, inner := range all {
		name, err := beans.ParseName(text)
		if err != nil {
			return mbean.Answer{Err: err}
		}
		values, ok := inner.(map[string]any)
		if !ok {
			return mbean.Answer{Err: fmt.Errorf("the value of %s is no map of attributes", name)}
		}
		a.Beans = append(a.Beans, fill(mbean.Bean{Name: name}, q, values))
	}
	return a
}

// fill sorts the attributes that were asked for into values and errors.
func fill(b mbean.Bean, q mbean.Query, values map[string]any) mbean.Bean {
	b.Values, b.Errors = map[string]any{}, map[string]string{}
	for _, name := range q.Attributes {
		v, there := values[name]
		if !there {
			continue
		}
		if why := notHad(v); why != "" {
			b.Errors[name] = why
			continue
		}
		b.Values[name] = v
	}
	return b
}

// notHad says why an attribute could not be had, when the value of an ignored error
// stands in its place: of version 7 "ERROR: <text> (class <class>)", of version 8 an
// object with ".error".
func notHad(v any) string {
	switch v := v.(type) {
	case string:
		text, marked := strings.CutPrefix(v, "ERROR: ")
		if i := strings.LastIndex(text, " (class "); marked && i >= 0 && strings.HasSuffix(text, ")") {
			return text[:i]
		}
	case map[string]any:
		if failed, _ := v[".error"].(bool); failed {
			text, _ := v["error"].(string)
			class, _ := v["error_type"].(string)
			if text == "" {
				text = class
			}
			return strings.TrimPrefix(text, class+" : ")
		}
	}
	return ""
}

// agentInfo is the value of a version request.
type agentInfo struct {
	Agent    string `json:"agent"`
	Protocol string `json:"protocol"`
}

// clean bounds a text that an agent told.
func clean(s string, most int) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s[:min(len(s), most)], "\x00", ""), "�")
}

// at is a time in milliseconds since 1970; what no clock shows is now.
func at(ms int64, now time.Time) time.Time {
	t := time.UnixMilli(ms)
	if ms <= 0 || t.After(now.Add(time.Hour)) {
		return now
	}
	return t
}

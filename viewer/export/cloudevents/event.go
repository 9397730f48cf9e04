package cloudevents

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/event"

	"grove/beans"
	"grove/tree"
)

// MaxDataBytes bounds the data of one event; what is longer is left out, and the event
// has the extension "datatruncated".
const MaxDataBytes = 64 << 10

// Of makes a CloudEvent of a notification. Source is an absolute path reference to the
// bean below the manager's own URI, "grove://web1/beans/grove:type=Tree"; id is the
// notification's number there together with run, which names the life of the manager,
// so that source and id together are unique over restarts, as the specification asks
// for. Subject is the path of the node, where the notification has one.
func Of(n *beans.Notification, manager, run string) (event.Event, error) {
	e := event.New()
	e.SetID(run + "-" + strconv.FormatInt(n.Sequence, 10))
	e.SetSource("grove://" + url.PathEscape(manager) + "/beans/" + url.PathEscape(n.Source.String()))
	e.SetType(n.Type)
	e.SetTime(n.Time)
	fields, _ := n.Data.(map[string]beans.Value)
	if path, ok := fields["path"].(string); ok {
		e.SetSubject(path)
	} else if path, ok := n.Source.Text("path"); ok {
		e.SetSubject(path)
	}
	if to, ok := fields["to"].(string); ok {
		if status, err := tree.ParseStatus(to); err == nil {
			s := SeverityOf(status)
			e.SetExtension("severitytext", s.Text)
			e.SetExtension("severitynumber", s.Number)
		}
	}
	data, err := json.Marshal(payload{strings.ToValidUTF8(n.Message, "�"), n.Sequence, plain(n.Data, 0)})
	if err != nil {
		return e, fmt.Errorf("notification %s of %s: %w", n.Type, n.Source, err)
	}
	if len(data) > MaxDataBytes {
		e.SetExtension("datatruncated", true)
		message := n.Message
		for len(message) > MaxDataBytes/8 || !utf8.ValidString(message) {
			message = strings.ToValidUTF8(message[:min(len(message), MaxDataBytes/8)], "")
		}
		data, _ = json.Marshal(payload{message, n.Sequence, nil}) // two plain fields
	}
	if err := e.SetData(event.ApplicationJSON, json.RawMessage(data)); err != nil {
		return e, fmt.Errorf("notification %s of %s: %w", n.Type, n.Source, err)
	}
	return e, e.Validate()
}

// payload is the data of an event.
type payload struct {
	Message  string `json:"message"`
	Sequence int64  `json:"sequence,omitempty"`
	Data     any    `json:"data,omitempty"`
}

// Severity is how bad an event is, as OpenTelemetry and the severity extension of
// CloudEvents name it.
type Severity struct {
	Text   string
	Number int
}

// SeverityOf returns the severity of a status: a white node, of which nothing is known,
// is a warning.
func SeverityOf(s tree.Status) Severity {
	switch s {
	case tree.Red:
		return Severity{"ERROR", 17}
	case tree.Yellow, tree.White:
		return Severity{"WARN", 13}
	}
	return Severity{"INFO", 9}
}

// maxDepth bounds how deep data may be nested.
const maxDepth = 16

// plain makes of a bean's value what JSON can say: names become their texts, errors and
// everything else that is not data becomes its text.
func plain(v beans.Value, depth int) any {
	if depth > maxDepth {
		return fmt.Sprint(v)
	}
	switch v := v.(type) {
	case nil, bool, int64:
		return v
	case string:
		return strings.ToValidUTF8(v, "�")
	case float64:
		return number(v)
	case map[string]beans.Value:
		m := make(map[string]any, len(v))
		for name, field := range v {
			m[strings.ToValidUTF8(name, "�")] = plain(field, depth+1)
		}
		return m
	case []beans.Value:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i], depth+1)
		}
		return list
	case beans.Table:
		rows := make([]any, len(v))
		for i := range v {
			rows[i] = plain(v[i], depth+1)
		}
		return rows
	case beans.AttributeChange:
		return map[string]any{"attribute": v.Attribute, "type": string(v.Type), "old": plain(v.Old, depth+1), "new": plain(v.New, depth+1)}
	case beans.Registration:
		return map[string]any{"name": v.Name.String()}
	case error:
		return v.Error()
	case fmt.Stringer:
		return strings.ToValidUTF8(v.String(), "�")
	}
	if text, err := json.Marshal(v); err == nil {
		return json.RawMessage(text)
	}
	return strings.ToValidUTF8(fmt.Sprint(v), "�")
}

// number is a number, or the text of one that JSON cannot say.
func number(v float64) any {
	if text := strconv.FormatFloat(v, 'g', -1, 64); v != v || strings.HasSuffix(text, "Inf") {
		return text
	}
	return v
}

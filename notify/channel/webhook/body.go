package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"grove/notify/channel"
	"grove/notify/channel/labelled"
	"grove/notify/template"
)

// encode returns the body of a message and its content type.
func (h *hook) encode(m *channel.Message) ([]byte, string, error) {
	title, text := h.Title(m), h.Text(m)
	m = template.Cleaned(m)
	m.Title, m.Text = title, text
	switch h.o.Format {
	case "template":
		return h.render(m)
	case "alertmanager":
		body, err := encode(alertmanager(m))
		return body, "application/json", err
	case "cloudevents":
		body, err := encode(cloudEvent(m))
		return body, "application/cloudevents+json; charset=utf-8", err
	}
	body, err := encode(document{Version: version, Message: m})
	return body, "application/json", err
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// version is that of grove's own shape: it rises when something changes its meaning or goes.
const version = 1

// document is grove's own shape: the fields of a channel.Message and a version.
type document struct {
	Version int `json:"version"`
	*channel.Message
}

// render makes a body by the template of the options.
func (h *hook) render(m *channel.Message) ([]byte, string, error) {
	contentType := h.o.Type
	if contentType == "" {
		contentType = "application/json"
	}
	text, err := h.body.Render(m)
	if err != nil {
		return nil, "", fmt.Errorf("body: %w", err)
	}
	if isJSON(contentType) && !json.Valid([]byte(text)) {
		return nil, "", errors.New("body: what the template makes of this message is no JSON: write texts by the function json")
	}
	return []byte(text), contentType, nil
}

func isJSON(contentType string) bool {
	kind, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	kind = strings.TrimSpace(kind)
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}

// checkJSON tries a template that is to make JSON, also on texts that break it when they are
// not escaped.
func (h *hook) checkJSON() error {
	for what, m := range template.Samples() {
		m.Title = `a "quoted" \ title`
		for i := range m.Alerts {
			m.Alerts[i].Message = `a "quoted" \ message`
		}
		if _, _, err := h.render(m); err != nil {
			return channel.BadOption("body", "%w (on a message of the sample %q)", err, what)
		}
	}
	return nil
}

// notification is a webhook of Alertmanager, version 4:
// https://prometheus.io/docs/alerting/latest/configuration/#webhook_config.
type notification struct {
	Version           string            `json:"version"`
	GroupKey          string            `json:"groupKey"`
	TruncatedAlerts   int               `json:"truncatedAlerts"`
	Status            string            `json:"status"`
	Receiver          string            `json:"receiver"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Alerts            []notified        `json:"alerts"`
}

// notified is an alert in it. One that fires ends at the zero time.
type notified struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
}

func alertmanager(m *channel.Message) notification {
	n := notification{
		Version: "4", GroupKey: m.Group, Status: "firing", Receiver: m.Route, GroupLabels: map[string]string{}, ExternalURL: m.URL,
		TruncatedAlerts: max(0, m.Firing+m.Resolved-len(m.Alerts)), Alerts: []notified{},
	}
	if n.Receiver == "" {
		n.Receiver = "grove"
	}
	maps.Copy(n.GroupLabels, m.By)
	if m.Purpose == channel.Resolution {
		n.Status = "resolved"
	}
	add := func(a labelled.Alert) {
		status := "firing"
		if !a.EndsAt.IsZero() {
			status = "resolved"
		}
		n.Alerts = append(n.Alerts, notified{status, a.Labels, a.Annotations, a.StartsAt, a.EndsAt, a.GeneratorURL, a.Fingerprint()})
	}
	for i := range m.Alerts {
		add(labelled.Of(m, &m.Alerts[i]))
	}
	if len(m.Alerts) == 0 {
		add(labelled.Note(m, m.Title, m.Text))
		n.TruncatedAlerts = 0
	}
	n.CommonLabels = common(n.Alerts, func(a notified) map[string]string { return a.Labels })
	n.CommonAnnotations = common(n.Alerts, func(a notified) map[string]string { return a.Annotations })
	return n
}

// common are the pairs that all alerts have.
func common(alerts []notified, pairs func(notified) map[string]string) map[string]string {
	all := maps.Clone(pairs(alerts[0]))
	for _, a := range alerts[1:] {
		maps.DeleteFunc(all, func(k, v string) bool { return pairs(a)[k] != v })
	}
	return all
}

// event is a CloudEvent 1.0 in structured mode with JSON:
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md.
type event struct {
	SpecVersion     string           `json:"specversion"`
	ID              string           `json:"id"`
	Source          string           `json:"source"`
	Type            string           `json:"type"`
	Time            time.Time        `json:"time"`
	Subject         string           `json:"subject,omitempty"`
	DataContentType string           `json:"datacontenttype"`
	SeverityText    string           `json:"severitytext"`
	SeverityNumber  int              `json:"severitynumber"`
	Data            *channel.Message `json:"data"`
}

// numbers are those of OpenTelemetry for the severities of X.733, which the extension
// "severity" of CloudEvents uses.
var numbers = [...]int{9, 9, 13, 14, 17, 18}

func cloudEvent(m *channel.Message) event {
	e := event{
		SpecVersion: "1.0", ID: m.Key, Source: "/grove/" + identifier(m.Manager), Type: "grove.alert." + string(m.Purpose), Time: m.Time,
		Subject: m.Group, DataContentType: "application/json", SeverityText: m.Severity.String(), Data: m,
	}
	if int(m.Severity) < len(numbers) {
		e.SeverityNumber = numbers[m.Severity]
	}
	if !slices.Contains([]channel.Purpose{channel.Firing, channel.Reminder, channel.Escalation, channel.Resolution}, m.Purpose) {
		e.Type = "grove." + string(m.Purpose)
	}
	return e
}

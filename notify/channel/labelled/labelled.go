// Package labelled says alerts in the words of Prometheus and its Alertmanager: labels,
// which tell what an alert is of and what routes go by, and annotations, which people read.
package labelled

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"

	"grove/notify/channel"
	"grove/notify/template"
	"grove/tree"
	"grove/tree/alert"
)

// Alert is an alert as the API of Alertmanager has it:
// https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml, postableAlert.
type Alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt,omitzero"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// maxValue bounds a label and an annotation in characters.
const maxValue = 1024

// Severity is what routes of Alertmanager commonly know for a severity of X.733.
func Severity(s tree.Severity) string {
	switch s {
	case tree.Critical, tree.Major:
		return "critical"
	case tree.Minor, tree.Warning:
		return "warning"
	}
	return "none"
}

// Of returns one of the alerts of a message. EndsAt is set once it is over.
func Of(m *channel.Message, a *alert.Alert) Alert {
	own := map[string]string{
		"alertname": a.Path.Name(), "path": a.Path.String(), "instance": a.Instance, "severity": Severity(a.Severity),
		"customer": strings.Join(a.Customers, ","), "manager": a.Manager, "kind": string(a.Kind),
	}
	if a.Path.IsRoot() {
		own["alertname"] = "grove"
	}
	labels := map[string]string{}
	for k, v := range a.Labels {
		k = name(k)
		if _, taken := own[k]; taken {
			k = "exported_" + k // As Prometheus does with labels that it has itself.
		}
		put(labels, k, v)
	}
	for k, v := range own {
		put(labels, k, v)
	}
	out := Alert{Labels: labels, Annotations: map[string]string{}, StartsAt: a.Opened, GeneratorURL: address(m.URL)}
	for k, v := range map[string]string{
		"summary": a.Message, "value": a.Value, "unit": a.Unit, "threshold": a.Threshold, "status": a.Status.String(), "state": string(a.State),
		"perceived_severity": a.Severity.String(), "event_type": a.EventType, "probable_cause": a.ProbableCause, "repair": a.Repair,
		"grove_alert": a.ID.String(), "grove_message": m.Key, "grove_group": m.Group,
	} {
		put(out.Annotations, k, v)
	}
	if a.Ack != nil {
		put(out.Annotations, "acknowledged_by", a.Ack.By)
		put(out.Annotations, "acknowledged_comment", a.Ack.Comment)
	}
	if a.Resolved != nil {
		out.EndsAt = *a.Resolved
	}
	return out
}

// Note returns a message without alerts as an alert of its own.
func Note(m *channel.Message, title, text string) Alert {
	purpose := string(m.Purpose)
	out := Alert{Labels: map[string]string{}, Annotations: map[string]string{}, StartsAt: m.Time, GeneratorURL: address(m.URL)}
	for k, v := range map[string]string{
		"alertname": "Grove" + strings.ToUpper(purpose[:min(1, len(purpose))]) + purpose[min(1, len(purpose)):], "manager": m.Manager, "severity": "none", "group": m.Group,
	} {
		put(out.Labels, k, v)
	}
	for k, v := range map[string]string{"summary": title, "description": text, "grove_message": m.Key, "grove_group": m.Group} {
		put(out.Annotations, k, v)
	}
	return out
}

// put adds a label or annotation; an empty one is none.
func put(to map[string]string, name, value string) {
	if value = template.Truncate(template.OneLine(value), maxValue); value != "" {
		to[name] = value
	}
}

// IsName says whether a text is the name of a label as it is.
func IsName(text string) bool { return text != "" && name(text) == text }

// name is a text as the name of a label: https://prometheus.io/docs/concepts/data_model/.
func name(text string) string {
	text = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, template.Truncate(text, 100))
	if text == "" || text[0] >= '0' && text[0] <= '9' {
		text = "_" + text
	}
	// Names that begin so are Prometheus' own.
	if rest, reserved := strings.CutPrefix(text, "__"); reserved {
		return "_" + strings.TrimLeft(rest, "_")
	}
	return text
}

// address is an address that people may open; another is none.
func address(text string) string {
	if strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://") {
		return template.OneLine(text)
	}
	return ""
}

// Fingerprint is the same for alerts with the same labels, and 16 hexadecimal digits.
func (a Alert) Fingerprint() string {
	h := sha256.New()
	for _, k := range slices.Sorted(maps.Keys(a.Labels)) {
		h.Write([]byte(k + "\x00" + a.Labels[k] + "\x00"))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

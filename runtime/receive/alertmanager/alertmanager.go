// Package alertmanager is the receiver for the webhook of Prometheus' Alertmanager
// (prometheus.io/docs/alerting/latest/configuration, "webhook_config", version 4).
package alertmanager

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/receive"
	"grove/tree"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Path is what the webhook's address has.
const Path = "/api/v1/alertmanager"

// Bounds and defaults.
const (
	// DefaultMaxBody bounds a request, in bytes.
	DefaultMaxBody = 4 << 20
	maxAlerts      = 10_000 // that a probe keeps, as many as a loop has rows
	maxText        = 4096   // bytes of a label or annotation that are kept
	maxMatches     = 50
	maxExpression  = 2000
	defaultForget  = 24 * time.Hour
)

// Options of a Hub. The zero value stands for the defaults.
type Options struct {
	// May says whether who sends may send to the probes of an instance. Nil: everybody may.
	May     func(ctx context.Context, instance string) error
	MaxBody int64
	Now     func() time.Time // nil: time.Now
}

// Hub takes alerts. It may be used from many goroutines.
type Hub struct {
	options  Options
	attached receive.Attached[*keeper]
	account  receive.Account
	requests atomic.Uint64
	bad      atomic.Uint64
}

// NewHub makes a hub.
func NewHub(o Options) *Hub {
	if o.MaxBody <= 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Hub{options: o}
}

// Stats is what became of what was sent.
type Stats struct {
	receive.Counts        // of alerts
	Requests       uint64 // all, also refused ones
	BadRequests    uint64 // of which nothing could be read
}

// Stats reads the counts.
func (h *Hub) Stats() Stats {
	return Stats{Counts: h.account.Counts(), Requests: h.requests.Load(), BadRequests: h.bad.Load()}
}

// ProbeOptions are what a definition says of a probe of this kind.
type ProbeOptions struct {
	Match    map[string]string `yaml:"match,omitempty" jsonschema:"description=Regular expressions (RE2) by label\\, each of which must fit the whole text."`
	Severity string            `yaml:"severity" jsonschema:"default=severity,description=The label that says how bad an alert is: critical\\, error\\, page and the like are red\\, all others yellow."`
	Text     string            `yaml:"text,omitempty" jsonschema:"description=Text of the event\\, with labels and annotations in braces: {alertname} on {instance}: {summary}."`
	Forget   time.Duration     `yaml:"forget" jsonschema:"type=string,default=24h,description=An alert that is not repeated for so long is taken for resolved: longer than Alertmanager's repeat_interval."`
}

// Kind returns the kind "alertmanager": probes that take part in what a hub gets.
func Kind(h *Hub) probe.Kind {
	return probe.Kind{
		Name: "alertmanager", Title: "Alerts that Prometheus' Alertmanager sends", Doc: doc, Example: example, Pushes: true,
		NewOptions: func() any { return &ProbeOptions{Severity: "severity", Forget: defaultForget} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*ProbeOptions)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			return newKeeper(h, o)
		},
	}
}

// message is what Alertmanager sends, as far as it is read.
type message struct {
	Version string
	Alerts  []alert
}

type alert struct {
	Status                    string
	Labels, Annotations       map[string]string
	StartsAt, EndsAt          time.Time
	GeneratorURL, Fingerprint string
}

// Handler takes alerts: 200 once they were handed on, 400 when they are none, 403 when the
// sender may send to none of the probes that want them. Alertmanager tries again after 5xx.
func (h *Hub) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.requests.Add(1)
		if status, err := h.take(w, r); err != nil {
			h.bad.Add(1)
			if status == http.StatusMethodNotAllowed {
				w.Header().Set("Allow", http.MethodPost)
			}
			http.Error(w, err.Error(), status)
		}
	})
}

func (h *Hub) take(w http.ResponseWriter, r *http.Request) (status int, err error) {
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, errors.New("alerts are sent by POST")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.options.MaxBody))
	if err != nil {
		return http.StatusRequestEntityTooLarge, fmt.Errorf("the request has more than %d bytes, or broke off", h.options.MaxBody)
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		return http.StatusBadRequest, fmt.Errorf("the request is not Alertmanager's: %w", err)
	}
	if m.Version != "4" {
		return http.StatusBadRequest, fmt.Errorf("the request is not Alertmanager's webhook of version 4 but of version %q", m.Version)
	}
	now := h.options.Now()
	applied, denied, err := receive.Dispatch(r.Context(), &h.attached, &h.account, h.options.May, m.Alerts, (*keeper).wants, func(k *keeper, given []*alert) { k.take(given, now) })
	if denied > 0 && applied == 0 {
		return http.StatusForbidden, err
	}
	return 0, nil
}

// keeper is a probe: a feed with the alerts that fire.
type keeper struct {
	*receive.Feed
	match    map[string]*regexp.Regexp
	severity string
	text     string
	forget   time.Duration
	now      func() time.Time

	mu       sync.Mutex // guards the rest
	firing   map[string]*fired
	left     uint64 // alerts for which there was no room
	memory   []byte // nil: what is to be remembered has changed
	recalled bool
	attached bool
	clock    *time.Timer    // rings when the next alert is to be forgotten; nil: it is not set
	ringing  sync.WaitGroup // clocks that are set
}

// fired is an alert that fires.
type fired struct {
	alert
	status tree.Status
	seen   time.Time
}

var alertTable = beans.AttributeInfo{
	Name: "alerts", Type: beans.TypeTable, Key: "id", Readable: true, Description: "The alerts that fire.",
	Columns: []beans.AttributeInfo{
		{Name: "id", Type: beans.TypeString, Readable: true, Description: "What tells it apart: Alertmanager's fingerprint of its labels."},
		{Name: "name", Type: beans.TypeString, Readable: true, Description: "Its label alertname."},
		{Name: "severity", Type: beans.TypeString, Readable: true, Description: "Its severity, as its label says."},
		{Name: "status", Type: beans.TypeString, Readable: true, Description: "red or yellow, by its severity."},
		{Name: "summary", Type: beans.TypeString, Readable: true, Description: "What it tells people: its annotation summary, description or message."},
		{Name: "labels", Type: beans.TypeString, Readable: true, Description: "All its labels."},
		{Name: "since", Type: beans.TypeString, Readable: true, Description: "When it began, as RFC 3339 writes times."},
		{Name: "instance", Type: beans.TypeString, Readable: true, Description: "Its label instance."},
		{Name: "link", Type: beans.TypeString, Readable: true, Description: "Where Prometheus shows it."},
	},
}

func newKeeper(h *Hub, o *ProbeOptions) (*keeper, error) {
	if len(o.Match) > maxMatches {
		return nil, probe.BadOption("match", "has %d labels, more than %d", len(o.Match), maxMatches)
	}
	k := &keeper{match: map[string]*regexp.Regexp{}, severity: o.Severity, text: o.Text, forget: o.Forget, now: h.options.Now, firing: map[string]*fired{}}
	for _, name := range slices.Sorted(maps.Keys(o.Match)) {
		text := o.Match[name]
		if len(text) > maxExpression {
			return nil, probe.BadOption("match."+name, "has %d bytes, more than %d", len(text), maxExpression)
		}
		re, err := regexp.Compile(`\A(?:` + text + `)\z`)
		if err != nil {
			return nil, probe.BadOption("match."+name, "%w", err)
		}
		k.match[name] = re
	}
	switch {
	case o.Forget < time.Minute || o.Forget > 30*24*time.Hour:
		return nil, probe.BadOption("forget", "%v is outside 1m..720h", o.Forget)
	case len(o.Text) > maxText:
		return nil, probe.BadOption("text", "has %d bytes, more than %d", len(o.Text), maxText)
	}
	if k.text == "" {
		k.text = "{alertname}: {summary}"
	}
	k.Feed = receive.NewFeed([]beans.AttributeInfo{
		{Name: "firing", Type: beans.TypeFloat, Unit: "alerts", Readable: true, Description: "Alerts that fire."},
		{Name: "left_out", Type: beans.TypeFloat, Unit: "alerts", Readable: true, Description: "Alerts for which there was no room.", Descriptor: map[string]string{"metricType": "counter"}},
		{Name: "events", Type: beans.TypeStrings, Readable: true, Description: "Alerts as they begin and end."},
		alertTable,
	}, func(instance, name string) (func(), error) {
		leave := h.attached.Join(instance, name, k)
		k.begin()
		return func() { leave(); k.end() }, nil
	})
	return k, nil
}

func (k *keeper) wants(a *alert) bool {
	for name, re := range k.match {
		if !re.MatchString(a.Labels[name]) {
			return false
		}
	}
	return true
}

// reds are the severities that are red; every other is yellow.
var reds = map[string]bool{"critical": true, "crit": true, "error": true, "page": true, "emergency": true, "fatal": true, "high": true, "major": true, "disaster": true}

// take keeps the alerts of one message.
func (k *keeper) take(list []*alert, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var events []tree.Event
	for _, a := range list {
		id := a.id()
		before := k.firing[id]
		if a.Status == "resolved" {
			if before != nil {
				delete(k.firing, id)
				events = append(events, k.event(a, tree.Green, a.EndsAt, now))
			}
			continue
		}
		status := k.status(a)
		if before == nil {
			if len(k.firing) >= maxAlerts {
				k.left++
				continue
			}
			events = append(events, k.event(a, status, a.StartsAt, now))
		}
		k.firing[id] = &fired{alert: *a, status: status, seen: now}
	}
	r := k.result(now)
	if len(events) > 0 {
		r.Values = append(r.Values, probe.Value{Attribute: "events", Value: tree.Text(events[len(events)-1].Text), Events: events})
	}
	k.post(len(list), r)
}

// status is the colour of an alert that fires.
func (k *keeper) status(a *alert) tree.Status {
	if reds[strings.ToLower(a.Labels[k.severity])] {
		return tree.Red
	}
	return tree.Yellow
}

// id is the fingerprint, or the labels where a sender gives none.
func (a *alert) id() string {
	if a.Fingerprint != "" {
		return clip(a.Fingerprint)
	}
	return clip(labelText(a.Labels))
}

func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxText)], "�") }

func labelText(labels map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, name+"="+labels[name])
	}
	return strings.Join(parts, ", ")
}

var placeholder = regexp.MustCompile(`\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// event is an alert that begins or, when it is green, ends.
func (k *keeper) event(a *alert, status tree.Status, at, now time.Time) tree.Event {
	text := placeholder.ReplaceAllStringFunc(k.text, func(p string) string {
		name := p[1 : len(p)-1]
		switch v, ok := a.Labels[name]; {
		case ok:
			return v
		case name == "summary":
			return a.summary()
		}
		return a.Annotations[name]
	})
	if status == tree.Green {
		text = "resolved: " + text
	}
	if at.IsZero() || at.After(now.Add(time.Minute)) {
		at = now
	}
	return tree.Event{Time: at, Status: status, Text: clip(text)}
}

func (a *alert) summary() string {
	return cmp.Or(a.Annotations["summary"], a.Annotations["description"], a.Annotations["message"])
}

// rows is the table of alerts, the oldest first.
func (k *keeper) rows() probe.Table {
	list := slices.Collect(maps.Values(k.firing))
	slices.SortFunc(list, func(a, b *fired) int { return cmp.Or(a.StartsAt.Compare(b.StartsAt), cmp.Compare(a.id(), b.id())) })
	t := probe.Table{Attribute: alertTable.Name}
	for _, c := range alertTable.Columns {
		t.Columns = append(t.Columns, c.Name)
	}
	for _, f := range list {
		since := tree.Value{}
		if !f.StartsAt.IsZero() {
			since = tree.Text(f.StartsAt.UTC().Format(time.RFC3339))
		}
		t.Rows = append(t.Rows, []tree.Value{
			tree.Text(f.id()), tree.Text(clip(f.Labels["alertname"])), tree.Text(clip(f.Labels[k.severity])), tree.Text(f.status.String()),
			tree.Text(clip(f.summary())), tree.Text(clip(labelText(f.Labels))), since, tree.Text(clip(f.Labels["instance"])), tree.Text(clip(f.GeneratorURL)),
		})
	}
	return t
}

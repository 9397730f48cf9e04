package kubernetes

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

// maxWarnings bounds the events that one run tells; the newest are told.
const maxWarnings = 200

var warnings = &object{
	name: "warnings", paths: []apiPath{{"/api/v1", "events"}}, namespaced: true, fields: "type=Warning",
	attributes: []beans.AttributeInfo{
		{Name: "warnings", Type: beans.TypeStrings, Readable: true, Description: "Events of the type Warning, each once; at first those of the last ten minutes."},
	},
	begin: func() pour { return &warningPour{} },
}

// recent is how old the events may be that the first run tells.
const recent = 10 * time.Minute

type warningPour struct {
	list []tree.Event
}

func (w *warningPour) take(l *look, _ apiPath, item json.RawMessage) error {
	var x struct {
		Metadata                 meta
		InvolvedObject           struct{ Kind, Namespace, Name string }
		Reason, Message          string
		Count                    int
		LastTimestamp, EventTime time.Time
	}
	if err := json.Unmarshal(item, &x); err != nil {
		return err
	}
	at := x.LastTimestamp
	for _, other := range []time.Time{x.EventTime, x.Metadata.CreationTimestamp} {
		if at.IsZero() {
			at = other
		}
	}
	from := l.told
	if from.IsZero() {
		from = l.now.Add(-recent)
	}
	if !at.After(from) || at.After(l.now.Add(time.Minute)) {
		return nil
	}
	text := fmt.Sprintf("%s %s/%s: %s: %s", x.InvolvedObject.Kind, x.InvolvedObject.Namespace, x.InvolvedObject.Name, x.Reason, x.Message)
	if x.Count > 1 {
		text += fmt.Sprintf(" (%d times)", x.Count)
	}
	w.list = append(w.list, tree.Event{Time: at, Status: tree.Yellow, Text: text})
	l.newest(at)
	return nil
}

// newest notes when the newest event happened, for the next run.
func (l *look) newest(at time.Time) {
	if at.After(l.next) {
		l.next = at
	}
}

func (w *warningPour) end(r *probe.Result) {
	slices.SortStableFunc(w.list, func(a, b tree.Event) int { return cmp.Compare(a.Time.UnixNano(), b.Time.UnixNano()) })
	w.list = w.list[max(0, len(w.list)-maxWarnings):]
	if len(w.list) > 0 {
		r.Values = append(r.Values, probe.Value{Attribute: "warnings", Value: tree.Text(w.list[len(w.list)-1].Text), Events: w.list})
	}
}

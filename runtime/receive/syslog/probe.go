package syslog

import (
	_ "embed"
	"fmt"
	"net/netip"
	"sync"

	"grove/runtime/probe"
	"grove/runtime/probe/pattern"
	"grove/runtime/receive"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Kind returns the kind "syslog", whose probes take messages of the hub.
func Kind(h *Hub) probe.Kind {
	return probe.Kind{
		Name:       "syslog",
		Title:      "Messages of syslog that are sent here",
		Doc:        doc + pattern.Doc,
		Example:    example,
		Pushes:     true,
		NewOptions: func() any { return &ProbeOptions{} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*ProbeOptions)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			s, err := o.check()
			if err != nil {
				return nil, err
			}
			p := &syslogProbe{selection: s, matcher: s.set.NewMatcher()}
			p.Feed = receive.NewFeed(s.set.Attributes(), func(instance, name string) (func(), error) {
				return h.attached.Join(instance, name, p), nil
			})
			return p, nil
		},
	}
}

// syslogProbe takes the messages that its selection wants.
type syslogProbe struct {
	*receive.Feed
	selection *selection

	mu      sync.Mutex // guards matcher and the order in which results are posted
	matcher *pattern.Matcher
}

// arrival is a message and where it came from.
type arrival struct {
	message
	source netip.Addr
}

// take takes those of some messages that are for the probe, and marks them.
func (p *syslogProbe) take(all []arrival, taken []bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := uint64(0)
	for i := range all {
		a := &all[i]
		if !p.selection.wants(&a.message, a.source) {
			continue
		}
		n++
		taken[i] = true
		p.matcher.Record(pattern.Record{
			Text: []byte(a.text), Time: a.time, Status: pattern.StatusOfSeverity(a.severity),
			Field: func(name string) string { return p.selection.field(a, name) },
		})
	}
	if n == 0 {
		return
	}
	var r probe.Result
	p.matcher.Add(&r)
	p.PostMany(n, r)
}

// field is what texts of events may hold.
func (s *selection) field(a *arrival, name string) string {
	switch name {
	case "host":
		return a.host
	case "app":
		return a.app
	case "pid":
		return a.pid
	case "id":
		return a.id
	case "facility":
		return facilities[a.facility]
	case "severity":
		return pattern.Severities[a.severity]
	case "source":
		return a.source.String()
	}
	d := s.fields[name]
	return a.data[d.id][d.name]
}

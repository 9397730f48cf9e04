package discover

import (
	"context"
	"errors"
	"strings"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
	"grove/tree/definition"
)

// Wrap puts a listener around the probe of an instance that runs a discovery; other probes
// are returned as they are. It is bind.Options.Wrap.
func (h *Hub) Wrap(i *definition.Instance, p probe.Probe) probe.Probe {
	if i.Discovery == "" || i.Row != "" {
		return p
	}
	l := &listener{Probe: p, hub: h, name: i.Discovery}
	if r, ok := p.(probe.Rememberer); ok {
		return struct {
			*listener
			probe.Rememberer
		}{l, r}
	}
	return l
}

// listener is the probe of a discovery.
type listener struct {
	probe.Probe
	hub  *Hub
	name string // of the discovery
}

// Attributes implements probe.Probe.
func (l *listener) Attributes() []beans.AttributeInfo {
	own := l.Probe.Attributes()
	return append(own[:len(own):len(own)], definition.DiscoveryAttributes()...)
}

// Run implements probe.Probe. Rows that could not be had are an error: what the other
// attributes of the probe say of it stays beside.
func (l *listener) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	res, err := l.Probe.Run(ctx)
	table := l.hub.tableOf(l.name, &res)
	if err == nil {
		err = failure(&res, table)
	}
	report := report{state: definition.DiscoveryFailed}
	if err == nil {
		report = l.hub.note(l.name, table)
		res.Number(definition.DiscoveryRows, float64(report.rows))
		res.Number(definition.DiscoveryMissing, float64(report.missing))
	} else {
		report.problem = err.Error()
	}
	res.Text(definition.DiscoveryState, report.state)
	res.Text(definition.DiscoveryProblem, strings.ToValidUTF8(report.problem, "�"))
	res.Number(definition.DiscoveryDuration, time.Since(start).Seconds())
	return res, err
}

// tableOf returns the table whose rows are instances; nil: the run yielded none.
func (h *Hub) tableOf(name string, res *probe.Result) *probe.Table {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.found[name]
	for k := range res.Tables {
		if f != nil && f.plan != nil && res.Tables[k].Attribute == f.plan.Table {
			return &res.Tables[k]
		}
	}
	return nil
}

// failure says why a run without an error found nothing all the same: a resource that is
// down is a reading of its probe.
func failure(res *probe.Result, table *probe.Table) error {
	down := table == nil
	why := ""
	for _, v := range res.Values {
		switch v.Attribute {
		case "up":
			down = down || v.Value == tree.Bool(false)
		case "error":
			why = v.Value.String()
		}
	}
	switch {
	case !down:
		return nil
	case why != "":
		return errors.New(why)
	case table == nil:
		return errors.New("the probe found no rows to look at")
	}
	return errors.New("what is asked is down")
}

package book

import (
	"slices"

	"grove/notify/cause"
	"grove/notify/subject"
	"grove/tree"
	"grove/tree/alert"
)

// WhatIf says which alerts would open, or get worse, if nodes took other statuses: with what
// they would follow from, and how many would follow from them. Nothing is changed. The
// numbers of those that would open stand for nothing but each other.
func (b *Book) WhatIf(changes []tree.StatusChange) []alert.Alert {
	now := b.now()
	register := subject.NewRegister(b.o.Tree)
	supposed := make(map[tree.Path]tree.Status, len(changes))
	for i := range changes {
		supposed[changes[i].Path] = changes[i].To
	}
	var sources []cause.Source
	byPath := map[tree.Path]*alert.Alert{}
	last := alert.ID(now.UnixMilli() << idBits)
	for a := range b.Live {
		last = max(last, a.ID)
		if a.Kind != alert.Status {
			continue
		}
		byPath[a.Path] = a
		status, changed := supposed[a.Path]
		if !changed {
			status = a.Status
		}
		if status > tree.Green {
			sources = b.suppose(sources, a.ID, a.Path, status)
		}
	}
	var would []alert.Alert
	for i := range changes {
		c := &changes[i]
		old := byPath[c.Path]
		if c.To <= tree.Green || old != nil && old.Status >= c.To {
			continue
		}
		n, err := b.o.Tree.Node(c.Path)
		if err != nil {
			continue
		}
		s := register.Of(c.Path, n.Spec)
		if !s.Alerts(n.Spec) {
			continue
		}
		n.Value = tree.Value{} // What it would be nobody says.
		t := subject.Of(&n, c.To, nil)
		if old != nil {
			a := *old
			a.Status, a.Worst, a.Severity, a.Message, a.Value = c.To, max(a.Worst, c.To), s.Severity(c.To), t.Message, ""
			would = append(would, a)
			continue
		}
		last++
		a := alert.Alert{
			ID: last, Key: subject.Key(b.o.Manager, alert.Status, c.Path), Manager: b.o.Manager, Path: c.Path, Kind: alert.Status, State: alert.Open,
			Status: c.To, Worst: c.To, Severity: s.Severity(c.To), Opened: now, Changed: now, Message: t.Message, Unit: t.Unit, Count: 1,
		}
		dress(&a, s, n.Spec)
		would = append(would, a)
		sources = b.suppose(sources, last, c.Path, c.To)
	}
	graph := cause.New(register, unique(sources))
	follow := map[alert.ID]int{}
	for i := range would {
		a := &would[i]
		if t := b.o.Twin(a); t.Left {
			a.Suppression = t.suppression(now)
		} else if link, ok := graph.Of(a.Path, a.ID); ok {
			a.Suppression = suppression(&link, now)
			follow[a.Suppression.Cause]++
		} else if m, ok := b.o.Maintained(a.Path, now); ok {
			m.Reason = alert.ByMaintenance
			a.Suppression = &m
		} else {
			a.Suppression = nil
		}
		settle(a)
	}
	for i := range would {
		would[i].Consequences += follow[would[i].ID]
	}
	slices.SortFunc(would, func(x, y alert.Alert) int { return compare(placeOf(&x), placeOf(&y)) })
	return would
}

// suppose adds an alert of a status to the sources, if it can be one.
func (b *Book) suppose(sources []cause.Source, id alert.ID, p tree.Path, status tree.Status) []cause.Source {
	ref, ok := b.o.Tree.Lookup(p)
	if !ok {
		return sources
	}
	spec := b.o.Tree.Spec(ref)
	if spec == nil {
		return sources
	}
	e := entry{slot: slot{path: p}, a: &alert.Alert{ID: id, Status: status, State: alert.Open}}
	e.know(spec)
	if s, ok := b.source(&e); ok {
		sources = append(sources, s)
	}
	return sources
}

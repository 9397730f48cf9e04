package sample

import (
	"context"
	"errors"
	"slices"

	"grove/runtime/probe/series"
	"grove/runtime/receive"
)

// Delivery is what one message brings. It is for one goroutine, and not used after End.
type Delivery struct {
	hub     *Hub
	ctx     context.Context
	latest  int64 // milliseconds
	touched []*taker
	may     map[string]error
	now     Outcome
	applied int
	nobody  int
	older   int
	ahead   int
}

// Outcome is what became of a message.
type Outcome struct {
	Taken             int   // samples that were taken well, wanted or not
	Malformed, Denied int   // samples that were refused
	Err               error // why, of the first of these
}

// Begin begins a message of whoever the context says.
func (h *Hub) Begin(ctx context.Context) *Delivery {
	d := h.spare.Get().(*Delivery)
	*d = Delivery{hub: h, ctx: ctx, latest: h.options.Now().Add(maxAhead).UnixMilli(), touched: d.touched[:0]}
	return d
}

// Series says who wants a series with so many samples in this message; name is what it
// is called, a part of the key. When ok is false the samples were refused, and counted.
func (d *Delivery) Series(name, key []byte, samples int) (wanted []Probe, ok bool) {
	if len(name) == 0 || len(key) > 2*series.MaxLabels {
		d.Refuse(ErrLabels, samples)
		return nil, false
	}
	wanted, err := d.hub.wants(name, key)
	if err != nil {
		d.Refuse(err, samples)
		return nil, false
	}
	if wanted, err = d.allowed(wanted); err != nil {
		d.now.Denied += samples
		d.now.fault(err)
		return nil, false
	}
	return wanted, true
}

// Refuse counts samples that are malformed.
func (d *Delivery) Refuse(err error, samples int) {
	d.now.Malformed += samples
	d.now.fault(err)
}

func (o *Outcome) fault(err error) {
	if o.Err == nil {
		o.Err = err
	}
}

// Put gives a sample to those that want its series.
func (d *Delivery) Put(wanted []Probe, key []byte, s series.Sample) {
	d.now.Taken++
	switch {
	case len(wanted) == 0:
		d.nobody++
		return
	case s.Time > d.latest:
		d.ahead++
		return
	}
	taken := false
	for _, p := range wanted {
		if !contains(d.touched, p.Probe) {
			d.touched = append(d.touched, p.Probe)
			p.Probe.begin()
		}
		taken = p.Probe.put(key, s) == nil || taken
	}
	if taken {
		d.applied++
	} else {
		d.older++
	}
}

// contains looks from the end: series of one probe come one after the other.
func contains(list []*taker, t *taker) bool {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i] == t {
			return true
		}
	}
	return false
}

// allowed leaves the probes that the sender may send to. When there are none though some
// that he sees are meant, the error says why.
func (d *Delivery) allowed(list []Probe) ([]Probe, error) {
	if d.hub.options.May == nil || len(list) == 0 {
		return list, nil
	}
	var denied error
	refused := false // one of the probes before
	left := list
	for i, p := range list {
		err, asked := d.may[p.Instance]
		if !asked {
			if d.may == nil {
				d.may = map[string]error{}
			}
			err = d.hub.options.May(d.ctx, p.Instance)
			d.may[p.Instance] = err
		}
		switch {
		case err == nil && refused:
			left = append(left, p)
		case err != nil && !refused:
			refused, left = true, slices.Clone(list[:i])
		}
		// One that is hidden is no reason: its sender is to take it for not there.
		if denied == nil && !errors.Is(err, receive.ErrHidden) {
			denied = err
		}
	}
	if len(left) > 0 {
		return left, nil
	}
	return nil, denied
}

// End hands on what came, and counts it.
func (d *Delivery) End() Outcome {
	for _, t := range d.touched {
		t.flush()
	}
	a, out := &d.hub.account, d.now
	a.Applied(d.applied)
	a.Refused(receive.NoNode, d.nobody)
	a.Refused(receive.Older, d.older)
	a.Refused(receive.WrongTime, d.ahead)
	a.Refused(receive.Malformed, out.Malformed)
	a.Refused(receive.Denied, out.Denied)
	clear(d.touched)
	d.ctx, d.may = nil, nil
	d.hub.spare.Put(d)
	return out
}

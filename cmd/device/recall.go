package device

import (
	"errors"
	"sync"

	"grove/notify/peer/duty"
	"grove/notify/peer/duty/parcel"
	"grove/tree"
	"grove/tree/definition"
	"grove/tree/store/memory"
)

// recalls are the parcels of which the nodes have got what they remember, before Watch is
// there to give it to them.
type recalls struct {
	mu   sync.Mutex
	done map[*parcel.Parcel]bool
}

// note says whether a parcel is new to it.
func (r *recalls) note(p *parcel.Parcel) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done[p] {
		return false
	}
	if r.done == nil {
		r.done = map[*parcel.Parcel]bool{}
	}
	r.done[p] = true
	return true
}

// forget says whether it was noted, and forgets it.
func (r *recalls) forget(p *parcel.Parcel) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.done[p]
	delete(r.done, p)
	return was
}

// Recall gives the nodes of a device that has just come what a parcel knows of them, before
// they get what this manager remembers of an earlier time: whoever packed it has seen them
// last. It does nothing while the device does not run.
func (d *Devices) Recall(k duty.Key, p *parcel.Parcel) error {
	i := d.running(k)
	if i == nil || !d.recalled.note(p) {
		return nil
	}
	return d.recall(i, p)
}

// recall gives nodes their thresholds and their states.
func (d *Devices) recall(i *definition.Instance, p *parcel.Parcel) error {
	var errs []error
	for k := range p.Thresholds {
		path, err := i.At.Join(p.Thresholds[k].Path)
		if err == nil {
			var th *tree.Threshold
			if th, err = memory.Decode(string(p.Thresholds[k].Threshold)); err == nil && th != nil {
				err = d.o.Tree.SetThreshold(path, th)
			}
		}
		errs = append(errs, err)
	}
	memories := make([]tree.Memory, 0, len(p.States))
	for k := range p.States {
		path, err := i.At.Join(p.States[k].Path)
		if err == nil {
			var m tree.Memory
			if m, err = p.States[k].Memory(path); err == nil {
				memories = append(memories, m)
			}
		}
		errs = append(errs, err)
	}
	d.o.Tree.Restore(memories...)
	return errors.Join(errs...)
}

// Of is the instance of a device: one of another manager's while it is watched here, an own
// one also while it is away; nil: there is none.
func (d *Devices) Of(k duty.Key) *definition.Instance {
	if k.Owner != d.o.Self {
		return d.running(k)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.own[k.Name]
}

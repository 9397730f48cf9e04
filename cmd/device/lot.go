package device

import (
	"slices"
	"strings"
	"sync"

	"grove/notify/peer/duty"
	"grove/tree"
	"grove/tree/definition"
)

// coming is a device that comes, or goes.
type coming struct {
	key  duty.Key
	come bool
	// Of another manager's device: where it hangs, what its file says, and whether that is
	// news. Whole says that its definition is news, so that all are to be loaded.
	at    tree.Path
	text  string
	news  bool
	whole bool

	done bool // guarded by lots.one
}

// lots carries out together what many want at the same time: 1,000 devices that come with
// one order each are some changes of what runs.
type lots struct {
	one sync.Mutex // held while a lot is carried out

	mu      sync.Mutex
	waiting []*coming
}

// carry returns once what runs has a device that comes, or has one no more, unless it cannot.
func (d *Devices) carry(c *coming) {
	l := &d.lots
	l.mu.Lock()
	l.waiting = append(l.waiting, c)
	l.mu.Unlock()
	l.one.Lock()
	defer l.one.Unlock()
	if c.done {
		return
	}
	l.mu.Lock()
	lot := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	whole := slices.ContainsFunc(lot, func(c *coming) bool { return c.whole })
	if whole || d.o.Amend(func(l *definition.Loader, was *definition.Plan) (*definition.Plan, error) {
		return d.amend(l, was, lot)
	}) != nil {
		d.o.Reload() // What is wrong with one of them is told there, and harms no other.
	}
	for _, c := range lot {
		c.done = true
	}
}

// amend returns a plan with what a lot brings, and without what it takes.
func (d *Devices) amend(l *definition.Loader, was *definition.Plan, lot []*coming) (*definition.Plan, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	gone := make(map[string]*coming, len(lot))
	for _, c := range lot {
		if !c.come || c.key.Owner != d.o.Self { // What others have may come with another text.
			gone[d.Name(c.key)] = c
		}
	}
	next := *was
	next.Instances = slices.DeleteFunc(slices.Clone(was.Instances), func(i *definition.Instance) bool {
		c := gone[i.Name]
		return c != nil && d.taken(i) == (c.key.Owner != d.o.Self)
	})
	var back []*definition.Instance
	var texts []definition.Text
	for _, c := range lot {
		switch i := d.own[c.key.Name]; {
		case !c.come:
		case c.key.Owner != d.o.Self:
			texts = append(texts, definition.Text{File: d.file(c.key), Text: c.text})
		case i != nil && !contains(next.Instances, i.Name): // The files were loaded meanwhile.
			back = append(back, i)
		}
	}
	plan, errs := l.Extend(&next, back, texts...)
	if err := errs.Err(); err != nil {
		return nil, err
	}
	for _, c := range lot {
		if name := d.Name(c.key); c.key.Owner == d.o.Self {
			continue
		} else if c.come {
			d.keys[name] = c.key
		} else {
			delete(d.keys, name)
		}
	}
	return plan, nil
}

// contains says whether a list of instances, sorted by name, has one of a name.
func contains(list []*definition.Instance, name string) bool {
	_, found := slices.BinarySearchFunc(list, name, func(i *definition.Instance, name string) int { return strings.Compare(i.Name, name) })
	return found
}

// Package monitor shows every node of a tree as a bean: the monitor bean, which can
// be read, tuned and invoked in the bean server. A tree of a million nodes costs
// nothing here: the bean of a node is made when somebody asks for it.
package monitor

import (
	"context"
	"sync"

	"grove/beans"
	"grove/tree"
)

// The names of monitor beans are "grove:type=Node,path=…", the path quoted.
const (
	Domain = "grove"
	Type   = "Node"
)

// TypeStatusChanged is the type of the notification that a monitor bean emits when
// its node takes another status. Its data is a map of "from", "to", "value",
// "reason" and "path", all texts but the value.
const TypeStatusChanged = "grove.status.changed"

// Directory is the beans.Directory of the nodes of one tree.
type Directory struct {
	tree    *tree.Tree
	refresh func(context.Context, tree.Ref) error

	mu        sync.Mutex
	listening map[tree.Ref]*beans.Broadcaster // of nodes that somebody subscribed to
}

// NewDirectory returns the directory of t. The operation refresh of a bean calls
// refresh, which asks the runtime bean behind the node; nil only says that somebody
// looks.
func NewDirectory(t *tree.Tree, refresh func(context.Context, tree.Ref) error) *Directory {
	return &Directory{tree: t, refresh: refresh, listening: map[tree.Ref]*beans.Broadcaster{}}
}

// Name returns the name of the monitor bean at p.
func Name(p tree.Path) (beans.Name, error) {
	return beans.NewName(Domain, "type", Type, "path", beans.Quote(p.String()))
}

// Bean implements beans.Directory.
func (d *Directory) Bean(name beans.Name) (beans.Bean, bool) {
	text, ok := name.Text("path")
	if !ok || len(name.Properties()) != 2 {
		return nil, false
	}
	p, err := tree.ParsePath(text)
	if err != nil || p.String() != text {
		return nil, false
	}
	ref, ok := d.tree.Lookup(p)
	if !ok {
		return nil, false
	}
	return &bean{d: d, ref: ref}, true
}

// Names implements beans.Directory. The tree stands still while the paths are
// collected, not while names are made of them, held against the pattern and yielded.
func (d *Directory) Names(pattern beans.Name, yield func(beans.Name) bool) {
	paths := make([]tree.Path, 0, d.tree.Len())
	_ = d.tree.Walk(tree.Root, -1, func(n *tree.Node) bool {
		paths = append(paths, n.Path)
		return true
	})
	for _, p := range paths {
		name, err := Name(p)
		if err == nil && (pattern.IsZero() || pattern.Matches(name)) && !yield(name) {
			return
		}
	}
}

// Count implements beans.Directory.
func (d *Directory) Count() int { return d.tree.Len() }

// Publish emits the notifications of the beans that somebody listens to. It is
// meant for tree.Options.Statuses.
func (d *Directory) Publish(changes []tree.StatusChange) {
	d.mu.Lock()
	none := len(d.listening) == 0
	d.mu.Unlock()
	if none {
		return
	}
	for i := range changes {
		c := &changes[i]
		d.mu.Lock()
		b := d.listening[c.Ref]
		d.mu.Unlock()
		if b == nil {
			continue
		}
		b.Emit(beans.Notification{
			Type: TypeStatusChanged, Time: c.Time,
			Message: c.Path.String() + " went from " + c.From.String() + " to " + c.To.String(),
			Data: map[string]beans.Value{
				"path": c.Path.String(), "from": c.From.String(), "to": c.To.String(),
				"value": c.Value.Any(), "reason": c.Reason,
			},
		})
	}
}

// subscribe adds a listener to the notifications of a node. What is made for the
// first goes with the last.
func (d *Directory) subscribe(r tree.Ref, listener beans.Listener, filter beans.Filter) (cancel func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.listening[r]
	if b == nil {
		b = &beans.Broadcaster{}
		d.listening[r] = b
	}
	end := b.Subscribe(listener, filter)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if end(); !b.Listened() && d.listening[r] == b {
			delete(d.listening, r)
		}
	}
}

// Announce tells the listeners of a bean server, on which the directory is mounted,
// which monitor beans came and went. It is meant for tree.Options.Names.
func Announce(s *beans.Server, changes []tree.NameChange) {
	for _, c := range changes {
		if name, err := Name(c.Path); err == nil {
			// It fails only when the directory is not mounted: nobody listens then.
			_ = s.Announce(!c.Gone, name)
		}
	}
}

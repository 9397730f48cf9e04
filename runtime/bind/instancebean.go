package bind

import (
	"context"

	"grove/beans"
)

// The values of the attribute state of an instance.
const (
	instanceRunning = "running" // as its file says
	instanceKept    = "kept"    // its file is in error, and what it said before goes on
)

// instanceBean shows an instance in the bean server.
type instanceBean struct{ i *instance }

var instanceInfo = beans.Info{
	ClassName:   "grove.runtime.Instance",
	Description: "One use of a definition, with its nodes and probes.",
	Attributes: []beans.AttributeInfo{
		{Name: "application", Type: beans.TypeString, Description: "The definition that it uses.", Readable: true},
		{Name: "file", Type: beans.TypeString, Description: "The file that asks for it.", Readable: true},
		{Name: "at", Type: beans.TypeString, Description: "Where it hangs in the tree.", Readable: true},
		{Name: "why", Type: beans.TypeString, Description: "The row of a discovery that it was made of, and how its definition was chosen; empty when its file asks for it itself.", Readable: true},
		{Name: "nodes", Type: beans.TypeInt, Unit: "nodes", Description: "Nodes that it grew, those of rows included.", Readable: true},
		{Name: "probes", Type: beans.TypeStrings, Description: "Its probes, sorted.", Readable: true},
		{Name: "monitors", Type: beans.TypeStrings, Description: "Its JMX monitors, in the order of the file.", Readable: true},
		{Name: "state", Type: beans.TypeString, Description: "running: as its file says; kept: its file is in error, and what it said before goes on.", Readable: true},
		{Name: "error", Type: beans.TypeString, Description: "What is wrong with it; empty when nothing is.", Readable: true},
	},
}

// Info implements beans.Bean.
func (b instanceBean) Info() beans.Info { return instanceInfo }

// Attribute implements beans.Bean.
func (b instanceBean) Attribute(_ context.Context, name string) (beans.Value, error) {
	i := b.i
	i.mu.Lock()
	defer i.mu.Unlock()
	switch name {
	case "application":
		return i.plan.Application, nil
	case "file":
		return i.plan.File, nil
	case "at":
		return i.plan.At.String(), nil
	case "why":
		return i.plan.Why, nil
	case "nodes":
		return int64(i.count()), nil
	case "probes":
		names := make([]string, 0, len(i.runners))
		for _, r := range i.runners {
			names = append(names, r.plan.Name)
		}
		return names, nil
	case "monitors":
		names := make([]string, len(i.plan.Monitors))
		for k := range i.plan.Monitors {
			names[k] = i.plan.Monitors[k].Name
		}
		return names, nil
	case "state":
		if i.fault != "" {
			return instanceKept, nil
		}
		return instanceRunning, nil
	case "error":
		if v := i.verdict(); v != loaded {
			return v, nil
		}
		return "", nil
	}
	return nil, beans.NoAttribute(name)
}

// count is how many nodes the instance has.
func (i *instance) count() int {
	n := len(i.plan.Nodes)
	for _, l := range i.loops {
		for _, r := range l.rows {
			n += len(r.nodes)
		}
	}
	return n
}

// SetAttribute implements beans.Bean: nothing can be set.
func (b instanceBean) SetAttribute(_ context.Context, name string, _ beans.Value) error {
	for _, a := range instanceInfo.Attributes {
		if a.Name == name {
			return beans.ReadOnly(name)
		}
	}
	return beans.NoAttribute(name)
}

// Invoke implements beans.Bean: there are no operations.
func (b instanceBean) Invoke(_ context.Context, operation string, _ []beans.Value) (beans.Value, error) {
	return nil, beans.NoOperation(operation)
}

func (i *instance) register() {
	if i.b.opts.Beans == nil || !i.beanName.IsZero() {
		return
	}
	name, err := beans.NewName("grove", "type", "Instance", "name", beans.PropertyValue(i.name))
	if err == nil {
		i.beanName, err = i.b.opts.Beans.Register(instanceBean{i}, name)
	}
	if err != nil {
		i.b.opts.Logger.Warn("The bean of an instance could not be registered.", "instance", i.name, "err", err)
	}
}

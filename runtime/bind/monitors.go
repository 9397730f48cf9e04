package bind

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"grove/beans"
	"grove/beans/monitor"
	"grove/tree"
	"grove/tree/definition"
	nodes "grove/tree/monitor"
)

// watcher is a JMX monitor of an instance that runs.
type watcher struct {
	plan     definition.Monitor
	bean     jmxMonitor
	beanName beans.Name
	exact    []beans.Name // what it observes whether it is there or not
	patterns []beans.Name // what it observes of those that are there
}

// jmxMonitor is what the three kinds of monitors have in common.
type jmxMonitor interface {
	beans.Emitter
	monitor.Settings
}

// watch brings the monitors of an instance to what its plan says. Those that are the
// same go on with their state.
func (i *instance) watch() {
	if i.b.opts.Monitors == nil || i.b.opts.Beans == nil {
		return
	}
	for name, w := range i.watchers {
		k := slices.IndexFunc(i.plan.Monitors, func(m definition.Monitor) bool { return m.Name == name })
		if k < 0 || !i.plan.Monitors[k].Equal(&w.plan) {
			i.unwatch(w)
		}
	}
	for k := range i.plan.Monitors {
		m := &i.plan.Monitors[k]
		if _, runs := i.watchers[m.Name]; runs {
			continue
		}
		where := "monitor " + m.Name
		err := i.begin(m)
		i.mu.Lock()
		if err == nil {
			i.setProblem(where, "")
		} else {
			i.setProblem(where, fmt.Sprintf("%s: %v", where, err))
		}
		i.mu.Unlock()
	}
}

// begin makes, registers and starts a monitor.
func (i *instance) begin(m *definition.Monitor) error {
	w := &watcher{plan: *m}
	kind, err := w.make(i.b.opts.Monitors)
	if err != nil {
		return err
	}
	name, err := beans.NewName(monitor.Domain, "type", kind, "instance", beans.PropertyValue(i.name), "name", beans.PropertyValue(m.Name))
	if err != nil {
		return err
	}
	if err := w.targets(); err != nil {
		return err
	}
	for _, n := range w.exact {
		if err := w.bean.Observe(n); err != nil {
			return err
		}
	}
	w.fill(i.b.opts.Tree)
	if w.beanName, err = i.b.opts.Beans.Register(w.bean, name); err != nil {
		return err
	}
	if i.watchers == nil {
		i.watchers = map[string]*watcher{}
	}
	i.watchers[m.Name] = w
	if err := i.b.patterns.add(i.b.opts.Beans, w); err != nil {
		i.unwatch(w)
		return err
	}
	if err := w.bean.Start(); err != nil {
		i.unwatch(w)
		return err
	}
	return nil
}

// make makes the monitor with all its settings.
func (w *watcher) make(s *monitor.Service) (kind string, err error) {
	m := &w.plan
	tells := func(word string) bool { return slices.Contains(m.Notify, word) }
	switch m.Kind {
	case definition.GaugeMonitor:
		g := s.NewGauge()
		g.SetNotifyHigh(tells("high"))
		g.SetNotifyLow(tells("low"))
		g.SetDifference(m.Difference)
		err = g.SetThresholds(monitor.Untyped(m.High), monitor.Untyped(m.Low))
		w.bean, kind = g, monitor.GaugeType
	case definition.CounterMonitor:
		c := s.NewCounter()
		c.SetNotify(tells("threshold"))
		c.SetDifference(m.Difference)
		c.CountFloats(true) // the values of nodes are floats
		err = c.SetInitThreshold(monitor.Untyped(m.Threshold))
		if m.Offset != nil {
			err = errors.Join(err, c.SetOffset(monitor.Untyped(m.Offset)))
		}
		if m.Modulus != nil {
			err = errors.Join(err, c.SetModulus(monitor.Untyped(m.Modulus)))
		}
		w.bean, kind = c, monitor.CounterType
	case definition.StringMonitor:
		t := s.NewText()
		t.SetNotifyMatch(tells("match"))
		t.SetNotifyDiffer(tells("differ"))
		t.SetCompare(m.Match)
		w.bean, kind = t, monitor.TextType
	default:
		return "", fmt.Errorf("unknown kind %q", m.Kind)
	}
	return kind, errors.Join(err, w.bean.SetObservedAttribute(m.Attribute), w.bean.SetPeriod(m.Every))
}

// targets sorts what the monitor observes by names and patterns.
func (w *watcher) targets() error {
	for _, n := range w.plan.Objects {
		if n.IsPattern() {
			w.patterns = append(w.patterns, n)
		} else {
			w.exact = append(w.exact, n)
		}
	}
	for _, text := range w.plan.Nodes {
		if strings.Contains(text, "*") {
			quoted := strings.ReplaceAll(beans.Quote(text), `\*`, "*")
			n, err := beans.NewName(nodes.Domain, "type", nodes.Type, "path", quoted)
			if err != nil {
				return err
			}
			w.patterns = append(w.patterns, n)
			continue
		}
		p, err := tree.ParsePath(text)
		if err != nil {
			return err
		}
		n, err := nodes.Name(p)
		if err != nil {
			return err
		}
		w.exact = append(w.exact, n)
	}
	return nil
}

// unwatch takes a monitor out.
func (i *instance) unwatch(w *watcher) {
	i.b.patterns.remove(w)
	// It can only fail because somebody else unregistered the bean before.
	_ = i.b.opts.Beans.Unregister(w.beanName)
	w.bean.Stop()
	delete(i.watchers, w.plan.Name)
}

// unwatchAll takes all monitors of an instance out that leaves.
func (i *instance) unwatchAll() {
	for _, w := range i.watchers {
		i.unwatch(w)
	}
}

// patterns lets monitors observe the beans that their patterns match as they come and
// go. It listens to the bean server while there is one.
type patterns struct {
	mu       sync.RWMutex // guards watchers; monitors are told with it held
	watchers []*watcher

	cancel func() // of the subscription; guarded by Binder.applying
}

func (p *patterns) add(s *beans.Server, w *watcher) error {
	if len(w.patterns) == 0 {
		return nil
	}
	if p.cancel == nil {
		cancel, err := s.Subscribe(beans.DelegateName, p.changed, nil)
		if err != nil {
			return err
		}
		p.cancel = cancel
	}
	p.mu.Lock()
	p.watchers = append(p.watchers, w)
	p.mu.Unlock()
	for _, pattern := range w.patterns {
		names, err := s.Query(context.Background(), pattern, nil)
		if err != nil {
			return err
		}
		for _, n := range names {
			if err := w.bean.Observe(n); err != nil {
				return err
			}
			if !s.IsRegistered(n) { // it went meanwhile, perhaps before it was observed
				w.lose(n)
			}
		}
	}
	return nil
}

func (p *patterns) remove(w *watcher) {
	if len(w.patterns) == 0 {
		return
	}
	p.mu.Lock()
	p.watchers = slices.DeleteFunc(p.watchers, func(o *watcher) bool { return o == w })
	last := len(p.watchers) == 0
	p.mu.Unlock()
	if last && p.cancel != nil {
		p.cancel()
		p.cancel = nil
	}
}

// changed hears of beans that come and go, from the goroutines that let them.
func (p *patterns) changed(n beans.Notification) {
	r, ok := n.Data.(beans.Registration)
	if !ok {
		return
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, w := range p.watchers {
		if !slices.ContainsFunc(w.patterns, func(pattern beans.Name) bool { return pattern.Matches(r.Name) }) {
			continue
		}
		if n.Type == beans.TypeRegistered {
			// Beyond its bound a monitor observes no more; the bound is far beyond what
			// one instance may grow.
			_ = w.bean.Observe(r.Name)
		} else {
			w.lose(r.Name)
		}
	}
}

// lose stops observing a bean that went, unless it is observed by its name.
func (w *watcher) lose(n beans.Name) {
	if !slices.ContainsFunc(w.exact, n.Equal) {
		w.bean.Unobserve(n)
	}
}

package monitor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"

	"grove/beans"
)

// Domain is the domain of the factory and of the monitors that it makes, as in
// "grove.monitor:type=GaugeMonitor,name=queue".
const Domain = "grove.monitor"

// The values of the property type in the names of monitors.
const (
	GaugeType   = "GaugeMonitor"
	CounterType = "CounterMonitor"
	TextType    = "StringMonitor"
)

// FactoryName is the name of the bean of a [Factory].
var FactoryName = beans.MustName(Domain + ":type=MonitorFactory")

// MaxMade bounds the monitors that one factory has made and not removed.
const MaxMade = 1000

// nameForm is the form of the names that clients give their monitors.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$`)

// Factory is a bean by which clients make monitors, which JMX leaves to the class
// loader. What it made lasts until it is removed or the program ends.
type Factory struct {
	*beans.Standard
	service *Service

	mu   sync.Mutex            // guards what follows, and is held while a monitor is made
	made map[string]beans.Name // by canonical name
}

// factoryFace is what the bean shows.
type factoryFace struct {
	f *Factory

	Monitors []any `bean:"" doc:"Names of the monitors that the factory made."`
	Count    int64 `bean:"" doc:"How many there are."`
	Bound    int64 `bean:"" doc:"How many there may be."`
}

func (f *factoryFace) GetMonitors() []any {
	f.f.mu.Lock()
	defer f.f.mu.Unlock()
	names := make([]any, 0, len(f.f.made))
	for _, key := range slices.Sorted(maps.Keys(f.f.made)) {
		names = append(names, f.f.made[key])
	}
	return names
}

func (f *factoryFace) GetCount() int64 { return int64(len(f.GetMonitors())) }
func (f *factoryFace) GetBound() int64 { return MaxMade }

// NewFactory returns the factory of a service. It is to be registered as [FactoryName].
func NewFactory(s *Service) *Factory {
	f := &Factory{service: s, made: map[string]beans.Name{}}
	name := beans.ParameterInfo{Name: "name", Type: beans.TypeString, Description: "Name of the monitor: letters, digits, spaces, dots, - and _, at most 64."}
	create := func(operation, kind string, make func() beans.Bean) beans.Operation {
		return beans.Operation{
			OperationInfo: beans.OperationInfo{
				Name: operation, Description: "Makes and registers a " + kind + " that is not started, and returns its name.",
				Parameters: []beans.ParameterInfo{name}, Returns: beans.TypeName, Impact: beans.ImpactActionInfo,
			},
			Call: func(_ context.Context, args []beans.Value) (beans.Value, error) {
				return f.create(kind, args[0].(string), make)
			},
		}
	}
	remove := beans.Operation{
		OperationInfo: beans.OperationInfo{
			Name: "remove", Description: "Stops and removes a monitor that the factory made.",
			Parameters: []beans.ParameterInfo{{Name: "monitor", Type: beans.TypeName, Description: "Name that was returned when it was made."}},
			Returns:    beans.TypeVoid, Impact: beans.ImpactAction,
		},
		Call: func(_ context.Context, args []beans.Value) (beans.Value, error) {
			return nil, f.remove(args[0].(beans.Name))
		},
	}
	b, err := beans.NewStandard(&factoryFace{f: f}, beans.StandardOptions{
		ClassName: "grove.monitor.MonitorFactory", Description: "Makes monitors of attributes of beans.",
		Operations: []beans.Operation{
			create("createGauge", GaugeType, func() beans.Bean { return s.NewGauge() }),
			create("createCounter", CounterType, func() beans.Bean { return s.NewCounter() }),
			create("createString", TextType, func() beans.Bean { return s.NewText() }),
			remove,
		},
	})
	if err != nil {
		panic(err) // the face above is wrong, whatever the input
	}
	f.Standard = b
	return f
}

func (f *Factory) create(kind, called string, make func() beans.Bean) (beans.Value, error) {
	if !nameForm.MatchString(called) {
		return nil, invalid("the name of a monitor is letters, digits, spaces, dots, - and _, at most 64, and begins with a letter or a digit")
	}
	name, err := beans.NewName(Domain, "type", kind, "name", called)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.made) >= MaxMade {
		return nil, fmt.Errorf("the factory has made %d monitors, which is the bound: remove some", MaxMade)
	}
	if name, err = f.service.opts.Beans.Register(make(), name); err != nil {
		return nil, err
	}
	f.made[name.Canonical()] = name
	return name, nil
}

func (f *Factory) remove(name beans.Name) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.made[name.Canonical()]; !ok {
		return invalid("the factory made no monitor %s", name)
	}
	delete(f.made, name.Canonical())
	if err := f.service.opts.Beans.Unregister(name); err != nil && !errors.Is(err, beans.ErrNotFound) {
		return err
	}
	return nil
}

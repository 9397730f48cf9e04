package beans

import (
	"context"
	"os"
	"strconv"
	"time"
)

const delegateDomain = "JMImplementation"

// DelegateName is the name of the bean that every server has: it describes the
// server and emits [TypeRegistered] and [TypeUnregistered] with [Registration]
// data for every bean that comes or goes.
var DelegateName = MustName(delegateDomain + ":type=MBeanServerDelegate")

// delegate is javax.management.MBeanServerDelegate.
type delegate struct {
	Broadcaster
	facts []AttributeValue
	info  Info
}

func newDelegate(o ServerOptions) *delegate {
	if o.ImplementationName == "" {
		o.ImplementationName = "grove"
	}
	if o.ID == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "localhost"
		}
		o.ID = host + "_" + strconv.FormatInt(time.Now().UnixMilli(), 10)
	}
	d := &delegate{
		facts: []AttributeValue{
			{"MBeanServerId", o.ID},
			// The specification that clients expect, as every Java since 7 says it.
			{"SpecificationName", "Java Management Extensions"},
			{"SpecificationVersion", "1.4"},
			{"SpecificationVendor", "Oracle Corporation"},
			{"ImplementationName", o.ImplementationName},
			{"ImplementationVersion", o.ImplementationVersion},
			{"ImplementationVendor", o.ImplementationVendor},
		},
		info: Info{
			ClassName:   "javax.management.MBeanServerDelegate",
			Description: "Represents the bean server from the management point of view.",
			Notifications: []NotificationInfo{{
				Types:       []string{TypeRegistered, TypeUnregistered},
				Name:        "javax.management.MBeanServerNotification",
				Description: "A bean was registered or unregistered.",
			}},
		},
	}
	for _, f := range d.facts {
		d.info.Attributes = append(d.info.Attributes, AttributeInfo{
			Name: f.Name, Type: TypeString, Description: "Identifies the server, its specification or its implementation.", Readable: true,
		})
	}
	return d
}

func (d *delegate) Info() Info { return d.info }

func (d *delegate) Attribute(_ context.Context, name string) (Value, error) {
	for _, f := range d.facts {
		if f.Name == name {
			return f.Value, nil
		}
	}
	return nil, NoAttribute(name)
}

func (d *delegate) SetAttribute(_ context.Context, name string, _ Value) error {
	for _, f := range d.facts {
		if f.Name == name {
			return ReadOnly(name)
		}
	}
	return NoAttribute(name)
}

func (d *delegate) Invoke(_ context.Context, operation string, _ []Value) (Value, error) {
	return nil, NoOperation(operation)
}

func registration(kind string, name Name) Notification {
	return Notification{Type: kind, Source: DelegateName, Data: Registration{Name: name}}
}

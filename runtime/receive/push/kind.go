package push

import (
	_ "embed"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/receive"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// KindName is the name of the kind: nodes that it feeds may be in push mode.
const KindName = "push"

// ProbeOptions are what a definition says of a probe of this kind.
type ProbeOptions struct {
	Attributes map[string]Attribute `yaml:"attributes" jsonschema:"required,description=What may be pushed: a name and what it is."`
}

// Attribute describes one thing that may be pushed.
type Attribute struct {
	Type        string `yaml:"type" jsonschema:"enum=number,enum=counter,enum=text,enum=bool,enum=events,default=number,description=What its readings are."`
	Unit        string `yaml:"unit,omitempty" jsonschema:"description=Unit of a number; a reading that names another one is refused."`
	Description string `yaml:"description,omitempty" jsonschema:"description=What it tells people."`
}

// maxAttributes bounds the attributes of a probe.
const maxAttributes = 1000

var identifier = regexp.MustCompile(`\A[A-Za-z_][A-Za-z0-9_]{0,63}\z`)

// Kind returns the kind "push": probes that are mailboxes among the given ones.
func Kind(boxes *receive.Mailboxes) probe.Kind {
	return probe.Kind{
		Name: KindName, Title: "Readings that programs push", Doc: doc, Example: example,
		NewOptions: func() any { return new(ProbeOptions) },
		Pushes:     true,
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*ProbeOptions)
			if !ok {
				return nil, fmt.Errorf("options of kind push are a %T, not a %T", o, options)
			}
			attributes, err := o.attributes()
			if err != nil {
				return nil, err
			}
			return receive.NewMailbox(boxes, attributes), nil
		},
	}
}

func (o *ProbeOptions) attributes() ([]receive.Attribute, error) {
	if n := len(o.Attributes); n == 0 || n > maxAttributes {
		return nil, probe.BadOption("attributes", "a probe of kind push has 1 to %d attributes, not %d", maxAttributes, n)
	}
	var all []receive.Attribute
	for _, name := range slices.Sorted(maps.Keys(o.Attributes)) {
		a, option := o.Attributes[name], "attributes."+name
		switch {
		case !identifier.MatchString(name):
			return nil, probe.BadOption(option, "an attribute's name is made of letters, digits and underscores")
		case name == "received" || name == "events_dropped":
			return nil, probe.BadOption(option, "every probe of this kind has an attribute of this name")
		case a.Unit != "" && a.Type != "" && a.Type != "number" && a.Type != "counter":
			return nil, probe.BadOption(option+".unit", "only a number has a unit")
		}
		r := receive.Attribute{Name: name, Type: beans.TypeFloat, Info: beans.AttributeInfo{Description: a.Description, Unit: a.Unit}}
		if a.Description == "" {
			r.Info.Description = "pushed by a program"
		}
		switch a.Type {
		case "", "number":
		case "counter":
			r.Info.Descriptor = map[string]string{"metricType": "counter"}
		case "text":
			r.Type = beans.TypeString
		case "bool":
			r.Type = beans.TypeBool
		case "events":
			r.Type, r.Events = beans.TypeStrings, true // so that nodes of it are logs by themselves
		default:
			return nil, probe.BadOption(option+".type", "%q is not number, counter, text, bool or events", clip([]byte(a.Type)))
		}
		all = append(all, r)
	}
	return all, nil
}

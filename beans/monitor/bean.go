package monitor

import (
	"context"
	"maps"
	"slices"
	"time"

	"grove/beans"
)

// The classes of the beans, as JMX clients know them.
const (
	GaugeClass   = "javax.management.monitor.GaugeMonitor"
	CounterClass = "javax.management.monitor.CounterMonitor"
	TextClass    = "javax.management.monitor.StringMonitor"
)

// Info implements beans.Bean.
func (m *core[S]) Info() beans.Info { return m.info }

// Attribute implements beans.Bean.
func (m *core[S]) Attribute(ctx context.Context, name string) (beans.Value, error) {
	return m.bean.Attribute(ctx, name)
}

// SetAttribute implements beans.Bean. Nothing is notified: monitors notify alarms and
// errors alone.
func (m *core[S]) SetAttribute(ctx context.Context, name string, value beans.Value) error {
	return m.bean.SetAttribute(ctx, name, value)
}

// Invoke implements beans.Bean.
func (m *core[S]) Invoke(ctx context.Context, operation string, args []beans.Value) (beans.Value, error) {
	return m.bean.Invoke(ctx, operation, args)
}

// Settings is what all monitors have in common.
type Settings interface {
	Start() error
	Stop()
	Active() bool
	Period() time.Duration
	SetPeriod(time.Duration) error
	ObservedAttribute() string
	SetObservedAttribute(string) error
	ObservedObjects() []beans.Name
	FirstObserved() beans.Name
	Observes(beans.Name) bool
	Observe(beans.Name) error
	Unobserve(beans.Name)
	ObserveOnly(beans.Name) error
	DerivedGauge(beans.Name) (beans.Value, time.Time)
}

// face is what the beans of all monitors show (MonitorMBean), under the names of JMX.
type face struct {
	m Settings

	ObservedObject        any    `bean:",rw" doc:"The first of the observed objects; setting it makes it the only one."`
	ObservedObjects       []any  `bean:"" doc:"The observed objects, in the order in which they were added."`
	ObservedAttribute     string `bean:",rw" doc:"The observed attribute, or a dotted path into its value."`
	GranularityPeriod     int64  `bean:",rw" unit:"ms" doc:"Time between two scans."`
	Active                bool   `bean:"" doc:"Whether the monitor was started."`
	DerivedGauge          any    `bean:"" doc:"What was derived last of the first observed object."`
	DerivedGaugeTimeStamp int64  `bean:"" unit:"ms" doc:"When it was derived, since 1970."`
}

func (f *face) GetObservedObject() any {
	if name := f.m.FirstObserved(); !name.IsZero() {
		return name
	}
	return nil
}

func (f *face) SetObservedObject(v any) error {
	name, err := beans.Convert(v, beans.TypeName)
	if err != nil {
		return err
	}
	return f.m.ObserveOnly(name.(beans.Name))
}

func (f *face) GetObservedObjects() []any {
	all := f.m.ObservedObjects()
	names := make([]any, len(all))
	for i, n := range all {
		names[i] = n
	}
	return names
}

func (f *face) GetObservedAttribute() string        { return f.m.ObservedAttribute() }
func (f *face) SetObservedAttribute(a string) error { return f.m.SetObservedAttribute(a) }
func (f *face) GetGranularityPeriod() int64         { return f.m.Period().Milliseconds() }

func (f *face) SetGranularityPeriod(ms int64) error {
	if ms > MaxPeriod.Milliseconds() {
		return invalid("a granularity period of %d ms is beyond the bound of %d ms", ms, MaxPeriod.Milliseconds())
	}
	return f.m.SetPeriod(time.Duration(ms) * time.Millisecond)
}

func (f *face) GetActive() bool { return f.m.Active() }

func (f *face) GetDerivedGauge() any {
	derived, _ := f.m.DerivedGauge(f.m.FirstObserved())
	return derived
}

func (f *face) GetDerivedGaugeTimeStamp() int64 {
	_, at := f.m.DerivedGauge(f.m.FirstObserved())
	return millis(at)
}

func millis(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMilli()
}

// operation describes one operation of a monitor.
func operation(name, description string, impact beans.Impact, returns beans.Type, call func(args []beans.Value) (beans.Value, error), params ...beans.ParameterInfo) beans.Operation {
	return beans.Operation{
		OperationInfo: beans.OperationInfo{Name: name, Description: description, Parameters: params, Returns: returns, Impact: impact},
		Call:          func(_ context.Context, args []beans.Value) (beans.Value, error) { return call(args) },
	}
}

var anObject = beans.ParameterInfo{Name: "object", Type: beans.TypeName, Description: "Name of an object."}

// numberParameter is a parameter that is a java.lang.Number.
func numberParameter(name, description string) beans.ParameterInfo {
	return beans.ParameterInfo{Name: name, Type: beans.TypeAny, Description: description, Descriptor: java("java.lang.Number")}
}

func java(name string) map[string]string { return map[string]string{beans.FieldOriginalType: name} }

// operations are those of all monitors; gauge is the Java type of a derived gauge.
func operations(m Settings, gauge string) []beans.Operation {
	derived := operation("getDerivedGauge", "Returns what was derived last of an object; null if it is not observed.", beans.ImpactInfo, beans.TypeAny, func(args []beans.Value) (beans.Value, error) {
		v, _ := m.DerivedGauge(args[0].(beans.Name))
		return beans.Convert(v, beans.TypeAny)
	}, anObject)
	derived.Descriptor = java(gauge)
	return []beans.Operation{
		operation("start", "Starts the monitor; the first scan comes after one period.", beans.ImpactAction, beans.TypeVoid, func([]beans.Value) (beans.Value, error) {
			return nil, m.Start()
		}),
		operation("stop", "Stops the monitor.", beans.ImpactAction, beans.TypeVoid, func([]beans.Value) (beans.Value, error) {
			m.Stop()
			return nil, nil
		}),
		operation("addObservedObject", "Adds an object to those that are observed.", beans.ImpactAction, beans.TypeVoid, func(args []beans.Value) (beans.Value, error) {
			return nil, m.Observe(args[0].(beans.Name))
		}, anObject),
		operation("removeObservedObject", "Removes an object from those that are observed.", beans.ImpactAction, beans.TypeVoid, func(args []beans.Value) (beans.Value, error) {
			m.Unobserve(args[0].(beans.Name))
			return nil, nil
		}, anObject),
		operation("containsObservedObject", "Reports whether an object is observed.", beans.ImpactInfo, beans.TypeBool, func(args []beans.Value) (beans.Value, error) {
			return m.Observes(args[0].(beans.Name)), nil
		}, anObject),
		derived,
		operation("getDerivedGaugeTimeStamp", "Returns when it was derived, in milliseconds since 1970; 0 if the object is not observed.", beans.ImpactInfo, beans.TypeInt, func(args []beans.Value) (beans.Value, error) {
			_, at := m.DerivedGauge(args[0].(beans.Name))
			return millis(at), nil
		}, anObject),
	}
}

// description is what one kind of monitors says of itself.
type description struct {
	class, text string
	alarms      []string          // types of notifications beside the errors
	types       map[string]string // Java types of attributes, where they do not follow
}

// describe makes the bean of a monitor.
func describe(of any, d description, operations []beans.Operation) (*beans.Standard, beans.Info) {
	b, err := beans.NewStandard(of, beans.StandardOptions{
		ClassName: d.class, Description: d.text, Operations: operations,
		Descriptor: map[string]string{"interfaceClassName": d.class + "MBean"},
	})
	if err != nil {
		panic(err) // the face is wrong, whatever the input
	}
	info := b.Info()
	types := map[string]string{"ObservedObject": "javax.management.ObjectName", "ObservedObjects": "[Ljavax.management.ObjectName;"}
	maps.Copy(types, d.types)
	info.Attributes = slices.Clone(info.Attributes)
	for i := range info.Attributes {
		if t, ok := types[info.Attributes[i].Name]; ok {
			info.Attributes[i].Descriptor = java(t)
		}
	}
	told := []string{TypeRuntimeError, TypeObjectError, TypeAttributeError, TypeTypeError}
	if d.class != TextClass {
		told = append(told, TypeThresholdError)
	}
	info.Notifications = []beans.NotificationInfo{{
		Types: append(told, d.alarms...), Name: notificationClass, Description: "An observed object crossed a threshold, or could not be scanned.",
	}}
	return b, info
}

// gaugeFace is GaugeMonitorMBean.
type gaugeFace struct {
	face
	g *Gauge

	HighThreshold  any  `bean:"" doc:"The high threshold; setThresholds changes it."`
	LowThreshold   any  `bean:"" doc:"The low threshold; setThresholds changes it."`
	NotifyHigh     bool `bean:",rw" doc:"Whether it is told that the gauge rose to the high threshold."`
	NotifyLow      bool `bean:",rw" doc:"Whether it is told that the gauge fell to the low threshold."`
	DifferenceMode bool `bean:",rw" doc:"Whether the gauge is the difference of two scans."`
}

func (f *gaugeFace) GetHighThreshold() any     { high, _ := f.g.Thresholds(); return high }
func (f *gaugeFace) GetLowThreshold() any      { _, low := f.g.Thresholds(); return low }
func (f *gaugeFace) GetNotifyHigh() bool       { return f.g.NotifyHigh() }
func (f *gaugeFace) SetNotifyHigh(on bool)     { f.g.SetNotifyHigh(on) }
func (f *gaugeFace) GetNotifyLow() bool        { return f.g.NotifyLow() }
func (f *gaugeFace) SetNotifyLow(on bool)      { f.g.SetNotifyLow(on) }
func (f *gaugeFace) GetDifferenceMode() bool   { return f.g.Difference() }
func (f *gaugeFace) SetDifferenceMode(on bool) { f.g.SetDifference(on) }

const javaNumber = "java.lang.Number"

func gaugeBean(g *Gauge) (*beans.Standard, beans.Info) {
	set := operation("setThresholds", "Changes both thresholds.", beans.ImpactAction, beans.TypeVoid, func(args []beans.Value) (beans.Value, error) {
		return nil, g.SetThresholds(Untyped(args[0]), Untyped(args[1]))
	}, numberParameter("highValue", "The high threshold."), numberParameter("lowValue", "The low threshold."))
	return describe(&gaugeFace{face: face{m: g}, g: g}, description{
		class: GaugeClass, text: "Tells when a number rises to a high or falls to a low threshold.",
		alarms: []string{TypeGaugeHigh, TypeGaugeLow},
		types:  map[string]string{"DerivedGauge": javaNumber, "HighThreshold": javaNumber, "LowThreshold": javaNumber},
	}, append(operations(g, javaNumber), set))
}

// counterFace is CounterMonitorMBean.
type counterFace struct {
	face
	c *Counter

	InitThreshold  any  `bean:",rw" doc:"The threshold that objects begin with."`
	Threshold      any  `bean:",rw" doc:"The threshold that the first observed object has to reach next; setting it sets InitThreshold."`
	Offset         any  `bean:",rw" doc:"By how much a threshold that was reached moves; 0: it stays."`
	Modulus        any  `bean:",rw" doc:"At which value the count wraps; 0: it does not."`
	Notify         bool `bean:",rw" doc:"Whether it is told that the count reached a threshold."`
	DifferenceMode bool `bean:",rw" doc:"Whether the count is the difference of two scans."`
}

func (f *counterFace) GetInitThreshold() any        { return f.c.InitThreshold() }
func (f *counterFace) SetInitThreshold(v any) error { return f.c.SetInitThreshold(Untyped(v)) }
func (f *counterFace) SetThreshold(v any) error     { return f.c.SetInitThreshold(Untyped(v)) }
func (f *counterFace) GetOffset() any               { return f.c.Offset() }
func (f *counterFace) SetOffset(v any) error        { return f.c.SetOffset(Untyped(v)) }
func (f *counterFace) GetModulus() any              { return f.c.Modulus() }
func (f *counterFace) SetModulus(v any) error       { return f.c.SetModulus(Untyped(v)) }
func (f *counterFace) GetNotify() bool              { return f.c.Notify() }
func (f *counterFace) SetNotify(on bool)            { f.c.SetNotify(on) }
func (f *counterFace) GetDifferenceMode() bool      { return f.c.Difference() }
func (f *counterFace) SetDifferenceMode(on bool)    { f.c.SetDifference(on) }

func (f *counterFace) GetThreshold() any { return f.c.Threshold(f.c.FirstObserved()) }

func counterBean(c *Counter) (*beans.Standard, beans.Info) {
	threshold := operation("getThreshold", "Returns the threshold that an object has to reach next; null if it is not observed.", beans.ImpactInfo, beans.TypeAny, func(args []beans.Value) (beans.Value, error) {
		return beans.Convert(c.Threshold(args[0].(beans.Name)), beans.TypeAny)
	}, anObject)
	threshold.Descriptor = java(javaNumber)
	return describe(&counterFace{face: face{m: c}, c: c}, description{
		class: CounterClass, text: "Tells when a count reaches a threshold, which moves on.",
		alarms: []string{TypeCounter},
		types:  map[string]string{"DerivedGauge": javaNumber, "InitThreshold": javaNumber, "Threshold": javaNumber, "Offset": javaNumber, "Modulus": javaNumber},
	}, append(operations(c, javaNumber), threshold))
}

// textFace is StringMonitorMBean.
type textFace struct {
	face
	t *Text

	StringToCompare string `bean:",rw" doc:"The text that is compared with."`
	NotifyMatch     bool   `bean:",rw" doc:"Whether it is told that the text matches."`
	NotifyDiffer    bool   `bean:",rw" doc:"Whether it is told that the text differs."`
}

func (f *textFace) GetStringToCompare() string     { return f.t.Compare() }
func (f *textFace) SetStringToCompare(text string) { f.t.SetCompare(text) }
func (f *textFace) GetNotifyMatch() bool           { return f.t.NotifyMatch() }
func (f *textFace) SetNotifyMatch(on bool)         { f.t.SetNotifyMatch(on) }
func (f *textFace) GetNotifyDiffer() bool          { return f.t.NotifyDiffer() }
func (f *textFace) SetNotifyDiffer(on bool)        { f.t.SetNotifyDiffer(on) }

func textBean(t *Text) (*beans.Standard, beans.Info) {
	const javaString = "java.lang.String"
	return describe(&textFace{face: face{m: t}, t: t}, description{
		class: TextClass, text: "Tells when a text becomes, or ceases to be, equal to another.",
		alarms: []string{TypeTextMatches, TypeTextDiffers},
		types:  map[string]string{"DerivedGauge": javaString},
	}, operations(t, javaString))
}

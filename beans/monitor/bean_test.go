package monitor_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
	"grove/beans/beanstest"
	"grove/beans/monitor"
)

func TestMonitorsKeepTheContract(t *testing.T) {
	server, err := beans.NewServer(beans.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := monitor.NewService(monitor.Options{Beans: server})
	for name, make := range map[string]func() watched{
		"gauge":   func() watched { return s.NewGauge() },
		"counter": func() watched { return s.NewCounter() },
		"string":  func() watched { return s.NewText() },
	} {
		t.Run(name, func(t *testing.T) {
			beanstest.Bean(t, func(t *testing.T) beans.Bean {
				m := make()
				if err := m.Observe(beans.DelegateName); err != nil {
					t.Fatal(err)
				}
				return m
			})
		})
	}
	t.Run("factory", func(t *testing.T) {
		beanstest.Bean(t, func(*testing.T) beans.Bean { return monitor.NewFactory(s) })
	})
}

// TestInfo compares what clients see with the interfaces of javax.management.monitor.
func TestInfo(t *testing.T) {
	const common = "ObservedObject rw javax.management.ObjectName; ObservedObjects r [Ljavax.management.ObjectName;; ObservedAttribute rw string; " +
		"GranularityPeriod rw int64; Active r bool; DerivedGauge r %s; DerivedGaugeTimeStamp r int64; "
	const number = "java.lang.Number"
	const operations = "start() void; stop() void; addObservedObject(name) void; removeObservedObject(name) void; containsObservedObject(name) bool; " +
		"getDerivedGauge(name) %s; getDerivedGaugeTimeStamp(name) int64; "
	s := monitor.NewService(monitor.Options{})
	said := func(t beans.Type, d map[string]string) string {
		if java, ok := d[beans.FieldOriginalType]; ok {
			return java
		}
		return string(t)
	}
	type seen struct {
		Class, Interface, Attributes, Operations string
		Notifications                            []beans.NotificationInfo
	}
	see := func(b beans.Bean) seen {
		info := b.Info()
		out := seen{Class: info.ClassName, Interface: info.Descriptor["interfaceClassName"], Notifications: info.Notifications}
		for _, a := range info.Attributes {
			mode := " r "
			if a.Writable {
				mode = " rw "
			}
			out.Attributes += a.Name + mode + said(a.Type, a.Descriptor) + "; "
		}
		for _, o := range info.Operations {
			out.Operations += o.Name + "("
			for i, p := range o.Parameters {
				if i > 0 {
					out.Operations += ","
				}
				out.Operations += said(p.Type, p.Descriptor)
			}
			out.Operations += ") " + said(o.Returns, o.Descriptor) + "; "
		}
		return out
	}
	notes := func(types ...string) []beans.NotificationInfo {
		return []beans.NotificationInfo{{
			Types: append([]string{monitor.TypeRuntimeError, monitor.TypeObjectError, monitor.TypeAttributeError, monitor.TypeTypeError}, types...),
			Name:  "javax.management.monitor.MonitorNotification", Description: "An observed object crossed a threshold, or could not be scanned.",
		}}
	}
	fill := func(form, gauge string) string {
		for i := range len(form) - 1 {
			if form[i:i+2] == "%s" {
				return form[:i] + gauge + form[i+2:]
			}
		}
		return form
	}
	for _, tt := range []struct {
		bean beans.Bean
		want seen
	}{
		{s.NewGauge(), seen{
			"javax.management.monitor.GaugeMonitor", "javax.management.monitor.GaugeMonitorMBean",
			fill(common, number) + "HighThreshold r java.lang.Number; LowThreshold r java.lang.Number; NotifyHigh rw bool; NotifyLow rw bool; DifferenceMode rw bool; ",
			fill(operations, number) + "setThresholds(java.lang.Number,java.lang.Number) void; ",
			notes(monitor.TypeThresholdError, monitor.TypeGaugeHigh, monitor.TypeGaugeLow),
		}},
		{s.NewCounter(), seen{
			"javax.management.monitor.CounterMonitor", "javax.management.monitor.CounterMonitorMBean",
			fill(common, number) + "InitThreshold rw java.lang.Number; Threshold rw java.lang.Number; Offset rw java.lang.Number; Modulus rw java.lang.Number; Notify rw bool; DifferenceMode rw bool; ",
			fill(operations, number) + "getThreshold(name) java.lang.Number; ",
			notes(monitor.TypeThresholdError, monitor.TypeCounter),
		}},
		{s.NewText(), seen{
			"javax.management.monitor.StringMonitor", "javax.management.monitor.StringMonitorMBean",
			fill(common, "java.lang.String") + "StringToCompare rw string; NotifyMatch rw bool; NotifyDiffer rw bool; ",
			fill(operations, "java.lang.String"),
			notes(monitor.TypeTextMatches, monitor.TypeTextDiffers),
		}},
	} {
		if d := cmp.Diff(tt.want, see(tt.bean)); d != "" {
			t.Error(d)
		}
	}
}

// TestThroughTheServer tunes monitors as clients do, by names and plain values.
func TestThroughTheServer(t *testing.T) {
	inBubble(t, func(w *world) {
		b, thing := w.thing("a")
		_, err := w.server.Register(monitor.NewFactory(w.service), monitor.FactoryName)
		w.no(err)
		ctx := t.Context()
		invoke := func(n beans.Name, op string, args ...beans.Value) beans.Value {
			t.Helper()
			v, err := w.server.Invoke(ctx, n, op, args...)
			w.no(err)
			return v
		}
		set := func(n beans.Name, values ...beans.AttributeValue) {
			t.Helper()
			for _, v := range values {
				w.no(w.server.SetAttribute(ctx, n, v.Name, v.Value))
			}
		}
		see := func(n beans.Name, want map[string]beans.Value) {
			t.Helper()
			got := map[string]beans.Value{}
			for name := range want {
				v, err := w.server.Attribute(ctx, n, name)
				w.no(err)
				got[name] = v
			}
			if d := cmp.Diff(want, got, cmp.Comparer(beans.Name.Equal)); d != "" {
				t.Errorf("%s (-want +got):\n%s", n, d)
			}
		}
		gauge := invoke(monitor.FactoryName, "createGauge", "my queue").(beans.Name)
		if gauge.String() != "grove.monitor:type=GaugeMonitor,name=my queue" {
			t.Errorf("the gauge is %s", gauge)
		}
		invoke(gauge, "addObservedObject", "test:name=a")
		invoke(gauge, "setThresholds", 10.0, "5")
		set(gauge, beans.AttributeValue{Name: "ObservedAttribute", Value: "Value"}, beans.AttributeValue{Name: "GranularityPeriod", Value: 1000.0},
			beans.AttributeValue{Name: "NotifyHigh", Value: true}, beans.AttributeValue{Name: "NotifyLow", Value: "true"}, beans.AttributeValue{Name: "DifferenceMode", Value: false})
		see(gauge, map[string]beans.Value{
			"ObservedObject": thing, "ObservedObjects": []beans.Value{thing}, "ObservedAttribute": "Value", "GranularityPeriod": int64(1000), "Active": false,
			"HighThreshold": 10.0, "LowThreshold": int64(5), "NotifyHigh": true, "NotifyLow": true, "DerivedGauge": int64(0),
			"DerivedGaugeTimeStamp": time.Now().UnixMilli(),
		})
		invoke(gauge, "start")
		b.set(int64(12))
		pass(time.Second)
		w.expect("0 gauge.high a int64(12) by int64(10)")
		see(gauge, map[string]beans.Value{"Active": true, "DerivedGauge": int64(12)})
		if v := invoke(gauge, "getDerivedGauge", thing); v != int64(12) {
			t.Errorf("derived gauge %v", v)
		}
		if v := invoke(gauge, "getDerivedGaugeTimeStamp", thing); v != time.Now().UnixMilli() {
			t.Errorf("its time %v", v)
		}
		if v := invoke(gauge, "containsObservedObject", thing); v != true {
			t.Error("the gauge does not observe the thing")
		}
		invoke(gauge, "removeObservedObject", thing)
		see(gauge, map[string]beans.Value{"ObservedObject": nil, "ObservedObjects": []beans.Value{}, "DerivedGauge": nil, "DerivedGaugeTimeStamp": int64(0)})
		if v := invoke(gauge, "getDerivedGauge", thing); v != nil {
			t.Errorf("derived gauge of what is not observed: %v", v)
		}

		counter := invoke(monitor.FactoryName, "createCounter", "c").(beans.Name)
		set(counter, beans.AttributeValue{Name: "ObservedObject", Value: "test:name=a"}, beans.AttributeValue{Name: "ObservedAttribute", Value: "Value"},
			beans.AttributeValue{Name: "Threshold", Value: 10}, beans.AttributeValue{Name: "Offset", Value: int64(10)}, beans.AttributeValue{Name: "Modulus", Value: "100"},
			beans.AttributeValue{Name: "Notify", Value: true})
		invoke(counter, "start")
		pass(10 * time.Second)
		w.expect("0 counter.threshold a int64(12) by int64(10)")
		see(counter, map[string]beans.Value{"InitThreshold": int64(10), "Threshold": int64(20), "Offset": int64(10), "Modulus": int64(100), "DifferenceMode": false})
		if v := invoke(counter, "getThreshold", thing); v != int64(20) {
			t.Errorf("threshold %v", v)
		}

		text := invoke(monitor.FactoryName, "createString", "s").(beans.Name)
		set(text, beans.AttributeValue{Name: "StringToCompare", Value: "up"}, beans.AttributeValue{Name: "NotifyMatch", Value: true}, beans.AttributeValue{Name: "NotifyDiffer", Value: true})
		see(text, map[string]beans.Value{"StringToCompare": "up", "NotifyMatch": true, "NotifyDiffer": true, "ObservedAttribute": ""})

		see(monitor.FactoryName, map[string]beans.Value{"Count": int64(3), "Bound": int64(1000), "Monitors": []beans.Value{counter, gauge, text}})
		invoke(monitor.FactoryName, "remove", gauge)
		invoke(monitor.FactoryName, "remove", counter)
		see(monitor.FactoryName, map[string]beans.Value{"Count": int64(1)})
		if w.server.IsRegistered(gauge) {
			t.Error("what was removed is registered")
		}
		b.set(int64(1000))
		pass(time.Hour)
		w.expect()
	})
}

func TestFactoryRefuses(t *testing.T) {
	server, err := beans.NewServer(beans.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f := monitor.NewFactory(monitor.NewService(monitor.Options{Beans: server}))
	ctx := t.Context()
	for name, op := range map[string]string{"": "createGauge", "a,b": "createCounter", "*": "createString", " x": "createGauge", "x\n": "createGauge"} {
		if v, err := f.Invoke(ctx, op, []beans.Value{name}); !errors.Is(err, beans.ErrInvalidValue) {
			t.Errorf("%s %q: %v %v", op, name, v, err)
		}
	}
	if _, err := f.Invoke(ctx, "createGauge", []beans.Value{"a"}); err != nil {
		t.Error(err)
	}
	if _, err := f.Invoke(ctx, "createGauge", []beans.Value{"a"}); !errors.Is(err, beans.ErrExists) {
		t.Errorf("twice: %v", err)
	}
	if _, err := f.Invoke(ctx, "remove", []beans.Value{beans.DelegateName}); !errors.Is(err, beans.ErrInvalidValue) {
		t.Errorf("remove another's: %v", err)
	}
	for i := range monitor.MaxMade - 1 {
		if _, err := f.Invoke(ctx, "createString", []beans.Value{i}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Invoke(ctx, "createGauge", []beans.Value{"b"}); err == nil || err.Error() != "the factory has made 1000 monitors, which is the bound: remove some" {
		t.Errorf("beyond the bound: %v", err)
	}
}

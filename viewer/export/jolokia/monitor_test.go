package jolokia

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"grove/beans"
	"grove/beans/monitor"
)

// TestClientMakesAMonitor goes the way of a JMX client that has a gauge watched: it makes a
// monitor, tunes it, listens to it and pulls the alarm.
func TestClientMakesAMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(o *Options) {})
		if err := parseInto(r.server.opts.Policy, "grove.monitor:* write *\ngrove.monitor:* exec *\n"); err != nil {
			t.Fatal(err)
		}
		service := monitor.NewService(monitor.Options{Beans: r.beans})
		r.register(monitor.NewFactory(service), monitor.FactoryName.String())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- service.Run(ctx) }()
		const gauge = "grove.monitor:type=GaugeMonitor,name=speed"
		act := func(body string) (value json.RawMessage) {
			t.Helper()
			var a struct {
				Status int
				Error  string
				Value  json.RawMessage
			}
			w := r.ask("/jolokia", body)
			if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || a.Status != 200 {
				t.Fatalf("%s\n%s", body, w.Body)
			}
			return a.Value
		}
		exec := func(bean, operation string, args string) json.RawMessage {
			t.Helper()
			return act(fmt.Sprintf(`{"type":"exec","mbean":%q,"operation":%q,"arguments":[%s]}`, bean, operation, args))
		}
		write := func(attribute, value string) {
			t.Helper()
			act(fmt.Sprintf(`{"type":"write","mbean":%q,"attribute":%q,"value":%s}`, gauge, attribute, value))
		}
		if got := string(exec(monitor.FactoryName.String(), "createGauge", `"speed"`)); got != `{"objectName":"grove.monitor:name=speed,type=GaugeMonitor"}` {
			t.Error(got)
		}
		exec(gauge, "addObservedObject", `{"objectName":"grove:type=Fan,name=one"}`)
		exec(gauge, "setThresholds(java.lang.Number,java.lang.Number)", `100,50`)
		write("ObservedAttribute", `"Speed"`)
		write("GranularityPeriod", `1000`)
		write("NotifyHigh", `true`)
		id := r.client()
		act(`{"type":"notification","command":"add","client":"` + id + `","mode":"pull","mbean":"` + gauge + `","filter":["jmx.monitor"]}`)
		exec(gauge, "start", "")
		time.Sleep(1500 * time.Millisecond)
		if err := r.beans.SetAttribute(t.Context(), beans.MustName("grove:type=Fan,name=one"), "Speed", 120); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		got := string(exec("jolokia:type=NotificationStore,agent=test", "pull", `"`+id+`","1"`))
		for _, want := range []string{`"type":"jmx.monitor.gauge.high"`, `"observedObject":{"objectName":"grove:name=one,type=Fan"}`,
			`"observedAttribute":"Speed"`, `"derivedGauge":120`, `"trigger":100`, `"source":{"objectName":"grove.monitor:name=speed,type=GaugeMonitor"}`} {
			if !strings.Contains(got, want) {
				t.Errorf("no %s in %s", want, got)
			}
		}
		exec(gauge, "stop", "")
		r.server.Close()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

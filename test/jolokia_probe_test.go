package test

import (
	"fmt"
	"strings"
	"testing"

	"grove/cmd/app"
)

// alarmed is a definition whose node a JMX monitor watches.
const alarmed = `grove: 1
application: alarmed
at: /alarmed
tree:
  Level: { kind: performance, unit: pieces }
  Word: { kind: text }
monitors:
  Level: { kind: gauge, node: Level, high: 10, low: 5, every: 100ms }
`

// readByJolokia is a definition that reads the beans of another grove as those of a Java server.
const readByJolokia = `grove: 1
application: seen
at: /seen
probes:
  there:
    kind: jolokia
    url: %q
    every: 200ms
    timeout: 150ms
    list: "grove.monitor:*"
    attributes:
      level: { mbean: 'grove:type=Node,path="/alarmed/Level"', attribute: Value }
      status: { mbean: 'grove:type=Node,path="/alarmed/Level"', attribute: Status, type: text }
      statuses: { mbean: 'grove:type=Node,path="/alarmed/*"', attribute: Status, combine: count }
      nothing: { mbean: 'grove:type=Nothing', attribute: Value }
    tables:
      nodes:
        mbean: grove:type=Node,path="/alarmed/*"
        by: [path]
        columns:
          status: { attribute: Status, type: text }
    notifications:
      alarms:
        mbean: %q
        types: [jmx.monitor.gauge]
        status: { jmx.monitor.gauge.high: red, jmx.monitor.gauge.low: green }
tree:
  Up: { from: there.up }
  Level: { from: there.level }
  Protocol: { from: there.protocol, kind: text }
  Missing: { from: there.problems, kind: text }
  Nodes: { from: there.statuses }
  Alarms: { from: there.alarms }
  Each:
    "${row.path}": { each: there.nodes, from: row.status, kind: text }
  Monitors:
    "${row.mbean}": { each: there.mbeans, from: row.attributes }
`

// TestJolokiaOfProtocol8 reads one grove by another: its agent speaks version 8 of the
// protocol, with notifications, which Debian's does not. The monitor's alarm here is an
// event there.
func TestJolokiaOfProtocol8(t *testing.T) {
	t.Parallel()
	there := serve(t, func(c *app.Config) { c.Name = "there" })
	there.write("alarmed.yaml", alarmed)
	there.loaded("alarmed")
	there.push(reading{"path": "/alarmed/Level", "value": 3}, reading{"path": "/alarmed/Word", "value": "hello"})

	const monitor = `grove.monitor:type=GaugeMonitor,instance=alarmed,name=Level`
	here := serve(t, func(c *app.Config) { c.Name = "here" })
	here.write("seen.yaml", fmt.Sprintf(readByJolokia, there.url+"/jolokia/", monitor))
	here.loaded("seen")
	here.is("/seen/Up", "1", "green")
	here.is("/seen/Level", "3", "green")
	here.is("/seen/Protocol", "8.2", "green")
	here.is("/seen/Missing", "grove:type=Nothing Value: no such MBean", "green")
	here.is("/seen/Nodes", "2", "green")
	here.is("/seen/Each/~1alarmed~1Word", "green", "green")
	here.eventually(func() error {
		if text := here.subtree("/seen/Monitors"); !strings.Contains(text, "name=Level,type=GaugeMonitor") {
			return fmt.Errorf("the monitor is not listed:\n%s", text)
		}
		return nil
	})

	there.push(reading{"path": "/alarmed/Level", "value": 12})
	here.is("/seen/Level", "12", "green")
	here.eventually(func() error {
		n, err := here.find("/seen/Alarms")
		if err == nil && n.Status != "red" {
			err = fmt.Errorf("the alarm is %s: %s", n.Status, n.Reason)
		}
		return err
	})
	there.push(reading{"path": "/alarmed/Level", "value": 4})
	here.eventually(func() error {
		n, err := here.find("/seen/Alarms")
		if err == nil && n.Status != "green" {
			err = fmt.Errorf("the alarm is %s: %s", n.Status, n.Reason)
		}
		return err
	})
}

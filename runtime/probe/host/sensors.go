package host

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/shirou/gopsutil/v4/sensors"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

// maxSensors bounds the rows of the table.
const maxSensors = 1000

var sensorTable = table("sensors", "One row a thermometer; none in most virtual machines.",
	text("sensor", "Name of the sensor, such as coretemp_core_0."),
	number("temperature", "°C", "Temperature."),
	number("high", "°C", "Temperature that the maker calls high; not known of all sensors."),
	number("critical", "°C", "Temperature that the maker calls critical; not known of all sensors."),
)

var sensorAttributes = []beans.AttributeInfo{sensorTable}

func readSensors(ctx context.Context, _ *hostProbe, _ time.Time, into *probe.Result) error {
	found, err := sensors.TemperaturesWithContext(ctx)
	// A sensor that gives no answer just now is usual: it has no row.
	var warnings *sensors.Warnings
	if err != nil && !errors.As(err, &warnings) {
		return err
	}
	t := probe.Table{Attribute: sensorTable.Name, Columns: columnNames(sensorTable)}
	seen := make(map[string]int, len(found))
	for _, s := range found[:min(len(found), maxSensors)] {
		// Two devices of a kind have sensors of the same name.
		name := s.SensorKey
		if seen[s.SensorKey]++; seen[s.SensorKey] > 1 {
			name += "_" + strconv.Itoa(seen[s.SensorKey])
		}
		t.Rows = append(t.Rows, []tree.Value{tree.Text(name), tree.Number(s.Temperature), limit(s.High), limit(s.Critical)})
	}
	into.Tables = append(into.Tables, t)
	return nil
}

// limit returns no value for the 0 by which gopsutil says that there is no limit.
func limit(degrees float64) tree.Value {
	if degrees <= 0 {
		return tree.Value{}
	}
	return tree.Number(degrees)
}

package monitor

import "grove/beans"

// The types of the notifications of monitors (MonitorNotification).
const (
	TypeObjectError    = "jmx.monitor.error.mbean"
	TypeAttributeError = "jmx.monitor.error.attribute"
	TypeTypeError      = "jmx.monitor.error.type"
	TypeThresholdError = "jmx.monitor.error.threshold"
	TypeRuntimeError   = "jmx.monitor.error.runtime"
	TypeGaugeHigh      = "jmx.monitor.gauge.high"
	TypeGaugeLow       = "jmx.monitor.gauge.low"
	TypeCounter        = "jmx.monitor.counter.threshold"
	TypeTextMatches    = "jmx.monitor.string.matches"
	TypeTextDiffers    = "jmx.monitor.string.differs"
)

// notificationClass is the class of the notifications, as JMX clients know it.
const notificationClass = "javax.management.monitor.MonitorNotification"

// Alarm is the Data of the notifications of monitors. DerivedGauge and Trigger are nil
// for errors.
type Alarm struct {
	ObservedObject    beans.Name
	ObservedAttribute string
	DerivedGauge      beans.Value // what was compared
	Trigger           beans.Value // with what
}

// NotificationFields implements beans.Detailed.
func (a Alarm) NotificationFields() ([]beans.AttributeValue, beans.Value) {
	return []beans.AttributeValue{
		{Name: "observedObject", Value: a.ObservedObject}, {Name: "observedAttribute", Value: a.ObservedAttribute},
		{Name: "derivedGauge", Value: a.DerivedGauge}, {Name: "trigger", Value: a.Trigger},
	}, nil
}

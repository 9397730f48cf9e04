// Package monitor holds the monitors of JMX (javax.management.monitor): beans that
// look at an attribute of other beans once every period and tell when it crosses
// thresholds ([Gauge]), reaches a count ([Counter]) or is, or is not, a text
// ([Text]).
//
// Semantics are JMX's to the letter, as its reference implementation shows them: the
// first scan comes one period after the start, the next one period after the scan
// before has ended; each observed object has a state of its own; each kind of error
// is told once until the object is scanned cleanly again, and makes the trigger start
// afresh. The methods say where the details are.
//
// # Types of numbers
//
// Java compares a threshold only with an attribute of the very same type. Here int8,
// int16, int32, int64 (and int), float32 and float64 stand for byte, short, int, long,
// float and double; durations count as doubles, in seconds. A threshold of another
// type than the attribute's is the error jmx.monitor.error.threshold. A number that
// was given through the bean, by JSON or by text, has no such type: it counts as
// [Untyped], and fits every type that holds it exactly.
//
// # Goroutines
//
// [Service.Run] owns one goroutine that waits for all monitors, and starts one for
// each scan, at most [MaxScans] at once. Locks nest in the order monitor, service.
// Nothing is locked while an observed bean is read or a listener is called.
package monitor

// Package ccms shows the tree as the monitoring tree of SAP's Computing Center
// Management System: monitoring tree elements (MTE) with names, classes, thresholds,
// current values and averages, and the alerts that changes of status raise.
//
// The record shapes, lengths and class numbers are those of the CCMS alert monitor
// (tables ALGLOBTID, ALGLOBAID and the XAL interface, as SAP's help describes them).
//
// Names and identifiers are those of package name, numbers and thresholds those of package
// measure; the alerts are in the book of package alert, and package rest serves all of it
// over HTTP.
//
// # Kinds
//
// The root is a virtual element (class 199), a group that directly holds attributes is
// a monitoring object (70), any other group a summary (50). Performance attributes
// are 100, logs 101, status attributes 102 and texts 111, or 110 when they are longer
// than 40 characters. Grove has no heartbeat attributes (103): silence turns any of
// its nodes white after its staleness limit.
//
// # What an element takes from its definition
//
// The MTE class is the node's metric, or GROVE_<KIND>; the attribute group is the class,
// or "<TID specific>" when its thresholds were tuned. The properties "severity" (0 to 255,
// 50 by default) and "visibility" (operator, expert or developer) are taken from the
// node or the nearest group above that has them.
//
// # Averages
//
// Averages over 1, 5 and 15 minutes, and minimum and maximum, come from sampling: Run
// asks the tree every second for what changed. A hook in the path of the readings
// would see each of them, but every reading of every manager would pay for it,
// whether anybody asks for averages or not. So of a node that is fed more often than
// once a second the averages are over one reading a second, and of others over all.
//
// # What is kept
//
// Between questions an exporter keeps of each node no more than its colour, and of a
// performance attribute that had a reading what its averages are made of: 24 and 208 bytes.
// Everything else is asked of the tree, by a walk over the part that a question is about. A
// tree that comes, goes or moves touches what is kept of its own nodes alone. Who asks for
// elements by TID or by full name makes a directory of all nodes, which then is kept up.
//
// # Alerts
//
// Each time an attribute turns yellow or red an alert opens. It stays open, also
// when the attribute is well again or gone, until somebody acknowledges it, as in CCMS;
// the list is bounded per element and altogether, and what falls out of it is counted.
// [Exporter.Statuses] hears of every change; what it is not told, such as the colours
// that a restart brings back, Run finds by comparing. With a shelf the alerts outlive a
// restart: an acknowledgement is kept before it is answered, a new alert within one
// interval of Run. While the shelf cannot be read there are no alerts, and what it does
// not take is told again. Those that a restored backup brings take the place of all.
package ccms

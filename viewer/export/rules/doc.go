// Package rules makes alert rules for Prometheus of a definition, and a configuration of
// Alertmanager that goes with them: for those who want to be woken by the tools that they
// have.
//
// Grove has decided already: hysteresis, hold times and flapping are in the status of a
// node. So a rule asks for the status, as grove_node_status gives it, and a border that is
// tuned in grove needs no other rule. Yellow or worse is a warning and red is critical;
// Alertmanager keeps the warning quiet while the critical alert of the same node fires,
// so that an alert does not begin anew when a node goes to and fro between the two.
//
// # Labels of an alert
//
//	path         of the node
//	parent       of its group
//	at           where the instance of the definition hangs
//	application  the definition
//	severity     warning or critical
//	scope        instance: the thing itself cannot be asked; group: a roll-up that is more
//	             than the worst child; node: anything else
//
// Which nodes belong to a definition follows from the metrics that it names; nodes without
// one are found by their place below a path at which the first and the last attribute of
// the definition stand, too.
package rules

// Package fleetbench measures polls of many SNMP devices and of many HTTP endpoints: as fast
// as may be, beside other programs that do the same, and on a schedule with everything behind
// it. It is a package of its own so that the process whose memory it tells has only the code
// of a grove, and not that of all that the tests of package test hold it against.
package fleetbench

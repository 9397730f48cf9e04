// Package sapcontrol serves the tree as the web service SAPControl, which the start
// service of every SAP instance has, so that tools which watch SAP systems watch grove
// as one more.
//
// The shapes of requests and answers are those of package soap. SOAPAction and the path of
// the URL say nothing.
//
// # What the functions tell
//
//	GetAlertTree            the elements of package ccms, parents first; parent is a position in
//	                        the list, -1 for the first. HighAlertValue, AlDescription and AlTime
//	                        are of the open alert at or below it that matters most, or its own
//	                        colour where there is none.
//	GetAlerts               open alerts at and below the element with RootTid; without one, all
//	ABAPAcknowledgeAlerts   completes alerts: 1 for each that was, 0 for others. R3User is noted as
//	                        who did it; client and password are not looked at.
//	GetProcessList          the manager itself as "grove", then each instance of a definition:
//	                        its name, the title of its top node, the colour of it, since when it
//	                        is there. All have the process number of the manager.
//	GetSystemInstanceList   the manager as the one instance, with the colour of the whole tree
//	GetInstanceProperties   SAPSYSTEM, SAPSYSTEMNAME, SAPLOCALHOST, INSTANCE_NAME, and which functions there are
//	ParameterValue          the same by name; without one, all
//	GetVersionInfo          the version of grove
//	GetEnvironment          the same four as variables: the real environment stays where it is
//	GetAccessPointList      where the service listens
//	ABAPReadSyslog          the newest lines of all log attributes
//	ListLogFiles            the log attributes as files, named by their paths
//	ReadLogFile             the lines of one of them; no other file is ever read
//	AccessCheck             whether a function is served
//	GetQueueStatistic, EnqGetStatistic, EnqGetLockTable, ABAPGetWPTable, ABAPGetSystemWPTable
//	                        empty: grove has no dispatcher, no enqueue server, no work processes
//
// Functions that start, stop or change a system are in the WSDL and are refused with a
// fault.
//
// A manager with a large tree answers GetAlertTree for a part of it when the URL says
// so: POST /?path=/shop. Alerts and logs obey the same parameter.
//
// # Who may ask
//
// There is no access control yet: name and password of HTTP basic authentication are
// accepted and not looked at. So package listener takes loopback addresses only, and
// its socket is for the user of the manager. Requests of browsers are refused: those with an
// Origin, and bodies of a type that a foreign page may send without asking.
package sapcontrol

package sapcontrol

import "strings"

// field is one element of a type: its name and type as the WSDL has them.
type field struct {
	name string
	typ  string // "string", "int", "long", "double", "boolean", or one of ours
}

// optional says whether the WSDL lets the element be left out or nil: strings and
// arrays may be, numbers and enumerations may not.
func (f field) optional() bool { return f.typ == "string" || strings.HasPrefix(f.typ, "ArrayOf") }

// enumerations are the simple types.
var enumerations = []struct {
	name   string
	values []string
}{
	{"STATE-COLOR", []string{"SAPControl-GRAY", "SAPControl-GREEN", "SAPControl-YELLOW", "SAPControl-RED"}},
	{"VISIBLE-LEVEL", []string{"SAPControl-UNKNOWN", "SAPControl-OPERATOR", "SAPControl-EXPERT", "SAPControl-DEVELOPER"}},
	{"StartStopOption", []string{
		"SAPControl-ALL-INSTANCES", "SAPControl-SCS-INSTANCES", "SAPControl-DIALOG-INSTANCES", "SAPControl-ABAP-INSTANCES",
		"SAPControl-J2EE-INSTANCES", "SAPControl-PRIORITY-LEVEL", "SAPControl-TREX-INSTANCES", "SAPControl-ENQREP-INSTANCES",
		"SAPControl-HDB-INSTANCES", "SAPControl-ALLNOHDB-INSTANCES",
	}},
}

// fields reads "name" (a string) and "name:type".
func fields(texts ...string) []field {
	out := make([]field, len(texts))
	for i, text := range texts {
		name, typ, typed := strings.Cut(text, ":")
		if !typed {
			typ = "string"
		}
		out[i] = field{name, typ}
	}
	return out
}

// record is a complex type; there is an array of each.
type record struct {
	name   string
	array  string // name of its array where that is not ArrayOf and its own
	fields []field
}

func (r *record) arrayName() string {
	if r.array != "" {
		return r.array
	}
	return "ArrayOf" + r.name
}

var workProcess = fields("No:int", "Typ", "Pid:int", "Status", "Reason", "Start", "Err", "Sem", "Cpu", "Time", "Program", "Client", "User", "Action", "Table")

var records = []*record{
	{name: "OSProcess", fields: fields("name", "description", "dispstatus:STATE-COLOR", "textstatus", "starttime", "elapsedtime", "pid:int")},
	{name: "AlertNode", fields: fields("name", "parent:int", "ActualValue:STATE-COLOR", "description", "Time", "AnalyseTool",
		"VisibleLevel:VISIBLE-LEVEL", "HighAlertValue:STATE-COLOR", "AlDescription", "AlTime", "Tid")},
	{name: "Alert", fields: fields("Object", "Attribute", "Value:STATE-COLOR", "Description", "Time", "Tid", "Aid")},
	{name: "SyslogEntry", fields: fields("Time", "Typ", "Client", "User", "Tcode", "MNo", "Text", "Severity:STATE-COLOR")},
	{name: "TaskHandlerQueue", fields: fields("Typ", "Now:int", "High:int", "Max:int", "Writes:int", "Reads:int")},
	{name: "WorkProcess", fields: workProcess},
	{name: "SystemWorkProcess", fields: append(fields("Instance"), workProcess...)},
	{name: "InstanceVersionInfo", fields: fields("Filename", "VersionInfo", "Time")},
	{name: "InstanceProperty", array: "ArrayOfInstanceProperties", fields: fields("property", "propertytype", "value")},
	{name: "LogFile", fields: fields("filename", "size:long", "modtime", "format")},
	{name: "AccessPoint", fields: fields("address", "port:int", "protocol", "processname", "active")},
	{name: "SAPInstance", fields: fields("hostname", "instanceNr:int", "httpPort:int", "httpsPort:int", "startPriority", "features", "dispstatus:STATE-COLOR")},
	{name: "EnqLock", fields: fields("lock-name", "lock-arg", "lock-mode", "owner", "owner-vb", "use-count-owner:int", "use-count-owner-vb:int", "client", "user", "transaction", "object", "backup")},
}

// enqueue is what EnqGetStatistic answers: the one function whose answer has a name of
// its own.
var enqueue = fields(
	"owner-now:int", "owner-high:int", "owner-max:int", "owner-state:STATE-COLOR",
	"arguments-now:int", "arguments-high:int", "arguments-max:int", "arguments-state:STATE-COLOR",
	"locks-now:int", "locks-high:int", "locks-max:int", "locks-state:STATE-COLOR",
	"enqueue-requests:long", "enqueue-rejects:long", "enqueue-errors:long", "dequeue-requests:long", "dequeue-errors:long",
	"dequeue-all-requests:long", "cleanup-requests:long", "backup-requests:long", "reporting-requests:long",
	"compress-requests:long", "verify-requests:long",
	"lock-time:double", "lock-wait-time:double", "server-time:double", "replication-state:STATE-COLOR",
)

// function is one operation of the service.
type function struct {
	name   string
	doc    string
	in     []field
	out    []field
	answer string // name of the answer's element; the function's and "Response" when empty
	run    func(*call) error
}

func (f *function) answerName() string {
	if f.answer != "" {
		return f.answer
	}
	return f.name + "Response"
}

// functions are all that the WSDL lists, in its order.
var functions = []*function{
	{name: "GetProcessList", doc: "Lists the manager and the instances of its definitions.", out: fields("process:ArrayOfOSProcess"), run: getProcessList},
	{name: "GetAlertTree", doc: "Lists the elements of the monitoring tree.", out: fields("tree:ArrayOfAlertNode"), run: getAlertTree},
	{name: "GetAlerts", doc: "Lists the open alerts at and below an element.", in: fields("RootTid"), out: fields("RootTidName", "alert:ArrayOfAlert"), run: getAlerts},
	{name: "ABAPAcknowledgeAlerts", doc: "Completes alerts.", in: fields("R3Client", "R3User", "R3Password", "Aid:ArrayOfString"), out: fields("alert:ArrayOfInt"), run: acknowledge},
	{name: "GetSystemInstanceList", doc: "Lists the one instance of the system.", in: fields("timeout:int"), out: fields("instance:ArrayOfSAPInstance"), run: getSystemInstanceList},
	{name: "GetInstanceProperties", doc: "Tells what the instance is and which functions it has.", out: fields("properties:ArrayOfInstanceProperties"), run: getInstanceProperties},
	{name: "ParameterValue", doc: "Tells the value of a parameter, or of all.", in: fields("parameter"), out: fields("value"), run: parameterValue},
	{name: "GetVersionInfo", doc: "Tells the version of grove.", out: fields("version:ArrayOfInstanceVersionInfo"), run: getVersionInfo},
	{name: "GetEnvironment", doc: "Tells the parameters as variables.", out: fields("env:ArrayOfString"), run: getEnvironment},
	{name: "GetAccessPointList", doc: "Tells where the service listens.", out: fields("accesspoint:ArrayOfAccessPoint"), run: getAccessPointList},
	{name: "AccessCheck", doc: "Tells by a fault when a function is not served.", in: fields("function"), run: accessCheck},
	{name: "GetQueueStatistic", doc: "Lists no queues: there is no dispatcher.", out: fields("queue:ArrayOfTaskHandlerQueue"), run: nothing},
	{name: "EnqGetStatistic", doc: "Counts nothing: there is no enqueue server.", out: enqueue, answer: "EnqStatistic", run: enqGetStatistic},
	{name: "EnqGetLockTable", doc: "Lists no locks: there is no enqueue server.", out: fields("lock:ArrayOfEnqLock"), run: nothing},
	{name: "ABAPGetWPTable", doc: "Lists no work processes: there are none.", out: fields("workprocess:ArrayOfWorkProcess"), run: nothing},
	{name: "ABAPGetSystemWPTable", doc: "Lists no work processes: there are none.", in: fields("activeonly:boolean"), out: fields("workprocess:ArrayOfSystemWorkProcess"), run: nothing},
	{name: "ABAPReadSyslog", doc: "Lists the newest lines of all log attributes.", out: fields("log:ArrayOfSyslogEntry"), run: readSyslog},
	{name: "ListLogFiles", doc: "Lists the log attributes.", out: fields("file:ArrayOfLogFile"), run: listLogFiles},
	{name: "ReadLogFile", doc: "Reads a log attribute.", in: fields("filename", "filter", "language", "maxentries:int", "statecookie"),
		out: fields("format", "startcookie", "endcookie", "fields:ArrayOfString"), run: readLogFile},

	refused("Start"),
	refused("Stop", "softtimeout:int", "IsSystemStop:int"),
	refused("Shutdown", "IsSystemStop:int"),
	refused("Bootstrap", "host", "nr:int"),
	refused("InstanceStart", "host", "nr:int", "runlevel"),
	refused("InstanceStop", "host", "nr:int", "softtimeout:int"),
	refused("StartSystem", "options:StartStopOption", "prioritylevel", "waittimeout:int", "runlevel"),
	refused("StopSystem", "options:StartStopOption", "prioritylevel", "softtimeout:int", "waittimeout:int"),
	refused("RestartSystem", "options:StartStopOption", "prioritylevel", "softtimeout:int", "waittimeout:int", "runlevel"),
	refused("RestartInstance", "softtimeout:int", "runlevel"),
	refused("RestartService"),
	refused("StopService"),
	refused("SendSignal", "pid:int", "signal"),
	refused("OSExecute", "command", "async:int", "timeout:int", "protocolfile"),
}

// refused is a function that has an effect which grove does not have.
func refused(name string, in ...string) *function {
	return &function{name: name, doc: "Is refused: the service watches and does not control.", in: fields(in...)}
}

// recordOf finds the record of an array by the array's name.
var recordOf = func() map[string]*record {
	m := map[string]*record{}
	for _, r := range records {
		m[r.arrayName()] = r
	}
	return m
}()

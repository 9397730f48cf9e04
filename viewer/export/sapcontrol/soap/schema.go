package soap

import "strings"

// Field is one element of a type: its name and type as the WSDL has them.
type Field struct {
	Name string
	Type string // "string", "int", "long", "double", "boolean", or one of ours
}

// optional says whether the WSDL lets the element be left out or nil: strings and
// arrays may be, numbers and enumerations may not.
func (f Field) optional() bool { return f.Type == "string" || strings.HasPrefix(f.Type, "ArrayOf") }

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
func fields(texts ...string) []Field {
	out := make([]Field, len(texts))
	for i, text := range texts {
		name, typ, typed := strings.Cut(text, ":")
		if !typed {
			typ = "string"
		}
		out[i] = Field{name, typ}
	}
	return out
}

// record is a complex type; there is an array of each.
type record struct {
	name   string
	array  string // name of its array where that is not ArrayOf and its own
	fields []Field
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

// Function is one operation of the service.
type Function struct {
	Name    string
	Doc     string // for people
	In, Out []Field
	// Refused says that the function has an effect which grove does not have.
	Refused bool

	answer string // name of the answer's element; the function's and "Response" when empty
}

func (f *Function) answerName() string {
	if f.answer != "" {
		return f.answer
	}
	return f.Name + "Response"
}

// Functions are all that the WSDL lists, in its order.
var Functions = []*Function{
	{Name: "GetProcessList", Doc: "Lists the manager and the instances of its definitions.", Out: fields("process:ArrayOfOSProcess")},
	{Name: "GetAlertTree", Doc: "Lists the elements of the monitoring tree.", Out: fields("tree:ArrayOfAlertNode")},
	{Name: "GetAlerts", Doc: "Lists the open alerts at and below an element.", In: fields("RootTid"), Out: fields("RootTidName", "alert:ArrayOfAlert")},
	{Name: "ABAPAcknowledgeAlerts", Doc: "Completes alerts.", In: fields("R3Client", "R3User", "R3Password", "Aid:ArrayOfString"), Out: fields("alert:ArrayOfInt")},
	{Name: "GetSystemInstanceList", Doc: "Lists the one instance of the system.", In: fields("timeout:int"), Out: fields("instance:ArrayOfSAPInstance")},
	{Name: "GetInstanceProperties", Doc: "Tells what the instance is and which functions it has.", Out: fields("properties:ArrayOfInstanceProperties")},
	{Name: "ParameterValue", Doc: "Tells the value of a parameter, or of all.", In: fields("parameter"), Out: fields("value")},
	{Name: "GetVersionInfo", Doc: "Tells the version of grove.", Out: fields("version:ArrayOfInstanceVersionInfo")},
	{Name: "GetEnvironment", Doc: "Tells the parameters as variables.", Out: fields("env:ArrayOfString")},
	{Name: "GetAccessPointList", Doc: "Tells where the service listens.", Out: fields("accesspoint:ArrayOfAccessPoint")},
	{Name: "AccessCheck", Doc: "Tells by a fault when a function is not served.", In: fields("function")},
	{Name: "GetQueueStatistic", Doc: "Lists no queues: there is no dispatcher.", Out: fields("queue:ArrayOfTaskHandlerQueue")},
	{Name: "EnqGetStatistic", Doc: "Counts nothing: there is no enqueue server.", Out: enqueue, answer: "EnqStatistic"},
	{Name: "EnqGetLockTable", Doc: "Lists no locks: there is no enqueue server.", Out: fields("lock:ArrayOfEnqLock")},
	{Name: "ABAPGetWPTable", Doc: "Lists no work processes: there are none.", Out: fields("workprocess:ArrayOfWorkProcess")},
	{Name: "ABAPGetSystemWPTable", Doc: "Lists no work processes: there are none.", In: fields("activeonly:boolean"), Out: fields("workprocess:ArrayOfSystemWorkProcess")},
	{Name: "ABAPReadSyslog", Doc: "Lists the newest lines of all log attributes.", Out: fields("log:ArrayOfSyslogEntry")},
	{Name: "ListLogFiles", Doc: "Lists the log attributes.", Out: fields("file:ArrayOfLogFile")},
	{Name: "ReadLogFile", Doc: "Reads a log attribute.", In: fields("filename", "filter", "language", "maxentries:int", "statecookie"),
		Out: fields("format", "startcookie", "endcookie", "fields:ArrayOfString")},

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
func refused(name string, in ...string) *Function {
	return &Function{Name: name, Doc: "Is refused: the service watches and does not control.", In: fields(in...), Refused: true}
}

// recordOf finds the record of an array by the array's name.
var recordOf = func() map[string]*record {
	m := map[string]*record{}
	for _, r := range records {
		m[r.arrayName()] = r
	}
	return m
}()

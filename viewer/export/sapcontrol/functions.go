package sapcontrol

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"grove/tree"
	"grove/viewer/export/ccms"
	"grove/viewer/export/ccms/alert"
	"grove/viewer/export/sapcontrol/soap"
)

// Bounds of answers.
const (
	maxAlerts = 10_000
	maxSyslog = 1_000 // lines, as of a SAP system's own answer
	maxLines  = 10_000
)

// answers are what the functions answer that are served.
var answers = map[string]func(*call) error{
	"GetProcessList":        getProcessList,
	"GetAlertTree":          getAlertTree,
	"GetAlerts":             getAlerts,
	acknowledges:            acknowledge,
	"GetSystemInstanceList": getSystemInstanceList,
	"GetInstanceProperties": getInstanceProperties,
	"ParameterValue":        parameterValue,
	"GetVersionInfo":        getVersionInfo,
	"GetEnvironment":        getEnvironment,
	"GetAccessPointList":    getAccessPointList,
	"AccessCheck":           accessCheck,
	"GetQueueStatistic":     nothing,
	"EnqGetStatistic":       enqGetStatistic,
	"EnqGetLockTable":       nothing,
	"ABAPGetWPTable":        nothing,
	"ABAPGetSystemWPTable":  nothing,
	"ABAPReadSyslog":        readSyslog,
	"ListLogFiles":          listLogFiles,
	"ReadLogFile":           readLogFile,
}

// processTexts say in words what the colour of a process means.
var processTexts = [...]string{tree.White: "No data", tree.Green: "Running", tree.Yellow: "Warning", tree.Red: "Fault"}

func getProcessList(c *call) error {
	rows, err := c.opts.Elements.Instances(c.ctx)
	if err != nil {
		return err
	}
	now, pid := c.opts.Now(), os.Getpid()
	processes := [][]any{{"grove", "Manager", tree.Green, processTexts[tree.Green], c.stamp(c.since), elapsed(now.Sub(c.since)), pid}}
	for i := range rows {
		r := &rows[i]
		processes = append(processes, []any{r.Owner, r.Path.String(), r.Value, processTexts[r.Value], c.stamp(r.Created), elapsed(now.Sub(r.Created)), pid})
	}
	c.Put(soap.List{N: len(processes), Row: func(i int) []any { return processes[i] }})
	return nil
}

func getAlertTree(c *call) error {
	rows, err := c.opts.Elements.Tree(c.ctx, c.below, -1, c.opts.MaxElements)
	if err != nil {
		return err
	}
	cells := make([]any, 11)
	c.Grow(len(rows) * 500)
	c.Put(soap.List{N: len(rows), Row: func(i int) []any {
		r := &rows[i]
		high, description, at := r.Value, "", ""
		if r.Alert != nil {
			high, description, at = r.Alert.Value, r.Alert.Description, c.stamp(r.Alert.Opened)
		}
		return append(cells[:0], r.Name, r.Parent, r.Value, r.Description, c.stamp(r.Time), r.Tool, r.Level, high, description, at, r.TID)
	}})
	return nil
}

func getAlerts(c *call) error {
	below, title := c.below, c.opts.Elements.System()
	if root := c.Args["RootTid"]; strings.TrimSpace(root) != "" {
		el, err := c.opts.Elements.Element(c.ctx, root)
		if err != nil {
			return err
		}
		below, title = el.Path, el.Full
	}
	alerts, total, err := c.opts.Elements.Alerts(c.ctx, alert.Filter{Below: below, State: alert.Open, Limit: maxAlerts})
	if err != nil {
		return err
	}
	if total > len(alerts) {
		return &ccms.TooManyError{What: "alerts", Have: total, Bound: maxAlerts}
	}
	c.Put(title, soap.List{N: len(alerts), Row: func(i int) []any {
		a := &alerts[i]
		return []any{a.Object, a.Attribute, a.Value, a.Description, c.stamp(a.Opened), a.TID, a.AID}
	}})
	return nil
}

// maxUser bounds the name of who acknowledges, in bytes.
const maxUser = 100

func acknowledge(c *call) error {
	user := c.Args["R3User"]
	if len(user) > maxUser || strings.ContainsFunc(user, unicode.IsControl) {
		return soap.ClientFault("R3User: has more than %d bytes, or control characters", maxUser)
	}
	results, err := c.opts.Elements.Acknowledge(c.ctx, c.Items["Aid"], user, "by SAPControl")
	if err != nil {
		return err
	}
	flags := make([]int, len(results))
	for i := range results {
		if results[i].Acknowledged {
			flags[i] = 1
		}
	}
	c.Put(flags)
	return nil
}

// name of the instance, such as "GROVE00".
func (s *Service) instanceName() string { return "GROVE" + s.number() }

func (s *Service) number() string { return fmt.Sprintf("%02d", s.opts.Instance) }

// parameters are the four that every client asks for, in their usual order.
func (s *Service) parameters() [][2]string {
	return [][2]string{
		{"SAPSYSTEM", s.number()},
		{"SAPSYSTEMNAME", s.opts.Elements.System()},
		{"SAPLOCALHOST", s.opts.Hostname},
		{"INSTANCE_NAME", s.instanceName()},
	}
}

func getSystemInstanceList(c *call) error {
	if _, err := c.Integer("timeout"); err != nil {
		return err
	}
	root, err := c.opts.Elements.Element(c.ctx, "/")
	if err != nil {
		return err
	}
	port := 0
	for _, a := range c.opts.Access() {
		port = cmp.Or(port, a.Port)
	}
	c.Put(soap.List{N: 1, Row: func(int) []any {
		return []any{c.opts.Hostname, c.opts.Instance, port, 0, "1", "GROVE", root.Value}
	}})
	return nil
}

func getInstanceProperties(c *call) error {
	var rows [][]any
	for _, p := range c.parameters() {
		rows = append(rows, []any{p[0], "Attribute", p[1]})
	}
	rows = append(rows,
		[]any{"Webmethods", "Attribute", strings.Join(c.served, ",")},
		[]any{"Protected Webmethods", "Attribute", strings.Join(c.refused, ",")},
		[]any{"Process List", "NodeWebmethod", "GetProcessList"},
		[]any{"Parameter Value", "NodeWebmethod", "ParameterValue"},
		[]any{"Alert Tree", "NodeWebmethod", "GetAlertTree"},
	)
	c.Put(soap.List{N: len(rows), Row: func(i int) []any { return rows[i] }})
	return nil
}

func parameterValue(c *call) error {
	asked := strings.TrimSpace(c.Args["parameter"])
	var all []string
	for _, p := range c.parameters() {
		if p[0] == asked {
			c.Put(p[1])
			return nil
		}
		all = append(all, p[0]+"="+p[1])
	}
	if asked != "" {
		return soap.ClientFault("Invalid parameter: %q", soap.Clip(asked))
	}
	c.Put(strings.Join(all, "\n"))
	return nil
}

func getVersionInfo(c *call) error {
	c.Put(soap.List{N: 1, Row: func(int) []any { return []any{"grove", c.opts.Version, c.stamp(c.opts.Built)} }})
	return nil
}

func getEnvironment(c *call) error {
	var env []string
	for _, p := range c.parameters() {
		env = append(env, p[0]+"="+p[1])
	}
	c.Put(env)
	return nil
}

func getAccessPointList(c *call) error {
	all := c.opts.Access()
	c.Put(soap.List{N: len(all), Row: func(i int) []any { return []any{all[i].Address, all[i].Port, all[i].Protocol, "grove", "Yes"} }})
	return nil
}

func accessCheck(c *call) error {
	name := strings.TrimSpace(c.Args["function"])
	switch f := c.functions[name]; {
	case f == nil:
		return soap.ClientFault("Invalid function: %q", soap.Clip(name))
	case f.Refused:
		return refusal(f)
	case f.Name == acknowledges:
		_, err := c.opts.Elements.Acknowledge(c.ctx, nil, "", "") // Of nothing, to know whether it may be.
		return err
	}
	return nil
}

// acknowledges is the one function that has an effect.
const acknowledges = "ABAPAcknowledgeAlerts"

// nothing answers with an empty list.
func nothing(c *call) error {
	if len(c.Fields()) > 0 {
		c.Put(soap.List{})
	}
	return nil
}

func enqGetStatistic(c *call) error {
	values := make([]any, len(c.Fields()))
	for i, f := range c.Fields() {
		switch f.Type {
		case "STATE-COLOR":
			values[i] = tree.White
		case "double":
			values[i] = 0.0
		default:
			values[i] = 0
		}
	}
	c.Put(values...)
	return nil
}

func readSyslog(c *call) error {
	lines, err := c.opts.Elements.Lines(c.ctx, c.below, maxSyslog)
	if err != nil {
		return err
	}
	c.Put(soap.List{N: len(lines), Row: func(i int) []any {
		l := &lines[i]
		return []any{c.stamp(l.Time), "S", "", "", "", "", l.Path.String() + ": " + l.Text, l.Status}
	}})
	return nil
}

// logFormat names how the lines of a log are written: time, colour and text, with tabs
// between them.
const logFormat = "grove"

func listLogFiles(c *call) error {
	logs, err := c.opts.Elements.Logs(c.ctx, c.below)
	if err != nil {
		return err
	}
	if len(logs) > maxLines {
		return &ccms.TooManyError{What: "log attributes", Have: len(logs), Bound: maxLines}
	}
	c.Put(soap.List{N: len(logs), Row: func(i int) []any {
		return []any{logs[i].Path.String(), logs[i].Size, c.stamp(logs[i].Time), logFormat}
	}})
	return nil
}

func readLogFile(c *call) error {
	most, err := c.Integer("maxentries")
	if err != nil {
		return err
	}
	if most <= 0 || most > maxLines {
		most = maxLines
	}
	// The name is a path of the tree; nothing here opens a file.
	p, err := tree.ParsePath(c.Args["filename"])
	if err != nil {
		return err
	}
	logs, err := c.opts.Elements.Logs(c.ctx, p)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(logs, func(l ccms.LogFile) bool { return l.Path == p }) {
		return soap.ClientFault("%s: no such log: ListLogFiles names those that there are", soap.Clip(p.String()))
	}
	lines, err := c.opts.Elements.Lines(c.ctx, p, maxLines)
	if err != nil {
		return err
	}
	start := 0
	if cookie := strings.TrimSpace(c.Args["statecookie"]); cookie != "" && cookie != "EOF" {
		if start, err = strconv.Atoi(cookie); err != nil || start < 0 {
			return soap.ClientFault("statecookie: %q is none that ReadLogFile gave", soap.Clip(cookie))
		}
	}
	start = min(start, len(lines))
	end := min(start+most, len(lines))
	var texts []string
	filter := c.Args["filter"]
	for _, l := range lines[start:end] {
		text := c.stamp(l.Time) + "\t" + l.Status.String() + "\t" + l.Text
		if filter == "" || strings.Contains(text, filter) {
			texts = append(texts, text)
		}
	}
	next := "EOF"
	if end < len(lines) {
		next = strconv.Itoa(end)
	}
	c.Put(logFormat, strconv.Itoa(start), next, texts)
	return nil
}

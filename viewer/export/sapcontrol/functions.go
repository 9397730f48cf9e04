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
)

// Bounds of answers.
const (
	maxAlerts = 10_000
	maxSyslog = 1_000 // lines, as of a SAP system's own answer
	maxLines  = 10_000
)

// processTexts say in words what the colour of a process means.
var processTexts = [...]string{tree.White: "No data", tree.Green: "Running", tree.Yellow: "Warning", tree.Red: "Fault"}

func getProcessList(c *call) error {
	rows, err := c.opts.Elements.Instances()
	if err != nil {
		return err
	}
	now, pid := c.opts.Now(), os.Getpid()
	processes := [][]any{{"grove", "Manager", tree.Green, processTexts[tree.Green], c.stamp(c.since), elapsed(now.Sub(c.since)), pid}}
	for i := range rows {
		r := &rows[i]
		processes = append(processes, []any{r.Owner, r.Path.String(), r.Value, processTexts[r.Value], c.stamp(r.Created), elapsed(now.Sub(r.Created)), pid})
	}
	c.put(list{len(processes), func(i int) []any { return processes[i] }})
	return nil
}

func getAlertTree(c *call) error {
	rows, err := c.opts.Elements.Tree(c.below, -1, c.opts.MaxElements)
	if err != nil {
		return err
	}
	cells := make([]any, 11)
	c.buf.Grow(len(rows) * 500)
	c.put(list{len(rows), func(i int) []any {
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
	if root := c.args["RootTid"]; strings.TrimSpace(root) != "" {
		el, err := c.opts.Elements.Element(root)
		if err != nil {
			return err
		}
		below, title = el.Path, el.Full
	}
	alerts, total, err := c.opts.Elements.Alerts(alert.Filter{Below: below, State: alert.Open, Limit: maxAlerts})
	if err != nil {
		return err
	}
	if total > len(alerts) {
		return &ccms.TooManyError{What: "alerts", Have: total, Bound: maxAlerts}
	}
	c.put(title, list{len(alerts), func(i int) []any {
		a := &alerts[i]
		return []any{a.Object, a.Attribute, a.Value, a.Description, c.stamp(a.Opened), a.TID, a.AID}
	}})
	return nil
}

// maxUser bounds the name of who acknowledges, in bytes.
const maxUser = 100

func acknowledge(c *call) error {
	user := c.args["R3User"]
	if len(user) > maxUser || strings.ContainsFunc(user, unicode.IsControl) {
		return clientFault("R3User: has more than %d bytes, or control characters", maxUser)
	}
	results := c.opts.Elements.Acknowledge(c.items["Aid"], user, "by SAPControl")
	flags := make([]int, len(results))
	for i := range results {
		if results[i].Acknowledged {
			flags[i] = 1
		}
	}
	c.put(flags)
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
	if _, err := c.integer("timeout"); err != nil {
		return err
	}
	root, err := c.opts.Elements.Element("/")
	if err != nil {
		return err
	}
	port := 0
	for _, a := range c.opts.Access() {
		port = cmp.Or(port, a.Port)
	}
	c.put(list{1, func(int) []any {
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
	c.put(list{len(rows), func(i int) []any { return rows[i] }})
	return nil
}

func parameterValue(c *call) error {
	asked := strings.TrimSpace(c.args["parameter"])
	var all []string
	for _, p := range c.parameters() {
		if p[0] == asked {
			c.put(p[1])
			return nil
		}
		all = append(all, p[0]+"="+p[1])
	}
	if asked != "" {
		return clientFault("Invalid parameter: %q", clip(asked))
	}
	c.put(strings.Join(all, "\n"))
	return nil
}

func getVersionInfo(c *call) error {
	c.put(list{1, func(int) []any { return []any{"grove", c.opts.Version, c.stamp(c.opts.Built)} }})
	return nil
}

func getEnvironment(c *call) error {
	var env []string
	for _, p := range c.parameters() {
		env = append(env, p[0]+"="+p[1])
	}
	c.put(env)
	return nil
}

func getAccessPointList(c *call) error {
	all := c.opts.Access()
	c.put(list{len(all), func(i int) []any { return []any{all[i].Address, all[i].Port, all[i].Protocol, "grove", "Yes"} }})
	return nil
}

func accessCheck(c *call) error {
	name := strings.TrimSpace(c.args["function"])
	switch f := c.functions[name]; {
	case f == nil:
		return clientFault("Invalid function: %q", clip(name))
	case f.run == nil:
		return clientFault("%s: permission denied: grove watches and does not control", name)
	}
	return nil
}

// nothing answers with an empty list.
func nothing(c *call) error {
	if len(c.out) > 0 {
		c.put(list{})
	}
	return nil
}

func enqGetStatistic(c *call) error {
	values := make([]any, len(c.out))
	for i, f := range c.out {
		switch f.typ {
		case "STATE-COLOR":
			values[i] = tree.White
		case "double":
			values[i] = 0.0
		default:
			values[i] = 0
		}
	}
	c.put(values...)
	return nil
}

func readSyslog(c *call) error {
	lines, err := c.opts.Elements.Lines(c.below, maxSyslog)
	if err != nil {
		return err
	}
	c.put(list{len(lines), func(i int) []any {
		l := &lines[i]
		return []any{c.stamp(l.Time), "S", "", "", "", "", l.Path.String() + ": " + l.Text, l.Status}
	}})
	return nil
}

// logFormat names how the lines of a log are written: time, colour and text, with tabs
// between them.
const logFormat = "grove"

func listLogFiles(c *call) error {
	logs, err := c.opts.Elements.Logs(c.below)
	if err != nil {
		return err
	}
	if len(logs) > maxLines {
		return &ccms.TooManyError{What: "log attributes", Have: len(logs), Bound: maxLines}
	}
	c.put(list{len(logs), func(i int) []any {
		return []any{logs[i].Path.String(), logs[i].Size, c.stamp(logs[i].Time), logFormat}
	}})
	return nil
}

func readLogFile(c *call) error {
	most, err := c.integer("maxentries")
	if err != nil {
		return err
	}
	if most <= 0 || most > maxLines {
		most = maxLines
	}
	// The name is a path of the tree; nothing here opens a file.
	p, err := tree.ParsePath(c.args["filename"])
	if err != nil {
		return err
	}
	logs, err := c.opts.Elements.Logs(p)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(logs, func(l ccms.LogFile) bool { return l.Path == p }) {
		return clientFault("%s: no such log: ListLogFiles names those that there are", clip(p.String()))
	}
	lines, err := c.opts.Elements.Lines(p, maxLines)
	if err != nil {
		return err
	}
	start := 0
	if cookie := strings.TrimSpace(c.args["statecookie"]); cookie != "" && cookie != "EOF" {
		if start, err = strconv.Atoi(cookie); err != nil || start < 0 {
			return clientFault("statecookie: %q is none that ReadLogFile gave", clip(cookie))
		}
	}
	start = min(start, len(lines))
	end := min(start+most, len(lines))
	var texts []string
	filter := c.args["filter"]
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
	c.put(logFormat, strconv.Itoa(start), next, texts)
	return nil
}

package sapcontrol

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

// maxRows bounds the rows of one table, which is also what a loop takes.
const maxRows = 10_000

// function is one that the system is asked for, and what becomes of its answer.
type function struct {
	option     string // its name among the options
	name       string // its name in the protocol
	answer     string
	parameters [][2]string
	attributes []beans.AttributeInfo
	take       func(a *answer, r *probe.Result) error
}

// functions are all that the probe knows, in the order in which it asks.
var functions = []*function{
	{option: "alerts", name: "GetAlertTree", answer: "GetAlertTreeResponse", attributes: []beans.AttributeInfo{alertTable}, take: takeAlerts},
	{option: "processes", name: "GetProcessList", answer: "GetProcessListResponse", attributes: []beans.AttributeInfo{processTable}, take: takeProcesses},
	{option: "instances", name: "GetSystemInstanceList", answer: "GetSystemInstanceListResponse", parameters: [][2]string{{"timeout", "0"}},
		attributes: []beans.AttributeInfo{instanceTable}, take: takeInstances},
	{option: "queues", name: "GetQueueStatistic", answer: "GetQueueStatisticResponse", attributes: []beans.AttributeInfo{queueTable}, take: takeQueues},
	{option: "enqueue", name: "EnqGetStatistic", answer: "EnqStatistic", attributes: enqueueAttributes, take: takeEnqueue},
	{option: "work_processes", name: "ABAPGetSystemWPTable", answer: "ABAPGetSystemWPTableResponse", parameters: [][2]string{{"activeonly", "false"}},
		attributes: []beans.AttributeInfo{workTable}, take: takeWork},
}

func functionNamed(option string) *function {
	for _, f := range functions {
		if f.option == option {
			return f
		}
	}
	return nil
}

func functionNames() (names []string) {
	for _, f := range functions {
		names = append(names, f.option)
	}
	return names
}

// statuses are grove's for the values of STATE-COLOR.
var statuses = map[string]tree.Status{
	"SAPControl-GRAY": tree.White, "SAPControl-GREEN": tree.Green, "SAPControl-YELLOW": tree.Yellow, "SAPControl-RED": tree.Red,
}

// status is the cell for a colour; there is none for a text that is no colour.
func status(colour string) tree.Value {
	s, ok := statuses[strings.TrimSpace(colour)]
	if !ok {
		return tree.Value{}
	}
	return tree.Text(s.String())
}

// number is the cell for a number; there is none for what is not one.
func number(text string) tree.Value {
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return tree.Value{}
	}
	return tree.Number(v)
}

// whole is number for what is counted.
func whole(text string) tree.Value {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return tree.Value{}
	}
	return tree.Number(float64(n))
}

func words(text string) tree.Value { return tree.Text(clean(text, maxText)) }

// split parts a description such as "91 %" into value and unit. A description that does
// not begin with a number is only a text.
func split(description string) (value tree.Value, unit string) {
	first, rest, _ := strings.Cut(strings.TrimSpace(description), " ")
	value = number(first)
	if value.IsNone() {
		return value, ""
	}
	return value, clean(strings.TrimSpace(rest), 40)
}

// seconds reads an elapsed time, "H:MM:SS".
func seconds(text string) tree.Value {
	parts := strings.Split(strings.TrimSpace(text), ":")
	if len(parts) != 3 {
		return tree.Value{}
	}
	total := 0.0
	for _, p := range parts {
		n, err := strconv.ParseUint(p, 10, 32)
		if err != nil {
			return tree.Value{}
		}
		total = total*60 + float64(n)
	}
	return tree.Number(total)
}

// clean makes a text fit for people: one line, UTF-8, no control characters, so many bytes.
func clean(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
	text = strings.TrimSpace(text)
	if len(text) > most {
		text = strings.TrimSpace(strings.ToValidUTF8(text[:most], ""))
	}
	return text
}

// maxKey leaves room for what tells equal names apart: a name of the tree has
// tree.MaxNameBytes.
const maxKey = 110

// keys makes the keys of a table: the names of nodes, each once.
type keys map[string]int

// take returns a key for a name. One that is too long is cut and gets a hash; the same
// again gets a number.
func (k keys) take(text string) string {
	name := clean(text, maxText)
	switch {
	case name == "" || name == "." || name == "..":
		name = "(" + name + ")"
	case len(name) > maxKey:
		sum := sha256.Sum256([]byte(name))
		name = clean(name, maxKey-9) + "~" + base32.StdEncoding.EncodeToString(sum[:5])
	}
	k[name]++
	if n := k[name]; n > 1 {
		return k.take(fmt.Sprintf("%s (%d)", name, n))
	}
	return name
}

// table makes a table of items. A system with more than maxRows shows the first, and the
// error says so.
func table(a beans.AttributeInfo, items []record, r *probe.Result, cells func(item record) []tree.Value) error {
	t := probe.Table{Attribute: a.Name}
	for _, c := range a.Columns {
		t.Columns = append(t.Columns, c.Name)
	}
	var err error
	if len(items) > maxRows {
		err = fmt.Errorf("%d items, of which the first %d are shown", len(items), maxRows)
		items = items[:maxRows]
	}
	for _, item := range items {
		t.Rows = append(t.Rows, cells(item))
	}
	r.Tables = append(r.Tables, t)
	return err
}

// takeAlerts makes a row of each attribute of the alert tree: of each node that has none
// below. The parts of its path are the names of the nodes above; the first of all is the
// system.
func takeAlerts(a *answer, r *probe.Result) error {
	parents := make([]int, len(a.items))
	inner := make([]bool, len(a.items))
	for i, item := range a.items {
		p, err := strconv.Atoi(strings.TrimSpace(item["parent"]))
		if err != nil || p < -1 || p >= len(a.items) {
			return fmt.Errorf("node %d has the parent %q, which is none of %d nodes", i, clean(item["parent"], 20), len(a.items))
		}
		if p == i { // There are systems whose root is its own parent.
			p = -1
		}
		if parents[i] = p; p >= 0 {
			inner[p] = true
		}
	}
	var leaves []record
	for i, item := range a.items {
		if inner[i] {
			continue
		}
		var names []string
		for k := i; k >= 0; k = parents[k] {
			if names = append(names, clean(a.items[k]["name"], maxText)); len(names) > tree.MaxDepth {
				return fmt.Errorf("node %d lies deeper than %d, or in a circle", i, tree.MaxDepth)
			}
		}
		for k, text := range parts(names) {
			item[k] = text
		}
		leaves = append(leaves, item)
	}
	seen := keys{}
	return table(alertTable, leaves, r, func(item record) []tree.Value {
		value, unit := split(item["description"])
		return []tree.Value{
			tree.Text(seen.take(item["path"])), words(item["system"]), words(item["context"]), words(item["object"]), words(item["attribute"]),
			status(item["ActualValue"]), status(item["HighAlertValue"]), value, tree.Bool(!value.IsNone()), tree.Text(unit), words(item["description"]), words(item["Time"]),
			words(item["AlDescription"]), words(item["AlTime"]), words(item["AnalyseTool"]),
			tree.Text(strings.ToLower(strings.TrimPrefix(clean(item["VisibleLevel"], 40), "SAPControl-"))), words(item["Tid"]),
		}
	})
}

// parts names the parts of a path, given from the node upwards. They go into the record
// under names that no element of the protocol has.
func parts(upwards []string) map[string]string {
	n := len(upwards)
	out := map[string]string{"system": upwards[n-1], "attribute": upwards[0], "context": "", "object": ""}
	var below []string
	for k := n - 2; k >= 0; k-- {
		below = append(below, upwards[k])
	}
	out["path"] = strings.Join(below, `\`)
	if n >= 3 {
		out["context"], out["object"] = upwards[n-2], upwards[1]
	}
	if n == 1 {
		out["path"] = upwards[0]
	}
	return out
}

func takeProcesses(a *answer, r *probe.Result) error {
	seen := keys{}
	return table(processTable, a.items, r, func(item record) []tree.Value {
		return []tree.Value{
			tree.Text(seen.take(item["name"])), words(item["description"]), status(item["dispstatus"]), words(item["textstatus"]),
			words(item["starttime"]), seconds(item["elapsedtime"]), whole(item["pid"]),
		}
	})
}

func takeInstances(a *answer, r *probe.Result) error {
	seen := keys{}
	return table(instanceTable, a.items, r, func(item record) []tree.Value {
		nr := whole(item["instanceNr"])
		name := item["hostname"]
		if n, ok := nr.Number(); ok {
			name = fmt.Sprintf("%s %02.0f", name, n)
		}
		return []tree.Value{
			tree.Text(seen.take(name)), words(item["hostname"]), nr, whole(item["httpPort"]), whole(item["httpsPort"]),
			words(item["startPriority"]), words(item["features"]), status(item["dispstatus"]),
		}
	})
}

func takeQueues(a *answer, r *probe.Result) error {
	seen := keys{}
	return table(queueTable, a.items, r, func(item record) []tree.Value {
		return []tree.Value{
			tree.Text(seen.take(item["Typ"])), whole(item["Now"]), whole(item["High"]), whole(item["Max"]), whole(item["Writes"]), whole(item["Reads"]),
		}
	})
}

func takeEnqueue(a *answer, r *probe.Result) error {
	for i, element := range enqueueElements {
		info := enqueueAttributes[i]
		v := number(a.plain[element])
		if info.Type == beans.TypeString {
			v = status(a.plain[element])
		}
		if info.Type == beans.TypeInt {
			v = whole(a.plain[element])
		}
		if !v.IsNone() {
			r.Add(info.Name, v)
		}
	}
	return nil
}

func takeWork(a *answer, r *probe.Result) error {
	seen := keys{}
	return table(workTable, a.items, r, func(item record) []tree.Value {
		name := item["Instance"] + " " + item["No"]
		return []tree.Value{
			tree.Text(seen.take(name)), words(item["Instance"]), whole(item["No"]), words(item["Typ"]), whole(item["Pid"]), words(item["Status"]),
			words(item["Reason"]), words(item["Start"]), whole(item["Err"]), whole(item["Time"]), words(item["Program"]), words(item["Client"]),
			words(item["User"]), words(item["Action"]), words(item["Table"]),
		}
	})
}

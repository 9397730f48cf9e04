// Package file holds the shapes of definition files and instance files. The same
// structs decode the files and make the JSON Schema that editors use, so the two
// cannot drift apart.
package file

import (
	"reflect"
	"slices"
	"strings"

	"grove/tree/definition/source"
	"grove/tree/definition/variable"
)

// Version is the version of the language that "grove: 1" names.
const Version = 1

// Definition is a document that says what makes up the tree of one application; or,
// without application and tree, one that others include.
type Definition struct {
	Grove       Text       `yaml:"grove" jsonschema:"description=Version of the language: 1"`
	Application Text       `yaml:"application" jsonschema:"description=Name by which instances use the definition: letters\\, digits\\, - and _"`
	Title       Text       `yaml:"title" jsonschema:"description=Name for people"`
	Description Text       `yaml:"description" jsonschema:"description=What is watched\\, for people"`
	Profile     Profile    `yaml:"profile" jsonschema:"description=What a discovery finds at the devices or services that the definition is for: by column\\, patterns that may end in *"`
	At          Text       `yaml:"at" jsonschema:"description=Path in the tree. With it the file is its own instance"`
	History     History    `yaml:"history" jsonschema:"description=What is kept of the readings of all its nodes: off\\, on\\, a resolution such as 1m\\, or every and keep. Default: on"`
	Properties  Properties `yaml:"properties" jsonschema:"description=Facts about what is watched\\, put on the top node: location\\, customer\\, service"`
	DependsOn   Texts      `yaml:"depends_on" jsonschema:"description=Nodes without which nothing here can work: absolute paths\\, or paths below the top of the definition"`
	Parameters  Named      `yaml:"parameters" jsonschema:"description=What an instance may set"`
	Include     Included   `yaml:"include" jsonschema:"description=Files beside this one whose parameters\\, templates and probes are known here"`
	Templates   Named      `yaml:"templates" jsonschema:"description=Pieces of tree that nodes use by name"`
	Probes      Named      `yaml:"probes" jsonschema:"description=What asks the resources"`
	Monitors    Named      `yaml:"monitors" jsonschema:"description=JMX monitors over attributes of nodes and of other beans"`
	Tree        Tree       `yaml:"tree" jsonschema:"description=The nodes: lower-case keywords are settings\\, every other key is a child"`
	Tests       Tests      `yaml:"tests" jsonschema:"description=Roll-up tests: what is given and which statuses are expected"`
}

// Instance is a document that asks for one use of a definition or, with each, for one use
// for every row that a probe finds.
type Instance struct {
	Grove      Text           `yaml:"grove" jsonschema:"description=Version of the language: 1"`
	Use        Use            `yaml:"use" jsonschema:"required,description=Application of the definition to use; over rows it may take in row.column\\, or be chosen by one: by\\, choose and default"`
	At         Text           `yaml:"at" jsonschema:"required,description=Path in the tree where the instance hangs"`
	With       Any            `yaml:"with" jsonschema:"description=Values of the definition's parameters"`
	Name       Text           `yaml:"name" jsonschema:"description=Name of the instance. Default: the name of the file\\, over rows followed by the key of the row"`
	Properties Properties     `yaml:"properties" jsonschema:"description=Facts about this use\\, put on its top node\\, before those of the definition"`
	DependsOn  Texts          `yaml:"depends_on" jsonschema:"description=Nodes without which nothing here can work: absolute paths\\, or paths below the top of the instance"`
	Each       Finder         `yaml:"each" jsonschema:"description=Probe that finds what instances are made of: one for each row of its table. Default of every: 5m"`
	Table      Text           `yaml:"table" jsonschema:"description=Table of the probe\\, when it has several"`
	Where      Text           `yaml:"where" jsonschema:"description=Expression over row: there is an instance only where it is true"`
	Keep       Duration       `yaml:"keep" jsonschema:"description=How long an instance stays whose row is found no more. Default: 1h"`
	Most       Text           `yaml:"most" jsonschema:"description=How many rows become instances at most. Default: 1000"`
	Tests      DiscoveryTests `yaml:"tests" jsonschema:"description=Rows and the instances that are expected of them"`
}

// Choice chooses the definition of an instance by what a row says.
type Choice struct {
	By      Text    `yaml:"by" jsonschema:"required,description=Column by which the definition is chosen: row.object_id"`
	Choose  Choices `yaml:"choose" jsonschema:"description=Applications by patterns of that column\\, before the profiles of definitions; the longest pattern wins"`
	Default Text    `yaml:"default" jsonschema:"description=Application of what nothing else fits. Default: no instance"`
}

// DiscoveryTest is one test of a discovery.
type DiscoveryTest struct {
	Name   Text `yaml:"name" jsonschema:"required,description=The promise that the test checks"`
	Rows   Any  `yaml:"rows" jsonschema:"required,description=Rows as the probe would find them: a list of maps"`
	Expect Any  `yaml:"expect" jsonschema:"required,description=Instances by name: a path\\, absent\\, or use\\, at and with"`
}

// Probe is what every probe has; the options of its kind stand beside it.
type Probe struct {
	Kind    Text     `yaml:"kind" jsonschema:"required,description=Kind of the probe"`
	Every   Duration `yaml:"every" jsonschema:"description=How often it runs. Default: 30s"`
	Timeout Duration `yaml:"timeout" jsonschema:"description=When a run is given up\\, shorter than every. Default: 10s or four fifths of every"`
	Mode    Mode     `yaml:"mode" jsonschema:"description=How its nodes get readings. Default: timer\\, or push for kinds that send by themselves"`
}

// Node is the settings of a node, which stand among the names of its children.
type Node struct {
	// Of attributes.
	From   From       `yaml:"from" jsonschema:"description=Attribute of a probe that the node shows: probe.attribute\\, row.column in a loop over a table\\, probe.table[key].column"`
	Value  Text       `yaml:"value" jsonschema:"description=Expression over probe.attribute\\, instead of from"`
	Kind   NodeKind   `yaml:"kind" jsonschema:"description=Kind of the attribute. Default: by the type of what it shows"`
	Unit   Text       `yaml:"unit" jsonschema:"description=Unit of the number: s\\, bytes\\, %\\, connections. Default: the probe's"`
	Yellow Level      `yaml:"yellow" jsonschema:"description=Readings that make the node yellow"`
	Red    Level      `yaml:"red" jsonschema:"description=Readings that make the node red"`
	Back   BackRule   `yaml:"back" jsonschema:"description=How far readings must come back before a level is left (hysteresis): 10% of the border or an amount"`
	Clear  Duration   `yaml:"clear" jsonschema:"description=How long readings must be better before the node gets better"`
	White  White      `yaml:"white" jsonschema:"description=Silence after which the node is white. Default: three intervals and the timeout"`
	States States     `yaml:"states" jsonschema:"description=Status by the text of the reading; * is every other text"`
	Flap   Flap       `yaml:"flap" jsonschema:"description=When the node is called flapping"`
	Metric MetricName `yaml:"metric" jsonschema:"description=Name of the metric in exports"`
	Labels Labels     `yaml:"labels" jsonschema:"description=Labels of the metric"`
	Mode   Mode       `yaml:"mode" jsonschema:"description=How the node gets its readings. Default: the probe's mode"`
	Every  Duration   `yaml:"every" jsonschema:"description=How often the node asks\\, at least the interval of its probe"`
	Change Change     `yaml:"change" jsonschema:"description=rate or delta: what a rising count changed\\, per second or between readings"`
	Scale  Text       `yaml:"scale" jsonschema:"description=Factor for the number"`
	Keep   Text       `yaml:"keep" jsonschema:"description=How many events a log keeps"`
	Vital  Vital      `yaml:"vital" jsonschema:"description=Which group has failed when the node is red: true is its parent\\, top the whole instance\\, or the name of a group above. Default of PROBE.up: the group that holds all that the probe feeds"`
	// Of groups.
	Rollup Rollup `yaml:"rollup" jsonschema:"description=How the status of the group follows from its children. Default: worst"`
	Expect Expect `yaml:"expect" jsonschema:"description=Children that the group must have: names\\, or children and at_least; what is missing is alerted"`
	// Of both.
	Description Text       `yaml:"description" jsonschema:"description=What the node says\\, for people"`
	As          Edge       `yaml:"as" jsonschema:"description=How the node counts in its parent. Default: as_is"`
	Weight      Text       `yaml:"weight" jsonschema:"description=Weight in a weighted parent. Default: 1"`
	History     History    `yaml:"history" jsonschema:"description=What is kept of the readings of the node and of all below it: off\\, on\\, a resolution such as 1m\\, or every and keep"`
	Properties  Properties `yaml:"properties" jsonschema:"description=Facts about what the node stands for\\, by names of your own: location\\, host\\, service"`
	Alert       Alert      `yaml:"alert" jsonschema:"description=Which nodes alert here and below\\, and how gravely: never\\, each\\, whole\\, or a map. Default: each"`
	DependsOn   Texts      `yaml:"depends_on" jsonschema:"description=Nodes without which the node and all below it cannot work: absolute paths\\, or paths below the top of the definition"`
	Each        Each       `yaml:"each" jsonschema:"description=Loop: a node for each item of a list\\, of a range such as 1..24\\, of ${parameter}\\, or of the rows of probe.table"`
	Where       Text       `yaml:"where" jsonschema:"description=Expression over parameters\\, item and row: the node exists only where it is true"`
	Use         Text       `yaml:"use" jsonschema:"description=Template whose settings and children the node takes"`
	With        Any        `yaml:"with" jsonschema:"description=Values of the template's parameters"`
	Nodes       Nodes      `yaml:"nodes" jsonschema:"description=Children whose names are keywords"`
}

// Monitor is a JMX monitor.
type Monitor struct {
	Kind       MonitorKind `yaml:"kind" jsonschema:"required,description=gauge: a number that rises to high or falls to low; counter: a count that reaches a threshold; string: a text that matches or differs"`
	Node       Texts       `yaml:"node" jsonschema:"description=Paths of observed nodes below the definition's top; * stands for any text"`
	Observe    Texts       `yaml:"observe" jsonschema:"description=Names of observed beans\\, or patterns of such"`
	Attribute  Text        `yaml:"attribute" jsonschema:"description=Observed attribute\\, or a dotted path into its value. Default of nodes: Value"`
	Every      Duration    `yaml:"every" jsonschema:"description=How often the monitor looks. Default: 10s"`
	High       Text        `yaml:"high" jsonschema:"description=High threshold of a gauge. Default: low"`
	Low        Text        `yaml:"low" jsonschema:"description=Low threshold of a gauge. Default: high"`
	Threshold  Text        `yaml:"threshold" jsonschema:"description=First threshold of a counter"`
	Offset     Text        `yaml:"offset" jsonschema:"description=By how much a threshold that was reached moves. Default: it stays"`
	Modulus    Text        `yaml:"modulus" jsonschema:"description=At which value the count wraps. Default: it does not"`
	Difference Text        `yaml:"difference" jsonschema:"description=Whether the change between two looks is compared instead of the value"`
	Match      Text        `yaml:"match" jsonschema:"description=Text that a string monitor compares with"`
	Notify     Texts       `yaml:"notify" jsonschema:"description=What is told: high and low\\, threshold\\, or match and differ. Default: all"`
	Log        Text        `yaml:"log" jsonschema:"description=Path of a node of kind log that gets a line of everything that is told"`
	Status     States      `yaml:"status" jsonschema:"description=How bad the lines of the log are: by what is told\\, and error. Default: they say nothing of the status"`
}

// Test is one roll-up test.
type Test struct {
	Name     Text     `yaml:"name" jsonschema:"required,description=The promise that the test checks"`
	With     Any      `yaml:"with" jsonschema:"description=Values of the definition's parameters"`
	Given    Any      `yaml:"given" jsonschema:"description=Readings of nodes by path below the definition's top"`
	Rows     Any      `yaml:"rows" jsonschema:"description=Rows of tables: probe.table with a list of maps"`
	Readings Any      `yaml:"readings" jsonschema:"description=Readings of probes: probe.attribute with a value"`
	For      Duration `yaml:"for" jsonschema:"description=Time for which all readings so far keep coming"`
	After    Duration `yaml:"after" jsonschema:"description=Time that passes in silence then"`
	Expect   Any      `yaml:"expect" jsonschema:"description=Status\\, or status and value\\, of nodes by path; the empty path is the top"`
	Steps    Steps    `yaml:"steps" jsonschema:"description=What happens after that\\, one after the other"`
}

// Step is one step of a test.
type Step struct {
	Given    Any      `yaml:"given" jsonschema:"description=Readings of nodes by path below the definition's top"`
	Rows     Any      `yaml:"rows" jsonschema:"description=Rows of tables: probe.table with a list of maps"`
	Readings Any      `yaml:"readings" jsonschema:"description=Readings of probes: probe.attribute with a value"`
	For      Duration `yaml:"for" jsonschema:"description=Time for which all readings so far keep coming"`
	After    Duration `yaml:"after" jsonschema:"description=Time that passes in silence then"`
	Expect   Any      `yaml:"expect" jsonschema:"description=Status\\, or status and value\\, of nodes by path"`
}

// Parameter is the declaration of a parameter.
type Parameter = variable.Declaration

// Keys lists the keys of one of the structs of this package, in their order.
func Keys(of any) []string {
	t := reflect.TypeOf(of)
	keys := make([]string, 0, t.NumField())
	for i := range t.NumField() {
		key, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		keys = append(keys, key)
	}
	return keys
}

// NodeKeys are the settings of a node.
var NodeKeys = Keys(Node{})

// structure are the settings that shape the tree; all others say what a node is.
var structure = []string{"each", "where", "use", "with", "nodes"}

// IsNodeKey says whether a key of a node is a setting.
func IsNodeKey(key string) bool { return slices.Contains(NodeKeys, key) }

// IsStructure says whether a setting shapes the tree: each, where, use, with, nodes.
func IsStructure(key string) bool { return slices.Contains(structure, key) }

// forBoth are the settings that groups and attributes have alike.
var forBoth = []string{"description", "as", "weight", "history", "properties", "alert", "depends_on"}

// forGroups are the settings that only groups have.
var forGroups = []string{"rollup", "expect"}

// TakesLists says whether a setting of a node may be a list.
func TakesLists(key string) bool { return key == "depends_on" || key == "expect" }

// ForAttributes says whether a setting is for attributes alone.
func ForAttributes(key string) bool {
	return !slices.Contains(forBoth, key) && !slices.Contains(forGroups, key)
}

// Raw is a value that is looked at later, with its position.
type Raw struct{ source.Value }

// UnmarshalSource implements source.Unmarshaler.
func (r *Raw) UnmarshalSource(v *source.Value) error {
	r.Value = *v
	return nil
}

// Given says whether the file has the value.
func (r *Raw) Given() bool { return r.Pos.Line > 0 && !r.Null }

// The values of the structs, each with a form of its own in the schema.
type (
	// Any is anything.
	Any struct{ Raw }
	// Text is a scalar.
	Text struct{ Raw }
	// Duration is written "30s".
	Duration struct{ Raw }
	// Mode is timer, push, request or notification.
	Mode struct{ Raw }
	// NodeKind is performance, status, log or text.
	NodeKind struct{ Raw }
	// Level is written "> 500 for 30s".
	Level struct{ Raw }
	// BackRule is written "10%", 50, { yellow: …, red: … }.
	BackRule struct{ Raw }
	// White is written "no reading for 60s".
	White struct{ Raw }
	// States is written { running: green }.
	States struct{ Raw }
	// Flap is written "5 changes in 10m".
	Flap struct{ Raw }
	// From is written "status.active".
	From struct{ Raw }
	// MetricName is written "nginx_connections_active".
	MetricName struct{ Raw }
	// Labels is written { port: "80" }.
	Labels struct{ Raw }
	// History is written off, on, "1m", { every: 10s, keep: 30d }.
	History struct{ Raw }
	// Properties is written { location: Berlin }.
	Properties struct{ Raw }
	// Alert is written never, { rule: whole, red: critical }.
	Alert struct{ Raw }
	// Vital is written true, top, false or the name of a group.
	Vital struct{ Raw }
	// Expect is written [a, b], { children: [a, b], at_least: 2 }.
	Expect struct{ Raw }
	// MonitorKind is gauge, counter or string.
	MonitorKind struct{ Raw }
	// Texts is a text or a list of texts.
	Texts struct{ Raw }
	// Change is rate or delta.
	Change struct{ Raw }
	// Rollup is written worst, { need: 2 }.
	Rollup struct{ Raw }
	// Edge is written as_is, { fixed: yellow }.
	Edge struct{ Raw }
	// Each is written [a, b], "1..24", "disks.filesystems".
	Each struct{ Raw }
	// Nodes holds children.
	Nodes struct{ Raw }
	// Tree is a node.
	Tree struct{ Raw }
	// Named holds parameters, templates, probes or monitors.
	Named struct{ Raw }
	// Included is a list of file names.
	Included struct{ Raw }
	// Tests is a list of Test.
	Tests struct{ Raw }
	// Steps is a list of Step.
	Steps struct{ Raw }
	// Use is the name of an application, or a Choice.
	Use struct{ Raw }
	// Finder is a Probe.
	Finder struct{ Raw }
	// Choices holds applications by pattern.
	Choices struct{ Raw }
	// Profile holds patterns, one or a list, by column.
	Profile struct{ Raw }
	// DiscoveryTests is a list of DiscoveryTest.
	DiscoveryTests struct{ Raw }
)

// The forms of metric and label names in the Prometheus text format.
const (
	MetricPattern = `^[a-zA-Z_:][a-zA-Z0-9_:]*$`
	LabelPattern  = `^[a-zA-Z_][a-zA-Z0-9_]*$`
)

package trap

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/snmp/mib"
	"grove/runtime/receive/trap/message"
	"grove/runtime/receive/trap/usm"
	"grove/tree"
)

// ProbeOptions are what a definition says of a probe of this kind.
type ProbeOptions struct {
	Sources     []string            `yaml:"sources,omitempty" jsonschema:"description=From whom traps are taken: IP addresses\\, prefixes such as 10.0.0.0/8 or host names; a port behind them does not count. From everybody when it is left out."`
	Relays      []string            `yaml:"relays,omitempty" jsonschema:"description=IP addresses or prefixes of programs that forward traps: theirs count as those of the agent that they name (agent-addr\\, snmpTrapAddress)."`
	Communities []string            `yaml:"communities,omitempty" jsonschema:"description=The communities of version 1 and 2c that are taken\\, each the text itself or a reference (file:/path\\, env:NAME or credential:NAME). All when both communities and users are left out."`
	Users       []usm.User          `yaml:"users,omitempty" jsonschema:"description=The users of version 3 that are taken."`
	Traps       []string            `yaml:"traps,omitempty" jsonschema:"description=Which traps are taken: names\\, numbers\\, name.* for all below a place\\, or *. By default those that the rules name\\, and all where no rule names any."`
	Events      []Event             `yaml:"events,omitempty" jsonschema:"description=What a trap becomes in a log; the first rule that matches counts. Without rules every trap becomes a line that lists its varbinds."`
	Counts      map[string][]string `yaml:"counts,omitempty" jsonschema:"description=Attributes that count traps: a name and which traps."`
	Values      map[string]string   `yaml:"values,omitempty" jsonschema:"description=Attributes with the latest value of a varbind: a name and the object\\, with number or text behind it where it is not known by name."`
	Tables      map[string]Table    `yaml:"tables,omitempty" jsonschema:"description=Attributes that are tables with a state a row\\, such as that of each port."`
	Alarms      []Alarm             `yaml:"alarms,omitempty" jsonschema:"description=Traps that raise and clear alarms; the active ones make up the table alarms."`
	AlarmMIB    bool                `yaml:"alarm_mib,omitempty" jsonschema:"description=Take alarmActiveState and alarmClearState of ALARM-MIB (RFC 3877) into the table alarms\\, too."`
	MIBs        []string            `yaml:"mibs,omitempty" jsonschema:"description=Directories of MIB files\\, for names that are not built in."`
}

// Event says what a trap becomes in a log.
type Event struct {
	Traps  []string          `yaml:"traps,omitempty" jsonschema:"description=Which traps; all when it is left out."`
	Text   string            `yaml:"text,omitempty" jsonschema:"description=The line\\, with {object} for the value of a varbind."`
	Status string            `yaml:"status,omitempty" jsonschema:"enum=green,enum=yellow,enum=red,enum=white,default=green,description=How bad it is; white says nothing of it."`
	By     string            `yaml:"by,omitempty" jsonschema:"description=A text with {object} that decides on the status by states; status is for what is not among them."`
	States map[string]string `yaml:"states,omitempty" jsonschema:"description=The status for each text that by can come to."`
	Log    string            `yaml:"log,omitempty" jsonschema:"default=events,description=The attribute that gets the line."`
}

// Table says what the rows of a table are.
type Table struct {
	Key     string            `yaml:"key" jsonschema:"required,description=What tells rows apart: a text with {object}\\, such as {ifIndex}."`
	States  map[string]string `yaml:"states" jsonschema:"required,description=Which trap puts its row into which state: linkDown: down."`
	Columns map[string]string `yaml:"columns,omitempty" jsonschema:"description=Further columns: a name and a text with {object}; what a later trap does not hold stays."`
	Remove  []string          `yaml:"remove,omitempty" jsonschema:"description=Traps that take their row away."`
	MaxRows int               `yaml:"max_rows,omitempty" jsonschema:"minimum=1,maximum=10000,default=1000,description=How many rows there are at most; then the one that was silent for the longest time goes."`
}

// Alarm says which traps raise and clear an alarm.
type Alarm struct {
	Raise    []string `yaml:"raise" jsonschema:"required,description=Traps that raise it."`
	Clear    []string `yaml:"clear,omitempty" jsonschema:"description=Traps that clear it."`
	Key      string   `yaml:"key,omitempty" jsonschema:"description=What tells alarms apart: a text with {object}. By default the first trap of raise."`
	Severity string   `yaml:"severity,omitempty" jsonschema:"default=major,description=indeterminate\\, warning\\, minor\\, major\\, critical; or a text with {object} that comes to one of them\\, to cleared or to a number of ItuPerceivedSeverity."`
	Text     string   `yaml:"text,omitempty" jsonschema:"description=What it tells people: a text with {object}."`
}

// Bounds of the options.
const (
	maxPrefixes     = 1000
	maxRules        = 200
	maxPatterns     = 1000 // of one list
	maxTables       = 16
	maxColumns      = 32
	maxRowsBound    = 10_000
	defaultMaxRows  = 1000
	maxAlarms       = 10_000
	maxCommunities  = 16
	maxUsers        = 16
	maxStates       = 200
	defaultLog      = "events"
	defaultText     = "{source}: {trap} {varbinds}"
	defaultSeverity = "major"
)

// names of the attributes that probes of the kind may have by themselves.
const (
	attrTrap   = "trap"
	attrAlarms = "alarms"
	attrActive = "active"
	attrWorst  = "worst"
	attrLeft   = "left_out"
)

var identifier = regexp.MustCompile(`\A[A-Za-z_][A-Za-z0-9_]{0,63}\z`)

// plan is what the options come to.
type plan struct {
	names       *mib.Set
	sources     []netip.Prefix
	hosts       []string
	relays      []netip.Prefix
	communities []string
	users       []usm.User

	wanted   patterns
	events   []eventPlan
	logs     []string
	counts   []countPlan
	values   []valuePlan
	tables   []tablePlan
	alarms   []alarmPlan
	alarmMIB bool
	// alarmRules tells the rules of the alarms apart from others.
	alarmRules string

	attributes []beans.AttributeInfo
}

type eventPlan struct {
	traps  patterns
	text   *template
	status tree.Status
	by     *template
	states map[string]tree.Status
	log    int
}

type countPlan struct {
	name  string
	traps patterns
}

type valuePlan struct {
	name   string
	oid    []byte
	object *mib.Object
	text   bool
}

type tablePlan struct {
	name    string
	key     *template
	states  []statePlan
	columns []columnPlan
	remove  patterns
	maxRows int
	rules   string // tells its rules apart from others
}

type statePlan struct {
	traps pattern
	state string
}

type columnPlan struct {
	name string
	text *template
}

type alarmPlan struct {
	raise, clear        patterns
	key, severity, text *template
}

// planner reads options; the first mistake stays.
type planner struct {
	names *mib.Set
	err   error
	taken map[string]bool
}

func (p *planner) bad(option, format string, args ...any) {
	if p.err == nil {
		p.err = probe.BadOption(option, format, args...)
	}
}

func (p *planner) fail(option string, err error) {
	if err != nil && p.err == nil {
		p.err = &probe.OptionError{Option: option, Err: err}
	}
}

// plan checks every option.
func (o *ProbeOptions) plan(names *mib.Set) (*plan, error) {
	p := &planner{names: names, taken: map[string]bool{attrTrap: true, "received": true, "events_dropped": true}}
	out := &plan{names: names, communities: o.Communities, users: o.Users, alarmMIB: o.AlarmMIB}
	out.sources, out.hosts = p.sources(o.Sources)
	var none []string
	if out.relays, none = p.prefixes("relays", o.Relays); len(none) > 0 {
		p.bad("relays", "%q is neither an IP address nor a prefix such as 10.0.0.0/8", message.Clip(none[0]))
	}
	p.security(o)
	p.events(o, out)
	for _, name := range slices.Sorted(maps.Keys(o.Counts)) {
		p.claim("counts."+name, name)
		out.counts = append(out.counts, countPlan{name, p.patterns("counts."+name, o.Counts[name])})
	}
	for _, name := range slices.Sorted(maps.Keys(o.Values)) {
		p.claim("values."+name, name)
		out.values = append(out.values, p.value(name, o.Values[name]))
	}
	if len(o.Tables) > maxTables {
		p.bad("tables", "%d tables: at most %d", len(o.Tables), maxTables)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Tables)) {
		p.claim("tables."+name, name)
		out.tables = append(out.tables, p.table(name, o.Tables[name]))
	}
	if len(o.Alarms) > 0 || o.AlarmMIB {
		for _, name := range []string{attrAlarms, attrActive, attrWorst} {
			if p.taken[name] {
				p.bad("alarms", "they have an attribute %s, and another one is called so", name)
			}
		}
	}
	if len(o.Tables) > 0 || len(o.Alarms) > 0 || o.AlarmMIB {
		p.claim("tables", attrLeft)
	}
	for i, a := range o.Alarms {
		out.alarms = append(out.alarms, p.alarm(fmt.Sprintf("alarms.%d", i), a))
	}
	if n := len(o.Events) + len(o.Counts) + len(o.Values) + len(o.Alarms); n > maxRules {
		p.bad("events", "%d rules, counts, values and alarms together: at most %d", n, maxRules)
	}
	out.wanted = p.wanted(o, out)
	out.alarmRules = p.rules("alarms", []any{o.Alarms, o.AlarmMIB})
	if p.err != nil {
		return nil, p.err
	}
	out.attributes = out.describe()
	return out, nil
}

// sources reads addresses, prefixes and names of hosts.
func (p *planner) sources(texts []string) (prefixes []netip.Prefix, hosts []string) {
	prefixes, others := p.prefixes("sources", texts)
	for _, text := range others {
		host := strings.TrimSuffix(strings.ToLower(text), ".")
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if a, err := netip.ParseAddr(host); err == nil {
			prefixes = append(prefixes, onlyThis(a))
			continue
		}
		if !hostName.MatchString(host) || len(host) > 253 {
			p.bad("sources", "%q is no IP address, prefix such as 10.0.0.0/8 or host name", message.Clip(text))
		}
		hosts = append(hosts, host)
	}
	return prefixes, hosts
}

var hostName = regexp.MustCompile(`\A[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\z`)

// prefixes reads those texts that are addresses or prefixes.
func (p *planner) prefixes(option string, texts []string) (prefixes []netip.Prefix, others []string) {
	if len(texts) > maxPrefixes {
		p.bad(option, "%d entries: at most %d", len(texts), maxPrefixes)
		return nil, nil
	}
	for _, text := range texts {
		text = strings.TrimSpace(text)
		if prefix, err := netip.ParsePrefix(text); err == nil {
			prefixes = append(prefixes, prefix.Masked())
		} else if a, err := netip.ParseAddr(text); err == nil {
			prefixes = append(prefixes, onlyThis(a))
		} else {
			others = append(others, text)
		}
	}
	return prefixes, others
}

func onlyThis(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	return netip.PrefixFrom(a, a.BitLen())
}

func (p *planner) security(o *ProbeOptions) {
	if n := len(o.Communities); n > maxCommunities {
		p.bad("communities", "%d communities: at most %d", n, maxCommunities)
	}
	for _, c := range o.Communities {
		switch {
		case c == "":
			p.bad("communities", "one of them is empty")
		case secret.Looks(c):
			p.fail("communities", secret.Ref(c).Check())
		}
	}
	if n := len(o.Users); n > maxUsers {
		p.bad("users", "%d users: at most %d", n, maxUsers)
	}
	for i, u := range o.Users {
		if err := u.Check(fmt.Sprintf("users.%d", i)); err != nil && p.err == nil {
			p.err = err
		}
	}
}

// claim takes a name for an attribute.
func (p *planner) claim(option, name string) {
	switch {
	case !identifier.MatchString(name):
		p.bad(option, "an attribute's name is made of letters, digits and underscores")
	case p.taken[name]:
		p.bad(option, "another attribute has this name")
	}
	p.taken[name] = true
}

func (p *planner) patterns(option string, texts []string) (out patterns) {
	if len(texts) > maxPatterns {
		p.bad(option, "%d traps: at most %d", len(texts), maxPatterns)
		return nil
	}
	for _, text := range texts {
		one, err := readPattern(p.names, text)
		p.fail(option, err)
		out = append(out, one)
	}
	return out
}

func (p *planner) template(option, text string) *template {
	t, err := readTemplate(p.names, text)
	p.fail(option, err)
	return t
}

var statuses = map[string]tree.Status{"green": tree.Green, "yellow": tree.Yellow, "red": tree.Red, "white": tree.White}

func (p *planner) status(option, text string) tree.Status {
	s, ok := statuses[text]
	if !ok {
		p.bad(option, "%q is not green, yellow, red or white", message.Clip(text))
	}
	return s
}

func (p *planner) events(o *ProbeOptions, out *plan) {
	rules := o.Events
	if len(rules) == 0 {
		rules = []Event{{}}
	}
	for i, e := range rules {
		option := fmt.Sprintf("events.%d", i)
		plan := eventPlan{traps: p.patterns(option+".traps", e.Traps), status: tree.Green}
		if len(e.Traps) == 0 {
			plan.traps = patterns{{all: true}}
		}
		text := e.Text
		if text == "" {
			text = defaultText
		}
		plan.text = p.template(option+".text", text)
		if e.Status != "" {
			plan.status = p.status(option+".status", e.Status)
		}
		switch {
		case (e.By == "") != (len(e.States) == 0):
			p.bad(option+".by", "by and states go together: what decides, and the status for what it can be")
		case e.By != "":
			plan.by, plan.states = p.template(option+".by", e.By), map[string]tree.Status{}
		}
		for _, word := range slices.Sorted(maps.Keys(e.States)) {
			plan.states[word] = p.status(option+".states."+word, e.States[word])
		}
		log := e.Log
		if log == "" {
			log = defaultLog
		}
		if plan.log = slices.Index(out.logs, log); plan.log < 0 {
			if log != defaultLog || p.taken[log] {
				p.claim(option+".log", log)
			}
			p.taken[log] = true
			plan.log = len(out.logs)
			out.logs = append(out.logs, log)
		}
		out.events = append(out.events, plan)
	}
}

func (p *planner) value(name, text string) valuePlan {
	option := "values." + name
	f := strings.Fields(text)
	if len(f) == 0 || len(f) > 2 {
		p.bad(option, "%q is not the name or number of an object, with number or text behind it", message.Clip(text))
		return valuePlan{}
	}
	oid, object, _, err := p.names.Resolve(f[0])
	p.fail(option, err)
	v := valuePlan{name: name, object: object}
	if err == nil {
		v.oid, err = message.EncodeOID(oid)
		p.fail(option, err)
	}
	if object != nil {
		switch object.Syntax {
		case mib.String, mib.Octets, mib.OID, mib.Address, mib.Bits, mib.Truth:
			v.text = true
		default:
			v.text = object.Enum != nil
		}
	}
	if len(f) == 2 {
		switch f[1] {
		case "number", "text":
			v.text = f[1] == "text"
		default:
			p.bad(option, "%q behind %s is not number or text", message.Clip(f[1]), f[0])
		}
	}
	return v
}

func (p *planner) table(name string, o Table) tablePlan {
	option := "tables." + name
	t := tablePlan{name: name, maxRows: o.MaxRows, rules: p.rules(option, o), remove: p.patterns(option+".remove", o.Remove)}
	switch {
	case o.Key == "":
		p.bad(option+".key", "it is empty: say what tells rows apart, such as {ifIndex}")
	case len(o.States) == 0 || len(o.States) > maxStates:
		p.bad(option+".states", "1 to %d traps have states, not %d", maxStates, len(o.States))
	case len(o.Columns) > maxColumns:
		p.bad(option+".columns", "%d columns: at most %d", len(o.Columns), maxColumns)
	case o.MaxRows < 0 || o.MaxRows > maxRowsBound:
		p.bad(option+".max_rows", "%d is not between 1 and %d", o.MaxRows, maxRowsBound)
	case o.MaxRows == 0:
		t.maxRows = defaultMaxRows
	}
	t.key = p.template(option+".key", o.Key)
	for _, trap := range slices.Sorted(maps.Keys(o.States)) {
		one, err := readPattern(p.names, trap)
		p.fail(option+".states."+trap, err)
		t.states = append(t.states, statePlan{one, o.States[trap]})
	}
	for _, column := range slices.Sorted(maps.Keys(o.Columns)) {
		where := option + ".columns." + column
		if !identifier.MatchString(column) {
			p.bad(where, "a column's name is made of letters, digits and underscores")
		}
		if slices.Contains(rowColumns, column) {
			p.bad(where, "every table has a column of this name already")
		}
		t.columns = append(t.columns, columnPlan{column, p.template(where, o.Columns[column])})
	}
	return t
}

func (p *planner) alarm(option string, o Alarm) alarmPlan {
	if len(o.Raise) == 0 {
		p.bad(option+".raise", "it is empty: say which traps raise the alarm")
		return alarmPlan{}
	}
	a := alarmPlan{raise: p.patterns(option+".raise", o.Raise), clear: p.patterns(option+".clear", o.Clear)}
	severity := o.Severity
	if severity == "" {
		severity = defaultSeverity
	}
	key, text := o.Key, o.Text
	if key == "" {
		key = strings.NewReplacer("{", "{{", "}", "}}").Replace(o.Raise[0])
	}
	if text == "" {
		text = defaultText
	}
	if _, ok := severities[severity]; !ok && !strings.Contains(severity, "{") {
		p.bad(option+".severity", "%q is not indeterminate, warning, minor, major or critical, nor a text with {object}", message.Clip(severity))
	}
	a.key, a.severity, a.text = p.template(option+".key", key), p.template(option+".severity", severity), p.template(option+".text", text)
	return a
}

// rules tells rules apart from others by a short text.
func (p *planner) rules(option string, rules any) string {
	text, err := json.Marshal(rules)
	p.fail(option, err)
	sum := fnv.New64a()
	_, _ = sum.Write(text)
	return fmt.Sprintf("%x", sum.Sum64())
}

// wanted is which traps the probe takes.
func (p *planner) wanted(o *ProbeOptions, out *plan) patterns {
	if len(o.Traps) > 0 {
		return p.patterns("traps", o.Traps)
	}
	var all patterns
	for i, e := range o.Events {
		all = append(all, out.events[i].traps...)
		if len(e.Traps) == 0 {
			return patterns{{all: true}}
		}
	}
	for _, c := range out.counts {
		all = append(all, c.traps...)
	}
	for _, t := range out.tables {
		all = append(all, t.remove...)
		for _, s := range t.states {
			all = append(all, s.traps)
		}
	}
	for _, a := range out.alarms {
		all = append(append(all, a.raise...), a.clear...)
	}
	if out.alarmMIB {
		all = append(all, pattern{oid: oidAlarmActive}, pattern{oid: oidAlarmClear})
	}
	if len(all) == 0 {
		return patterns{{all: true}}
	}
	return all
}

// describe lists the attributes.
func (p *plan) describe() []beans.AttributeInfo {
	out := []beans.AttributeInfo{{Name: attrTrap, Type: beans.TypeString, Readable: true, Description: "The latest trap."}}
	for _, log := range p.logs {
		out = append(out, beans.AttributeInfo{Name: log, Type: beans.TypeStrings, Readable: true, Description: "What traps say."})
	}
	for _, c := range p.counts {
		out = append(out, beans.AttributeInfo{Name: c.name, Type: beans.TypeFloat, Unit: "traps", Readable: true, Description: "Traps since the probe began.", Descriptor: map[string]string{"metricType": "counter"}})
	}
	for _, v := range p.values {
		info := beans.AttributeInfo{Name: v.name, Type: beans.TypeFloat, Readable: true, Description: message.Dotted(v.oid)}
		if v.object != nil {
			info.Description = v.object.String()
		}
		switch {
		case v.text:
			info.Type = beans.TypeString
		case v.object != nil:
			info.Unit = v.object.Unit
		}
		out = append(out, info)
	}
	for _, t := range p.tables {
		out = append(out, t.describe())
	}
	if p.hasAlarms() {
		out = append(out, describeAlarms()...)
	}
	if p.shows() {
		out = append(out, describeLeft)
	}
	return out
}

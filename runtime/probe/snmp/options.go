package snmp

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gosnmp/gosnmp"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/snmp/ber"
	"grove/runtime/probe/snmp/mib"
)

// Bounds of the options.
const (
	maxValues         = 1000
	maxTables         = 32
	maxColumns        = 64
	maxRowsBound      = 100_000
	maxRetries        = 10
	maxRepetitions    = 100
	maxRequestTimeout = time.Minute
	// maxCommunity is what gosnmp writes with a length of one octet.
	maxCommunity = 127
)

// Options are what a definition says of a probe of this kind.
type Options struct {
	Address        string            `yaml:"address" jsonschema:"required,description=Whom to ask: a host name or IP address\\, with :port when it is not 161.,example=192.0.2.1,example=switch1:161"`
	Version        string            `yaml:"version" jsonschema:"enum=1,enum=2c,enum=3,default=2c,description=Version of the protocol."`
	Community      string            `yaml:"community" jsonschema:"default=public,description=Community of version 1 and 2c: the text itself or a reference (file:/path or env:NAME)."`
	V3             V3                `yaml:"v3,omitempty" jsonschema:"description=The user of version 3."`
	RequestTimeout time.Duration     `yaml:"request_timeout" jsonschema:"type=string,default=2s,description=How long to wait for the answer to one packet."`
	Retries        int               `yaml:"retries" jsonschema:"minimum=0,maximum=10,default=1,description=How often a packet is sent again when no answer comes."`
	MaxRepetitions int               `yaml:"max_repetitions" jsonschema:"minimum=1,maximum=100,default=25,description=How many rows of a table one packet asks for; fewer when the table has many columns."`
	Values         map[string]string `yaml:"values,omitempty" jsonschema:"description=Attributes with one value each: a name of yours to a name or number of SNMP\\, such as sysUpTime.0 or IF-MIB::ifInOctets.3."`
	Tables         map[string]Table  `yaml:"tables,omitempty" jsonschema:"description=Attributes that are tables."`
	MIBs           []string          `yaml:"mibs,omitempty" jsonschema:"description=Directories of MIB files\\, for names that are not built in."`
}

// V3 is a user of SNMP version 3: RFC 3414.
type V3 struct {
	User         string     `yaml:"user,omitempty" jsonschema:"description=Name of the user."`
	Auth         string     `yaml:"auth,omitempty" jsonschema:"enum=MD5,enum=SHA,enum=SHA224,enum=SHA256,enum=SHA384,enum=SHA512,description=How messages are authenticated; none when it is left out."`
	AuthPassword secret.Ref `yaml:"auth_password,omitempty" jsonschema:"description=Reference to the password for it (file:/path or env:NAME)."`
	Priv         string     `yaml:"priv,omitempty" jsonschema:"enum=DES,enum=AES,enum=AES192,enum=AES256,enum=AES192C,enum=AES256C,description=How messages are encrypted (AES192C and AES256C are Cisco's ways); not at all when it is left out."`
	PrivPassword secret.Ref `yaml:"priv_password,omitempty" jsonschema:"description=Reference to the password for it (file:/path or env:NAME)."`
	Context      string     `yaml:"context,omitempty" jsonschema:"description=Name of the context; mostly empty."`
}

// Table says which columns make up the rows of a table.
type Table struct {
	Columns       map[string]string `yaml:"columns" jsonschema:"required,description=Columns: a name of yours to a name or number of SNMP\\, such as ifHCInOctets. Columns of different tables go together when their rows have the same index."`
	Key           string            `yaml:"key,omitempty" jsonschema:"default=index,description=The column that tells rows apart."`
	Discontinuity string            `yaml:"discontinuity,omitempty" jsonschema:"description=Column that says when the counts of a row were begun anew\\, such as ifCounterDiscontinuityTime: when it changes there is a gap and no jump.,example=ifCounterDiscontinuityTime"`
	MaxRows       int               `yaml:"max_rows,omitempty" jsonschema:"minimum=1,maximum=100000,default=1000,description=How many rows to read at most."`
}

func newOptions() *Options {
	return &Options{Version: "2c", Community: "public", RequestTimeout: 2 * time.Second, Retries: 1, MaxRepetitions: 25}
}

// defaultMaxRows stands for a max_rows of 0.
const defaultMaxRows = 1000

// indexColumn is the column that every table has: the part of an instance's number
// behind the column, as text.
const indexColumn = "index"

// names of the attributes that every probe of the kind has.
const (
	attrUp       = "up"
	attrDuration = "duration"
	attrError    = "error"
)

var authProtocols = map[string]gosnmp.SnmpV3AuthProtocol{
	"MD5": gosnmp.MD5, "SHA": gosnmp.SHA, "SHA224": gosnmp.SHA224,
	"SHA256": gosnmp.SHA256, "SHA384": gosnmp.SHA384, "SHA512": gosnmp.SHA512,
}

var privProtocols = map[string]gosnmp.SnmpV3PrivProtocol{
	"DES": gosnmp.DES, "AES": gosnmp.AES, "AES192": gosnmp.AES192,
	"AES256": gosnmp.AES256, "AES192C": gosnmp.AES192C, "AES256C": gosnmp.AES256C,
}

var versions = map[string]gosnmp.SnmpVersion{"1": gosnmp.Version1, "2c": gosnmp.Version2c, "3": gosnmp.Version3}

// identifier is what an attribute may be called, so that expressions can use it.
var identifier = regexp.MustCompile(`\A[A-Za-z_][A-Za-z0-9_]{0,63}\z`)

// plan is what the options come to.
type plan struct {
	host    string
	port    uint16
	version gosnmp.SnmpVersion
	*shape
}

// shape is what is asked for, whatever the device: the same for all probes with the same
// values and tables.
type shape struct {
	values     []item // those of the options, and sysUpTime when something is a counter
	tables     []table
	uptime     int // which of the values is sysUpTime; -1: none is needed
	attributes []beans.AttributeInfo
}

// sysUpTime is asked for whenever something is a counter: it tells a restart.
const sysUpTime = "1.3.6.1.2.1.1.3.0"

// item is one value to ask for, or one column.
type item struct {
	attribute string // empty: it is asked for and not shown
	oid       string // of the instance, or of the column
	name      ber.OID
	twin      ber.OID // what counts the same in 64 bits; empty: nothing is known to
	object    *mib.Object
	form      form
	counter   bool
	decimals  int  // of a number that is sent without its point
	plain     bool // octets that are text are shown as they are
}

// form is what the values of an attribute are.
type form uint8

const (
	asNumber form = iota
	asText
	asBool
)

type table struct {
	attribute string
	columns   []item   // sorted by name; without the index
	names     []string // of the columns, the index first
	stamp     *item    // when the counts of a row were begun anew; nil: nobody says
	key       int      // which of the columns tells rows apart; -1: the index
	maxRows   int
}

func (o *Options) plan() (*plan, error) {
	p := &plan{}
	var err error
	if p.host, p.port, err = splitAddress(o.Address); err != nil {
		return nil, &probe.OptionError{Option: "address", Err: err}
	}
	v, ok := versions[o.Version]
	if !ok {
		return nil, probe.BadOption("version", "%q is not 1, 2c or 3", clip(o.Version))
	}
	p.version = v
	if err := o.checkSecurity(); err != nil {
		return nil, err
	}
	switch {
	case o.RequestTimeout <= 0 || o.RequestTimeout > maxRequestTimeout:
		return nil, probe.BadOption("request_timeout", "%v is not between 0s and %v", o.RequestTimeout, maxRequestTimeout)
	case o.Retries < 0 || o.Retries > maxRetries:
		return nil, probe.BadOption("retries", "%d is not between 0 and %d", o.Retries, maxRetries)
	case o.MaxRepetitions < 1 || o.MaxRepetitions > maxRepetitions:
		return nil, probe.BadOption("max_repetitions", "%d is not between 1 and %d", o.MaxRepetitions, maxRepetitions)
	case len(o.Values) > maxValues:
		return nil, probe.BadOption("values", "%d values: at most %d", len(o.Values), maxValues)
	case len(o.Tables) > maxTables:
		return nil, probe.BadOption("tables", "%d tables: at most %d", len(o.Tables), maxTables)
	}
	return p, nil
}

// key is equal for options that ask for the same.
func (o *Options) key(names *mib.Set) string {
	return fmt.Sprintf("%p %q %#v", names, o.Values, o.Tables) // both write maps in order
}

func (o *Options) shape(names *mib.Set) (*shape, error) {
	p := &shape{uptime: -1}
	taken := map[string]bool{attrUp: true, attrDuration: true, attrError: true}
	claim := func(option, name string) error {
		switch {
		case !identifier.MatchString(name):
			return probe.BadOption(option, "an attribute's name is made of letters, digits and underscores")
		case taken[name]:
			return probe.BadOption(option, "another attribute has this name")
		}
		taken[name] = true
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(o.Values)) {
		option := "values." + name
		if err := claim(option, name); err != nil {
			return nil, err
		}
		it, err := readItem(names, name, o.Values[name], false)
		if err != nil {
			return nil, &probe.OptionError{Option: option, Err: err}
		}
		p.values = append(p.values, it)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Tables)) {
		option := "tables." + name
		if err := claim(option, name); err != nil {
			return nil, err
		}
		t, err := readTable(names, option, name, o.Tables[name])
		if err != nil {
			return nil, err
		}
		p.tables = append(p.tables, t)
	}
	if err := p.watchUptime(); err != nil {
		return nil, err
	}
	p.attributes = p.describe()
	return p, nil
}

// watchUptime has sysUpTime asked for when something is a counter.
func (p *shape) watchUptime() error {
	counts := slices.ContainsFunc(p.values, func(it item) bool { return it.counter })
	for i := range p.tables {
		counts = counts || slices.ContainsFunc(p.tables[i].columns, func(it item) bool { return it.counter })
	}
	if !counts {
		return nil
	}
	p.uptime = slices.IndexFunc(p.values, func(it item) bool { return it.oid == sysUpTime })
	if p.uptime >= 0 {
		return nil
	}
	name, err := ber.ParseOID(sysUpTime)
	p.uptime = len(p.values)
	p.values = append(p.values, item{oid: sysUpTime, name: name})
	return err
}

func readTable(names *mib.Set, option, name string, o Table) (table, error) {
	t := table{attribute: name, key: -1, maxRows: o.MaxRows}
	switch {
	case len(o.Columns) == 0 || len(o.Columns) > maxColumns:
		return t, probe.BadOption(option+".columns", "a table has 1 to %d columns, not %d", maxColumns, len(o.Columns))
	case o.MaxRows < 0 || o.MaxRows > maxRowsBound:
		return t, probe.BadOption(option+".max_rows", "%d is not between 1 and %d", o.MaxRows, maxRowsBound)
	case o.MaxRows == 0:
		t.maxRows = defaultMaxRows
	}
	var first *item
	for _, column := range slices.Sorted(maps.Keys(o.Columns)) {
		where := option + ".columns." + column
		switch {
		case !identifier.MatchString(column):
			return t, probe.BadOption(where, "a column's name is made of letters, digits and underscores")
		case column == indexColumn:
			return t, probe.BadOption(where, "every table has the column %q already: the index of the row", indexColumn)
		}
		it, err := readItem(names, column, o.Columns[column], true)
		if err != nil {
			return t, &probe.OptionError{Option: where, Err: err}
		}
		if first != nil && it.object != nil && !slices.Equal(it.object.Index, first.object.Index) {
			return t, probe.BadOption(where, "rows of %s are told apart by %s, those of %s by %s: they do not go together",
				it.object, strings.Join(it.object.Index, " and "), first.object, strings.Join(first.object.Index, " and "))
		}
		if column == o.Key {
			t.key = len(t.columns)
		}
		t.columns = append(t.columns, it)
		if first == nil && it.object != nil {
			first = &t.columns[len(t.columns)-1]
		}
	}
	if o.Discontinuity != "" {
		it, err := readItem(names, "", o.Discontinuity, true)
		switch {
		case err != nil:
			return t, &probe.OptionError{Option: option + ".discontinuity", Err: err}
		case first != nil && it.object != nil && !slices.Equal(it.object.Index, first.object.Index):
			return t, probe.BadOption(option+".discontinuity", "rows of %s are told apart by %s, those of %s by %s: they do not go together",
				it.object, strings.Join(it.object.Index, " and "), first.object, strings.Join(first.object.Index, " and "))
		}
		it.counter = false
		t.stamp = &it
	}
	t.names = append(t.names, indexColumn)
	for i := range t.columns {
		t.names = append(t.names, t.columns[i].attribute)
	}
	if o.Key != "" && o.Key != indexColumn && t.key < 0 {
		return t, probe.BadOption(option+".key", "%q is neither a column nor %q", clip(o.Key), indexColumn)
	}
	return t, nil
}

// readItem reads "ifInOctets.3", and what may stand behind it: "number", "counter"
// or "text".
func readItem(names *mib.Set, attribute, text string, column bool) (item, error) {
	f := strings.Fields(text)
	if len(f) == 0 || len(f) > 2 {
		return item{}, fmt.Errorf("%q is not a name or number of SNMP, with number, counter or text behind it", clip(text))
	}
	oid, object, rest, err := names.Resolve(f[0])
	if err != nil {
		return item{}, err
	}
	switch {
	case object == nil:
	case !object.Accessible:
		return item{}, fmt.Errorf("%s has no value of its own: name an object below it", object)
	case column && !object.Column:
		return item{}, fmt.Errorf("%s is no column of a table: it belongs under values", object)
	case column && rest != "":
		return item{}, fmt.Errorf("%s.%s is one row: write only %s to read them all", object, rest, object)
	case !column && object.Column && rest == "":
		return item{}, fmt.Errorf("%s is a column: say which row (%s.1), or read it under tables", object, f[0])
	case !column && rest == "":
		oid += ".0" // the one instance of a scalar
	}
	name, err := ber.ParseOID(oid)
	if err != nil {
		return item{}, fmt.Errorf("%q: %w", clip(f[0]), err)
	}
	it := item{attribute: attribute, oid: oid, name: name, object: object, plain: true}
	if object != nil {
		it.form, it.counter = formOf(object)
		if it.counter {
			it.twin = twinOf(oid)
		}
		it.plain = object.Syntax != mib.Bits && (object.Hint == "" || strings.HasSuffix(object.Hint, "a") || strings.HasSuffix(object.Hint, "t"))
		if object.Syntax == mib.Integer {
			it.decimals = mib.Decimals(object.Hint)
		}
	}
	if len(f) == 2 {
		switch f[1] {
		case "number":
			it.form, it.counter = asNumber, false
		case "counter":
			it.form, it.counter = asNumber, true
		case "text":
			it.form, it.counter = asText, false
		default:
			return item{}, fmt.Errorf("%q behind %s is not number, counter or text", clip(f[1]), f[0])
		}
	}
	return it, nil
}

// The columns of ifTable and ifXTable that count the same in 32 and in 64 bits: RFC 2863
// section 6.
var twins = map[string]string{
	"1.3.6.1.2.1.2.2.1.10":   "1.3.6.1.2.1.31.1.1.1.6",  // ifInOctets, ifHCInOctets
	"1.3.6.1.2.1.2.2.1.11":   "1.3.6.1.2.1.31.1.1.1.7",  // ifInUcastPkts
	"1.3.6.1.2.1.31.1.1.1.2": "1.3.6.1.2.1.31.1.1.1.8",  // ifInMulticastPkts
	"1.3.6.1.2.1.31.1.1.1.3": "1.3.6.1.2.1.31.1.1.1.9",  // ifInBroadcastPkts
	"1.3.6.1.2.1.2.2.1.16":   "1.3.6.1.2.1.31.1.1.1.10", // ifOutOctets
	"1.3.6.1.2.1.2.2.1.17":   "1.3.6.1.2.1.31.1.1.1.11", // ifOutUcastPkts
	"1.3.6.1.2.1.31.1.1.1.4": "1.3.6.1.2.1.31.1.1.1.12", // ifOutMulticastPkts
	"1.3.6.1.2.1.31.1.1.1.5": "1.3.6.1.2.1.31.1.1.1.13", // ifOutBroadcastPkts
}

// twinOf returns what counts the same as a column, or as an instance of it, in 64 bits.
func twinOf(oid string) ber.OID {
	column, index := oid, ""
	if twins[column] == "" {
		end := strings.LastIndexByte(oid, '.')
		column, index = oid[:end], oid[end:]
	}
	twin := twins[column]
	if twin == "" {
		return ""
	}
	name, _ := ber.ParseOID(twin + index) // a number of the table above, with a checked end
	return name
}

func formOf(o *mib.Object) (f form, counter bool) {
	switch o.Syntax {
	case mib.Counter32, mib.Counter64:
		return asNumber, true
	case mib.String, mib.Octets, mib.OID, mib.Address, mib.Bits:
		return asText, false
	case mib.Truth:
		return asBool, false
	}
	if o.Enum != nil {
		return asText, false
	}
	return asNumber, false
}

// info describes the attribute or column.
func (it *item) info() beans.AttributeInfo {
	a := beans.AttributeInfo{Name: it.attribute, Description: it.oid, Readable: true}
	if it.object != nil {
		a.Description = it.object.String() + strings.TrimPrefix(it.oid, it.object.OID)
	}
	switch it.form {
	case asText:
		a.Type = beans.TypeString
	case asBool:
		a.Type = beans.TypeBool
	default:
		a.Type = beans.TypeFloat
		if it.object != nil {
			a.Unit = it.object.Unit
		}
		if it.counter {
			a.Descriptor = map[string]string{"metricType": "counter"}
		}
	}
	return a
}

func (t *table) info() beans.AttributeInfo {
	a := beans.AttributeInfo{
		Name: t.attribute, Type: beans.TypeTable, Readable: true, Key: indexColumn,
		Description: fmt.Sprintf("at most %d rows", t.maxRows),
		Columns: []beans.AttributeInfo{{
			Name: indexColumn, Type: beans.TypeString, Readable: true, Description: "what tells the row apart in SNMP",
		}},
	}
	for i := range t.columns {
		info := t.columns[i].info()
		if i == t.key {
			// A key that comes twice is told apart by the index, which makes it a text.
			a.Key, info.Type, info.Unit, info.Descriptor = info.Name, beans.TypeString, "", nil
		}
		a.Columns = append(a.Columns, info)
	}
	return a
}

func (p *shape) describe() []beans.AttributeInfo {
	all := []beans.AttributeInfo{
		{Name: attrUp, Type: beans.TypeBool, Readable: true, Description: "whether the agent answered"},
		{Name: attrDuration, Type: beans.TypeFloat, Unit: "s", Readable: true, Description: "how long all questions and answers took"},
		{Name: attrError, Type: beans.TypeString, Readable: true, Description: "what went wrong; empty when nothing did"},
	}
	for i := range p.values {
		if p.values[i].attribute != "" {
			all = append(all, p.values[i].info())
		}
	}
	for i := range p.tables {
		all = append(all, p.tables[i].info())
	}
	return all
}

func (o *Options) checkSecurity() error {
	if o.Version != "3" {
		switch {
		case o.V3 != V3{}:
			return probe.BadOption("v3", "a user is only for version 3, not for version %s", o.Version)
		case o.Community == "":
			return probe.BadOption("community", "it is empty")
		case len(o.Community) > maxCommunity && !secret.Looks(o.Community):
			return probe.BadOption("community", "longer than %d bytes", maxCommunity)
		case secret.Looks(o.Community):
			if err := secret.Ref(o.Community).Check(); err != nil {
				return &probe.OptionError{Option: "community", Err: err}
			}
		}
		return nil
	}
	u := o.V3
	auth, priv := authProtocols[u.Auth], privProtocols[u.Priv]
	switch {
	case u.User == "":
		return probe.BadOption("v3.user", "version 3 needs a user")
	case len(u.User) > 32: // RFC 3414 section 2.4
		return probe.BadOption("v3.user", "longer than 32 bytes")
	case len(u.Context) > 255:
		return probe.BadOption("v3.context", "longer than 255 bytes")
	case u.Auth != "" && auth == 0:
		return probe.BadOption("v3.auth", "%q is not MD5, SHA, SHA224, SHA256, SHA384 or SHA512", clip(u.Auth))
	case u.Priv != "" && priv == 0:
		return probe.BadOption("v3.priv", "%q is not DES, AES, AES192, AES256, AES192C or AES256C", clip(u.Priv))
	case u.Priv != "" && u.Auth == "":
		return probe.BadOption("v3.auth", "messages that are encrypted must be authenticated, too")
	}
	for _, s := range []struct {
		option, name string
		value        secret.Ref
		protocol     string
	}{
		{"v3.auth_password", "auth", u.AuthPassword, u.Auth},
		{"v3.priv_password", "priv", u.PrivPassword, u.Priv},
	} {
		switch {
		case s.protocol == "" && s.value != "":
			return probe.BadOption(s.option, "v3.%s does not say what the password is for", s.name)
		case s.protocol != "" && s.value == "":
			return probe.BadOption(s.option, "%s needs a password", s.protocol)
		}
		if err := s.value.Check(); err != nil {
			return &probe.OptionError{Option: s.option, Err: err}
		}
	}
	return nil
}

// splitAddress reads host, host:port, [IPv6]:port and a bare IPv6 address.
func splitAddress(address string) (host string, port uint16, err error) {
	if address == "" {
		return "", 0, errors.New("whom to ask is missing: a host name or IP address")
	}
	host = strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
	if net.ParseIP(host) == nil && strings.Contains(address, ":") {
		var text string
		if host, text, err = net.SplitHostPort(address); err != nil {
			return "", 0, fmt.Errorf("%q is not host, host:port or [address]:port", clip(address))
		}
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return "", 0, fmt.Errorf("port %q is not between 1 and 65535", clip(text))
		}
		port = uint16(n)
	} else {
		port = 161 // IANA
	}
	if host == "" || len(host) > 253 || strings.ContainsAny(host, " \t\r\n/@[]") {
		return "", 0, fmt.Errorf("%q is no host name and no IP address", clip(host))
	}
	return host, port, nil
}

func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}

package sql

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/extract"
	"grove/runtime/probe/session"
)

// The bounds of the options and of what is read.
const (
	maxQueries = 50
	maxSQL     = 16 << 10 // bytes of one query
	maxName    = 128      // bytes of the name of a database
	maxMessage = 8 << 20  // bytes of one message of PostgreSQL
	maxRun     = 32 << 20 // bytes that one run may read
	maxColumns = 500      // of one result
	maxNames   = 10_000   // rows of a result of names and values
)

// The systems.
const (
	postgresql = "postgresql"
	mysql      = "mysql"
)

// What a query's result is.
const (
	oneRow = "row"   // its columns are attributes
	names  = "names" // each row is the name and the value of an attribute
	table  = "table" // its rows are the rows of a table
)

// Options are the options of the kind "sql".
type Options struct {
	System          string `yaml:"system" jsonschema:"required,enum=postgresql,enum=mysql,description=postgresql\\, or mysql\\, which is MariaDB as well."`
	session.Options `yaml:",inline"`
	Database        string           `yaml:"database,omitempty" jsonschema:"description=Database to connect to; by default postgres\\, and none of MySQL."`
	Queries         map[string]Query `yaml:"queries" jsonschema:"required,description=What is asked\\, by name; a name is that of the table for a query whose result is one."`
}

// Query is one query and what is made of its result.
type Query struct {
	SQL        string                       `yaml:"sql" jsonschema:"required,description=One statement that reads: SELECT\\, SHOW\\, TABLE\\, VALUES or WITH; at most 16 KiB."`
	Result     string                       `yaml:"result,omitempty" jsonschema:"enum=row,enum=names,enum=table,description=row (the default): the columns of the first row are attributes. names: each row is the name and the value of one. table: the rows are those of a table."`
	Key        string                       `yaml:"key,omitempty" jsonschema:"description=Column of a table that tells its rows apart."`
	Attributes map[string]extract.Attribute `yaml:"attributes" jsonschema:"required,description=What is read\\, by name: attributes\\, or the columns of the table. From is the name of the column\\, or in a result of names that in the first column; several between | are tried in turn."`
	Since      string                       `yaml:"since,omitempty" jsonschema:"description=Ask it only of servers of this version or later\\, such as 17 or 10.5.2."`
	Before     string                       `yaml:"before,omitempty" jsonschema:"description=Ask it only of servers before this version."`
	Optional   bool                         `yaml:"optional,omitempty" jsonschema:"description=Leave out without an error what the server refuses or does not have."`
}

// plan is what Options come to.
type plan struct {
	system   string
	server   *session.Server
	database string
	queries  []query // sorted by name
	infos    []beans.AttributeInfo
}

type query struct {
	name     string
	sql      string
	fields   []extract.Field // of row and names
	named    bool            // the result is names
	table    *extract.Table
	since    version
	before   version // nil: no bound
	optional bool
}

// reads is how a statement begins that may be asked. That it only reads is held by the
// transaction, too; here it keeps out what ends a transaction by itself, as MySQL's
// definitions of tables do.
var reads = regexp.MustCompile(`(?i)\A\s*\(?\s*(SELECT|SHOW|TABLE|VALUES|WITH)\b`)

// check says which option is wrong.
func (o *Options) check() (*plan, error) {
	p := &plan{system: o.System, database: o.Database}
	var err error
	switch {
	case o.System != postgresql && o.System != mysql:
		return nil, probe.BadOption("system", "%q is none of postgresql, mysql", o.System)
	case len(o.Database) > maxName || strings.ContainsRune(o.Database, 0):
		return nil, probe.BadOption("database", "has more than %d bytes, or a NUL", maxName)
	case len(o.Queries) == 0:
		return nil, probe.BadOption("queries", "there are none: at least one is needed, such as {a: {sql: SELECT 1 AS one, attributes: {one: {}}}}")
	case len(o.Queries) > maxQueries:
		return nil, probe.BadOption("queries", "are %d, more than %d", len(o.Queries), maxQueries)
	}
	if p.server, err = o.Options.Check(session.TLS); err != nil {
		return nil, err
	}
	if p.server.User == "" {
		return nil, probe.BadOption("user", "is missing: whom to log in as")
	}
	if p.database == "" && p.system == postgresql {
		p.database = "postgres"
	}
	p.infos = append(slices.Clone(own), versionAttribute)
	for _, name := range slices.Sorted(maps.Keys(o.Queries)) {
		q, err := o.Queries[name].check(name)
		if err != nil {
			return nil, err
		}
		if err := p.add(q); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// add declares what a query yields. Two queries may yield the same attribute, as for
// servers of different versions; the first that has it gives it.
func (p *plan) add(q query) error {
	infos := extract.Infos(q.fields)
	if q.table != nil {
		infos = []beans.AttributeInfo{q.table.Info()}
	}
	for _, info := range infos {
		i := slices.IndexFunc(p.infos, func(a beans.AttributeInfo) bool { return a.Name == info.Name })
		switch {
		case i < 0:
			p.infos = append(p.infos, info)
		case q.table != nil || i < len(own)+1 || !reflect.DeepEqual(p.infos[i], info):
			return probe.BadOption("queries."+q.name, "%q is declared twice, and not in the same way", info.Name)
		}
	}
	p.queries = append(p.queries, q)
	return nil
}

func (o Query) check(name string) (query, error) {
	option := "queries." + name
	q := query{name: name, sql: o.SQL, named: o.Result == names, optional: o.Optional}
	var err error
	switch {
	case !extract.IsName(name):
		return q, probe.BadOption("queries", "%q is no name: letters, digits and underscores, at most 64", name)
	case o.SQL == "" || len(o.SQL) > maxSQL:
		return q, probe.BadOption(option+".sql", "has %d bytes: there must be from 1 to %d", len(o.SQL), maxSQL)
	case !reads.MatchString(o.SQL):
		return q, probe.BadOption(option+".sql", "must begin with SELECT, SHOW, TABLE, VALUES or WITH: only reading is allowed")
	case len(o.Attributes) == 0:
		return q, probe.BadOption(option+".attributes", "is empty: nothing would be read")
	case o.Key != "" && o.Result != table:
		return q, probe.BadOption(option+".key", "only a result that is a table has a key")
	}
	if q.since, err = parseVersion(o.Since); err != nil {
		return q, probe.BadOption(option+".since", "%w", err)
	}
	if q.before, err = parseVersion(o.Before); err != nil {
		return q, probe.BadOption(option+".before", "%w", err)
	}
	switch o.Result {
	case "", oneRow, names:
		q.fields, err = extract.Fields(option+".attributes", o.Attributes)
	case table:
		q.table, err = extract.NewTable(option, name, o.Key, o.Attributes)
	default:
		err = probe.BadOption(option+".result", "%q is none of row, names, table", o.Result)
	}
	return q, err
}

// version is the numbers of a version, "10.11.6" is {10, 11, 6}.
type version []int

var versionPattern = regexp.MustCompile(`\A\d{1,6}(\.\d{1,6}){0,3}\z`)

func parseVersion(text string) (version, error) {
	if text == "" {
		return nil, nil
	}
	if !versionPattern.MatchString(text) {
		return nil, errVersion
	}
	var v version
	for part := range strings.SplitSeq(text, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil, err
		}
		v = append(v, n)
	}
	return v, nil
}

var leading = regexp.MustCompile(`\A\d{1,6}(\.\d{1,6}){0,3}`)

// serverVersion reads what a server says of itself: "15.6 (Debian 15.6-0+deb12u1)",
// "17beta1", "10.11.6-MariaDB-0+deb12u1".
func serverVersion(text string) version {
	// MariaDB says 5.5.5- before its own version to clients that it takes for old ones.
	v, _ := parseVersion(leading.FindString(strings.TrimPrefix(text, "5.5.5-")))
	return v
}

// of says whether a query is for a server; one whose version is not known gets all.
func (q *query) of(v version) bool {
	if v == nil {
		return true
	}
	return slices.Compare(v, q.since) >= 0 && (q.before == nil || slices.Compare(v, q.before) < 0)
}

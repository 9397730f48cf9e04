package ldap

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/extract"
	"grove/runtime/probe/session"
)

// The bounds of the options and of what is read.
const (
	maxSearches = 50
	maxText     = 4000    // bytes of a base or a filter
	maxEntries  = 2000    // that one search may find
	maxRun      = 2 << 20 // bytes that one run may read
)

// The names that an attribute may come from beside the attributes of entries.
const (
	fromDN    = "dn"      // the whole name of the entry
	fromRDN   = "rdn"     // the value of the first part of its name
	fromCount = "entries" // how many entries were found
)

// Options are the options of the kind "ldap".
type Options struct {
	session.Options `yaml:",inline"`
	Searches        map[string]Search `yaml:"searches,omitempty" jsonschema:"description=What is searched for\\, by name; a name is that of the table for a search whose result is one."`
}

// Search is one search and what is made of its entries.
type Search struct {
	Base       string                       `yaml:"base" jsonschema:"description=Name of the entry where the search begins\\, such as cn=Monitor; empty is the root DSE."`
	Scope      string                       `yaml:"scope,omitempty" jsonschema:"enum=base,enum=one,enum=sub,description=base (the default): that entry alone. one: those directly below. sub: all below and itself."`
	Filter     string                       `yaml:"filter,omitempty" jsonschema:"description=Filter of RFC 4515\\, such as (uid=test); every entry when empty."`
	Result     string                       `yaml:"result,omitempty" jsonschema:"enum=entry,enum=table,description=entry (the default): attributes of the first entry. table: the entries are the rows of a table."`
	Key        string                       `yaml:"key,omitempty" jsonschema:"description=Column of a table that tells its rows apart; rdn when empty."`
	Attributes map[string]extract.Attribute `yaml:"attributes" jsonschema:"required,description=What is read\\, by name. From is the attribute of the entry\\, or dn\\, rdn (the value of the first part of its name)\\, or entries (how many were found)."`
	Optional   bool                         `yaml:"optional,omitempty" jsonschema:"description=Leave out without an error what the server refuses or does not have."`
}

// plan is what Options come to.
type plan struct {
	server   *session.Server
	searches []search // sorted by name
	infos    []beans.AttributeInfo
}

type search struct {
	name     string
	request  ldap.SearchRequest
	fields   []extract.Field // of an entry
	table    *extract.Table
	optional bool
}

var scopes = map[string]int{"": ldap.ScopeBaseObject, "base": ldap.ScopeBaseObject, "one": ldap.ScopeSingleLevel, "sub": ldap.ScopeWholeSubtree}

// check says which option is wrong.
func (o *Options) check() (*plan, error) {
	own := answer.Attributes("denied")
	p := &plan{infos: slices.Clone(own)}
	var err error
	if p.server, err = o.Options.Check(session.StartTLS, session.TLS); err != nil {
		return nil, err
	}
	if o.Encryption == "" && p.server.Encryption == session.StartTLS && p.server.Port == "636" {
		p.server.Encryption = session.TLS // the port of ldaps
	}
	switch {
	case p.server.User != "" && p.server.Password == "":
		return nil, probe.BadOption("password", "is missing: a login without one is none")
	case p.server.User == "" && p.server.Password != "":
		return nil, probe.BadOption("user", "is missing: the name to log in with, such as cn=grove,dc=example,dc=org")
	case len(o.Searches) > maxSearches:
		return nil, probe.BadOption("searches", "are %d, more than %d", len(o.Searches), maxSearches)
	}
	if _, err := ldap.ParseDN(p.server.User); err != nil {
		return nil, probe.BadOption("user", "is not the name of an entry, such as cn=grove,dc=example,dc=org")
	}
	for _, name := range slices.Sorted(maps.Keys(o.Searches)) {
		s, err := o.Searches[name].check(name)
		if err != nil {
			return nil, err
		}
		infos := extract.Infos(s.fields)
		if s.table != nil {
			infos = []beans.AttributeInfo{s.table.Info()}
		}
		for _, info := range infos {
			i := slices.IndexFunc(p.infos, func(a beans.AttributeInfo) bool { return a.Name == info.Name })
			switch {
			case i < 0:
				p.infos = append(p.infos, info)
			case s.table != nil || i < len(own) || !reflect.DeepEqual(p.infos[i], info):
				return nil, probe.BadOption("searches."+name, "%q is declared twice, and not in the same way", info.Name)
			}
		}
		p.searches = append(p.searches, s)
	}
	return p, nil
}

func (o Search) check(name string) (search, error) {
	option := "searches." + name
	s := search{name: name, optional: o.Optional}
	scope, known := scopes[o.Scope]
	filter := o.Filter
	if filter == "" {
		filter = "(objectClass=*)"
	}
	switch {
	case !extract.IsName(name):
		return s, probe.BadOption("searches", "%q is no name: letters, digits and underscores, at most 64", name)
	case len(o.Base) > maxText:
		return s, probe.BadOption(option+".base", "has %d bytes, more than %d", len(o.Base), maxText)
	case len(filter) > maxText:
		return s, probe.BadOption(option+".filter", "has %d bytes, more than %d", len(filter), maxText)
	case !known:
		return s, probe.BadOption(option+".scope", "%q is none of base, one, sub", o.Scope)
	case len(o.Attributes) == 0:
		return s, probe.BadOption(option+".attributes", "is empty: nothing would be read")
	case o.Key != "" && o.Result != "table":
		return s, probe.BadOption(option+".key", "only a result that is a table has a key")
	}
	if _, err := ldap.ParseDN(o.Base); err != nil {
		return s, probe.BadOption(option+".base", "%w", err)
	}
	if _, err := ldap.CompileFilter(filter); err != nil {
		return s, probe.BadOption(option+".filter", "%w", err)
	}
	var err error
	fields := []extract.Field{}
	switch o.Result {
	case "", "entry":
		s.fields, err = extract.Fields(option+".attributes", o.Attributes)
		fields = s.fields
	case "table":
		key := o.Key
		if key == "" {
			key = fromRDN
		}
		if s.table, err = extract.NewTable(option, name, key, o.Attributes); err == nil {
			fields = s.table.Columns
		}
	default:
		err = probe.BadOption(option+".result", "%q is none of entry, table", o.Result)
	}
	if err != nil {
		return s, err
	}
	s.request = ldap.SearchRequest{BaseDN: o.Base, Scope: scope, DerefAliases: ldap.NeverDerefAliases, Filter: filter, SizeLimit: maxEntries}
	for _, f := range fields {
		if !slices.Contains([]string{fromDN, fromRDN, fromCount}, strings.ToLower(f.From)) {
			s.request.Attributes = append(s.request.Attributes, f.From)
		}
	}
	if len(s.request.Attributes) == 0 {
		s.request.Attributes = []string{"1.1"} // RFC 4511, 4.5.1.8: no attributes
	}
	return s, nil
}

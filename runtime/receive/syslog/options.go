package syslog

import (
	"maps"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"

	"grove/runtime/probe"
	"grove/runtime/probe/pattern"
)

const maxList = 100

// ProbeOptions are the options of the kind "syslog": which messages are for a probe.
type ProbeOptions struct {
	Facilities []string          `yaml:"facilities,omitempty" jsonschema:"maxItems=100,description=Facilities whose messages count\\, such as auth and local0; all when empty."`
	Severity   string            `yaml:"severity,omitempty" jsonschema:"enum=emerg,enum=alert,enum=crit,enum=err,enum=warning,enum=notice,enum=info,enum=debug,description=Least serious severity that counts."`
	Hosts      []string          `yaml:"hosts,omitempty" jsonschema:"maxItems=100,description=Hosts as messages name them\\, with * for any text; all when empty."`
	Sources    []string          `yaml:"sources,omitempty" jsonschema:"maxItems=100,description=Addresses or prefixes that messages come from; all when empty."`
	Apps       []string          `yaml:"apps,omitempty" jsonschema:"maxItems=100,description=Programs as messages name them (APP-NAME or TAG)\\, with * for any text."`
	Data       map[string]string `yaml:"data,omitempty" jsonschema:"description=Structured data that messages must have\\, as id.name and value: origin.software and rsyslogd."`
	Fields     map[string]string `yaml:"fields,omitempty" jsonschema:"description=Structured data that texts of events may hold\\, by names of your own: user and auth@32473.user."`

	pattern.Options `yaml:",inline"`
}

// selection is what ProbeOptions come to.
type selection struct {
	facilities uint32 // a bit each
	severity   int
	hosts      []string
	apps       []string
	sources    []netip.Prefix
	data       []datum
	fields     map[string]datum
	set        *pattern.Set
}

// datum is one parameter of structured data, and what it must be.
type datum struct{ id, name, value string }

// fieldNames are what texts of events may hold.
var fieldNames = []string{"host", "app", "pid", "id", "facility", "severity", "source"}

var namePattern = regexp.MustCompile(`\A[A-Za-z_][A-Za-z0-9_]*\z`)

// check says which option is wrong.
func (o *ProbeOptions) check() (*selection, error) {
	s := &selection{severity: len(pattern.Severities) - 1, hosts: lower(o.Hosts), apps: o.Apps, fields: map[string]datum{}}
	for _, l := range []struct {
		option string
		n      int
	}{{"facilities", len(o.Facilities)}, {"hosts", len(o.Hosts)}, {"sources", len(o.Sources)}, {"apps", len(o.Apps)}, {"data", len(o.Data)}, {"fields", len(o.Fields)}} {
		if l.n > maxList {
			return nil, probe.BadOption(l.option, "are %d, more than %d", l.n, maxList)
		}
	}
	for _, f := range o.Facilities {
		i := slices.Index(facilities, f)
		if i < 0 {
			return nil, probe.BadOption("facilities", "%q is none of %s", f, strings.Join(facilities, ", "))
		}
		s.facilities |= 1 << i
	}
	if len(o.Facilities) == 0 {
		s.facilities = 1<<len(facilities) - 1
	}
	if o.Severity != "" {
		if s.severity = slices.Index(pattern.Severities, o.Severity); s.severity < 0 {
			return nil, probe.BadOption("severity", "%q is none of %s", o.Severity, strings.Join(pattern.Severities, ", "))
		}
	}
	for _, l := range []struct {
		option string
		values []string
	}{{"hosts", o.Hosts}, {"apps", o.Apps}} {
		for _, v := range l.values {
			if _, err := path.Match(v, ""); err != nil || v == "" {
				return nil, probe.BadOption(l.option, "%q is not a name, with * for any text", v)
			}
		}
	}
	for _, v := range o.Sources {
		p, err := netip.ParsePrefix(v)
		if err != nil {
			a, err := netip.ParseAddr(v)
			if err != nil {
				return nil, probe.BadOption("sources", "%q is neither an address nor a prefix such as 192.0.2.0/24", v)
			}
			p = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		}
		s.sources = append(s.sources, p.Masked())
	}
	for _, key := range slices.Sorted(maps.Keys(o.Data)) {
		d, ok := parseDatum(key)
		if !ok {
			return nil, probe.BadOption("data", "%q is not the id and the name of structured data, such as origin.software", key)
		}
		d.value = o.Data[key]
		s.data = append(s.data, d)
	}
	names := slices.Clone(fieldNames)
	for _, name := range slices.Sorted(maps.Keys(o.Fields)) {
		d, ok := parseDatum(o.Fields[name])
		switch {
		case !namePattern.MatchString(name) || slices.Contains(fieldNames, name):
			return nil, probe.BadOption("fields", "%q is not a name of letters, digits and underscores, or is one that every message has", name)
		case !ok:
			return nil, probe.BadOption("fields", "%q is not the id and the name of structured data, such as origin.software", o.Fields[name])
		}
		s.fields[name] = d
		names = append(names, name)
	}
	var err error
	s.set, err = o.Compile(names...)
	return s, err
}

func lower(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.ToLower(s)
	}
	return out
}

// parseDatum reads id.name; an id may have dots, a name has none.
func parseDatum(s string) (datum, bool) {
	i := strings.LastIndexByte(s, '.')
	if i <= 0 || i == len(s)-1 {
		return datum{}, false
	}
	return datum{id: s[:i], name: s[i+1:]}, true
}

// wants says whether a message is for the probe.
func (s *selection) wants(m *message, source netip.Addr) bool {
	if s.facilities&(1<<m.facility) == 0 || m.severity > s.severity || !fits(s.hosts, strings.ToLower(m.host)) || !fits(s.apps, m.app) {
		return false
	}
	if len(s.sources) > 0 && !slices.ContainsFunc(s.sources, func(p netip.Prefix) bool { return p.Contains(source) }) {
		return false
	}
	for _, d := range s.data {
		if m.data[d.id][d.name] != d.value {
			return false
		}
	}
	return true
}

func fits(patterns []string, name string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, name)
		return ok
	})
}

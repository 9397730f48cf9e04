package jolokia

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/endpoint"
	"grove/runtime/probe/mbean"
	"grove/runtime/probe/secret"
	"grove/tree"
)

// The bounds of the options.
const (
	maxNotifications = 50
	maxTypes         = 50
	maxType          = 200 // bytes
	maxTarget        = 1000
)

// Options are the options of the kind "jolokia".
type Options struct {
	endpoint.Options `yaml:",inline"`
	mbean.Beans      `yaml:",inline"`
	Deadlocks        bool                    `yaml:"deadlocks,omitempty" jsonschema:"description=Ask the JVM for deadlocked threads. It is the one operation that is called\\, and changes nothing."`
	List             string                  `yaml:"list,omitempty" jsonschema:"description=Pattern of MBeans that the table mbeans describes\\, such as kafka.server:*."`
	Notifications    map[string]Notification `yaml:"notifications,omitempty" jsonschema:"description=Events by name of the attribute: the notifications of one MBean. Agents of Jolokia 2 offer them."`
	Service          Service                 `yaml:"target,omitempty" jsonschema:"description=JMX server that the agent asks as a proxy\\, in place of its own."`
}

// Service is a JMX server behind an agent in proxy mode.
type Service struct {
	URL      string     `yaml:"url,omitempty" jsonschema:"description=JMX service URL\\, such as service:jmx:rmi:///jndi/rmi://app1:9010/jmxrmi."`
	User     string     `yaml:"user,omitempty" jsonschema:"description=Name of the user of the JMX server."`
	Password secret.Ref `yaml:"password,omitempty" jsonschema:"description=Password of the JMX server; a reference such as file:/etc/grove/password or env:PASSWORD."`
}

// Notification says which notifications become events.
type Notification struct {
	MBean       string            `yaml:"mbean" jsonschema:"required,description=Name of the MBean that emits them."`
	Types       []string          `yaml:"types,omitempty" jsonschema:"description=What the types of notifications begin with\\, such as jmx.monitor.gauge; all unless given."`
	Status      map[string]string `yaml:"status,omitempty" jsonschema:"description=How bad notifications are by what their type begins with: green\\, yellow\\, red or white. The longest beginning counts; others say nothing."`
	Description string            `yaml:"description,omitempty" jsonschema:"description=What the events tell."`
}

// plan is what Options come to.
type plan struct {
	Options
	url        *url.URL
	mbeans     *mbean.Plan
	list       beans.Name // zero: nothing is listed
	feeds      []feed     // sorted by name
	attributes []beans.AttributeInfo
	host       netip.Addr // of the target, when it is given as an address
}

// feed is a checked Notification.
type feed struct {
	name   string
	mbean  beans.Name
	types  []string
	status map[string]tree.Status
}

var (
	textInfo = func(name, what string) beans.AttributeInfo {
		return beans.AttributeInfo{Name: name, Type: beans.TypeString, Readable: true, Description: what}
	}
	countInfo = func(name, unit, what string) beans.AttributeInfo {
		return beans.AttributeInfo{Name: name, Type: beans.TypeFloat, Unit: unit, Readable: true, Description: what}
	}
	listInfo = beans.AttributeInfo{
		Name: "mbeans", Type: beans.TypeTable, Readable: true, Description: "The MBeans that there are.", Key: "mbean",
		Columns: []beans.AttributeInfo{
			textInfo("mbean", "Name of the MBean."),
			textInfo("domain", "Domain of the name."),
			textInfo("class", "Java class of the MBean."),
			textInfo("description", "What the MBean says of itself."),
			countInfo("attributes", "", "How many attributes it has."),
			countInfo("operations", "", "How many operations it has."),
			countInfo("notifications", "", "How many kinds of notifications it emits."),
		},
	}
	identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// check says which option is wrong.
func (o *Options) check() (*plan, error) {
	p := &plan{Options: *o}
	var err error
	if p.url, err = o.Options.Check(); err != nil {
		return nil, err
	}
	if err := p.checkTarget(); err != nil {
		return nil, err
	}
	p.attributes = append(answer.Attributes(append(endpoint.States(), "protocol")...),
		textInfo("agent", "Version of the agent."),
		textInfo("protocol", "Version of the protocol that the agent speaks."))
	if o.Deadlocks {
		p.attributes = append(p.attributes, countInfo("deadlocked", "threads", "Threads that wait for each other for ever."))
	}
	if o.List != "" {
		if p.list, err = beans.ParseName(o.List); err != nil {
			return nil, probe.BadOption("list", "%w", err)
		}
		p.attributes = append(p.attributes, listInfo)
	}
	if err := p.checkFeeds(); err != nil {
		return nil, err
	}
	// The names of the kind's own attributes are taken even where an option adds them.
	reserved := slices.Concat(p.attributes, []beans.AttributeInfo{{Name: "deadlocked"}, {Name: "mbeans"}})
	if p.mbeans, err = o.Beans.Check(reserved); err != nil {
		return nil, err
	}
	p.attributes = append(p.attributes, p.mbeans.Attributes()...)
	return p, nil
}

func (p *plan) checkFeeds() error {
	if len(p.Notifications) > maxNotifications {
		return probe.BadOption("notifications", "%d are more than %d", len(p.Notifications), maxNotifications)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Notifications)) {
		n, option := p.Notifications[name], "notifications."+name
		switch {
		case !identifier.MatchString(name):
			return probe.BadOption(option, "%q is no name of an attribute: letters, digits and underscores", name)
		case slices.ContainsFunc(p.attributes, func(a beans.AttributeInfo) bool { return a.Name == name }):
			return probe.BadOption(option, "%q is the name of another attribute of the probe", name)
		case len(n.Types) > maxTypes || len(n.Status) > maxTypes:
			return probe.BadOption(option+".types", "more than %d types", maxTypes)
		}
		bean, err := beans.ParseName(n.MBean)
		if err == nil && bean.IsPattern() {
			err = errors.New("is a pattern; one MBean emits them")
		}
		if err != nil {
			return probe.BadOption(option+".mbean", "%w", err)
		}
		f := feed{name: name, mbean: bean, types: n.Types, status: map[string]tree.Status{}}
		for _, t := range slices.Concat(n.Types, slices.Collect(maps.Keys(n.Status))) {
			if t == "" || len(t) > maxType {
				return probe.BadOption(option+".types", "%q is no beginning of a type", t)
			}
		}
		for _, t := range slices.Sorted(maps.Keys(n.Status)) {
			status, err := tree.ParseStatus(n.Status[t])
			if err != nil {
				return probe.BadOption(option+".status", "%w", err)
			}
			f.status[t] = status
		}
		p.feeds = append(p.feeds, f)
		what := n.Description
		if what == "" {
			what = "Notifications of " + n.MBean + "."
		}
		p.attributes = append(p.attributes, beans.AttributeInfo{Name: name, Type: beans.TypeStrings, Readable: true, Description: what})
	}
	return nil
}

// services are the forms of a service URL that a proxy may be sent to, with host and port
// in the first group. Others lead through directories (LDAP, IIOP, CORBA names) that
// could hand the proxy any object.
var services = []*regexp.Regexp{
	regexp.MustCompile(`^service:jmx:rmi:///jndi/rmi://([^/]+)/[A-Za-z0-9._/-]+$`),
	regexp.MustCompile(`^service:jmx:(?:jmxmp|remote|remote\+http|remote\+https|http-remoting-jmx|https-remoting-jmx)://([^/]+)/?$`),
}

func (p *plan) checkTarget() error {
	s := p.Service
	if err := s.Password.Check(); err != nil {
		return probe.BadOption("target.password", "%w", err)
	}
	switch {
	case s == Service{}:
		return nil
	case s.URL == "":
		return probe.BadOption("target.url", "is missing")
	case len(s.URL) > maxTarget:
		return probe.BadOption("target.url", "has %d bytes, more than %d", len(s.URL), maxTarget)
	case (s.User == "") != (s.Password == ""):
		return probe.BadOption("target.user", "user and password belong together")
	}
	for _, form := range services {
		m := form.FindStringSubmatch(s.URL)
		if m == nil {
			continue
		}
		host, err := hostOf(m[1])
		if err != nil {
			return probe.BadOption("target.url", "%w", err)
		}
		if a, err := netip.ParseAddr(host); err == nil {
			p.host = a
		}
		return nil
	}
	return probe.BadOption("target.url", "is none of the service URLs that a proxy is sent to: service:jmx:rmi:///jndi/rmi://host:port/name, service:jmx:jmxmp://host:port, service:jmx:remote+http://host:port")
}

func hostOf(address string) (string, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "" || strings.ContainsAny(host, "@?#%") {
		return "", fmt.Errorf("%q is no host and port", address)
	}
	return host, nil
}

package rules

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"

	"grove/tree"
)

// MaxRoutes bounds the routes and receivers of a configuration.
const MaxRoutes = 1000

// Receiver is who is told.
type Receiver struct {
	Name string
	// Webhook is the http or https URL that is called; empty: nobody, until somebody
	// writes the way into the file. It holds no password.
	Webhook string
}

// Route says who is told of what; the first that fits counts.
type Route struct {
	Path     tree.Path // of the subtree; the root for all
	Severity string    // "warning" or "critical"; empty for both
	Receiver string
}

// AlertmanagerOptions are what is told to whom.
type AlertmanagerOptions struct {
	Receivers []Receiver // the first is told what no route fits; none: one who is called grove
	Routes    []Route
}

// The types of Alertmanager's configuration, as far as it is written here.
type (
	configuration struct {
		Route     route      `yaml:"route"`
		Inhibit   []inhibit  `yaml:"inhibit_rules"`
		Receivers []receiver `yaml:"receivers"`
	}
	route struct {
		Receiver       string   `yaml:"receiver,omitempty"`
		Matchers       []string `yaml:"matchers,omitempty"`
		GroupBy        []string `yaml:"group_by,omitempty,flow"`
		GroupWait      string   `yaml:"group_wait,omitempty"`
		GroupInterval  string   `yaml:"group_interval,omitempty"`
		RepeatInterval string   `yaml:"repeat_interval,omitempty"`
		Routes         []route  `yaml:"routes,omitempty"`
	}
	inhibit struct {
		Source []string `yaml:"source_matchers"`
		Target []string `yaml:"target_matchers"`
		Equal  []string `yaml:"equal,flow"`
	}
	receiver struct {
		Name     string    `yaml:"name"`
		Webhooks []webhook `yaml:"webhook_configs,omitempty"`
	}
	webhook struct {
		URL          string `yaml:"url"`
		SendResolved bool   `yaml:"send_resolved"`
	}
)

var severityForm = []string{"", "warning", "critical"}

// Alertmanager makes a configuration for the alerts that Prometheus makes: who is told,
// and what keeps quiet while something worse says it all. Alertmanager cannot follow a
// tree: it compares labels. So a critical alert keeps quiet the warning of the same node,
// everything else of an instance that cannot be asked, and the children directly below a
// group that is red by a roll-up of its own; not what lies deeper.
func Alertmanager(o AlertmanagerOptions) ([]byte, error) {
	if len(o.Receivers) == 0 {
		o.Receivers = []Receiver{{Name: "grove"}}
	}
	if len(o.Receivers) > MaxRoutes || len(o.Routes) > MaxRoutes {
		return nil, fmt.Errorf("rules: %d receivers and %d routes, and there may be %d of each", len(o.Receivers), len(o.Routes), MaxRoutes)
	}
	c := configuration{
		Route: route{
			Receiver: o.Receivers[0].Name, GroupBy: []string{"application", "at"},
			GroupWait: "30s", GroupInterval: "5m", RepeatInterval: "12h",
		},
		Inhibit: []inhibit{
			{[]string{`severity="critical"`, `path!=""`}, []string{`severity="warning"`}, []string{"application", "path"}},
			{[]string{`severity="critical"`, `scope="instance"`, `at!=""`}, []string{`scope=~"group|node"`}, []string{"application", "at"}},
			{[]string{`severity="critical"`, `scope="group"`, `parent!=""`}, []string{`scope="node"`}, []string{"application", "parent"}},
		},
	}
	known := map[string]bool{}
	for _, r := range o.Receivers {
		one := receiver{Name: r.Name}
		switch {
		case r.Name == "":
			return nil, fmt.Errorf("rules: a receiver has no name")
		case known[r.Name]:
			return nil, fmt.Errorf("rules: receiver %q is there twice", r.Name)
		case r.Webhook != "":
			u, err := url.Parse(r.Webhook)
			if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
				return nil, fmt.Errorf("rules: receiver %q: its webhook is no http or https URL", r.Name)
			}
			if u.User != nil {
				return nil, fmt.Errorf("rules: receiver %q: a password does not belong into the URL of its webhook; Alertmanager reads it from a file (http_config)", r.Name)
			}
			one.Webhooks = []webhook{{URL: r.Webhook, SendResolved: true}}
		}
		known[r.Name] = true
		c.Receivers = append(c.Receivers, one)
	}
	for _, r := range o.Routes {
		if !known[r.Receiver] {
			return nil, fmt.Errorf("rules: the route of %s goes to %q, which is no receiver", r.Path, r.Receiver)
		}
		if !slices.Contains(severityForm, r.Severity) {
			return nil, fmt.Errorf("rules: the route of %s: severity %q is neither warning nor critical", r.Path, r.Severity)
		}
		var m []string
		if !r.Path.IsRoot() {
			m = append(m, "path=~"+quote(regexp.QuoteMeta(r.Path.String())+"(/.*)?"))
		}
		if r.Severity != "" {
			m = append(m, "severity="+quote(r.Severity))
		}
		next := route{Receiver: r.Receiver, Matchers: m}
		if r.Severity == "critical" {
			next.RepeatInterval = "1h"
		}
		c.Route.Routes = append(c.Route.Routes, next)
	}
	// Whatever has no route of its own is told again sooner when it is critical.
	c.Route.Routes = append(c.Route.Routes, route{Matchers: []string{`severity="critical"`}, RepeatInterval: "1h"})
	return write("Configuration of Alertmanager for the alerts of grove's rules, made by grove.", c)
}

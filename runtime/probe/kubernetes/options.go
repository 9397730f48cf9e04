package kubernetes

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"grove/runtime/probe"
	"grove/runtime/probe/endpoint"
)

// The bounds of the options and of what is asked.
const (
	maxNamespaces = 100
	maxSelector   = 1000   // bytes
	maxMost       = 10_000 // rows of a table, as many as a loop takes
	pageSize      = 500    // objects
	maxPages      = 200
)

// Options are the options of the kind "kubernetes".
type Options struct {
	endpoint.Options `yaml:",inline"`
	Objects          []string `yaml:"objects,omitempty" jsonschema:"description=What is asked for: nodes\\, pods\\, workloads\\, jobs\\, volumes\\, warnings; nodes\\, pods and workloads when empty."`
	Namespaces       []string `yaml:"namespaces,omitempty" jsonschema:"description=The namespaces that are looked at; all when empty\\, for which the account needs the right to list the whole cluster."`
	Labels           string   `yaml:"labels,omitempty" jsonschema:"description=Label selector of pods\\, workloads\\, jobs and volumes\\, such as app=shop\\,tier!=test."`
	Most             int      `yaml:"most" jsonschema:"minimum=1,maximum=10000,default=10000,description=How many objects of a kind are shown at most."`
}

// plan is what Options come to.
type plan struct {
	Options
	url     *url.URL
	objects []*object
}

// dnsLabel is the form of a namespace's name: RFC 1123.
var dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// check says which option is wrong.
func (o *Options) check() (*plan, error) {
	u, err := o.Options.Check()
	if err != nil {
		return nil, err
	}
	p := &plan{Options: *o, url: u}
	names := o.Objects
	if len(names) == 0 {
		names = []string{"nodes", "pods", "workloads"}
	}
	for k, name := range names {
		i := slices.IndexFunc(objects, func(o *object) bool { return o.name == name })
		switch {
		case i < 0:
			return nil, probe.BadOption("objects", "%q is none of %s", name, strings.Join(objectNames(), ", "))
		case slices.Contains(names[:k], name):
			return nil, probe.BadOption("objects", "%s is given twice", name)
		}
		p.objects = append(p.objects, objects[i])
	}
	if len(o.Namespaces) > maxNamespaces {
		return nil, probe.BadOption("namespaces", "%d are more than %d", len(o.Namespaces), maxNamespaces)
	}
	for _, n := range o.Namespaces {
		if !dnsLabel.MatchString(n) {
			return nil, probe.BadOption("namespaces", "%q is no name of a namespace", n)
		}
	}
	switch {
	case len(o.Labels) > maxSelector:
		return nil, probe.BadOption("labels", "has %d bytes, more than %d", len(o.Labels), maxSelector)
	case o.Most < 1 || o.Most > maxMost:
		return nil, probe.BadOption("most", "%d is outside 1..%d", o.Most, maxMost)
	}
	return p, nil
}

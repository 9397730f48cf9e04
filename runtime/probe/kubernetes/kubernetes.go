// Package kubernetes is the probe kind "kubernetes": nodes, pods and workloads of a
// cluster, as its API server knows them.
//
// What is asked is documented at https://kubernetes.io/docs/reference/kubernetes-api/:
// lists of core/v1, apps/v1 and batch/v1, in pages, and /readyz and /version.
package kubernetes

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/endpoint"
	"grove/runtime/probe/secret"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Kind returns the kind "kubernetes". Its probes connect where the policy allows and
// read the secrets that theirs allows; nil is the default of each.
func Kind(policy *dial.Policy, secrets *secret.Policy) probe.Kind {
	return probe.Kind{
		Name:       "kubernetes",
		Title:      "Kubernetes clusters by their API server",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return &Options{Options: endpoint.Defaults(), Most: maxMost} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			p, err := o.check()
			if err != nil {
				return nil, err
			}
			return &clusterProbe{plan: p, client: endpoint.New(o.Options, p.url, policy, secrets)}, nil
		},
	}
}

// clusterProbe keeps one connection, and what it told of events.
type clusterProbe struct {
	*plan
	client *endpoint.Client
	told   time.Time // when the last event that was told happened
}

// Target implements probe.Probe.
func (p *clusterProbe) Target() string { return p.client.Target() }

// Close implements probe.Probe.
func (p *clusterProbe) Close() error {
	p.client.Close()
	return nil
}

// Attributes implements probe.Probe.
func (p *clusterProbe) Attributes() []beans.AttributeInfo {
	list := append(answer.Attributes(endpoint.States()...),
		beans.AttributeInfo{Name: "version", Type: beans.TypeString, Readable: true, Description: "Version of the API server."},
		beans.AttributeInfo{Name: "left_out", Type: beans.TypeFloat, Unit: "objects", Readable: true, Description: "Objects that are not shown, since there are more of their kind than most."},
	)
	for _, o := range p.objects {
		list = append(list, o.attributes...)
	}
	return list
}

// Run implements probe.Probe.
func (p *clusterProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	err := p.client.Ready()
	if err == nil {
		err = p.ask(ctx, &r, start)
	}
	err = p.client.Finish(ctx, &r, start, err)
	return r, err
}

func (p *clusterProbe) ask(ctx context.Context, r *probe.Result, now time.Time) error {
	// /readyz answers 500 with the failed checks when the server is not ready.
	if _, err := p.client.Ask(ctx, endpoint.Request{Path: "/readyz"}); err != nil {
		return err
	}
	body, err := p.client.Ask(ctx, endpoint.Request{Path: "/version"})
	if err != nil {
		return err
	}
	var version struct{ GitVersion string }
	if err := json.Unmarshal(body, &version); err != nil {
		return &answer.Fault{State: "status", Err: fmt.Errorf("the answer to /version is not an API server's: %w", err)}
	}
	r.Text("version", version.GitVersion)
	look := &look{now: now, most: p.Most, told: p.told, next: p.told}
	var denied []error
	for _, o := range p.objects {
		if err := p.list(ctx, o, look, r); err != nil {
			// One kind that may not be asked hides no other.
			var fault *answer.Fault
			if !errors.As(err, &fault) || fault.State != "refused_access" {
				return err
			}
			denied = append(denied, fmt.Errorf("%s: %w", o.name, err))
		}
	}
	p.told = look.next
	r.Number("left_out", float64(look.leftOut))
	if len(denied) > 0 {
		return &answer.Fault{State: "refused_access", Err: errors.Join(denied...)}
	}
	return nil
}

// list reads all objects of a kind, page by page, and adds what they come to.
func (p *clusterProbe) list(ctx context.Context, o *object, l *look, r *probe.Result) error {
	pour := o.begin()
	for _, path := range o.paths {
		for _, from := range p.places(o, path) {
			next := ""
			for pages := 0; ; pages++ {
				if pages >= maxPages {
					return &answer.Fault{State: "too_long", Err: fmt.Errorf("%s: more than %d pages", o.name, maxPages)}
				}
				q := url.Values{"limit": {strconv.Itoa(pageSize)}}
				if next != "" {
					q.Set("continue", next)
				}
				if p.Labels != "" && o.labelled {
					q.Set("labelSelector", p.Labels)
				}
				if o.fields != "" {
					q.Set("fieldSelector", o.fields)
				}
				body, err := p.client.Ask(ctx, endpoint.Request{Path: from, Query: q.Encode(), Accept: "application/json"})
				if err != nil {
					return err
				}
				var page struct {
					Kind     string
					Metadata struct{ Continue string }
					Items    []json.RawMessage
				}
				if err := json.Unmarshal(body, &page); err != nil {
					return &answer.Fault{State: "status", Err: fmt.Errorf("the answer to %s is not a list: %w", from, err)}
				}
				for _, item := range page.Items {
					if err := pour.take(l, path, item); err != nil {
						return &answer.Fault{State: "status", Err: fmt.Errorf("%s: %w", from, err)}
					}
				}
				if next = page.Metadata.Continue; next == "" {
					break
				}
			}
		}
	}
	pour.end(r)
	return nil
}

// places are the paths of a list: of the whole cluster, or of each namespace.
func (p *clusterProbe) places(o *object, path apiPath) []string {
	if !o.namespaced || len(p.Namespaces) == 0 {
		return []string{path.group + "/" + path.resource}
	}
	out := make([]string, len(p.Namespaces))
	for k, n := range p.Namespaces {
		out[k] = path.group + "/namespaces/" + n + "/" + path.resource
	}
	return out
}

package definition

import (
	"slices"

	"grove/tree/definition/source"
)

// Text is a file that is not read, since it is known what it says.
type Text struct {
	File string // its name, as messages and Instance.File have it
	Text string
}

// Extend returns a plan with everything that another one has, with instances of an earlier
// plan that come back as they were, and with those that texts ask for. What both plans have
// are the same instances, so that who makes the plan run has to do with nothing but what
// came. Nothing is read: a definition is one of the plan, or of the catalogue. What is wrong
// with what came is returned, and left out.
func (l *Loader) Extend(was *Plan, back []*Instance, texts ...Text) (*Plan, source.Errors) {
	r := l.begin()
	r.plan = &Plan{
		Instances: slices.Clone(was.Instances), Definitions: slices.Clone(was.Definitions), Discoveries: slices.Clone(was.Discoveries),
	}
	for _, d := range was.Definitions {
		if !d.BuiltIn {
			e := &entry{def: d}
			e.once.Do(func() {}) // It was read and checked before.
			r.entries[d.Application] = e
		}
	}
	for _, i := range was.Instances {
		r.has(i)
	}
	for _, t := range texts {
		r.text(t)
	}
	for _, i := range back {
		if first, taken := r.names[i.Name]; taken {
			r.errs.Add(i.Pos, "there is an instance %q already, at %s", i.Name, first)
			continue
		}
		var errs source.Errors
		if r.settle(i, &errs); len(errs) > 0 {
			r.errs.Append(errs...)
			continue
		}
		r.names[i.Name] = i.Pos
		r.plan.Instances = append(r.plan.Instances, i)
	}
	plan, errs := r.end()
	plan.Broken = was.Broken
	return plan, errs
}

// has notes what an instance that was settled before takes up.
func (r *loading) has(i *Instance) {
	r.names[i.Name] = i.Pos
	for n := range i.Nodes {
		node := &i.Nodes[n]
		r.paths[node.Path] = node
		if _, known := r.metrics[node.Spec.Metric]; node.Spec.Metric != "" && !known {
			r.metrics[node.Spec.Metric] = metricUse{node.Spec.Unit, node.Spec.Kind, node.Pos}
		}
	}
	r.probes += len(i.Probes)
	r.monitors += len(i.Monitors)
}

// text notes the instances that a text asks for, which is all that it may do.
func (r *loading) text(t Text) {
	if len(t.Text) > source.MaxFileBytes {
		r.errs.Add(source.Pos{File: t.File}, "the file is larger than %d MiB", source.MaxFileBytes>>20)
		return
	}
	docs, errs := source.ReadYAML(t.File, []byte(t.Text))
	r.errs.Append(errs...)
	for i := range docs {
		d, errs := classify(t.File, docs[i].Value)
		_, finds := docs[i].Value.Field("each")
		if len(errs) == 0 && (!d.instance || finds) {
			errs.Add(docs[i].Value.Pos, "it does not ask for one instance")
		}
		var q request
		if len(errs) == 0 {
			q, errs = readRequest(d, "")
		}
		if len(errs) > 0 {
			r.errs.Append(errs...)
			continue
		}
		r.requests = append(r.requests, q)
	}
}

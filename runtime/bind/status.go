package bind

import (
	"fmt"
	"maps"
	"path"
	"slices"

	"grove/tree"
	"grove/tree/definition"
	"grove/tree/definition/source"
)

// statusGroup and statusSpec are the nodes that the binder grows for itself: one for
// each instance, and one for each file in error that stands for none.
var (
	statusGroup = &tree.Spec{Kind: tree.Group, Description: "What became of the definition files."}
	statusSpec  = &tree.Spec{
		Kind: tree.State, Mode: tree.Push, Description: "Green when the definition is loaded, or what is wrong with it.", Source: "bind",
		Threshold: &tree.Threshold{States: map[string]tree.Status{loaded: tree.Green, "*": tree.Red}},
	}
)

// faultText puts the errors of a file into one line.
func faultText(errs source.Errors) string {
	switch len(errs) {
	case 0:
		return ""
	case 1:
		return errs[0].Error()
	}
	return fmt.Sprintf("%v (and %d more)", errs[0], len(errs)-1)
}

// brokenTexts says by name what is wrong with the instances and files of a plan that
// are in error.
func brokenTexts(plan *definition.Plan) map[string]string {
	texts := map[string]string{}
	for _, broken := range plan.Broken {
		name := broken.Name
		if name == "" {
			name = path.Base(broken.File)
		}
		text := faultText(broken.Err)
		if text == "" {
			text = "an error in " + broken.File
			if texts[name] != "" {
				continue
			}
		}
		if texts[name] == "" || len(broken.Err) > 0 && texts[name] == "an error in "+broken.File {
			texts[name] = text
		}
	}
	return texts
}

// showAll brings the nodes below StatusAt up to date: texts holds what is wrong with
// what does not run.
func (b *Binder) showAll(instances []*instance, texts map[string]string) {
	wanted := map[string]*instance{}
	for _, i := range instances {
		wanted[i.name] = i
	}
	for name := range texts {
		if _, ok := wanted[name]; !ok {
			wanted[name] = nil
		}
	}
	if _, ok := b.opts.Tree.Lookup(b.opts.StatusAt); !ok {
		if err := b.opts.Tree.Change(tree.Add(b.opts.StatusAt, statusGroup)); err != nil {
			b.opts.Logger.Error("The state of the definitions cannot be shown in the tree.", "err", err)
			return
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.shown)) {
		if _, stays := wanted[name]; stays {
			continue
		}
		delete(b.shown, name)
		if p, err := b.opts.StatusAt.Child(name); err == nil {
			_ = b.opts.Tree.Change(tree.Remove(p)) // it may be gone already
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		ref, ok := b.statusNode(name)
		if !ok {
			continue
		}
		if i := wanted[name]; i != nil {
			i.mu.Lock()
			if i.status != ref {
				i.status, i.told = ref, ""
			}
			i.show()
			i.mu.Unlock()
			continue
		}
		b.opts.Tree.Report(tree.Report{Node: ref, Value: tree.Text(texts[name])})
	}
}

// statusNode finds the status node of a name or makes it.
func (b *Binder) statusNode(name string) (tree.Ref, bool) {
	if ref, ok := b.shown[name]; ok {
		if _, err := b.opts.Tree.NodeAt(ref); err == nil {
			return ref, true
		}
	}
	p, err := b.opts.StatusAt.Child(name)
	if err != nil {
		return tree.Ref{}, false
	}
	ref, ok := b.opts.Tree.Lookup(p)
	if !ok {
		if ref, err = b.opts.Tree.Add(p, statusSpec); err != nil {
			b.opts.Logger.Error("The state of a definition cannot be shown in the tree.", "err", err)
			return tree.Ref{}, false
		}
	}
	b.shown[name] = ref
	return ref, true
}

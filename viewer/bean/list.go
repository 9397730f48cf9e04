package bean

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"grove/beans"
	"grove/tree"
	"grove/tree/grant"
	"grove/tree/monitor"
	"grove/viewer"
)

// DomainList is the answer of GET /api/v1/beans/domains.
type DomainList struct {
	Domains []DomainCount `json:"domains" nullable:"false" doc:"By name."`
}

// DomainCount is one of them.
type DomainCount struct {
	Name  string `json:"name"`
	Beans int    `json:"beans" doc:"How many there are in it."`
}

// NameList is the answer of GET /api/v1/beans.
type NameList struct {
	Beans []ListedBean `json:"beans" nullable:"false"`
	Total int          `json:"total" doc:"How many match altogether."`
}

// ListedBean is one bean in a list.
type ListedBean struct {
	Name  string `json:"name" example:"grove:type=Timer"`
	Class string `json:"class" example:"grove.tree.Node"`
	Path  string `json:"path,omitempty" doc:"Of the node whose bean it is, or of the instance that it belongs to."`
}

type domainsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         DomainList
}

func (a *API) getDomains(ctx context.Context, _ *struct{}) (*domainsOutput, error) {
	s := grant.Of(ctx)
	counts := map[string]int{}
	names, err := a.registered(s, beans.Name{}, nil)
	if err != nil {
		return nil, viewer.Problem(err)
	}
	for _, n := range names {
		counts[n.Domain()]++
	}
	_, nodes, err := a.nodes(s, choice{all: true}, 0, 0)
	if err != nil {
		return nil, viewer.Problem(err)
	}
	if nodes > 0 {
		counts[monitor.Domain] += nodes
	}
	out := &domainsOutput{"no-store", DomainList{Domains: []DomainCount{}}}
	for name, count := range counts {
		out.Body.Domains = append(out.Body.Domains, DomainCount{name, count})
	}
	slices.SortFunc(out.Body.Domains, func(a, b DomainCount) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

type listInput struct {
	Query  string `query:"query" default:"*:*" minLength:"1" maxLength:"4096" doc:"A name, or a pattern of names: * is any run of characters, ? is one, and a last element * any further properties." example:"grove:type=Node,*"`
	Text   string `query:"text" maxLength:"256" doc:"Only names with each of these words in them, in any case."`
	Offset int    `query:"offset" default:"0" minimum:"0" doc:"How many to pass over."`
	Limit  int    `query:"limit" default:"200" minimum:"1" maximum:"1000" doc:"At most so many."`
}

type listOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         NameList
}

func (a *API) getBeans(ctx context.Context, in *listInput) (*listOutput, error) {
	pattern, err := beans.ParseName(in.Query)
	if err != nil {
		return nil, viewer.Problem(err)
	}
	if pattern, err = pattern.InDomain(a.opts.Beans.DefaultDomain()); err != nil {
		return nil, viewer.Problem(err)
	}
	s := grant.Of(ctx)
	out := &listOutput{"no-store", NameList{Beans: []ListedBean{}}}
	words := strings.Fields(strings.ToLower(in.Text))
	names, err := a.registered(s, pattern, words)
	if err != nil {
		return nil, viewer.Problem(err)
	}
	shown := window(names, in.Offset, in.Limit)
	paths, count, err := a.nodes(s, chosen(pattern, words), max(0, in.Offset-len(names)), in.Limit-len(shown))
	if err != nil {
		return nil, viewer.Problem(err)
	}
	out.Body.Total = len(names) + count
	for _, n := range shown {
		text := ""
		if p, ok := a.place(n); ok {
			text = p.String()
		}
		a.entry(out, n, text)
	}
	for _, p := range paths {
		if n, err := monitor.Name(p); err == nil {
			a.entry(out, n, p.String())
		}
	}
	return out, nil
}

// registered are the names of beans that belong to no node, as far as somebody may read
// them.
func (a *API) registered(s *grant.Subject, pattern beans.Name, words []string) ([]beans.Name, error) {
	names, err := a.opts.Beans.Registered(pattern)
	return slices.DeleteFunc(names, func(n beans.Name) bool {
		return !hasAll(n.String(), words) || !a.may(s, n, grant.Viewer, grant.Viewer)
	}), err
}

// entry adds a bean to a page; one that has gone meanwhile is left out.
func (a *API) entry(out *listOutput, n beans.Name, path string) {
	if info, err := a.opts.Beans.Info(n); err == nil {
		out.Body.Beans = append(out.Body.Beans, ListedBean{Name: n.String(), Class: info.ClassName, Path: path})
	}
}

func hasAll(text string, words []string) bool {
	if len(words) == 0 {
		return true
	}
	text = strings.ToLower(text)
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}

// window is the part of a list that begins at offset and has at most so many.
func window[T any](list []T, offset, most int) []T {
	if offset >= len(list) {
		return nil
	}
	return list[offset:min(len(list), offset+most)]
}

// choice says which nodes' beans are meant. Only those of some of its forms need their
// names made.
type choice struct {
	none, all bool
	one       *tree.Path
	pattern   beans.Name
	words     []string
}

// chosen reads what a pattern and words say about nodes.
func chosen(pattern beans.Name, words []string) choice {
	root, err := monitor.Name(tree.Root)
	if err != nil {
		return choice{none: true} // Cannot be: the root has a name.
	}
	if !pattern.IsPattern() {
		p, ok := node(pattern)
		return choice{none: !ok || !hasAll(pattern.String(), words), one: &p}
	}
	about := false // the path
	for _, p := range pattern.Properties() {
		about = about || p.Key != "type"
	}
	if !about {
		matches := pattern.Matches(root)
		return choice{none: !matches, all: matches && len(words) == 0, pattern: pattern, words: words}
	}
	return choice{pattern: pattern, words: words}
}

// takes says whether the bean of a node is meant.
func (c *choice) takes(p tree.Path) bool {
	n, err := monitor.Name(p)
	return err == nil && c.pattern.Matches(n) && hasAll(n.String(), c.words)
}

// nodes returns the paths of a window of the nodes that are meant and that somebody
// sees, in the order of the tree, and how many there are of them altogether. Of those
// outside of the window nothing is kept.
func (a *API) nodes(s *grant.Subject, c choice, offset, most int) (paths []tree.Path, count int, err error) {
	if c.none {
		return nil, 0, nil
	}
	if c.one != nil {
		if _, ok := a.opts.Tree.Lookup(*c.one); !ok || !a.opts.Guard.May(s, grant.Viewer, *c.one) {
			return nil, 0, nil
		}
		return window([]tree.Path{*c.one}, offset, most), 1, nil
	}
	if c.all && most == 0 && s.Whole(grant.Viewer) {
		return nil, a.opts.Tree.Len(), nil
	}
	take := func(p tree.Path) {
		if count >= offset && len(paths) < most {
			paths = append(paths, p)
		}
		count++
	}
	var seen []tree.Path // to be held against the pattern once the tree may move on
	err = a.opts.Guard.Walk(s, tree.Root, -1, func(n *tree.Node, _ *grant.Scope, sight grant.Sight) bool {
		switch {
		case sight != grant.Seen:
		case c.all:
			take(n.Path)
		default:
			seen = append(seen, n.Path)
		}
		return true
	})
	for _, p := range seen {
		if c.takes(p) {
			take(p)
		}
	}
	return paths, count, err
}

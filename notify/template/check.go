package template

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template/parse"
)

// goFunctions are those of Go's own functions that a template may use: they make no text,
// so that their results have the bounds of what they are given.
var goFunctions = []string{"and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len", "index", "slice"}

// instead says what to use in the place of Go's functions that are not allowed.
var instead = map[string]string{
	"print": "concat", "println": "concat", "printf": "concat and number", "urlquery": "url", "js": "json", "call": "",
}

// read parses a template, checks it, and has it count its work: at the beginning of each
// named part and of each turn of a loop.
func read(text string) (map[string]*parse.Tree, error) {
	known := map[string]any{}
	for f := range new(budget).functions() {
		known[f] = func() {}
	}
	delete(known, count)
	for _, f := range goFunctions {
		known[f] = func() {}
	}
	for f := range instead {
		known[f] = func() {}
	}
	trees, err := parse.Parse(name, text, "", "", known)
	if err != nil {
		return nil, explain(err)
	}
	calls := map[string][]string{}
	for _, part := range slices.Sorted(maps.Keys(trees)) {
		c := checker{tree: trees[part], trees: trees}
		c.list(trees[part].Root)
		if c.err != nil {
			return nil, c.err
		}
		calls[part] = c.calls
	}
	if part := circle(calls); part != "" {
		return nil, fmt.Errorf("the part %q calls itself", part)
	}
	for _, tree := range trees {
		tree.Root.Nodes = slices.Insert(tree.Root.Nodes, 0, counting())
	}
	return trees, nil
}

// checker walks through a part of a template.
type checker struct {
	tree  *parse.Tree
	trees map[string]*parse.Tree
	calls []string // the parts that it calls
	err   error
}

func (c *checker) fail(n parse.Node, format string, args ...any) {
	if c.err != nil {
		return
	}
	location, _ := c.tree.ErrorContext(n)
	c.err = explain(errors.New(location + ": " + fmt.Sprintf(format, args...)))
}

func (c *checker) list(l *parse.ListNode) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		c.node(n)
	}
}

func (c *checker) node(n parse.Node) {
	switch n := n.(type) {
	case *parse.ActionNode:
		c.pipe(n.Pipe)
	case *parse.IfNode:
		c.branch(&n.BranchNode)
	case *parse.WithNode:
		c.branch(&n.BranchNode)
	case *parse.RangeNode:
		c.branch(&n.BranchNode)
		n.List.Nodes = slices.Insert(n.List.Nodes, 0, counting())
	case *parse.TemplateNode:
		c.pipe(n.Pipe)
		c.calls = append(c.calls, n.Name)
		if c.trees[n.Name] == nil {
			c.fail(n, "there is no part %q", n.Name)
		}
	case *parse.PipeNode:
		c.pipe(n)
	case *parse.FieldNode:
		c.fields(n, n.Ident)
	case *parse.VariableNode:
		c.fields(n, n.Ident)
	case *parse.ChainNode:
		c.node(n.Node)
		c.fields(n, n.Field)
	case *parse.IdentifierNode:
		if better, bad := instead[n.Ident]; bad && better == "" {
			c.fail(n, "the function %q is not allowed", n.Ident)
		} else if bad {
			c.fail(n, "the function %q is not allowed: use %s", n.Ident, better)
		}
	}
}

// fields refuses the methods that change what they are called on: a message is read by
// others at the same time.
func (c *checker) fields(n parse.Node, names []string) {
	for _, f := range names {
		if strings.HasPrefix(f, "Unmarshal") || f == "GobDecode" {
			c.fail(n, "%s is not allowed: it changes the message", f)
		}
	}
}

func (c *checker) branch(b *parse.BranchNode) {
	c.pipe(b.Pipe)
	c.list(b.List)
	c.list(b.ElseList)
}

func (c *checker) pipe(p *parse.PipeNode) {
	if p == nil {
		return
	}
	for _, command := range p.Cmds {
		for _, n := range command.Args {
			c.node(n)
		}
	}
}

// circle returns a part that calls itself, also by others; empty: there is none.
func circle(calls map[string][]string) string {
	const walking, walked = 1, 2
	state := map[string]int{}
	var walk func(part string) string
	walk = func(part string) string {
		switch state[part] {
		case walking:
			return part
		case walked:
			return ""
		}
		state[part] = walking
		for _, next := range calls[part] {
			if found := walk(next); found != "" {
				return found
			}
		}
		state[part] = walked
		return ""
	}
	for _, part := range slices.Sorted(maps.Keys(calls)) {
		if found := walk(part); found != "" {
			return found
		}
	}
	return ""
}

// counting returns an action that counts one unit of work and prints nothing, in any
// context of HTML: it sets a variable whose name nobody can write.
func counting() parse.Node {
	trees, err := parse.Parse(count, "{{$"+count+" := "+count+"}}", "", "", map[string]any{count: func() {}})
	if err != nil {
		panic(err) // The text is a constant.
	}
	action, _ := trees[count].Root.Nodes[0].(*parse.ActionNode)
	action.Pipe.Decl[0].Ident[0] = strings.ToUpper("$ " + count)
	return action
}

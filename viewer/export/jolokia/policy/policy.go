// Package policy says who may change what through the Jolokia protocol: nothing is
// allowed unless a rule says so.
//
// # Rules
//
// A policy is a text with one rule a line; # begins a comment at the start of a line or
// after a space. A rule is a name or pattern of beans, an action and what it is about:
//
//	grove:type=Timer              exec   start,stop
//	grove:type=Node,*             exec   refresh,@info
//	grove:type=Node,path="/shop*" write  GreenToYellow,YellowToRed
//	grove.monitor:*               write  *
//
// The action is write, about attributes, or exec, about operations. What it is about
// are names with commas between them, without spaces; an asterisk stands for all, and
// @info for every operation that its bean describes as one that only reads. A name with
// an asterisk besides is no pattern and matches nothing, so it is an error. A rule
// about an operation covers all that share its name.
//
// Patterns are those of [beans.Name.Matches]: the order of properties does not matter,
// case does, and a pattern without ",*" covers only names with exactly its properties.
// A rule without a domain is about the default domain.
//
// One further line, "get", allows what the rules allow by GET too. Without it only POST
// has effects: a GET comes from every link and image that a browser follows.
package policy

import (
	"fmt"
	"slices"
	"strings"

	"grove/beans"
)

// The bounds of a policy.
const (
	MaxRules = 1000
	maxText  = 1 << 20 // bytes
)

// Action is what a rule allows.
type Action string

// The actions.
const (
	Write Action = "write"
	Exec  Action = "exec"
)

const (
	all      = "*"
	readOnly = "@info"
)

// Policy allows what one of its rules allows. A nil Policy, and one without rules,
// allows nothing.
type Policy struct {
	rules []rule
	get   bool
}

type rule struct {
	pattern beans.Name
	action  Action
	members []string
}

// Parse reads a policy. The domain stands for an empty one in its rules. An error names
// the line.
func Parse(text, domain string) (*Policy, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("policy: the text has %d bytes, more than the bound of %d", len(text), maxText)
	}
	p := &Policy{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(uncomment(line))
		switch line {
		case "":
			continue
		case "get":
			p.get = true
			continue
		}
		r, err := parseRule(line, domain)
		if err != nil {
			return nil, fmt.Errorf("policy: line %d: %w", number, err)
		}
		if len(p.rules) == MaxRules {
			return nil, fmt.Errorf("policy: line %d: there are more rules than the bound of %d", number, MaxRules)
		}
		p.rules = append(p.rules, r)
	}
	return p, nil
}

// uncomment cuts a comment off. Inside of the quotes of a name there is none.
func uncomment(line string) string {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == '#' && !quoted && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t'):
			return line[:i]
		}
	}
	return line
}

// parseRule reads a rule from its end, since a name may have spaces in it.
func parseRule(line, domain string) (rule, error) {
	head, list := lastField(line)
	head, action := lastField(head)
	if head == "" {
		return rule{}, fmt.Errorf("%q is no rule; a rule is a name or pattern, write or exec, and what it is about, as in %q",
			line, "grove:type=Timer exec start,stop")
	}
	r := rule{action: Action(action), members: strings.Split(list, ",")}
	if r.action != Write && r.action != Exec {
		return rule{}, fmt.Errorf("%q is no action; write and exec are", action)
	}
	var err error
	if r.pattern, err = beans.ParseName(head); err != nil {
		return rule{}, err
	}
	if r.pattern, err = r.pattern.InDomain(domain); err != nil {
		return rule{}, err
	}
	for _, m := range r.members {
		switch {
		case m == "":
			return rule{}, fmt.Errorf("%q has an empty name in it", list)
		case m == readOnly && r.action != Exec:
			return rule{}, fmt.Errorf("%s is about operations, so the action must be exec", readOnly)
		case m != all && strings.ContainsAny(m, "*?()"):
			return rule{}, fmt.Errorf("%q is no name: a name is written in full and without parentheses, or %q stands for all", m, all)
		case strings.HasPrefix(m, "@") && m != readOnly:
			return rule{}, fmt.Errorf("%q is not known; %s is", m, readOnly)
		}
	}
	return r, nil
}

func lastField(s string) (head, last string) {
	s = strings.TrimRight(s, " \t")
	i := strings.LastIndexAny(s, " \t")
	return strings.TrimSpace(s[:i+1]), s[i+1:]
}

// Get reports whether a GET may do what the rules allow.
func (p *Policy) Get() bool { return p != nil && p.get }

// Empty reports whether nothing is allowed.
func (p *Policy) Empty() bool { return p == nil || len(p.rules) == 0 }

// AllowsWrite reports whether an attribute of a bean may be set. The name must have its
// domain.
func (p *Policy) AllowsWrite(bean beans.Name, attribute string) bool {
	return p.allows(bean, Write, attribute, false)
}

// AllowsExec reports whether an operation, without its signature, of a bean may run;
// reads says whether the bean describes it as one that only reads.
func (p *Policy) AllowsExec(bean beans.Name, operation string, reads bool) bool {
	return p.allows(bean, Exec, operation, reads)
}

func (p *Policy) allows(bean beans.Name, action Action, member string, reads bool) bool {
	if p == nil {
		return false
	}
	return slices.ContainsFunc(p.rules, func(r rule) bool {
		return r.action == action && r.pattern.Matches(bean) &&
			(slices.Contains(r.members, member) || slices.Contains(r.members, all) || reads && slices.Contains(r.members, readOnly))
	})
}

// String is the policy as text that Parse reads again.
func (p *Policy) String() string {
	var b strings.Builder
	if p == nil {
		return ""
	}
	if p.get {
		b.WriteString("get\n")
	}
	for _, r := range p.rules {
		fmt.Fprintf(&b, "%s %s %s\n", r.pattern, r.action, strings.Join(r.members, ","))
	}
	return b.String()
}

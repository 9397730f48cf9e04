package policy

import (
	"testing"

	"grove/beans"
)

const rules = `
# what operators may do
grove:type=Timer              exec   start,stop   # and nothing else
grove:type=Node,*             exec   refresh,@info
grove:type=Node,path="/shop*" write  GreenToYellow,YellowToRed
grove.monitor:*               write  *
:type=Here                    exec   *
a:k="x # y z",*               write  v
`

func TestNothingIsAllowedWithoutARule(t *testing.T) {
	p, err := Parse(rules, "grove")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, bean string
		action     Action
		member     string
		reads      bool
		want       bool
	}{
		{"listed", "grove:type=Timer", Exec, "start", false, true},
		{"not listed", "grove:type=Timer", Exec, "addNotification", false, false},
		{"another case of the operation", "grove:type=Timer", Exec, "Start", false, false},
		{"another case of the bean", "Grove:type=Timer", Exec, "start", false, false},
		{"another action", "grove:type=Timer", Write, "start", false, false},
		{"more properties than the rule", "grove:type=Timer,x=1", Exec, "start", false, false},
		{"list pattern", `grove:type=Node,path="/a"`, Exec, "refresh", false, true},
		{"order of properties", `grove:path="/a",type=Node`, Exec, "refresh", false, true},
		{"only reads", `grove:type=Node,path="/a"`, Exec, "events", true, true},
		{"does not only read", `grove:type=Node,path="/a"`, Exec, "reset", false, false},
		{"the word itself", `grove:type=Node,path="/a"`, Exec, "@info", false, true}, // no bean has such an operation
		{"value pattern", `grove:type=Node,path="/shop/a"`, Write, "YellowToRed", false, true},
		{"outside of it", `grove:type=Node,path="/a/shop"`, Write, "YellowToRed", false, false},
		{"all members", "grove.monitor:type=Gauge", Write, "Anything", false, true},
		{"all members of another action", "grove.monitor:type=Gauge", Exec, "start", false, false},
		{"default domain", "grove:type=Here", Exec, "x", false, true},
		{"a hash in quotes", `a:k="x # y z",l=1`, Write, "v", false, true},
		{"a pattern is no bean", "grove.monitor:*", Write, "Anything", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bean := beans.MustName(tt.bean)
			got := p.AllowsWrite(bean, tt.member)
			if tt.action == Exec {
				got = p.AllowsExec(bean, tt.member, tt.reads)
			}
			if got != tt.want {
				t.Errorf("allowed %t, want %t", got, tt.want)
			}
			for _, none := range []*Policy{nil, {}} {
				if none.AllowsWrite(bean, tt.member) || none.AllowsExec(bean, tt.member, tt.reads) || none.Get() || !none.Empty() {
					t.Error("a policy without rules allows something")
				}
			}
		})
	}
	if p.Get() || p.Empty() {
		t.Error("GET is allowed, or the policy empty")
	}
	again, err := Parse(p.String(), "other")
	if err != nil || again.String() != p.String() {
		t.Errorf("%v\n%s", err, again)
	}
	if p, err = Parse("get\n", ""); err != nil || !p.Get() || !p.Empty() {
		t.Error("the line get", err)
	}
}

func TestErrorsOfPolicies(t *testing.T) {
	for text, want := range map[string]string{
		"\n\nd:a=b read x":  `policy: line 3: "read" is no action; write and exec are`,
		"d:a=b exec":        `policy: line 1: "d:a=b exec" is no rule; a rule is a name or pattern, write or exec, and what it is about, as in "grove:type=Timer exec start,stop"`,
		"x":                 `policy: line 1: "x" is no rule; a rule is a name or pattern, write or exec, and what it is about, as in "grove:type=Timer exec start,stop"`,
		"d exec *":          `policy: line 1: parse "d": malformed name: there is no ':' after the domain`,
		"d:a=b Exec *":      `policy: line 1: "Exec" is no action; write and exec are`,
		"d:a=b exec a,,b":   `policy: line 1: "a,,b" has an empty name in it`,
		"d:a=b exec a, b":   `policy: line 1: "a," is no action; write and exec are`,
		"d:a=b exec st*":    `policy: line 1: "st*" is no name: a name is written in full and without parentheses, or "*" stands for all`,
		"d:a=b exec st()":   `policy: line 1: "st()" is no name: a name is written in full and without parentheses, or "*" stands for all`,
		"d:a=b write @info": `policy: line 1: @info is about operations, so the action must be exec`,
		"d:a=b exec @all":   `policy: line 1: "@all" is not known; @info is`,
	} {
		if _, err := Parse(text, "grove"); err == nil || err.Error() != want {
			t.Errorf("%q\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(rules)
	f.Add("get\nd:* exec @info")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text, "grove")
		if (p == nil) == (err == nil) {
			t.Fatalf("policy %v and error %v", p, err)
		}
		if err != nil {
			return
		}
		again, err := Parse(p.String(), "grove")
		if err != nil || again.String() != p.String() {
			t.Fatalf("%v: %q became %q", err, p, again)
		}
	})
}

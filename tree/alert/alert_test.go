package alert

import (
	"testing"
	"time"

	"grove/tree"
)

func TestQuery(t *testing.T) {
	ended := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	open := Alert{State: Open, Path: tree.MustPath("/shop/web1/Up"), Status: tree.Red, Worst: tree.Red, Severity: tree.Major, Kind: Status,
		Instance: "shop-web1", Customers: []string{"ACME"}, Message: "/shop/web1/Up is red", Opened: ended.Add(-time.Hour)}
	over := open
	over.State, over.Status, over.Resolved = Resolved, tree.Green, &ended
	caused := open
	caused.State, caused.Suppression = Suppressed, &Suppression{Reason: ByParent, Cause: 7}
	for name, c := range map[string]struct {
		q     Query
		a     *Alert
		takes bool
	}{
		"all that are not over":         {Query{}, &open, true},
		"but not what is over":          {Query{}, &over, false},
		"what is over when asked for":   {Query{States: []State{Resolved}}, &over, true},
		"the worst of what is over":     {Query{States: []State{Resolved}, Statuses: []tree.Status{tree.Red}}, &over, true},
		"another status":                {Query{Statuses: []tree.Status{tree.Yellow}}, &open, false},
		"another severity":              {Query{Severities: []tree.Severity{tree.Minor}}, &open, false},
		"another kind":                  {Query{Kinds: []Kind{Silence}}, &open, false},
		"below":                         {Query{Under: tree.MustPath("/shop")}, &open, true},
		"elsewhere":                     {Query{Under: tree.MustPath("/sho")}, &open, false},
		"another instance":              {Query{Instance: "shop"}, &open, false},
		"a customer in any case":        {Query{Customer: "acme "}, &open, true},
		"another customer":              {Query{Customer: "att"}, &open, false},
		"the cause":                     {Query{Cause: 7}, &caused, true},
		"no cause":                      {Query{Cause: 7}, &open, false},
		"text in any case":              {Query{Text: "web1/UP IS"}, &open, true},
		"no such text":                  {Query{Text: "green"}, &open, false},
		"opened before the end of time": {Query{To: ended}, &open, true},
		"opened later":                  {Query{To: ended.Add(-time.Hour)}, &open, false},
		"ended before":                  {Query{States: States, From: ended.Add(time.Second)}, &over, false},
		"still there":                   {Query{States: States, From: ended.Add(time.Second)}, &open, true},
		"hidden":                        {Query{Sees: func(tree.Path) bool { return false }}, &open, false},
	} {
		if got := c.q.Takes(c.a); got != c.takes {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestIDs(t *testing.T) {
	id, err := ParseID("1234567890123456789")
	if err != nil || id.String() != "1234567890123456789" {
		t.Errorf("%v, %v", id, err)
	}
	for _, text := range []string{"", "0", "-1", "x", "1e3", "99999999999999999999"} {
		if _, err := ParseID(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

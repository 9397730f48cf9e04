package ccms_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/ccms/alert"
	"grove/viewer/export/ccms/ccmstest"
)

// shared has nodes of two customers, and an alert of each attribute.
func shared(t *testing.T) *ccmstest.World {
	t.Helper()
	w := ccmstest.New(t)
	red := &tree.Threshold{Red: tree.AboveLevel(10, 10)}
	w.Grow("/shop", &tree.Spec{Kind: tree.Group, Owner: "shop", Description: "a shop", Properties: map[string]string{"customer": "acme"}})
	w.Grow("/shop/web/cpu", &tree.Spec{Kind: tree.Performance, Threshold: red})
	w.Grow("/shop/web/gold", &tree.Spec{Kind: tree.Performance, Threshold: red, Properties: map[string]string{"customer": "zenith"}})
	w.Grow("/bank/gold", &tree.Spec{Kind: tree.Performance, Threshold: red, Owner: "bank"})
	w.Grow("/bank/log", &tree.Spec{Kind: tree.Log})
	for _, path := range []string{"/shop/web/cpu", "/shop/web/gold", "/bank/gold"} {
		w.Tell(path, tree.Number(20))
	}
	return w
}

func as(t *testing.T, texts ...string) context.Context {
	t.Helper()
	s := &grant.Subject{Name: "ada"}
	for _, text := range texts {
		g, err := grant.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		s.Grants = append(s.Grants, g)
	}
	return grant.With(t.Context(), s)
}

func TestElementsThatAreSeen(t *testing.T) {
	w := shared(t)
	for name, c := range map[string]struct {
		grants []string
		path   string
		want   string
	}{
		"a customer": {[]string{"viewer / customer=acme"}, "/", `/ virtual red "" alert=/shop/web/cpu hidden; /shop summary red "" alert=/shop/web/cpu hidden shop; /shop/web object red "" alert=/shop/web/cpu hidden shop; /shop/web/cpu performance red "20" alert=/shop/web/cpu shop`},
		"the way":    {[]string{"viewer /shop/web/cpu"}, "/shop", `/shop summary red "" alert=/shop/web/cpu hidden; /shop/web object red "" alert=/shop/web/cpu hidden; /shop/web/cpu performance red "20" alert=/shop/web/cpu shop`},
		"a subtree":  {[]string{"viewer /shop"}, "/shop/web", `/shop/web object red "" alert=/shop/web/gold shop; /shop/web/cpu performance red "20" alert=/shop/web/cpu shop; /shop/web/gold performance red "20" alert=/shop/web/gold shop`},
		"hidden":     {[]string{"viewer /shop"}, "/bank", "/bank: no such node"},
		"nowhere":    {[]string{"viewer /shop"}, "/bink", "/bink: no such node"},
		"nobody":     {nil, "/", `/ virtual red "" hidden`},
		"too many":   {[]string{"viewer / customer=acme"}, "/3", "4 elements are more than the bound of 3: ask for a smaller part of the tree"},
	} {
		path, limit := c.path, 100
		if path == "/3" {
			path, limit = "/", 3
		}
		rows, err := w.Exporter.Tree(as(t, c.grants...), tree.MustPath(path), -1, limit)
		got := make([]string, len(rows))
		for i, r := range rows {
			got[i] = fmt.Sprintf("%s %s %s %q", r.Path, r.Class, r.Value, r.Description)
			if r.Alert != nil {
				got[i] += " alert=" + r.Alert.Path.String()
			}
			if r.Hidden {
				got[i] += " hidden"
			}
			if r.Owner != "" {
				got[i] += " " + r.Owner
			}
		}
		text := strings.Join(got, "; ")
		if err != nil {
			text = err.Error()
		}
		if diff := cmp.Diff(c.want, text); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestOneElementThatIsSeen asks for elements by path, by name and by TID.
func TestOneElementThatIsSeen(t *testing.T) {
	w := shared(t)
	ada := as(t, "viewer / customer=acme")
	for _, path := range []string{"/bank/gold", "/shop/web/gold", "/bank"} {
		el, err := w.Element(w.Everyone(), path)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{path, el.TID, el.Full} {
			_, err := w.Element(ada, text)
			change := strings.NewReplacer("gold", "golf", "bank", "bink")
			other := change.Replace(text)
			if text == el.TID {
				other = text[:51] + "0000000001" + text[61:]
			}
			_, unknown := w.Element(ada, other)
			if err == nil || change.Replace(err.Error()) != unknown.Error() {
				t.Errorf("%s: %v, of what is not there: %v", text, err, unknown)
			}
		}
	}
	el, err := w.Element(ada, "/shop")
	if err != nil || !el.Hidden || *el.Counts != [4]int32{0, 0, 0, 1} || el.Comment != "a shop" {
		t.Errorf("%+v, %v", el, err)
	}
	if el, err = w.Element(as(t, "viewer /shop/web/cpu"), "/shop"); err != nil || el.Comment != "" || el.Owner != "" || el.Value != tree.Red {
		t.Errorf("the way: %+v, %v", el, err)
	}
	if rows, err := w.Instances(ada); err != nil || len(rows) != 1 || rows[0].Owner != "shop" {
		t.Errorf("instances %v, %v", rows, err)
	}
	if logs, err := w.Logs(ada, tree.Root); err != nil || len(logs) != 0 {
		t.Errorf("logs %v, %v", logs, err)
	}
}

// TestAlertsThatAreSeen lists alerts and acknowledges them.
func TestAlertsThatAreSeen(t *testing.T) {
	w := shared(t)
	all, total, err := w.Alerts(w.Everyone(), alert.Filter{})
	if err != nil || total != 3 {
		t.Fatal(total, err)
	}
	ada := as(t, "viewer / customer=acme", "operator /bank")
	seen, total, err := w.Alerts(ada, alert.Filter{Limit: 1})
	if err != nil || total != 2 || len(seen) != 1 || w.Dropped(ada) != 0 {
		t.Errorf("%d of %d, %v", len(seen), total, err)
	}
	reasons := map[string]string{
		"/shop/web/cpu":  "not allowed: ada needs the role operator on /shop/web/cpu",
		"/shop/web/gold": "no such alert: it is not in the list any more",
		"/bank/gold":     "",
	}
	for _, a := range all {
		got, err := w.Acknowledge(ada, []string{a.AID}, "", "")
		if err != nil || got[0].Reason != reasons[a.Path.String()] || got[0].Acknowledged != (got[0].Reason == "") {
			t.Errorf("%s: %+v, %v", a.Path, got, err)
		}
	}
	if len(w.Acknowledged) != 1 || w.Acknowledged[0].By != "ada" {
		t.Errorf("acknowledged %+v", w.Acknowledged)
	}
	if _, err := w.Acknowledge(as(t, "viewer"), nil, "", ""); !errors.Is(err, grant.ErrDenied) {
		t.Errorf("a viewer: %v", err)
	}
	if _, _, err := w.Alerts(as(t), alert.Filter{}); err != nil {
		t.Error(err)
	}
}

package app

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/store"
	"grove/viewer/export/ccms"
	"grove/viewer/export/ccms/alert"
)

// TestAlertsAreKeptAsTheyAre: everything of an alert is back after a restart, and a backup
// that is restored while the manager runs has the word.
func TestAlertsAreKeptAsTheyAre(t *testing.T) {
	file := filepath.Join(t.TempDir(), "facts.db")
	open := func() *store.Store {
		s, err := store.Open(t.Context(), store.Options{Address: file, Manager: "test"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() }) // It may be closed already.
		return s
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	tr := tree.New(tree.Options{Now: func() time.Time { return now }})
	path := tree.MustPath("/shop/\"läuft\"/Up")
	ref, err := tr.Add(path, &tree.Spec{Kind: tree.State, Threshold: &tree.Threshold{States: map[string]tree.Status{"*": tree.Red}}})
	if err != nil {
		t.Fatal(err)
	}
	exporter := func(s *store.Store) *ccms.Exporter {
		e, err := ccms.New(ccms.Options{Tree: tr, Guard: grant.NewGuard(tr), Shelf: newAlertShelf(s), Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		return e
	}
	alerts := func(e *ccms.Exporter) []alert.Alert {
		t.Helper()
		all, _, err := e.Alerts(grant.With(t.Context(), grant.Itself), alert.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	paths := cmp.Comparer(func(a, b tree.Path) bool { return a == b })
	s := open()
	e := exporter(s)
	tr.Report(tree.Report{Node: ref, Value: tree.Text("<&>\u2028\n"), Time: now})
	tr.Flush()
	opened := alerts(e)
	if err := e.Sample(); err != nil || len(opened) != 1 {
		t.Fatal(opened, err)
	}
	var backup bytes.Buffer
	if err := s.Dump(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Acknowledge(grant.With(t.Context(), grant.Itself), []string{opened[0].AID}, "erika", "seen"); err != nil {
		t.Fatal(err)
	}
	done := alerts(e)
	if done[0].State != alert.Completed || done[0].By != "erika" {
		t.Errorf("got %+v", done[0])
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = open()
	e = exporter(s)
	if diff := cmp.Diff(done, alerts(e), paths); diff != "" {
		t.Errorf("(-before +after a restart)\n%s", diff)
	}
	if err := s.Load(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	if err := e.Sample(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(opened, alerts(e), paths); diff != "" {
		t.Errorf("(-in the backup +after it)\n%s", diff)
	}
}

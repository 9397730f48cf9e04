package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/viewer/export/ccms/name"
)

var scheme = name.Scheme{System: "GRV", Segment: "SAP_CCMS_grove"}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func alertOf(path string, v tree.Status, minute int) Alert {
	return Alert{Path: tree.MustPath(path), Value: v, Opened: noon.Add(time.Duration(minute) * time.Minute)}
}

// list is what matters of all alerts of a book.
func list(b *Book) (lines []string) {
	all, _ := b.List(Filter{})
	for _, a := range all {
		lines = append(lines, fmt.Sprint(a.ID, " ", a.Path, " ", a.Value, " ", a.State))
	}
	return lines
}

// shelf writes down what it is told.
type shelf struct {
	kept     []Alert
	told     []string
	replaced int64
	err      error
}

func (s *shelf) Replaced() int64 { return s.replaced }

func (s *shelf) Alerts(context.Context) ([]Alert, error) { return slices.Clone(s.kept), s.err }

func (s *shelf) Keep(_ context.Context, changed []Alert, gone []uint64) error {
	line := "changed"
	for i := range changed {
		line += fmt.Sprint(" ", changed[i].ID, " ", changed[i].State)
	}
	s.told = append(s.told, fmt.Sprint(line, ", gone ", gone))
	return s.err
}

func TestAShelfThatFailsIsToldAgain(t *testing.T) {
	var log strings.Builder
	s := &shelf{}
	b := New(Options{Scheme: scheme, Total: 2, Each: 2, Shelf: s, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))})
	ctx := t.Context()
	b.Open(alertOf("/too/early", tree.Red, 0))
	if b.Ready() || b.Took(tree.MustPath("/too/early"), tree.Red, noon) || list(b) != nil {
		t.Errorf("a book that has not read its shelf has %v", list(b))
	}
	if !b.Keep(ctx) || b.Keep(ctx) {
		t.Error("the shelf is read once")
	}
	s.err = errors.New("the disk is full")
	b.Open(alertOf("/a", tree.Red, 1))
	b.Open(alertOf("/b", tree.Yellow, 2))
	b.Keep(ctx)
	b.Open(alertOf("/c", tree.Red, 3)) // alert 1 is dropped, of which the shelf may know
	b.Keep(ctx)
	s.err = nil
	all, _ := b.List(Filter{Value: tree.Yellow})
	b.Acknowledge([]string{all[0].AID}, "erika", "", noon, func(tree.Path) error { return nil })
	b.Keep(ctx)
	b.Keep(ctx) // there is no more to tell
	want := []string{
		"changed 1 open 2 open, gone []",
		"changed 2 open 3 open, gone [1]",
		"changed 2 completed 3 open, gone [1]",
	}
	if d := cmp.Diff(want, s.told); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if d := cmp.Diff("level=ERROR msg=\"alerts are not kept for now: what is new would be lost with the manager\" error=\"the disk is full\"\n"+
		"level=INFO msg=\"alerts are kept again\"\n", log.String()); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// TestWhatABackupHoldsTakesThePlaceOfAllAlerts: also while it cannot be read yet.
func TestWhatABackupHoldsTakesThePlaceOfAllAlerts(t *testing.T) {
	s := &shelf{}
	b := New(Options{Scheme: scheme, Total: 10, Each: 10, Shelf: s})
	b.Keep(t.Context())
	b.Open(alertOf("/a", tree.Red, 1))
	b.Open(alertOf("/b", tree.Red, 2))
	b.Keep(t.Context())
	b.Open(alertOf("/c", tree.Red, 3)) // of which the shelf never hears

	old := alertOf("/a", tree.Yellow, 0)
	old.ID, old.AID, old.State = 1, scheme.AID(1, old.Opened), Completed
	s.kept, s.told, s.err = []Alert{old}, nil, errors.New("away")
	s.replaced++
	if b.Keep(t.Context()) || list(b) != nil {
		t.Errorf("before the shelf is read there is %v", list(b))
	}
	s.err = nil
	if !b.Keep(t.Context()) {
		t.Error("the book does not say that it was filled")
	}
	b.Open(alertOf("/d", tree.Red, 4))
	b.Keep(t.Context())
	if d := cmp.Diff([]string{"2 /d red open", "1 /a yellow completed"}, list(b)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if d := cmp.Diff([]string{"changed 2 open, gone []"}, s.told); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// TestAlertsOfAnotherSystemAreLeftBehind: nobody could acknowledge them any more.
func TestAlertsOfAnotherSystemAreLeftBehind(t *testing.T) {
	mine, other := alertOf("/a", tree.Red, 0), alertOf("/b", tree.Red, 1)
	mine.ID, mine.AID, mine.State = 7, scheme.AID(7, mine.Opened), Completed
	other.ID, other.AID = 9, name.Scheme{System: "T10", Segment: scheme.Segment}.AID(9, other.Opened)
	s := &shelf{kept: []Alert{other, mine}}
	b := New(Options{Scheme: scheme, Total: 10, Each: 10, Shelf: s})
	b.Keep(t.Context())
	b.Open(alertOf("/b", tree.Red, 2))
	if d := cmp.Diff([]string{"10 /b red open", "7 /a red completed"}, list(b)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if d := cmp.Diff([]string{"changed, gone [9]"}, s.told); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// TestManyGoAtOnce fills a book: the oldest go, some at once, since each look for them is a
// walk over all.
func TestManyGoAtOnce(t *testing.T) {
	b := New(Options{Scheme: scheme, Total: 300, Each: 2})
	b.Keep(t.Context())
	for i := range 301 {
		b.Open(Alert{Path: tree.MustPath(fmt.Sprint("/n/", i)), Value: tree.Red})
	}
	all, left := b.List(Filter{})
	var oldest *Alert
	for i := range all {
		if oldest == nil || all[i].ID < oldest.ID {
			oldest = &all[i]
		}
	}
	if left != 297 || b.Dropped() != 4 || oldest.Path.String() != "/n/4" {
		t.Errorf("%d are left, %d went, the oldest is of %s", left, b.Dropped(), oldest.Path)
	}
}

package app

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"grove/tree/store"
	"grove/tree/store/drawer"
	"grove/viewer/export/ccms"
	"grove/viewer/export/ccms/alert"
)

// alertShelf keeps the alerts of CCMS in the central database.
type alertShelf struct {
	facts  *store.Store
	drawer *drawer.Drawer
}

// newAlertShelf has room for what an exporter keeps, and for as much again: what falls out
// of its list goes at the same time as what is new comes, but not what a bound that was
// lowered leaves over.
func newAlertShelf(s *store.Store) alertShelf {
	return alertShelf{s, drawer.New(s, "ccms alert", 2*ccms.DefaultAlerts)}
}

// Alerts implements alert.Shelf.
func (s alertShelf) Alerts(ctx context.Context) ([]alert.Alert, error) {
	items, err := s.drawer.All(ctx)
	if err != nil {
		return nil, err
	}
	alerts := make([]alert.Alert, len(items))
	for i, item := range items {
		if err := json.Unmarshal([]byte(item.Text), &alerts[i]); err != nil {
			return nil, fmt.Errorf("alert %s: %w", item.Name, err)
		}
	}
	return alerts, nil
}

// Keep implements alert.Shelf.
func (s alertShelf) Keep(ctx context.Context, changed []alert.Alert, gone []uint64) error {
	items := make([]drawer.Item, len(changed))
	for i := range changed {
		text, err := json.Marshal(&changed[i])
		if err != nil {
			return fmt.Errorf("alert %d: %w", changed[i].ID, err)
		}
		items[i] = drawer.Item{Name: alertName(changed[i].ID), Text: string(text)}
	}
	names := make([]string, len(gone))
	for i, id := range gone {
		names[i] = alertName(id)
	}
	return s.drawer.Change(ctx, items, names)
}

// Replaced implements alert.Shelf.
func (s alertShelf) Replaced() int64 { return s.facts.Replaced() }

func alertName(id uint64) string { return strconv.FormatUint(id, 10) }

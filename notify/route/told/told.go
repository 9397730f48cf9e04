// Package told keeps, in the central database, what routes have told and whom: groups of
// alerts, the channels that heard of each, and the alerts as they were told. What is kept
// here is what is owed: that it is over.
//
// It is written in the transaction that puts the messages into the outbox, so that after
// a kill at any moment either both are there or none.
package told

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"grove/notify/route/grouping"
	"grove/tree"
	"grove/tree/alert"
	"grove/tree/store"
)

// Group is a group of alerts of which somebody was told.
type Group struct {
	ID         string
	Route      string
	Common     grouping.Common
	Precedence uint8
	Merged     bool // of what was too much for groups of its own
	Began      time.Time
	Told       time.Time        // when the targets of the route were told last
	Step       int              // of the escalation; 0 is none
	Channels   map[string]int64 // the number of the last message of each
	Alerts     map[alert.ID]Alert
}

// Alert is an alert as it was told.
type Alert struct {
	Status   tree.Status
	Severity tree.Severity
	Since    time.Time // from when on escalation counts
	Told     time.Time
	// Owed are the routes that take it, too, and had not told of it then: they wait for more.
	Owed []string
}

// Change is what one message changes of a group. Channels and Alerts have only what is new
// or other than before.
type Change struct {
	Group
	Gone []alert.ID // alerts that are not remembered any more
	Ends bool       // the group is not remembered any more
}

// errNoManager is a program that opened the database without saying which manager it is.
var errNoManager = errors.New("the database was opened without a manager")

// Load returns all groups of the manager.
func Load(ctx context.Context, s *store.Store) (map[string]*Group, error) {
	var groups map[string]*Group
	err := s.Read(ctx, func(tx *store.Tx) error {
		groups = map[string]*Group{}
		err := tx.Each("SELECT id, route, common, precedence, merged, began_at, told_at, step FROM route_group WHERE manager = $1", []any{tx.Manager()}, func(rows *sql.Rows) error {
			g := &Group{Channels: map[string]int64{}, Alerts: map[alert.ID]Alert{}}
			var common string
			var merged int
			var began, told int64
			if err := rows.Scan(&g.ID, &g.Route, &common, &g.Precedence, &merged, &began, &told, &g.Step); err != nil {
				return err
			}
			g.Merged, g.Began, g.Told = merged != 0, time.UnixMilli(began), time.UnixMilli(told)
			if err := json.Unmarshal([]byte(common), &g.Common); err != nil {
				return fmt.Errorf("group %s: %w", g.ID, err)
			}
			groups[g.ID] = g
			return nil
		})
		if err != nil {
			return err
		}
		err = tx.Each("SELECT route_group, channel, sequence FROM route_channel WHERE manager = $1", []any{tx.Manager()}, func(rows *sql.Rows) error {
			var id, channel string
			var sequence int64
			if err := rows.Scan(&id, &channel, &sequence); err != nil {
				return err
			}
			if g := groups[id]; g != nil {
				g.Channels[channel] = sequence
			}
			return nil
		})
		if err != nil {
			return err
		}
		return tx.Each("SELECT route_group, alert, status, severity, since, told_at, owed FROM route_alert WHERE manager = $1", []any{tx.Manager()}, func(rows *sql.Rows) error {
			var id, owed string
			var number, since, told int64
			var a Alert
			if err := rows.Scan(&id, &number, &a.Status, &a.Severity, &since, &told, &owed); err != nil {
				return err
			}
			if owed != "" {
				if err := json.Unmarshal([]byte(owed), &a.Owed); err != nil {
					return fmt.Errorf("alert %d: %w", number, err)
				}
			}
			a.Since, a.Told = time.UnixMilli(since), time.UnixMilli(told)
			if g := groups[id]; g != nil {
				g.Alerts[alert.ID(number)] = a
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("what was told: %w", err)
	}
	return groups, nil
}

// Save writes a change in a transaction of the caller's.
func Save(tx *store.Tx, c *Change) error {
	manager := tx.Manager()
	if manager == 0 {
		return errNoManager
	}
	if c.Ends {
		for _, query := range []string{
			"DELETE FROM route_alert WHERE manager = $1 AND route_group = $2",
			"DELETE FROM route_channel WHERE manager = $1 AND route_group = $2",
			"DELETE FROM route_group WHERE manager = $1 AND id = $2",
		} {
			if _, err := tx.Exec(query, manager, c.ID); err != nil {
				return err
			}
		}
		return nil
	}
	common, err := json.Marshal(c.Common)
	if err != nil {
		return err
	}
	_, err = tx.Exec("INSERT INTO route_group (manager, id, route, common, precedence, merged, began_at, told_at, step) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"+
		" ON CONFLICT (manager, id) DO UPDATE SET told_at = excluded.told_at, step = excluded.step",
		manager, c.ID, c.Route, string(common), int64(c.Precedence), number(c.Merged), c.Began.UnixMilli(), c.Told.UnixMilli(), c.Step)
	if err != nil {
		return err
	}
	var args []any
	for name, sequence := range c.Channels {
		args = append(args, manager, c.ID, name, sequence)
	}
	if _, err := tx.Insert("INSERT INTO route_channel (manager, route_group, channel, sequence)",
		"ON CONFLICT (manager, route_group, channel) DO UPDATE SET sequence = excluded.sequence", 4, args); err != nil {
		return err
	}
	args = nil
	for id, a := range c.Alerts {
		owed := ""
		if len(a.Owed) > 0 {
			text, err := json.Marshal(a.Owed)
			if err != nil {
				return err
			}
			owed = string(text)
		}
		args = append(args, manager, c.ID, int64(id), int64(a.Status), int64(a.Severity), a.Since.UnixMilli(), a.Told.UnixMilli(), owed)
	}
	if _, err := tx.Insert("INSERT INTO route_alert (manager, route_group, alert, status, severity, since, told_at, owed)",
		"ON CONFLICT (manager, route_group, alert) DO UPDATE SET status = excluded.status, severity = excluded.severity, since = excluded.since, told_at = excluded.told_at, owed = excluded.owed", 8, args); err != nil {
		return err
	}
	for _, id := range c.Gone {
		if _, err := tx.Exec("DELETE FROM route_alert WHERE manager = $1 AND route_group = $2 AND alert = $3", manager, c.ID, int64(id)); err != nil {
			return err
		}
	}
	return nil
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

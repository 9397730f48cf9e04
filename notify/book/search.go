package book

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"unicode/utf8"

	"grove/notify/ledger"
	"grove/tree"
	"grove/tree/alert"
)

// MaxTextBytes bounds Query.Text, Query.Instance and Query.Customer.
const MaxTextBytes = 256

// Search looks for alerts: those that are not resolved in memory, the others in the
// database. A page goes on where the one before ended, whatever changed meanwhile.
func (b *Book) Search(ctx context.Context, q alert.Query) (alert.Page, error) {
	limit, after, err := check(&q)
	if err != nil {
		return alert.Page{}, err
	}
	all := b.all()
	page := alert.Page{Alerts: []alert.Alert{}, Counts: count(all, q.Sees)}
	var at place
	if !after.resolved {
		found := make([]*alert.Alert, 0, limit)
		for _, a := range all {
			if q.Takes(a) && (after == place{} || compare(after, placeOf(a)) < 0) {
				found = append(found, a)
			}
		}
		slices.SortFunc(found, func(x, y *alert.Alert) int { return compare(placeOf(x), placeOf(y)) })
		for _, a := range found[:min(limit, len(found))] {
			page.Alerts = append(page.Alerts, *a)
			at = placeOf(a)
		}
		if len(found) > limit {
			page.Next = cursor(&q, at)
			return page, nil
		}
	}
	if !slices.Contains(q.States, alert.Resolved) {
		return page, nil
	}
	position := ledger.Position{}
	if after.resolved {
		position = ledger.Position{Resolved: after.ended, ID: after.id}
	}
	err = b.ledger.Search(ctx, &q, position, func(a *alert.Alert, p ledger.Position) bool {
		if len(page.Alerts) == limit {
			page.Next = cursor(&q, at)
			return false
		}
		page.Alerts = append(page.Alerts, *a)
		at = place{resolved: true, ended: p.Resolved, id: p.ID}
		return true
	})
	if err != nil {
		return alert.Page{}, err
	}
	return page, nil
}

// check says what is wrong with a query.
func check(q *alert.Query) (limit int, after place, err error) {
	switch {
	case q.Limit < 0 || q.Limit > alert.MaxLimit:
		return 0, after, fmt.Errorf("%w: 1 to %d alerts at a time, not %d", alert.ErrQuery, alert.MaxLimit, q.Limit)
	case len(q.Text) > MaxTextBytes || len(q.Instance) > MaxTextBytes || len(q.Customer) > MaxTextBytes:
		return 0, after, fmt.Errorf("%w: text, instance and customer have %d bytes at most", alert.ErrQuery, MaxTextBytes)
	case !utf8.ValidString(q.Text) || strings.IndexByte(q.Text, 0) >= 0:
		return 0, after, fmt.Errorf("%w: the text is not UTF-8", alert.ErrQuery)
	case !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To):
		return 0, after, fmt.Errorf("%w: it begins at %s, which is not before its end at %s", alert.ErrQuery, q.From, q.To)
	}
	if q.After != "" {
		if after, err = parseCursor(q); err != nil {
			return 0, after, err
		}
	}
	return cmp.Or(q.Limit, alert.DefaultLimit), after, nil
}

// place is where an alert stands in the order of pages.
type place struct {
	resolved bool
	status   tree.Status
	severity tree.Severity
	ended    int64 // Unix milliseconds, of a resolved one
	id       alert.ID
}

func placeOf(a *alert.Alert) place {
	return place{status: a.Status, severity: a.Severity, id: a.ID}
}

// compare orders alerts that are not resolved: the worst first, then the newest.
func compare(a, b place) int {
	return cmp.Or(cmp.Compare(b.severity, a.severity), cmp.Compare(b.status, a.status), cmp.Compare(b.id, a.id))
}

// cursorVersion is the first byte of a cursor.
const cursorVersion = 1

// cursor makes the token that continues after a place: a version, the place, and a sum over
// the query, in base64.
func cursor(q *alert.Query, at place) string {
	c := []byte{cursorVersion, 0, byte(at.status), byte(at.severity)}
	if at.resolved {
		c[1] = 1
	}
	c = binary.BigEndian.AppendUint64(c, uint64(at.ended))
	c = binary.BigEndian.AppendUint64(c, uint64(at.id))
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(c, sum(q)))
}

const cursorBytes = 4 + 8 + 8 + 4

func parseCursor(q *alert.Query) (at place, err error) {
	c, err := base64.RawURLEncoding.Strict().DecodeString(q.After)
	if err != nil || len(c) != cursorBytes || c[0] != cursorVersion || c[1] > 1 || int64(binary.BigEndian.Uint64(c[12:])) <= 0 {
		return at, fmt.Errorf("%w: %.40q does not continue any search: leave it out to begin anew", alert.ErrQuery, q.After)
	}
	if binary.BigEndian.Uint32(c[20:]) != sum(q) {
		return at, fmt.Errorf("%w: %.40q continues another search: repeat what was searched for, or leave it out to begin anew", alert.ErrQuery, q.After)
	}
	return place{
		resolved: c[1] == 1, status: tree.Status(c[2]), severity: tree.Severity(c[3]),
		ended: int64(binary.BigEndian.Uint64(c[4:])), id: alert.ID(binary.BigEndian.Uint64(c[12:])),
	}, nil
}

// sum tells queries apart; another limit makes no other query.
func sum(q *alert.Query) uint32 {
	return crc32.ChecksumIEEE(fmt.Appendf(nil, "%q %d %d %q %q %q %q %d %q %d %d", slices.Sorted(slices.Values(q.States)), slices.Sorted(slices.Values(q.Statuses)),
		slices.Sorted(slices.Values(q.Severities)), slices.Sorted(slices.Values(q.Kinds)), q.Under, q.Instance, q.Customer, q.Cause, q.Text, q.From.UnixMilli(), q.To.UnixMilli()))
}

package question

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/record"
	"grove/tree"
	"grove/tree/store/journal"
)

const kindJournal = "record.journal"

// maxAnswer is how long an answer is made that was too long, bytes.
const maxAnswer = 384 << 10

// journalQuestion is a journal.Query on its way, with times in Unix milliseconds and kinds
// by their numbers; zero times are no bounds.
type journalQuestion struct {
	Chain    []peer.ID      `json:"chain,omitempty"`
	Hops     int            `json:"hops"`
	From     int64          `json:"from,omitempty"`
	To       int64          `json:"to,omitempty"`
	Under    tree.Path      `json:"under"`
	Only     bool           `json:"only,omitempty"`
	Kinds    []journal.Kind `json:"kinds,omitempty"`
	Statuses []tree.Status  `json:"statuses,omitempty"`
	Text     string         `json:"text,omitempty"`
	Oldest   bool           `json:"oldest,omitempty"`
	Limit    int            `json:"limit"`
	After    string         `json:"after,omitempty"`
}

// journalAnswer is a journal.Page on its way.
type journalAnswer struct {
	Entries []record.Line `json:"entries"`
	Next    string        `json:"next,omitempty"`
}

func parseJournal(body []byte) (q journalQuestion, err error) {
	if err := json.Unmarshal(body, &q); err != nil {
		return q, peer.Refuse(peer.Invalid, "%s: %v", kindJournal, err)
	}
	return q, checkWay(kindJournal, q.Hops, q.Chain)
}

func parsePage(body []byte, limit int) (page journal.Page, err error) {
	var a journalAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		return page, fmt.Errorf("the answer to %s makes no sense: %w", kindJournal, err)
	}
	if len(a.Entries) > limit {
		return page, fmt.Errorf("the answer to %s has %d entries, %d were asked for", kindJournal, len(a.Entries), limit)
	}
	if len(a.Next) > 4096 {
		return page, fmt.Errorf("the answer to %s goes on with %d bytes", kindJournal, len(a.Next))
	}
	page.Next = a.Next
	for i := range a.Entries {
		e, err := a.Entries[i].Entry()
		if err != nil {
			return page, fmt.Errorf("the answer to %s makes no sense: %w", kindJournal, err)
		}
		page.Entries = append(page.Entries, e)
	}
	return page, nil
}

// on writes a query for its way to another manager.
func on(q *journal.Query, remote tree.Path, limit int) journalQuestion {
	o := journalQuestion{
		Under: remote, Only: q.Only, Kinds: slices.Clone(q.Kinds), Statuses: slices.Clone(q.Statuses), Text: q.Text, Oldest: q.Oldest, Limit: limit, After: q.After,
	}
	if !q.From.IsZero() {
		o.From = max(q.From.UnixMilli(), 1)
	}
	if !q.To.IsZero() {
		o.To = max(q.To.UnixMilli(), 1)
	}
	return o
}

// query is the one here.
func (q *journalQuestion) query() journal.Query {
	o := journal.Query{Under: q.Under, Only: q.Only, Kinds: q.Kinds, Statuses: q.Statuses, Text: q.Text, Oldest: q.Oldest, Limit: q.Limit, After: q.After}
	if q.From != 0 {
		o.From = time.UnixMilli(q.From)
	}
	if q.To != 0 {
		o.To = time.UnixMilli(q.To)
	}
	return o
}

package question

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/record"
	"grove/tree"
	"grove/tree/history"
	"grove/tree/store/journal"
)

// History is asked for the readings of nodes of this manager; history.Store is one.
type History interface {
	Points(ctx context.Context, path tree.Path, from, to time.Time, buckets int) ([]history.Point, history.Resolution, error)
}

// Journal is asked for what happened to them; journal.Journal is one.
type Journal interface {
	Search(ctx context.Context, q journal.Query) (journal.Page, error)
}

// Options are the surroundings of an Asker.
type Options struct {
	Fabric  peer.Fabric
	History History
	Journal Journal
	// Owner says which manager a node that hangs here is of, and its path there; ok is false
	// when it is of this one. Place is the way back.
	Owner func(local tree.Path) (owner peer.ID, remote tree.Path, ok bool)
	Place func(of peer.ID, remote tree.Path) (local tree.Path, ok bool)
	// Shares says what an asker may see here; nil is everything.
	Shares func(asker peer.ID, chain []peer.ID) (func(tree.Path) bool, error)
	// Chain are the managers on whose behalf is asked; nil is none.
	Chain func() []peer.ID
}

// Asker asks the manager whose a node is about its past. Its methods may be called from many
// goroutines.
type Asker struct{ o Options }

// New makes an asker.
func New(o Options) *Asker {
	if o.Shares == nil {
		o.Shares = func(peer.ID, []peer.ID) (func(tree.Path) bool, error) {
			return func(tree.Path) bool { return true }, nil
		}
	}
	if o.Chain == nil {
		o.Chain = func() []peer.ID { return nil }
	}
	return &Asker{o}
}

// Answer answers what Askers of other managers ask, until ctx ends.
func (a *Asker) Answer(ctx context.Context) {
	a.o.Fabric.Handle(kindRange, a.answerRange)
	a.o.Fabric.Handle(kindJournal, a.answerJournal)
	<-ctx.Done()
	a.o.Fabric.Handle(kindRange, nil)
	a.o.Fabric.Handle(kindJournal, nil)
}

// Points is history.Store.Points of the manager whose the node is. An error may be one of
// package peer, or a *peer.Refusal.
func (a *Asker) Points(ctx context.Context, path tree.Path, from, to time.Time, buckets int) ([]history.Point, history.Resolution, error) {
	return a.points(ctx, path, from, to, buckets, 0, a.o.Chain())
}

func (a *Asker) points(ctx context.Context, path tree.Path, from, to time.Time, buckets, hops int, chain []peer.ID) ([]history.Point, history.Resolution, error) {
	owner, remote, ok := a.o.Owner(path)
	if !ok {
		return a.o.History.Points(ctx, path, from, to, buckets)
	}
	body, err := json.Marshal(rangeQuestion{chain, hops, remote, from.UnixMilli(), to.UnixMilli(), buckets})
	if err != nil {
		return nil, history.Resolution{}, err
	}
	answer, err := a.o.Fabric.AskBulk(ctx, owner, kindRange, body)
	if err != nil {
		return nil, history.Resolution{}, fmt.Errorf("history of %s: its manager %s: %w", path, owner, err)
	}
	points, res, err := parseRangeAnswer(answer)
	if err != nil {
		return nil, history.Resolution{}, fmt.Errorf("history of %s: its manager %s: %w", path, owner, err)
	}
	return points, res, nil
}

func (a *Asker) answerRange(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	q, err := parseRange(body)
	if err != nil {
		return nil, err
	}
	sees, err := a.o.Shares(from, q.Chain)
	if err != nil {
		return nil, err
	}
	if !sees(q.Path) {
		return nil, peer.Refuse(peer.NotFound, "there is no node %s", q.Path)
	}
	points, res, err := a.points(ctx, q.Path, time.UnixMilli(q.From), time.UnixMilli(q.To), q.Buckets, q.Hops+1, append([]peer.ID{from}, q.Chain...))
	if err != nil {
		return nil, refusal(err, history.ErrRange)
	}
	return rangeBytes(points, res), nil
}

// refusal tells a question that makes no sense from what went wrong.
func refusal(err, invalid error) error {
	var r *peer.Refusal
	switch {
	case errors.As(err, &r):
		return r
	case errors.Is(err, invalid):
		return peer.Refuse(peer.Invalid, "%v", err)
	}
	return err
}

// searchRounds is how many answers are asked for one page, when of each not all is seen.
const searchRounds = 16

// Search is journal.Journal.Search of the manager whose the node Under is; entries have the
// paths that they have here, and the numbers of over there. A page may be shorter than its
// limit and have a next one.
func (a *Asker) Search(ctx context.Context, q journal.Query) (journal.Page, error) {
	return a.search(ctx, q, 0, a.o.Chain())
}

func (a *Asker) search(ctx context.Context, q journal.Query, hops int, chain []peer.ID) (page journal.Page, err error) {
	owner, remote, ok := a.o.Owner(q.Under)
	if !ok {
		return a.o.Journal.Search(ctx, q)
	}
	limit := cmp.Or(q.Limit, journal.DefaultLimit)
	if limit < 0 || limit > journal.MaxLimit {
		return page, fmt.Errorf("%w: 1 to %d entries at a time, not %d", journal.ErrQuery, journal.MaxLimit, limit)
	}
	for range searchRounds {
		o := on(&q, remote, limit-len(page.Entries))
		o.Chain, o.Hops = chain, hops
		body, err := json.Marshal(o)
		if err != nil {
			return page, err
		}
		if len(body) > peer.MaxBody {
			return page, fmt.Errorf("%w: it is too long for its manager", journal.ErrQuery)
		}
		answer, err := a.o.Fabric.AskBulk(ctx, owner, kindJournal, body)
		if err != nil {
			return page, fmt.Errorf("journal of %s: its manager %s: %w", q.Under, owner, err)
		}
		part, err := parsePage(answer, o.Limit)
		if err != nil {
			return page, fmt.Errorf("journal of %s: its manager %s: %w", q.Under, owner, err)
		}
		for _, e := range part.Entries {
			local, ok := a.o.Place(owner, e.Path)
			if e.Path = local; ok && q.Under.Contains(local) && (q.Sees == nil || q.Sees(local)) {
				page.Entries = append(page.Entries, e)
			}
		}
		page.Next, q.After = part.Next, part.Next
		if page.Next == "" || len(page.Entries) >= limit {
			break
		}
	}
	return page, nil
}

func (a *Asker) answerJournal(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	o, err := parseJournal(body)
	if err != nil {
		return nil, err
	}
	q := o.query()
	if q.Sees, err = a.o.Shares(from, o.Chain); err != nil {
		return nil, err
	}
	chain := append([]peer.ID{from}, o.Chain...)
	for {
		page, err := a.search(ctx, q, o.Hops+1, chain)
		if err != nil {
			return nil, refusal(err, journal.ErrQuery)
		}
		answer := journalAnswer{Entries: make([]record.Line, 0, len(page.Entries)), Next: page.Next}
		for i := range page.Entries {
			answer.Entries = append(answer.Entries, record.LineOf(&page.Entries[i]))
		}
		text, err := json.Marshal(answer)
		if err != nil || len(text) <= peer.MaxBody || len(page.Entries) < 2 {
			return text, err
		}
		// A shorter page has a mark of its own where it ends.
		q.Limit = max(int(int64(len(page.Entries))*maxAnswer/int64(len(text))), 1)
	}
}

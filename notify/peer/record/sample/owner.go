package sample

import (
	"context"
	"iter"
	"time"

	"grove/notify/peer"
	"grove/tree"
	"grove/tree/history"
)

// Source is the history of the manager that is asked.
type Source interface {
	Samples(ctx context.Context, path tree.Path, from, to time.Time) iter.Seq2[history.Sample, error]
}

// Answer answers what Fillers of other managers ask, until ctx ends. Shares says what an
// asker may see; nil is everything.
func Answer(ctx context.Context, f peer.Fabric, from Source, shares func(asker peer.ID, chain []peer.ID) (func(tree.Path) bool, error)) {
	f.Handle(kind, func(ctx context.Context, asker peer.ID, body []byte) ([]byte, error) {
		q, err := parseQuestion(body)
		if err != nil {
			return nil, err
		}
		sees := func(tree.Path) bool { return true }
		if shares != nil {
			if sees, err = shares(asker, q.Chain); err != nil {
				return nil, err
			}
		}
		return Find(ctx, from, &q, func(p tree.Path) (tree.Path, bool) { return p, sees(p) })
	})
	<-ctx.Done()
	f.Handle(kind, nil)
}

// sampleBytes is what a reading takes in an answer, at most.
const sampleBytes = 18

// Find answers a question with as much as goes into an answer. Where says where a node is that
// was asked for, and whether it may be told of.
func Find(ctx context.Context, source Source, q *Question, where func(tree.Path) (at tree.Path, ok bool)) ([]byte, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	a, err := find(ctx, source, q, where)
	if err != nil {
		return nil, err
	}
	return a.bytes(), nil
}

func find(ctx context.Context, source Source, q *Question, where func(tree.Path) (tree.Path, bool)) (a answer, err error) {
	room := maxAnswer / sampleBytes
	for i, p := range q.Nodes {
		from := q.From
		if i == 0 {
			from = q.First
		}
		var list []Reading
		if at, ok := where(p); ok && from < q.To {
			for s, err := range source.Samples(ctx, at, time.UnixMilli(from), time.UnixMilli(q.To)) {
				if err != nil {
					return a, err
				}
				at := s.Time.UnixMilli()
				if s.Gap || at < from || at >= q.To {
					continue
				}
				if room <= 0 && at > from && (len(list) == 0 || at > list[len(list)-1].At) {
					a.next = at
					break
				}
				list = append(list, Reading{at, s.Value})
				room--
			}
		}
		a.lists = append(a.lists, list)
		if a.next != 0 {
			return a, nil
		}
		if a.done++; room <= 0 {
			return a, nil
		}
	}
	return a, nil
}

package record

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"grove/notify/peer"
	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/journal"
)

// SenderOptions are the surroundings of a Sender.
type SenderOptions struct {
	Store  *store.Store
	Fabric peer.Fabric
	// Shares says what an asker may see of the tree, given the managers on whose behalf it
	// asks and those whose trees it joins itself. Nil: everything. An error refuses.
	Shares func(asker peer.ID, chain []peer.ID) (func(tree.Path) bool, error)
	// Rows is how many entries wait at most until all that follow have them; 2,000,000 when
	// zero, about 60 MB. Age is after how long one that does not ask counts as gone; a week
	// when zero. Past is how many entries of the past one gets that begins to follow;
	// 200,000 when zero.
	Rows, Past int64
	Age        time.Duration
	Now        func() time.Time // the clock; nil is time.Now
	Log        *slog.Logger     // nil is nowhere
}

// Sender tells other managers what the journal here remembers. Its methods may be called
// from many goroutines; Run runs once.
type Sender struct {
	o    SenderOptions
	wake chan struct{} // holds a token when there is news

	// What follows belongs to the goroutine of the store's writer.
	followed followed
	replaced int64  // of the store, when followed was found
	begun    uint64 // how often somebody began to follow

	sent, missed atomic.Uint64

	mu    sync.Mutex // guards what follows
	asked map[peer.ID]asked
}

// followed says whether anybody follows.
type followed uint8

const (
	perhaps followed = iota
	yes
	no
)

// asked is what a follower has said last.
type asked struct {
	token string
	mark  int64
	at    time.Time
	dirty bool // the database does not know it yet
}

// NewSender makes a sender. Its Write is for journal.Options.Also, of the same store; Run
// answers.
func NewSender(o SenderOptions) *Sender {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Shares == nil {
		o.Shares = func(peer.ID, []peer.ID) (func(tree.Path) bool, error) {
			return func(tree.Path) bool { return true }, nil
		}
	}
	o.Rows, o.Past, o.Age = cmp.Or(o.Rows, 2_000_000), cmp.Or(o.Past, 200_000), cmp.Or(o.Age, 7*24*time.Hour)
	return &Sender{o: o, wake: make(chan struct{}, 1), asked: map[peer.ID]asked{}}
}

// Write gives entries their numbers, in the transaction that writes them.
func (s *Sender) Write(tx *store.Tx, entries []journal.Entry) error {
	if following, err := s.isFollowed(tx); err != nil || !following {
		return err
	}
	ids := make([]int64, len(entries))
	for i := range entries {
		ids[i] = int64(entries[i].ID)
	}
	slices.Sort(ids)
	newest := milliseconds(journal.ID(ids[len(ids)-1]).Time())
	var last int64
	found, err := tx.Row("UPDATE peer_record_head SET last = last + $1, newest = CASE WHEN newest < $2 THEN $2 ELSE newest END WHERE manager = $3 RETURNING last",
		[]any{int64(len(ids)), newest, tx.Manager()}, &last)
	if err != nil {
		return err
	}
	if !found {
		return errors.New("peers: somebody follows the journal, but no number is known")
	}
	args := make([]any, 0, 4*len(ids))
	for i, id := range ids {
		args = append(args, tx.Manager(), "", last-int64(len(ids)-1-i), id)
	}
	if _, err := tx.Insert("INSERT INTO peer_record (manager, lane, number, entry)", "", 4, args); err != nil {
		return err
	}
	tx.Ended(func(err error) {
		if err == nil {
			s.rouse()
		}
	})
	return nil
}

// isFollowed is asked in the goroutine of the store's writer.
func (s *Sender) isFollowed(tx *store.Tx) (bool, error) {
	if replaced := s.o.Store.Replaced(); replaced != s.replaced {
		s.followed, s.replaced = perhaps, replaced
	}
	if s.followed != perhaps {
		return s.followed == yes, nil
	}
	var one int64
	found, err := tx.Row("SELECT 1 FROM peer_follower WHERE manager = $1 LIMIT 1", []any{tx.Manager()}, &one)
	if err != nil {
		return false, err
	}
	if found {
		s.followed = yes
		return true, nil
	}
	// It is so when it is committed, and nobody has begun in the same transaction.
	begun, replaced := s.begun, s.replaced
	tx.Ended(func(err error) {
		if err == nil && s.begun == begun && s.replaced == replaced {
			s.followed = no
		}
	})
	return false, nil
}

func (s *Sender) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// firstNumber leaves room below it for the numbers of the past.
const firstNumber = 1 << 32

// Times of a sender.
const (
	newsPace  = 20 * time.Millisecond // between two pieces of news
	tidyEvery = time.Second           // marks are written, and what all have is forgotten
	idle      = time.Minute           // after which a follower that asks no more gets no news
)

// tidyStep is how many rows are deleted at once.
const tidyStep = 8192

// Run answers those that follow, until ctx ends.
func (s *Sender) Run(ctx context.Context) error {
	s.o.Fabric.Handle(kindBegin, s.answerBegin)
	s.o.Fabric.Handle(kindAfter, s.answerAfter)
	defer s.o.Fabric.Handle(kindBegin, nil)
	defer s.o.Fabric.Handle(kindAfter, nil)
	tidy := time.NewTicker(tidyEvery)
	defer tidy.Stop()
	pace := time.NewTimer(0)
	defer pace.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
			s.tell()
			pace.Reset(newsPace)
			select {
			case <-pace.C:
			case <-ctx.Done():
				return nil
			}
		case <-tidy.C:
			err := s.tidy(ctx)
			if err != nil && !failing && ctx.Err() == nil {
				s.o.Log.Warn("what other managers have of the journal is not forgotten for now", "err", err)
			}
			failing = err != nil
		}
	}
}

// tell wakes those that follow.
func (s *Sender) tell() {
	body, err := json.Marshal(news{})
	if err != nil {
		return
	}
	now := s.o.Now()
	s.mu.Lock()
	var to []peer.ID
	for id, a := range s.asked {
		if now.Sub(a.at) < idle {
			to = append(to, id)
		}
	}
	s.mu.Unlock()
	for _, id := range to {
		_ = s.o.Fabric.Send(id, kindNews, body) // Who is not reached asks by itself.
	}
}

// answerBegin makes somebody a follower, or one that begins anew.
func (s *Sender) answerBegin(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	var q begin
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, peer.Refuse(peer.Invalid, "%s: %v", kindBegin, err)
	}
	if err := checkChain(q.Chain); err != nil {
		return nil, err
	}
	if _, err := s.o.Shares(from, q.Chain); err != nil {
		return nil, err
	}
	now := s.o.Now()
	b := begun{Token: rand.Text()}
	since := int64(journal.FirstID(time.UnixMilli(max(q.From, 0))))
	oldest := int64(journal.FirstID(now.Add(-s.o.Age)))
	err := s.o.Store.Write(ctx, func(tx *store.Tx) error {
		manager, lane := tx.Manager(), string(from)
		if manager == 0 {
			return errNoManager
		}
		s.begun++
		s.followed, s.replaced = yes, s.o.Store.Replaced()
		if _, err := tx.Exec("INSERT INTO peer_record_head (manager, last, newest) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING", manager, int64(firstNumber)); err != nil {
			return err
		}
		var last int64
		if _, err := tx.Row("SELECT last FROM peer_record_head WHERE manager = $1", []any{manager}, &last); err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM peer_record WHERE manager = $1 AND lane = $2", manager, lane); err != nil {
			return err
		}
		past, err := tx.Exec("INSERT INTO peer_record (manager, lane, number, entry)"+
			" SELECT CAST($1 AS BIGINT), CAST($2 AS TEXT), CAST($3 AS BIGINT) + 1 - ROW_NUMBER() OVER (ORDER BY id DESC), id"+
			" FROM (SELECT id FROM journal WHERE manager = $1 AND id >= $4 ORDER BY id DESC LIMIT $5) AS past", manager, lane, last, max(since, oldest), s.o.Past)
		if err != nil {
			return err
		}
		b.Start, b.Missed = last-past, 0
		if past == s.o.Past || oldest > since {
			var all int64
			if _, err := tx.Row("SELECT COUNT(*) FROM journal WHERE manager = $1 AND id >= $2", []any{manager, since}, &all); err != nil {
				return err
			}
			b.Missed = max(all-past, 0)
		}
		_, err = tx.Exec("INSERT INTO peer_follower (manager, follower, token, start, mark, asked_at) VALUES ($1, $2, $3, $4, $5, $6)"+
			" ON CONFLICT (manager, follower) DO UPDATE SET token = excluded.token, start = excluded.start, mark = excluded.mark, asked_at = excluded.asked_at",
			manager, lane, b.Token, last, b.Start, milliseconds(now))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("begin to tell %s: %w", from, err)
	}
	s.note(from, asked{token: b.Token, mark: b.Start, at: now})
	return json.Marshal(b)
}

// errNoManager is a program that opened the database without saying which manager it is.
var errNoManager = errors.New("the database was opened without a manager")

// note remembers what a follower has said.
func (s *Sender) note(from peer.ID, a asked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[from] = a
}

// errFull ends the reading of a batch.
var errFull = errors.New("full")

// answerAfter says what comes after a number.
func (s *Sender) answerAfter(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	var q after
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, peer.Refuse(peer.Invalid, "%s: %v", kindAfter, err)
	}
	if err := checkChain(q.Chain); err != nil {
		return nil, err
	}
	sees, err := s.o.Shares(from, q.Chain)
	if err != nil {
		return nil, err
	}
	if q.Limit <= 0 || q.Limit > MaxBatch {
		q.Limit = MaxBatch
	}
	for ; ; q.Limit /= 2 {
		b, mark, err := s.answer(ctx, from, &q, sees)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		if len(text) > peer.MaxBody && q.Limit > 1 {
			continue // Texts that are long in escapes.
		}
		s.sent.Add(uint64(len(b.Entries)))
		s.missed.Add(uint64(b.Missed))
		s.note(from, asked{token: q.Token, mark: max(mark, min(q.Mark, b.Last)), at: s.o.Now(), dirty: true})
		return text, nil
	}
}

// answer reads a batch for a follower, and the mark that it is known to have.
func (s *Sender) answer(ctx context.Context, from peer.ID, q *after, sees func(tree.Path) bool) (b batch, mark int64, err error) {
	err = s.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		var token string
		var start int64
		found, err := tx.Row("SELECT token, start, mark FROM peer_follower WHERE manager = $1 AND follower = $2", []any{tx.Manager(), string(from)}, &token, &start, &mark)
		if err != nil {
			return err
		}
		if !found || token != q.Token {
			return peer.Refuse(peer.Stale, "the journal is not told any more to who asks: begin anew")
		}
		b, err = s.read(tx, from, q, start, sees)
		return err
	})
	return b, mark, err
}

// read reads a batch. The numbers up to start are those of the past, which the follower has
// for itself.
func (s *Sender) read(tx *store.Tx, from peer.ID, q *after, start int64, sees func(tree.Path) bool) (b batch, err error) {
	if _, err := tx.Row("SELECT last, newest FROM peer_record_head WHERE manager = $1", []any{tx.Manager()}, &b.Last, &b.Newest); err != nil {
		return b, err
	}
	lane, to := "", b.Last
	if q.To > 0 {
		to = min(to, q.To)
	}
	if q.After < start {
		lane, to = string(from), min(to, start)
	}
	if b.To = max(to, q.After); b.To == q.After {
		return b, nil
	}
	found, size, end := int64(0), 0, q.After
	err = tx.Each("SELECT r.number, "+journal.Columns+" FROM peer_record r CROSS JOIN journal j CROSS JOIN node n"+
		" WHERE r.manager = $1 AND r.lane = $2 AND r.number > $3 AND r.number <= $4 AND j.manager = $1 AND j.id = r.entry AND n.manager = $1 AND n.id = j.node"+
		" ORDER BY r.number LIMIT $5", []any{tx.Manager(), lane, q.After, to, int64(maxScanned)}, func(rows *sql.Rows) error {
		var number int64
		e, err := journal.Scan(rows, &number)
		if err != nil {
			return err
		}
		found++
		end = number
		if sees(e.Path) {
			value, _ := e.Value.Text()
			size += 128 + len(e.Path.String()) + len(e.Text) + len(value)
			b.Entries = append(b.Entries, numbered{number, LineOf(&e)})
		}
		if len(b.Entries) >= q.Limit || size >= maxBytes || found >= maxScanned {
			return errFull
		}
		return nil
	})
	if errors.Is(err, errFull) {
		b.To, err = end, nil
	}
	b.Missed = b.To - q.After - found
	return b, err
}

// tidy writes down what followers have said, and deletes what nobody needs any more.
func (s *Sender) tidy(ctx context.Context) error {
	now := s.o.Now()
	s.mu.Lock()
	said := map[peer.ID]asked{}
	for id, a := range s.asked {
		if a.dirty {
			said[id] = a
		}
	}
	s.mu.Unlock()
	var need bool
	err := s.o.Store.Read(ctx, func(tx *store.Tx) error {
		var one int64
		found, err := tx.Row("SELECT 1 FROM peer_follower WHERE manager = $1 AND asked_at < $2 LIMIT 1", []any{tx.Manager(), milliseconds(now.Add(-s.o.Age))}, &one)
		need = found
		return err
	})
	if err != nil || !need && len(said) == 0 {
		return err
	}
	for more := true; more && ctx.Err() == nil; {
		err := s.o.Store.Write(ctx, func(tx *store.Tx) (err error) {
			more, err = s.forget(tx, said, now)
			return err
		})
		if err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, a := range said {
		if s.asked[id] == a {
			a.dirty = false
			s.asked[id] = a
		}
		if now.Sub(a.at) > s.o.Age {
			delete(s.asked, id)
		}
	}
	return nil
}

// forget does one step of it; more says that there is another.
func (s *Sender) forget(tx *store.Tx, said map[peer.ID]asked, now time.Time) (more bool, err error) {
	manager := tx.Manager()
	for id, a := range said {
		if _, err := tx.Exec("UPDATE peer_follower SET mark = $1, asked_at = $2 WHERE manager = $3 AND follower = $4 AND token = $5",
			a.mark, milliseconds(a.at), manager, string(id), a.token); err != nil {
			return false, err
		}
	}
	gone, err := tx.Exec("DELETE FROM peer_follower WHERE manager = $1 AND asked_at < $2", manager, milliseconds(now.Add(-s.o.Age)))
	if err != nil {
		return false, err
	}
	if gone > 0 {
		begun := s.begun
		tx.Ended(func(err error) {
			if err == nil && s.begun == begun {
				s.followed = perhaps
			}
		})
	}
	ends := map[string]int64{} // of the lanes: up to which number nobody needs anything
	var last int64
	if _, err := tx.Row("SELECT last FROM peer_record_head WHERE manager = $1", []any{manager}, &last); err != nil {
		return false, err
	}
	least := last
	err = tx.Each("SELECT follower, start, mark FROM peer_follower WHERE manager = $1", []any{manager}, func(rows *sql.Rows) error {
		var follower string
		var start, mark int64
		if err := rows.Scan(&follower, &start, &mark); err != nil {
			return err
		}
		ends[follower] = min(mark, start)
		least = min(least, max(mark, start))
		return nil
	})
	if err != nil {
		return false, err
	}
	lanes, err := lanes(tx)
	if err != nil {
		return false, err
	}
	ends[""] = max(least, last-s.o.Rows)
	for _, lane := range lanes {
		end, ok := ends[lane]
		if !ok {
			end = last // Of one that is gone.
		}
		deleted, err := tx.Exec("DELETE FROM peer_record WHERE manager = $1 AND lane = $2 AND number <= $3 AND number <= "+
			"(SELECT MIN(number) FROM peer_record WHERE manager = $1 AND lane = $2) + $4", manager, lane, end, int64(tidyStep-1))
		if err != nil {
			return false, err
		}
		more = more || deleted == tidyStep
	}
	return more, nil
}

// lanes lists those that have rows.
func lanes(tx *store.Tx) (all []string, err error) {
	for lane, found := "", true; ; {
		condition := "lane > $2"
		if len(all) == 0 {
			condition = "lane >= $2"
		}
		found, err = tx.Row("SELECT lane FROM peer_record WHERE manager = $1 AND "+condition+" ORDER BY lane LIMIT 1", []any{tx.Manager(), lane}, &lane)
		if err != nil || !found {
			return all, err
		}
		all = append(all, lane)
	}
}

// Follower is how far somebody is that follows the journal here.
type Follower struct {
	Peer   peer.ID
	Asked  time.Time // last
	Behind int64     // entries that it does not have, or has not said to have
}

// Followers lists those that follow.
func (s *Sender) Followers(ctx context.Context) (all []Follower, err error) {
	err = s.o.Store.Read(ctx, func(tx *store.Tx) error {
		all = nil
		var last int64
		if _, err := tx.Row("SELECT last FROM peer_record_head WHERE manager = $1", []any{tx.Manager()}, &last); err != nil {
			return err
		}
		return tx.Each("SELECT follower, mark, asked_at FROM peer_follower WHERE manager = $1 ORDER BY follower", []any{tx.Manager()}, func(rows *sql.Rows) error {
			var follower string
			var mark, at int64
			if err := rows.Scan(&follower, &mark, &at); err != nil {
				return err
			}
			all = append(all, Follower{peer.ID(follower), time.UnixMilli(at), last - mark})
			return nil
		})
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range all {
		if a, ok := s.asked[all[i].Peer]; ok && a.at.After(all[i].Asked) {
			all[i].Asked = a.at
		}
	}
	return all, err
}

// SenderStats are counts since the start.
type SenderStats struct {
	Sent   uint64 // entries
	Missed uint64 // entries that could not be told any more
}

// Stats returns the counts.
func (s *Sender) Stats() SenderStats { return SenderStats{s.sent.Load(), s.missed.Load()} }

package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Notice says that a shared fact was changed, by whichever manager.
type Notice struct {
	Topic, Name string
	Revision    int64
	// All says that notices may have been missed: everything of the topic is to be read
	// again. Name and Revision are empty then.
	All bool
}

// channel is where managers that share a server tell each other. A payload has less
// than 8,000 bytes, so it names what changed and no more.
const channel = "grove"

// everyTopic is a notice to all who watch anything.
const everyTopic = "*"

// maxPending bounds the notices that wait for one watcher, who then reads everything.
const maxPending = 256

// Notify tells those who watch the topic, in every manager that shares the database,
// once this piece of work is committed. Topic and name have no spaces and 128 bytes at
// most each.
func (t *Tx) Notify(n Notice) { t.notices = append(t.notices, n) }

// notify hands the notices of pieces that succeeded to a server, in their transaction.
func (s *Store) notify(ctx context.Context, txs []*Tx, errs []error) error {
	if s.engine != enginePostgres {
		return nil
	}
	for i, tx := range txs {
		if errs[i] != nil {
			continue
		}
		for _, n := range tx.notices {
			if _, err := s.conn.ExecContext(ctx, "SELECT pg_notify($1, $2)", channel, n.payload()); err != nil {
				return s.classify(err)
			}
		}
	}
	return nil
}

func (n Notice) payload() string {
	if n.All {
		return n.Topic
	}
	return fmt.Sprintf("%s %d %s", n.Topic, n.Revision, n.Name)
}

// parseNotice reads what payload writes. Anybody who may connect to the database may
// send a payload, so what cannot be read tells to read everything.
func parseNotice(payload string) Notice {
	topic, rest, _ := strings.Cut(payload, " ")
	revision, name, ok := strings.Cut(rest, " ")
	n, err := strconv.ParseInt(revision, 10, 64)
	if !ok || err != nil || name == "" || len(name) > 128 {
		return Notice{Topic: clip(topic), All: true}
	}
	return Notice{Topic: clip(topic), Name: name, Revision: n}
}

// Watch calls told for each change of a topic until ctx ends, whose error it returns. It
// begins with a Notice with All once it stands, and gives one whenever it may have
// missed something, such as while the server could not be reached. Told is called by
// this goroutine, one call at a time.
func (s *Store) Watch(ctx context.Context, topic string, told func(Notice)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.alive, cancel)()
	if s.engine == engineSQLite {
		return s.hub.watch(ctx, topic, told)
	}
	wait := 100 * time.Millisecond
	for {
		began := time.Now()
		err := s.listen(ctx, topic, told)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.log.Warn("changes by other managers are not heard for now", "topic", topic, "err", s.classify(err))
		if time.Since(began) > time.Minute {
			wait = 100 * time.Millisecond
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		wait = min(2*wait, 5*time.Second)
	}
}

// stillThere is how long a silent connection is trusted.
const stillThere = 20 * time.Second

// listen hears a topic until the connection breaks.
func (s *Store) listen(ctx context.Context, topic string, told func(Notice)) error {
	config := s.postgres.Copy()
	if err := s.setPassword(ctx, config); err != nil {
		return err
	}
	dial, cancel := context.WithTimeout(ctx, groupTime)
	defer cancel()
	conn, err := pgx.ConnectConfig(dial, config)
	if err != nil {
		return err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(end) // Nothing is lost with it.
	}()
	if _, err := conn.Exec(dial, "LISTEN "+channel); err != nil {
		return err
	}
	told(Notice{Topic: topic, All: true})
	for {
		quiet, cancel := context.WithTimeout(ctx, stillThere)
		heard, err := conn.WaitForNotification(quiet)
		over := quiet.Err()
		cancel()
		switch {
		case err == nil:
			switch n := parseNotice(heard.Payload); n.Topic {
			case topic:
				told(n)
			case everyTopic:
				told(Notice{Topic: topic, All: true})
			}
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(over, context.DeadlineExceeded):
			ask, cancel := context.WithTimeout(ctx, stillThere)
			err := conn.Ping(ask)
			cancel()
			if err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// hub is the bus within one process.
type hub struct {
	mu       sync.Mutex
	watchers map[*watcher]struct{}
}

type watcher struct {
	topic   string
	pending []Notice
	wake    chan struct{} // has an element when something is pending
}

func (h *hub) publish(notices []Notice) {
	if len(notices) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		for _, n := range notices {
			if n.Topic == w.topic || n.Topic == everyTopic {
				w.add(n)
			}
		}
	}
}

// add is called with the lock of the hub.
func (w *watcher) add(n Notice) {
	if n.All || len(w.pending) >= maxPending {
		w.pending = append(w.pending[:0], Notice{Topic: w.topic, All: true})
	} else {
		w.pending = append(w.pending, n)
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (h *hub) watch(ctx context.Context, topic string, told func(Notice)) error {
	w := &watcher{topic: topic, wake: make(chan struct{}, 1)}
	h.mu.Lock()
	w.add(Notice{All: true})
	h.watchers[w] = struct{}{}
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.watchers, w)
		h.mu.Unlock()
	}()
	for {
		select {
		case <-w.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
		h.mu.Lock()
		pending := w.pending
		w.pending = nil
		h.mu.Unlock()
		for _, n := range pending {
			told(n)
		}
	}
}

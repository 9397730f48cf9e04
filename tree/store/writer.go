package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// Bounds of one group of pieces of work. PostgreSQL keeps 64 savepoints of a transaction
// in shared memory, and asks a slow table for more.
const (
	maxGroup = 60
	// groupTime bounds what a server may take for a group.
	groupTime = 30 * time.Second
	// maxTries bounds how often a piece is run that the database asks to run again.
	maxTries = 8
)

// work is a piece of work that waits.
type work struct {
	ctx   context.Context
	do    func(*Tx) error
	done  chan error // has room for the answer
	alone bool       // in its transaction, and without a limit of time but its own
}

// Write runs do in a transaction and returns once that is committed, or with the error
// that undid it. Pieces of work of several goroutines share a transaction; each is
// undone alone. Do may be called more than once, in the goroutine of the writer; it
// must not wait for anything but its Tx. When the queue is full Write waits. The error
// of ctx is returned only while do was not begun.
func (s *Store) Write(ctx context.Context, do func(*Tx) error) error {
	return s.write(&work{ctx: ctx, do: do, done: make(chan error, 1)})
}

func (s *Store) write(w *work) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	select {
	case <-s.stop:
		return ErrClosed
	default:
	}
	select {
	case s.queue <- w:
	case <-w.ctx.Done():
		return w.ctx.Err()
	case <-s.stop:
		return ErrClosed
	}
	select {
	case err := <-w.done:
		return err
	case <-s.ended:
		select {
		case err := <-w.done:
			return err
		default:
			return ErrClosed
		}
	}
}

// run is the writer.
func (s *Store) run() {
	defer close(s.ended)
	retry := time.NewTicker(retryEvery)
	defer retry.Stop()
	for {
		select {
		case w := <-s.queue:
			s.commit(s.gather(w))
		case <-retry.C:
			if !s.prepared.Load() {
				ctx, cancel := s.limit()
				s.note(s.prepareAgain(ctx))
				cancel()
			}
		case <-s.stop:
			for {
				select {
				case w := <-s.queue:
					s.commit(s.gather(w))
				default:
					s.dropConn()
					return
				}
			}
		}
	}
}

// refuseWaiting answers what has waited for a database that turned out not to be there:
// it has waited once, and would wait for as long again, one after the other.
func (s *Store) refuseWaiting() {
	err := s.Ready()
	if !errors.Is(err, ErrUnavailable) {
		return
	}
	for range len(s.queue) {
		w := <-s.queue
		w.done <- err
	}
}

// retryEvery is how often a server is tried that could not be reached.
const retryEvery = 2 * time.Second

// gather takes what waits, as far as it goes into one transaction with first.
func (s *Store) gather(first *work) []*work {
	group := []*work{first}
	if first.alone {
		return group
	}
	for len(group) < maxGroup {
		select {
		case w := <-s.queue:
			if w.alone {
				s.kept = w
				return group
			}
			group = append(group, w)
		default:
			return group
		}
	}
	return group
}

// commit does a group and answers each of it.
func (s *Store) commit(group []*work) {
	s.commitGroup(group)
	for s.kept != nil {
		w := s.kept
		s.kept = nil
		s.commitGroup([]*work{w})
	}
}

func (s *Store) commitGroup(group []*work) {
	waiting := group[:0]
	for _, w := range group {
		if err := w.ctx.Err(); err != nil {
			w.done <- err
			continue
		}
		waiting = append(waiting, w)
	}
	if len(waiting) == 0 {
		return
	}
	errs, err := s.transact(waiting)
	if errors.Is(err, errAgain) {
		// Somebody else was in the way, or the connection was an old one that had broken:
		// alone each has the best chance, and a bad one harms nobody.
		errs, err = make([]error, len(waiting)), nil
		for i, w := range waiting {
			errs[i] = s.transactAlone(w)
		}
	}
	s.refuseWaiting() // Before the answers: who comes after one has not waited yet.
	for i, w := range waiting {
		if err != nil {
			w.done <- err
		} else {
			w.done <- errs[i]
		}
	}
}

func (s *Store) transactAlone(w *work) error {
	for try := 1; ; try++ {
		errs, err := s.transact([]*work{w})
		if err == nil {
			return errs[0]
		}
		if !errors.Is(err, errAgain) {
			return err
		}
		if try == maxTries {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
}

// limit returns the context of one transaction. SQLite's has no end: a context that may
// end costs it a goroutine for each statement.
func (s *Store) limit() (context.Context, context.CancelFunc) {
	if s.engine == engineSQLite {
		return context.Background(), func() {}
	}
	return context.WithTimeout(context.Background(), groupTime)
}

// transact does a group in one transaction. It returns the errors of the pieces that
// were undone, or the one error that undid all: errAgain when nothing can have been
// committed and another try may do.
func (s *Store) transact(group []*work) (errs []error, err error) {
	ctx, cancel := s.limit()
	if group[0].alone {
		cancel()
		ctx, cancel = context.WithCancel(group[0].ctx)
	}
	defer cancel()
	reused, asked := s.conn != nil, false
	txs := make([]*Tx, 0, len(group))
	defer func() {
		if err != nil {
			for _, tx := range txs {
				tx.end(err)
			}
		}
		if err != nil {
			s.dropConn()
		}
		// A connection that was fine the last time may have broken meanwhile.
		if reused && !asked && s.engine == enginePostgres && errors.Is(err, ErrUnavailable) {
			errs, err = nil, fmt.Errorf("%w: %w", errAgain, err)
		}
		s.note(err)
	}()
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	begin := "BEGIN"
	if s.engine == engineSQLite {
		begin = "BEGIN IMMEDIATE"
	}
	if _, err := s.conn.ExecContext(ctx, begin); err != nil {
		return nil, s.classify(err)
	}
	errs = make([]error, len(group))
	if err := s.fence(ctx); err != nil {
		return nil, err
	}
	for i, w := range group {
		tx := &Tx{s: s, ctx: ctx, conn: s.conn, statements: s.statements}
		txs = append(txs, tx)
		if errs[i], err = s.attempt(ctx, w, tx, len(group) > 1); err != nil {
			return nil, err
		}
		if errs[i] != nil && len(group) == 1 { // all of it was undone
			_, err := s.conn.ExecContext(ctx, "ROLLBACK")
			tx.end(errs[i])
			return errs, s.classify(err)
		}
		if errs[i] != nil { // so is this piece
			tx.end(errs[i])
		}
	}
	if err := s.notify(ctx, txs, errs); err != nil {
		return nil, err
	}
	asked = true // whether it is committed is not known if the connection breaks now
	if _, err := s.conn.ExecContext(ctx, "COMMIT"); err != nil {
		return nil, s.classify(err)
	}
	s.committed(group, txs, errs)
	return errs, nil
}

// attempt runs one piece of work, behind a savepoint when others share the transaction.
// It returns the error of the piece, which is undone then, or the error of the whole.
func (s *Store) attempt(ctx context.Context, w *work, tx *Tx, shared bool) (own, whole error) {
	if shared {
		if _, err := s.conn.ExecContext(ctx, "SAVEPOINT piece"); err != nil {
			return nil, s.classify(err)
		}
	}
	own = call(w.do, tx)
	for _, fatal := range []error{errAgain, ErrUnavailable, ErrFull, ErrDamaged} {
		if errors.Is(own, fatal) { // the transaction has not survived it
			return nil, own
		}
	}
	if !shared {
		return own, nil
	}
	if own == nil {
		_, err := s.conn.ExecContext(ctx, "RELEASE SAVEPOINT piece")
		if err == nil {
			return nil, nil
		}
		own = s.classify(err) // a statement had failed, and the piece did not say so
	}
	if _, err := s.conn.ExecContext(ctx, "ROLLBACK TO SAVEPOINT piece"); err != nil {
		return nil, s.classify(errors.Join(own, err))
	}
	_, err := s.conn.ExecContext(ctx, "RELEASE SAVEPOINT piece")
	return own, s.classify(err)
}

// call keeps a mistake in one piece of work from ending the writer of all.
func call(do func(*Tx) error, tx *Tx) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("piece of work for the database: panic: %v\n%s", r, debug.Stack())
		}
	}()
	return do(tx)
}

// fence refuses to write as a manager that another process has taken over.
func (s *Store) fence(ctx context.Context) error {
	if s.options.Manager == "" {
		return nil
	}
	var epoch int64
	err := s.conn.QueryRowContext(ctx, "SELECT epoch FROM manager WHERE id = $1", s.manager.Load()).Scan(&epoch)
	if errors.Is(err, sql.ErrNoRows) || err == nil && epoch != s.epoch {
		return fmt.Errorf("%w: %q in %s; give this grove a name of its own, or stop the other and start this one again",
			ErrTaken, s.options.Manager, s.shown)
	}
	return s.classify(err)
}

// committed does what waits for a commit.
func (s *Store) committed(group []*work, txs []*Tx, errs []error) {
	var rows int64
	var notices []Notice
	s.known.Lock()
	for i, tx := range txs {
		if errs[i] != nil {
			continue
		}
		rows += tx.rows
		tx.end(nil)
		if tx.committed != nil {
			tx.committed()
		}
		notices = append(notices, tx.notices...)
		for _, n := range tx.learned {
			if len(s.known.nodes) >= maxKnown {
				clear(s.known.nodes)
			}
			s.known.nodes[n] = struct{}{}
		}
	}
	s.known.Unlock()
	s.counts.Lock()
	s.counts.Commits++
	s.counts.Pieces += uint64(len(group))
	s.counts.Rows += uint64(rows)
	s.counts.LastCommit = s.options.Now()
	s.counts.Unlock()
	if s.engine == engineSQLite { // a server tells us itself
		s.hub.publish(notices)
	}
}

// dropConn gives the writer's connection up, with what it has not committed.
func (s *Store) dropConn() {
	if s.conn == nil {
		return
	}
	for _, prepared := range s.statements.get() {
		_ = prepared.Close() // The connection goes with it.
	}
	// A connection whose last statement failed may be in the middle of a transaction:
	// the pool must not hand it out again.
	_ = s.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = s.conn.Close()
	s.conn, s.statements = nil, nil
}

func (c *statements) get() map[string]*sql.Stmt {
	if c == nil {
		return nil
	}
	return c.all
}

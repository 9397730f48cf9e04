package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/store"
)

// errNoManager is a program that opened the database without saying which manager it is.
var errNoManager = errors.New("the database was opened without a manager")

const columns = "manager, id, key, channel, precedence, state, made, ends, settled, attempts, next, title, path, purpose, error, body"

// insert writes the rows of new messages.
func insert(tx *store.Tx, entries []*entry) error {
	const width = 16
	var args []any
	for _, e := range entries {
		if e.Persistent {
			args = append(args, tx.Manager(), e.ID, e.Key, e.Channel, int64(e.Precedence), 0, unix(e.Made), unix(e.Ends), 0, 0, 0,
				e.Title, e.At.String(), e.Purpose, "", string(e.Body))
		}
	}
	_, err := tx.Insert("INSERT INTO outbox ("+columns+")", "", width, args)
	return err
}

// load reads what the database has, once; and again when it may have what memory does
// not know. Only the writer of the database calls it, as nobody else writes meanwhile.
func (o *Outbox) load(tx *store.Tx) error {
	if tx.Manager() == 0 {
		return errNoManager
	}
	o.mu.Lock()
	fine := o.loaded && !o.doubt && o.replaced == o.store.Replaced()
	o.mu.Unlock()
	if fine {
		return nil
	}
	replaced := o.store.Replaced()
	var rows []*entry
	err := tx.Each("SELECT "+columns+" FROM outbox WHERE manager = $1 ORDER BY id", []any{tx.Manager()}, func(r *sql.Rows) error {
		e, err := scan(r)
		rows = append(rows, e)
		return err
	})
	var channels []line
	if err == nil {
		err = tx.Each("SELECT channel, stopped, began, messages, bytes FROM outbox_channel WHERE manager = $1", []any{tx.Manager()}, func(r *sql.Rows) error {
			var l line
			var stopped, began int64
			err := r.Scan(&l.channel, &stopped, &began, &l.window.messages, &l.window.bytes)
			l.stopped, l.window.began = fromUnix(stopped), fromUnix(began)
			channels = append(channels, l)
			return err
		})
	}
	var lost int
	if err == nil {
		_, err = tx.Row("SELECT messages FROM outbox_memory WHERE manager = $1", []any{tx.Manager()}, &lost)
	}
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	// What waits is in the order of putting, the rest in that of its end.
	slices.SortStableFunc(rows, func(a, b *entry) int { return a.Settled.Compare(b.Settled) })
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.loaded {
		o.lost, o.noted = lost, lost
		if lost > 0 {
			o.log.Warn("messages that are not persistent are gone with the process before", "messages", lost)
		}
	}
	if !o.loaded || replaced != o.replaced {
		for i := range channels {
			l := &o.all
			if channels[i].channel != "" {
				l = o.lineLocked(channels[i].channel)
			}
			l.stopped, l.window = channels[i].stopped, channels[i].window
		}
	}
	o.mergeLocked(rows)
	o.loaded, o.doubt, o.replaced = true, false, replaced
	o.wakeLocked()
	return nil
}

// scan reads a row.
func scan(r *sql.Rows) (*entry, error) {
	e := &entry{}
	var manager, precedence, state, made, ends, settled, next int64
	var path string
	var body []byte
	if err := r.Scan(&manager, &e.ID, &e.Key, &e.Channel, &precedence, &state, &made, &ends, &settled, &e.Attempts, &next,
		&e.Title, &path, &e.Purpose, &e.Error, &body); err != nil {
		return nil, err
	}
	at, err := tree.ParsePath(path)
	if err != nil || precedence < 0 || precedence >= precedences || state < 0 || state >= int64(len(States)) {
		return nil, fmt.Errorf("the row of message %d is not as grove writes it", e.ID)
	}
	e.Precedence, e.State, e.Persistent, e.At, e.Body = Precedence(precedence), States[state], true, at, body
	e.Made, e.Ends, e.Settled, e.Next = fromUnix(made), fromUnix(ends), fromUnix(settled), fromUnix(next)
	return e, nil
}

// mergeLocked brings memory and the rows together. What memory knows it knows better: the
// row is written again if it differs. What is a row alone is taken over; and what is in
// memory alone, though it is persistent, was undone by a backup that was loaded.
func (o *Outbox) mergeLocked(rows []*entry) {
	there := make(map[int64]bool, len(rows))
	for _, e := range rows {
		there[e.ID] = true
		o.last = max(o.last, e.ID)
		if known := o.known[e.ID]; known != nil {
			if known.State != e.State && known.lane == nil {
				o.changedLocked(known)
			}
			continue
		}
		if o.isGoneLocked(e.ID) {
			continue
		}
		if twin := o.keys[e.name()]; twin != nil { // It came in memory alone while the database was away.
			o.keys[e.name()] = e
		}
		e.line = o.lineLocked(e.Channel)
		o.keys[e.name()], o.known[e.ID] = e, e
		switch e.State {
		case Sent:
			o.keepLocked(e, &o.sent)
		case Dead:
			o.keepLocked(e, &o.dead)
		default:
			o.taken[e.Precedence].add(1, e.bytes())
			o.enterLocked(e)
			e.line.counts[e.Precedence].Restored++
		}
	}
	for id, e := range o.known {
		if there[id] || !e.Persistent {
			continue
		}
		switch {
		case e.lane != nil && !e.sending && !e.reserved:
			o.dropLocked(e, DroppedByRestore)
		case e.State == Sent:
			o.sent.remove(e)
			o.forgetLocked(e)
		case e.State == Dead:
			o.dead.remove(e)
			o.forgetLocked(e)
		}
	}
}

func (o *Outbox) keepLocked(e *entry, in *keeping) {
	for _, old := range in.add(e) {
		o.forgetLocked(old)
	}
}

// isGoneLocked says whether the row of a message is about to be deleted.
func (o *Outbox) isGoneLocked(id int64) bool {
	for e := range o.changed {
		if e.ID == id && e.gone {
			return true
		}
	}
	return false
}

// record is what the database is to know of an entry.
type record struct {
	e       *entry
	version uint64
	gone    bool
	state   int64
	Message
}

// setting is what the database is to know of a channel.
type setting struct {
	channel string
	stopped time.Time
	window  window
}

// maxRecords bounds what is written in one transaction, lest others wait for long.
const maxRecords = 2000

// save writes what has changed. On return everything is on disk that was changed before
// the call, or the error says why not; then it is tried again later.
func (o *Outbox) save(ctx context.Context) error {
	select {
	case o.saving <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-o.saving }()
	for {
		more, err := o.saveSome(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// saveSome writes at most maxRecords; more says whether there may be others.
func (o *Outbox) saveSome(ctx context.Context) (more bool, err error) {
	o.mu.Lock()
	records, settings, memory := o.takeChangesLocked()
	noted, doubt := o.noted, !o.loaded || o.doubt || o.replaced != o.store.Replaced()
	o.mu.Unlock()
	if len(records)+len(settings) == 0 && memory == noted && !doubt {
		return false, nil
	}
	err = o.store.Write(ctx, func(tx *store.Tx) error {
		if err := o.load(tx); err != nil {
			return err
		}
		if err := writeRecords(tx, records); err != nil {
			return err
		}
		return writeSettings(tx, settings, memory, noted)
	})
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		for _, s := range settings {
			o.settings[s.channel] = struct{}{}
		}
		if ctx.Err() == nil {
			if o.away == nil {
				o.log.Error("what became of messages cannot be written: no more persistent ones are sent until it can", "err", err)
			}
			o.away = err
		}
		return false, err
	}
	if o.away != nil {
		o.log.Info("what became of messages can be written again")
		o.away = nil
		o.wakeLocked()
	}
	if memory != noted {
		o.noted = memory
	}
	for i := range records {
		r := &records[i]
		if r.version == r.e.version {
			delete(o.changed, r.e)
		}
		if r.e.unmarked && (r.gone || r.state != 0) {
			r.e.unmarked = false
			r.e.line.unmarked--
			if r.e.line.unmarked == maxUnmarked-1 {
				o.touchLocked(r.e.line)
			}
		}
	}
	return len(records) == maxRecords, nil
}

// takeChangesLocked copies what is to be written.
func (o *Outbox) takeChangesLocked() (records []record, settings []setting, memory int) {
	records = make([]record, 0, min(len(o.changed), maxRecords))
	for e := range o.changed {
		if len(records) == maxRecords {
			break
		}
		m := e.Message
		m.Body = nil
		records = append(records, record{e, e.version, e.gone, int64(slices.Index(States[:], e.State)), m})
	}
	for channel := range o.settings {
		l := &o.all
		if channel != "" {
			l = o.lineLocked(channel)
		}
		settings = append(settings, setting{channel, l.stopped, l.window})
		delete(o.settings, channel)
	}
	memory = o.noted
	if o.loaded {
		memory = o.inMemory
	}
	return records, settings, memory
}

// writeRecords brings rows up to date. Most are sent at the first attempt, or go: many of
// these need one statement.
func writeRecords(tx *store.Tx, records []record) error {
	var gone, sent []int64
	var at time.Time
	for i := range records {
		r := &records[i]
		switch {
		case r.gone:
			gone = append(gone, r.ID)
		case r.State == Sent && r.Attempts == 1:
			sent = append(sent, r.ID)
			at = r.Settled
		default:
			if _, err := tx.Exec("UPDATE outbox SET state = $1, settled = $2, attempts = $3, next = $4, ends = $5, error = $6 WHERE manager = $7 AND id = $8",
				r.state, unix(r.Settled), int64(r.Attempts), unix(r.Next), unix(r.Ends), r.Error, tx.Manager(), r.ID); err != nil {
				return err
			}
		}
	}
	if err := among(tx, "DELETE FROM outbox WHERE manager = $1", []any{tx.Manager()}, gone); err != nil {
		return err
	}
	return among(tx, "UPDATE outbox SET state = 1, attempts = 1, next = 0, error = '', settled = $1 WHERE manager = $2", []any{unix(at), tx.Manager()}, sent)
}

// among runs a statement for rows with some numbers, as few times as may be. Powers of
// two keep the number of different statements small.
func among(tx *store.Tx, statement string, args []any, ids []int64) error {
	slices.Sort(ids)
	for len(ids) > 0 {
		n := 256
		for n > len(ids) {
			n /= 2
		}
		var b strings.Builder
		b.WriteString(statement + " AND id IN (")
		all := slices.Clone(args)
		for i, id := range ids[:n] {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString("$" + strconv.Itoa(len(args)+i+1))
			all = append(all, id)
		}
		b.WriteByte(')')
		if _, err := tx.Exec(b.String(), all...); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

// writeSettings writes what is kept of channels, and how much is in memory alone.
func writeSettings(tx *store.Tx, settings []setting, memory, noted int) error {
	var args []any
	for _, s := range settings {
		args = append(args, tx.Manager(), s.channel, unix(s.stopped), unix(s.window.began), s.window.messages, s.window.bytes)
	}
	if _, err := tx.Insert("INSERT INTO outbox_channel (manager, channel, stopped, began, messages, bytes)", "ON CONFLICT (manager, channel) DO UPDATE SET "+
		"stopped = excluded.stopped, began = excluded.began, messages = excluded.messages, bytes = excluded.bytes", 6, args); err != nil {
		return err
	}
	if memory == noted {
		return nil
	}
	_, err := tx.Exec("INSERT INTO outbox_memory (manager, messages) VALUES ($1, $2) ON CONFLICT (manager) DO UPDATE SET messages = excluded.messages", tx.Manager(), memory)
	return err
}

// Package shelf is the outbox in the database: a row for every persistent message, what is
// kept of each channel, and how many messages are in memory alone. Whoever calls it
// decides about transactions.
package shelf

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"grove/notify/outbox/message"
	"grove/notify/outbox/throttle"
	"grove/tree"
	"grove/tree/store"
)

// errNoManager is a program that opened the database without saying which manager it is.
var errNoManager = errors.New("the database was opened without a manager")

// Channel is what is kept of one channel.
type Channel struct {
	Name    string    // empty: of all together
	Stopped time.Time // since when somebody has it stopped; zero: it is not
	Window  throttle.Window
}

// Contents are all that the database has of one manager.
type Contents struct {
	// Messages are those that wait, in the order in which they were put, and then the
	// others, in that of their end.
	Messages []message.Message
	Channels []Channel
	Memory   int // messages that wait and are not persistent, see SetMemory
}

// Change is what a row is to become.
type Change struct {
	message.Message      // but for the body, which stays
	Gone            bool // there is to be no row
}

const columns = "manager, id, key, channel, precedence, state, made, ends, settled, attempts, next, title, path, purpose, error, body"

// Insert writes the rows of new messages. Those that are not persistent have none.
func Insert(tx *store.Tx, messages []*message.Message) error {
	const width = 16
	var args []any
	for _, m := range messages {
		if m.Persistent {
			args = append(args, tx.Manager(), m.ID, m.Key, m.Channel, int64(m.Precedence), 0, message.Unix(m.Made), message.Unix(m.Ends), 0, 0, 0,
				m.Title, m.At.String(), m.Purpose, "", string(m.Body))
		}
	}
	_, err := tx.Insert("INSERT INTO outbox ("+columns+")", "", width, args)
	return err
}

// Read reads all that there is.
func Read(tx *store.Tx) (c Contents, err error) {
	if tx.Manager() == 0 {
		return c, errNoManager
	}
	err = tx.Each("SELECT "+columns+" FROM outbox WHERE manager = $1 ORDER BY id", []any{tx.Manager()}, func(r *sql.Rows) error {
		m, err := scan(r)
		c.Messages = append(c.Messages, m)
		return err
	})
	if err == nil {
		err = tx.Each("SELECT channel, stopped, began, messages, bytes FROM outbox_channel WHERE manager = $1", []any{tx.Manager()}, func(r *sql.Rows) error {
			var one Channel
			var stopped, began int64
			err := r.Scan(&one.Name, &stopped, &began, &one.Window.Messages, &one.Window.Bytes)
			one.Stopped, one.Window.Began = message.FromUnix(stopped), message.FromUnix(began)
			c.Channels = append(c.Channels, one)
			return err
		})
	}
	if err == nil {
		_, err = tx.Row("SELECT messages FROM outbox_memory WHERE manager = $1", []any{tx.Manager()}, &c.Memory)
	}
	if err != nil {
		return Contents{}, err
	}
	slices.SortStableFunc(c.Messages, func(a, b message.Message) int { return a.Settled.Compare(b.Settled) })
	return c, nil
}

// scan reads a row.
func scan(r *sql.Rows) (message.Message, error) {
	var m message.Message
	var manager, precedence, state, made, ends, settled, next int64
	var path string
	var body []byte
	if err := r.Scan(&manager, &m.ID, &m.Key, &m.Channel, &precedence, &state, &made, &ends, &settled, &m.Attempts, &next,
		&m.Title, &path, &m.Purpose, &m.Error, &body); err != nil {
		return m, err
	}
	at, err := tree.ParsePath(path)
	if err != nil || precedence < 0 || precedence >= message.Precedences || state < 0 || state >= int64(len(message.States)) {
		return m, fmt.Errorf("the row of message %d is not as grove writes it", m.ID)
	}
	m.Precedence, m.State, m.Persistent, m.At, m.Body = message.Precedence(precedence), message.States[state], true, at, body
	m.Made, m.Ends, m.Settled, m.Next = message.FromUnix(made), message.FromUnix(ends), message.FromUnix(settled), message.FromUnix(next)
	return m, nil
}

// Update brings rows up to date; those that are not there stay away. Most messages are
// sent at the first attempt, or go: many of these need one statement.
func Update(tx *store.Tx, changes []Change) error {
	var gone, sent []int64
	var at time.Time
	for i := range changes {
		c := &changes[i]
		switch {
		case c.Gone:
			gone = append(gone, c.ID)
		case c.State == message.Sent && c.Attempts == 1:
			sent = append(sent, c.ID)
			at = c.Settled
		default:
			if _, err := tx.Exec("UPDATE outbox SET state = $1, settled = $2, attempts = $3, next = $4, ends = $5, error = $6 WHERE manager = $7 AND id = $8",
				int64(slices.Index(message.States[:], c.State)), message.Unix(c.Settled), int64(c.Attempts), message.Unix(c.Next), message.Unix(c.Ends), c.Error, tx.Manager(), c.ID); err != nil {
				return err
			}
		}
	}
	if err := among(tx, "DELETE FROM outbox WHERE manager = $1", []any{tx.Manager()}, gone); err != nil {
		return err
	}
	return among(tx, "UPDATE outbox SET state = 1, attempts = 1, next = 0, error = '', settled = $1 WHERE manager = $2", []any{message.Unix(at), tx.Manager()}, sent)
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

// SetChannels writes what is kept of some channels.
func SetChannels(tx *store.Tx, channels []Channel) error {
	const width = 6
	var args []any
	for _, c := range channels {
		args = append(args, tx.Manager(), c.Name, message.Unix(c.Stopped), message.Unix(c.Window.Began), c.Window.Messages, c.Window.Bytes)
	}
	_, err := tx.Insert("INSERT INTO outbox_channel (manager, channel, stopped, began, messages, bytes)", "ON CONFLICT (manager, channel) DO UPDATE SET "+
		"stopped = excluded.stopped, began = excluded.began, messages = excluded.messages, bytes = excluded.bytes", width, args)
	return err
}

// SetMemory writes how many messages are in memory alone: what the next start says to be
// lost.
func SetMemory(tx *store.Tx, messages int) error {
	_, err := tx.Exec("INSERT INTO outbox_memory (manager, messages) VALUES ($1, $2) ON CONFLICT (manager) DO UPDATE SET messages = excluded.messages", tx.Manager(), messages)
	return err
}

package past

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"grove/notify/peer"
	"grove/tree/store"
)

// debtKey is a device and a manager that has watched it.
type debtKey struct {
	Device
	source peer.ID
}

// debt is what is yet to be fetched of a device from one manager. The times are Unix
// milliseconds by the clock of that.
type debt struct {
	debtKey
	upTo   int64  // the end of the last stay that is here
	begins int64  // of the stay that is being fetched
	entry  int64  // number of its entry up to which its journal is here
	node   string // up to which its readings are here, by path below the device
	least  int64  // what is older is not wanted
	made   int64  // when it was owed, by the clock here
	next   time.Time
}

// load reads the debts, once and after the database was replaced.
func (p *Past) load(ctx context.Context) error {
	p.mu.Lock()
	known := p.replaced
	p.mu.Unlock()
	replaced := p.o.Store.Replaced()
	if known == replaced {
		return nil
	}
	debts := map[debtKey]*debt{}
	err := p.o.Store.Read(ctx, func(tx *store.Tx) error {
		clear(debts)
		return tx.Each("SELECT owner, name, source, up_to, begins, entry, node, least, made_at FROM peer_past WHERE manager = $1 AND owed = 1", []any{tx.Manager()}, func(rows *sql.Rows) error {
			var d debt
			var owner, source string
			if err := rows.Scan(&owner, &d.Name, &source, &d.upTo, &d.begins, &d.entry, &d.node, &d.least, &d.made); err != nil {
				return err
			}
			d.Owner, d.source = peer.ID(owner), peer.ID(source)
			debts[d.debtKey] = &d
			return nil
		})
	})
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.debts, p.replaced = debts, replaced
	return nil
}

// owe writes down that the past of a device is to be fetched from a manager.
func (p *Past) owe(tx *store.Tx, key debtKey, now time.Time) (*debt, error) {
	d := &debt{debtKey: key, made: now.UnixMilli()}
	var err error
	if d.least, err = p.least(tx, key.Device, now); err != nil {
		return nil, err
	}
	_, err = tx.Exec("INSERT INTO peer_past (manager, owner, name, source, up_to, begins, entry, node, least, owed, made_at) VALUES ($1, $2, $3, $4, 0, 0, 0, '', $5, 1, $6)"+
		" ON CONFLICT (manager, owner, name, source) DO UPDATE SET least = CASE WHEN peer_past.owed = 1 THEN peer_past.least ELSE excluded.least END, owed = 1, made_at = excluded.made_at",
		tx.Manager(), string(d.Owner), d.Name, string(d.source), d.least, d.made)
	if err != nil {
		return nil, err
	}
	_, err = tx.Row("SELECT up_to, begins, entry, node, least FROM peer_past WHERE manager = $1 AND owner = $2 AND name = $3 AND source = $4",
		[]any{tx.Manager(), string(d.Owner), d.Name, string(d.source)}, &d.upTo, &d.begins, &d.entry, &d.node, &d.least)
	return d, err
}

// forgive ends all debts of a device that is not watched here any more.
func forgive(tx *store.Tx, d Device) error {
	_, err := tx.Exec("UPDATE peer_past SET owed = 0 WHERE manager = $1 AND owner = $2 AND name = $3", tx.Manager(), string(d.Owner), d.Name)
	return err
}

// errOther says that a debt is another one by now than the one that was being paid.
var errOther = errors.New("what is owed has changed meanwhile")

// paid writes down how far a debt is, together with what also does; is takes the place of was.
func (p *Past) paid(ctx context.Context, was, is *debt, done bool, also func(tx *store.Tx) error) error {
	owed := int64(1)
	if done {
		owed = 0
	}
	err := p.o.Store.Write(ctx, func(tx *store.Tx) error {
		changed, err := tx.Exec("UPDATE peer_past SET up_to = $1, begins = $2, entry = $3, node = $4, owed = $5"+
			" WHERE manager = $6 AND owner = $7 AND name = $8 AND source = $9 AND owed = 1 AND up_to = $10 AND begins = $11 AND entry = $12 AND node = $13",
			is.upTo, is.begins, is.entry, is.node, owed, tx.Manager(), string(was.Owner), was.Name, string(was.source), was.upTo, was.begins, was.entry, was.node)
		switch {
		case err != nil:
			return err
		case changed == 0:
			return errOther
		case also == nil:
			return nil
		}
		return also(tx)
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case errors.Is(err, errOther):
		p.replaced = -1 // They are read again.
	case err == nil && done:
		delete(p.debts, was.debtKey)
	case err == nil && p.debts[was.debtKey] != nil:
		p.debts[was.debtKey] = is
	}
	return err
}

// due lists the managers that are to be asked now; they are busy from then on.
func (p *Past) due() (list []peer.ID) {
	now := p.o.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, d := range p.debts {
		if !p.busy[key.source] && !now.Before(d.next) && !now.Before(p.pauses[key.source].until) {
			p.busy[key.source] = true
			list = append(list, key.source)
		}
	}
	slices.Sort(list)
	return list
}

// next is the debt that is to be paid by a manager now; nil is none.
func (p *Past) next(source peer.ID) (next *debt) {
	now := p.o.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, d := range p.debts {
		if key.source == source && !now.Before(d.next) && (next == nil || cmp.Or(cmp.Compare(d.made, next.made), cmp.Compare(d.Name, next.Name), cmp.Compare(d.Owner, next.Owner)) < 0) {
			next = d
		}
	}
	return next
}

// put off has a debt wait.
func (p *Past) putOff(d *debt, wait time.Duration) {
	at := p.o.Now().Add(wait)
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.debts[d.debtKey]; d != nil {
		later := *d
		later.next = at
		p.debts[d.debtKey] = &later
	}
}

package duty

import (
	"context"
	"slices"
	"sync"

	"grove/notify/peer/duty/book"
)

// piece is a change about one device that waits to be written.
type piece struct {
	key Key
	// add says what is to be written: nothing when that is of no use any more. It may be asked
	// again. Its error is that of the piece alone. The lock is held.
	add func() (*book.Change, error)
	// then, unless nil, is called once it is on disk. The lock is held.
	then func()

	done bool // guarded by mu, as is err
	err  error
}

// pieces are those that wait, in the order in which they came.
type pieces struct {
	mu  sync.Mutex
	all []*piece
}

// commit writes a change about one device: it is on disk on return. While the disk is waited
// for the lock is held, so that many devices that move at the same time would wait for it one
// after the other: whoever comes to have the lock writes what all others want, too.
func (d *Duty) commit(ctx context.Context, p *piece) error {
	d.pieces.add(p)
	d.mu.must()
	defer d.mu.free()
	for !p.done {
		if err := ctx.Err(); err != nil { // Others need not fail with this one.
			d.pieces.remove(p)
			return err
		}
		d.commitMany(ctx)
	}
	return p.err
}

// commitMany writes what waits, up to the second change of a device. The lock is held.
func (d *Duty) commitMany(ctx context.Context) {
	lot := d.pieces.take()
	all := &book.Change{Left: map[Key][]byte{}, Held: map[Key][]byte{}}
	for _, p := range lot {
		var c *book.Change
		if c, p.err = p.add(); p.err == nil && c != nil {
			all.Join(c)
		}
	}
	err := d.write(ctx, all)
	if err != nil && ctx.Err() != nil { // It was the end of the one that wrote: others write again.
		d.pieces.putBack(lot)
		return
	}
	for _, p := range lot {
		if p.done = true; p.err == nil {
			p.err = err
		}
		if p.err == nil && p.then != nil {
			p.then()
		}
	}
}

func (l *pieces) add(p *piece) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, p)
}

func (l *pieces) remove(p *piece) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = slices.DeleteFunc(l.all, func(other *piece) bool { return other == p })
}

// take takes what can be written together: one change of each device.
func (l *pieces) take() []*piece {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := map[Key]bool{}
	n := 0
	for n < len(l.all) && !seen[l.all[n].key] {
		seen[l.all[n].key] = true
		n++
	}
	lot := l.all[:n:n]
	l.all = l.all[n:]
	return lot
}

func (l *pieces) putBack(lot []*piece) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(lot, l.all...)
}

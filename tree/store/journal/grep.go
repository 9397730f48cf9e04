package journal

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"grove/tree/store"
	"grove/tree/store/journal/block"
)

// How many blocks are read at once: few at first, since much is found soon.
const firstBlocks, mostBlocks = 4, 64

// mostEntries is of how many blocks the entries are read at once, after the first.
const mostEntries = 16

// fetches are how many entries are read at once: a few sizes, so that there are as few
// different statements.
var fetches = [...]int{8, 128, 512}

// hit is a block in which a text may stand, in the order of a search.
type hit struct {
	last           ID
	stale          bool
	words, numbers []int  // ends of the texts that have it
	entries        []byte // of the block, once it was read; nil: it is gone
}

// grep looks for a text by the blocks of entries, and entry by entry where there are
// none. It calls take for each entry that it finds until that is content.
func (s *search) grep(low, high ID) error {
	// The block in which the search ends above, and whether there is more than blocks.
	var top int64
	capped, err := s.tx.Row("SELECT last FROM journal_block WHERE manager = $1 AND last >= $2 ORDER BY last LIMIT 1", []any{s.manager, int64(high) - 1}, &top)
	if err != nil {
		return err
	}
	var newest int64
	if _, err := s.tx.Row("SELECT COALESCE(MAX(last), -1) FROM journal_block WHERE manager = $1", []any{s.manager}, &newest); err != nil {
		return err
	}
	if !capped {
		top = newest
	}
	tail := func() error {
		if capped || s.content() {
			return nil
		}
		return s.scan(fromJournal, max(low, ID(newest)+1), high)
	}
	if !s.q.Oldest {
		if err := tail(); err != nil {
			return err
		}
	}
	next := ID(top) // where the next block ends at most, or at least
	if s.q.Oldest {
		next = low
	}
	for n := firstBlocks; !s.content(); n = min(2*n, mostBlocks) {
		hits, read, err := s.blocks(&next, low, ID(top), n)
		if err != nil {
			return err
		}
		for size := 1; len(hits) > 0; size = mostEntries {
			some := hits[:min(size, len(hits))]
			hits = hits[len(some):]
			if err := s.entries(some, size); err != nil {
				return err
			}
			for i := range some {
				if s.content() {
					return nil
				}
				if err := s.block(&some[i], low, high); err != nil {
					return err
				}
			}
		}
		if read < n {
			break
		}
	}
	if err := s.fetch(0); err != nil {
		return err
	}
	if s.q.Oldest {
		return tail()
	}
	return nil
}

// blocks reads so many blocks from next on, and returns those in which the text stands.
func (s *search) blocks(next *ID, low, top ID, n int) (hits []hit, read int, err error) {
	columns, numeric := "last, stale, words", block.IsNumeric(s.needle)
	if numeric {
		columns += ", numbers"
	}
	statement := "SELECT " + columns + " FROM journal_block WHERE manager = $1 AND last >= $2 AND last <= $3 ORDER BY last "
	from, to := low, *next
	if s.q.Oldest {
		from, to = *next, top
		statement += "ASC"
	} else {
		statement += "DESC"
	}
	err = s.tx.Each(statement+" LIMIT $4", []any{s.manager, int64(from), int64(to), int64(n)}, func(rows *sql.Rows) error {
		var last, stale int64
		var words, numbers sql.RawBytes
		into := []any{&last, &stale, &words}
		if numeric {
			into = append(into, &numbers)
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		read++
		if *next = ID(last) - 1; s.q.Oldest {
			*next = ID(last) + 1
		}
		h := hit{last: ID(last), stale: stale != 0}
		if !h.stale {
			h.words, h.numbers = block.Find(words, s.needle), block.Find(numbers, s.needle)
		}
		if h.stale || len(h.words)+len(h.numbers) > 0 {
			hits = append(hits, h)
		}
		return nil
	})
	return hits, read, err
}

// entries reads those of blocks that are not stale, in a statement with room for so many.
func (s *search) entries(hits []hit, size int) error {
	args := []any{s.manager}
	for i := range hits {
		if !hits[i].stale {
			args = append(args, int64(hits[i].last))
		}
	}
	if len(args) == 1 {
		return nil
	}
	return s.tx.Each("SELECT last, entries FROM journal_block WHERE manager = $1 AND last IN ("+places(&args, size)+")", args, func(rows *sql.Rows) error {
		var last int64
		var entries []byte
		if err := rows.Scan(&last, &entries); err != nil {
			return err
		}
		for i := range hits {
			if hits[i].last == ID(last) {
				hits[i].entries = entries
			}
		}
		return nil
	})
}

// places writes the places of all arguments but the first, of which there are always so
// many, so that there are few different statements: the last is repeated.
func places(args *[]any, size int) string {
	var b strings.Builder
	for i := range size {
		if i > 0 {
			b.WriteByte(',')
		}
		if len(*args) < i+2 {
			*args = append(*args, (*args)[len(*args)-1])
		}
		fmt.Fprintf(&b, "$%d", i+2)
	}
	return b.String()
}

// block takes what a block has found.
func (s *search) block(h *hit, low, high ID) error {
	if !h.stale {
		all, err := block.Having(h.entries, h.words, h.numbers)
		if err == nil {
			if !s.q.Oldest {
				slices.Reverse(all)
			}
			for _, e := range all {
				if id := ID(e.Number); id >= low && id < high && s.q.matches(e.Mark) {
					s.pointed = append(s.pointed, id)
				}
			}
			// Those of several blocks are read together, but for as many as will do.
			return s.fetch(s.limit - len(s.found))
		}
		s.log.Warn("a block of texts cannot be read: its entries are searched", "last", h.last, "err", err)
	}
	if err := s.fetch(0); err != nil { // what comes before
		return err
	}
	var before int64
	if _, err := s.tx.Row("SELECT COALESCE(MAX(last), -1) FROM journal_block WHERE manager = $1 AND last < $2", []any{s.manager, int64(h.last)}, &before); err != nil {
		return err
	}
	return s.scan(fromJournal, max(low, ID(before)+1), min(high, h.last+1))
}

// fetch reads entries that blocks have pointed to, in their order, when they are more than
// so many.
func (s *search) fetch(more int) error {
	for len(s.pointed) > more && !s.content() {
		size := fetches[len(fetches)-1]
		for _, n := range fetches {
			if n >= len(s.pointed) || n > s.limit-len(s.found) {
				size = n
				break
			}
		}
		some := s.pointed[:min(size, len(s.pointed))]
		s.pointed = s.pointed[len(some):]
		statement, args := s.q.byNumber(s.manager, some, size)
		if err := s.tx.Each(statement, args, func(rows *sql.Rows) error {
			e, err := Scan(rows)
			if err != nil {
				return err
			}
			s.take(&e)
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// byNumber writes the statement that reads entries by their numbers, always with room for n
// so that there are few different ones.
func (q *Query) byNumber(manager int64, ids []ID, n int) (string, []any) {
	args := make([]any, 1, n+4)
	args[0] = manager
	for _, id := range ids {
		args = append(args, int64(id))
	}
	in := places(&args, n)
	under := ""
	switch {
	case q.Only:
		args = append(args, store.NodeNumber(q.Under))
		under = fmt.Sprintf(" AND j.node = $%d", len(args))
	case !q.Under.IsRoot():
		first, last := below(q.Under)
		args = append(args, q.Under.String(), first, last)
		under = fmt.Sprintf(" AND (n.path = $%d OR n.path >= $%d AND n.path < $%d)", len(args)-2, len(args)-1, len(args))
	}
	return fmt.Sprintf("SELECT %s FROM %s WHERE j.manager = $1 AND n.manager = $1 AND n.id = j.node AND j.id IN (%s)%s ORDER BY j.id %s",
		Columns, fromJournal, in, under, q.order()), args
}

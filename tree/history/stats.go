package history

import "time"

// Reason is why a sample is not kept.
type Reason string

// The reasons.
const (
	BufferFull Reason = "buffer full" // while the log was replayed, or the disk did nothing
	NoRoom     Reason = "no room"     // on the disk, or the limit of bytes is reached
	NotOpen    Reason = "not open"    // the files could not be opened
	Closed     Reason = "closed"      // given or not written yet when the store was closed
	TooLate    Reason = "too late"
	Duplicate  Reason = "duplicate" // another value at the same time is kept
	MaxSeries  Reason = "too many series"
	Invalid    Reason = "invalid"
)

// Reasons lists them all.
var Reasons = []Reason{BufferFull, NoRoom, NotOpen, Closed, TooLate, Duplicate, MaxSeries, Invalid}

// Stats says how a store is.
type Stats struct {
	Ready           bool
	Refusing        string // why nothing is taken now; empty: it is
	Replayed, Files int    // files of the log that are read, and in all, while it is replayed
	Repaired        int    // how often the log was damaged when it was opened
	Aside           int    // damaged files that were put aside since then

	Series  int               // in memory
	Samples uint64            // taken since it was opened
	Dropped map[Reason]uint64 // samples that are not kept
	Given   uint64            // samples let into the buffer
	Durable uint64            // of them on the disk, or dropped
	// Buffered samples wait to be written.
	Buffered, MaxBuffered int

	Bytes, MaxBytes int64 // on the disk, as measured within the last 10 seconds
	RawBytes        int64 // of Bytes, for readings as they came
	Blocks          int
	Oldest          time.Time // sample as it came; zero: none
	OldestMerged    time.Time
	Merged          time.Time // up to when readings are merged for the long run
}

// Stats returns the counts. It costs little.
func (s *Store) Stats() Stats {
	raw, long := s.keeping.measured.get()
	st := Stats{
		MaxBuffered: s.opts.MaxBuffered, MaxBytes: s.opts.MaxBytes, Series: s.raw.Series(), Repaired: raw.Repaired + long.Repaired, Aside: raw.Aside + long.Aside,
		Bytes: raw.Bytes + long.Bytes, RawBytes: raw.Bytes, Blocks: len(raw.Blocks) + len(long.Blocks),
	}
	st.Replayed, st.Files = s.raw.Progress()
	if at, ok := s.raw.Oldest(); ok {
		st.Oldest = time.UnixMilli(at)
	}
	if at, ok := s.long.Oldest(); ok {
		st.OldestMerged = time.UnixMilli(at)
	}
	if at := s.keeping.rolled.Load(); at > 0 {
		st.Merged = time.UnixMilli(at)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Ready = s.state == open
	if s.state != open {
		st.Refusing = s.readyLocked().Error()
	}
	c := &s.counts
	st.Samples, st.Given, st.Durable, st.Buffered = c.taken, s.given, s.durable, s.held
	st.Dropped = map[Reason]uint64{
		BufferFull: c.full, NoRoom: c.noRoom, NotOpen: c.unopened, Closed: c.closed,
		TooLate: c.late, Duplicate: c.duplicate, MaxSeries: c.limited, Invalid: c.invalid,
	}
	return st
}

// Lost counts the samples that should have been kept, but had no room or no files. Who
// gives something and sees it rise until Sync returns cannot tell whether his were among
// them.
func (s *Store) Lost() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts.full + s.counts.noRoom + s.counts.unopened + s.counts.closed
}

package history

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Options say where and how much a Store keeps. Zero is the default of each.
type Options struct {
	Dir string // needed
	// Keep is how long readings are kept as they came; zero is 15 days. Long is how
	// long they are kept merged; zero is 400 days.
	Keep, Long time.Duration
	// MaxBytes bounds the disk that both take: the oldest go first, and of the merged
	// ones only when they take more than a quarter. Zero is 20 GiB.
	MaxBytes int64
	// MinFree is how much room the disk must have for readings to be taken, bytes;
	// zero is 256 MiB.
	MinFree uint64
	// MaxBuffered bounds the samples that wait to be written, 24 bytes each; zero is
	// 1,048,576. MaxSeries bounds the series in memory, about 1 to 4 kB each; zero is
	// 5,000,000.
	MaxBuffered, MaxSeries int
	// OutOfOrder is how late a reading may come, compared with the newest of all nodes;
	// zero is 24 hours. Readings are merged once none can come any more.
	OutOfOrder time.Duration
	// SyncEvery is how often what nobody waits for is brought to the disk; zero is 3
	// seconds.
	SyncEvery time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	Log *slog.Logger // nil: nothing is logged
}

// Lengths of time that are not options.
const (
	rawBlock     = 2 * time.Hour
	longBlock    = 2 * time.Hour
	statusEvery  = 4 * time.Minute // within the five minutes that PromQL looks back
	flushEvery   = 250 * time.Millisecond
	maxRawBlock  = 36 * time.Hour
	maxLongBlock = 21 * 24 * time.Hour
)

// batchSize is how many samples are committed at once: it makes the most of a core.
const batchSize = 1024

func (o *Options) complete() error {
	if o.Dir == "" {
		return errors.New("a history needs a directory")
	}
	for name, d := range map[string]time.Duration{"keep": o.Keep, "long": o.Long, "out of order": o.OutOfOrder, "sync every": o.SyncEvery} {
		if d < 0 {
			return fmt.Errorf("%s: a history has no negative times, not %s", name, d)
		}
	}
	set(&o.Keep, 15*24*time.Hour)
	set(&o.Long, 400*24*time.Hour)
	set(&o.MaxBytes, 20<<30)
	set(&o.MinFree, 256<<20)
	set(&o.MaxBuffered, 1<<20)
	set(&o.MaxSeries, 5_000_000)
	set(&o.OutOfOrder, 24*time.Hour)
	set(&o.SyncEvery, 3*time.Second)
	if o.Keep < 2*rawBlock {
		return fmt.Errorf("readings are kept for %s at least, not %s", 2*rawBlock, o.Keep)
	}
	if o.MaxBytes < minBytes {
		return fmt.Errorf("the readings need %d MiB at least, not %d bytes", minBytes>>20, o.MaxBytes)
	}
	o.OutOfOrder = min(o.OutOfOrder, o.Keep/2)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// minBytes is the least limit of bytes that lets the TSDB work.
const minBytes = 16 << 20

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// segment is the size of a file of the log: small enough that the limit of bytes can
// be kept, since the last ones are never deleted.
func (o *Options) segment() int {
	const page = 32 << 10
	return int(min(max(o.MaxBytes/64, 1<<20), 128<<20)) / page * page
}

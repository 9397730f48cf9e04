package shelf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"
)

// Errors of a shelf.
var (
	// ErrNotOpen is returned before Open has ended and after Close.
	ErrNotOpen = errors.New("the samples are not open")
	// ErrNoRoom is wrapped by the refusal of samples for which the disk has no room;
	// nothing of the batch was taken.
	ErrNoRoom = errors.New("no room on the disk")
	// ErrBroken is wrapped when writing failed: Reopen first.
	ErrBroken = errors.New("writing samples failed")
)

var errSeriesLimit = errors.New("too many series")

// never is an interval that does not end.
const never = 100 * 365 * 24 * time.Hour

// Options say what a shelf is like. All but Obsolete and Log are required.
type Options struct {
	Dir string
	// Aside is where what is damaged is moved, a directory of the same disk that is made
	// when it is needed.
	Aside string
	// BlockRange is how much time the smallest block holds, MaxBlockRange the largest.
	BlockRange, MaxBlockRange time.Duration
	// OutOfOrder is how much older than the newest sample of all a sample may be.
	OutOfOrder time.Duration
	// Segment is the size of a file of the log, bytes; a multiple of 32 KiB.
	Segment int
	// MaxSeries bounds the series in memory, MinFree the room on the disk below
	// which nothing is taken, bytes.
	MaxSeries int
	MinFree   uint64
	// Obsolete says whether a block from mint up to before maxt, Unix milliseconds,
	// can be deleted.
	Obsolete func(mint, maxt int64) bool
	Log      *slog.Logger
}

// Shelf is one directory of samples. Append is for one goroutine; the other methods
// may be called from many.
type Shelf struct {
	opts Options

	progress atomic.Pointer[tsdb.DBStats]
	full     atomic.Bool // the owner says that there is no room
	broken   atomic.Pointer[error]
	panicked atomic.Bool // it holds locks for ever: nothing may touch it again

	opening sync.Mutex     // held by what opens the database; taken before life
	syncing sync.Mutex     // guards synced, and one sync at a time
	synced  map[string]int // by directory: all segments before are on the disk

	late      atomic.Int64 // the oldest sample that was older than what was in memory
	appending sync.Mutex   // held by Append, and by what must see none; taken after life

	// life is held for reading while the database is used.
	life     sync.RWMutex
	db       *tsdb.DB
	lives    uint32 // how often it was opened
	meters   *meters
	notified wlog.WriteNotified
	repaired int // how often the log was found torn

	aside atomic.Int64 // what was put aside
}

// Series is one series as the one who appends knows it.
type Series struct {
	Labels labels.Labels
	ref    storage.SeriesRef
	life   uint32 // in which ref was given
}

// Sample is one value of a series.
type Sample struct {
	Series *Series
	Time   int64 // Unix milliseconds
	Value  float64
}

// Outcome says what became of the samples of a batch.
type Outcome struct {
	Taken     int
	Duplicate int // there is another value at that time
	Late      int // too old for the out-of-order window
	Limited   int // of series beyond the limit
	Invalid   int
}

// New returns a shelf that is not open yet.
func New(o Options) *Shelf {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Aside == "" {
		o.Aside = filepath.Join(o.Dir, "damaged")
	}
	if o.Obsolete == nil {
		o.Obsolete = func(int64, int64) bool { return false }
	}
	s := &Shelf{opts: o}
	s.late.Store(math.MaxInt64)
	return s
}

// Dir is the directory; the log is in the one named "wal" below it.
func (s *Shelf) Dir() string { return s.opts.Dir }

// Open opens the database, which takes as long as its log is long. Meanwhile there is
// none, and everything else answers ErrNotOpen at once.
func (s *Shelf) Open() error {
	s.opening.Lock()
	defer s.opening.Unlock()
	return s.open()
}

// open is Open with opening held.
func (s *Shelf) open() error {
	stats := tsdb.NewDBStats()
	s.progress.Store(stats)
	m := newMeters()
	var opened atomic.Bool
	o := tsdb.DefaultOptions()
	o.MinBlockDuration = s.opts.BlockRange.Milliseconds()
	o.MaxBlockDuration = s.opts.MaxBlockRange.Milliseconds()
	o.OutOfOrderTimeWindow = s.opts.OutOfOrder.Milliseconds()
	o.WALSegmentSize = s.opts.Segment
	o.WALCompression = compression.Snappy
	o.BlockReloadInterval = never
	o.BlocksToDelete = s.obsolete
	limit := &limit{max: s.opts.MaxSeries, opened: &opened}
	o.SeriesLifecycleCallback = limit
	if err := s.putWhatIsDamagedAside(); err != nil {
		return fmt.Errorf("open %s: %w", s.opts.Dir, err)
	}
	db, err := tsdb.Open(s.opts.Dir, slog.New(demoted{s.opts.Log.Handler()}), m, o, stats)
	if err != nil {
		return fmt.Errorf("open %s: %w", s.opts.Dir, err)
	}
	db.DisableCompactions()
	limit.head = db.Head()
	opened.Store(true)
	s.life.Lock()
	defer s.life.Unlock()
	if n := m.value("prometheus_tsdb_wal_corruptions_total"); n > 0 {
		s.repaired += int(n)
		s.opts.Log.Warn("the log of samples was damaged: what came before the damage is kept, what came after is lost", "dir", s.opts.Dir)
	}
	if s.notified != nil {
		db.SetWriteNotified(s.notified)
	}
	s.db, s.meters = db, m
	s.lives++
	s.broken.Store(nil)
	s.syncing.Lock()
	s.synced = map[string]int{}
	s.syncing.Unlock()
	return nil
}

// Progress says how far the replay of the log is: segments done and segments in all.
func (s *Shelf) Progress() (done, all int) {
	stats := s.progress.Load()
	if stats == nil {
		return 0, 0
	}
	status := stats.Head.WALReplayStatus.GetWALReplayStatus()
	return max(status.Current-status.Min, 0), max(status.Max-status.Min+1, 0)
}

// use returns the database, which stays until release is called.
func (s *Shelf) use() (db *tsdb.DB, release func(), err error) {
	if s.panicked.Load() {
		return nil, nil, *s.broken.Load()
	}
	s.life.RLock()
	if s.db == nil {
		s.life.RUnlock()
		return nil, nil, ErrNotOpen
	}
	return s.db, s.life.RUnlock, nil
}

// SetFull says that the owner's limit of bytes is reached.
func (s *Shelf) SetFull(full bool) { s.full.Store(full) }

// Room says whether the disk has room.
func (s *Shelf) Room() error {
	if s.full.Load() {
		return fmt.Errorf("%w: the samples have reached their limit of bytes", ErrNoRoom)
	}
	if free := free(s.opts.Dir); free < s.opts.MinFree {
		return fmt.Errorf("%w: %d MiB are free at %s, and samples are taken from %d MiB", ErrNoRoom, free>>20, s.opts.Dir, s.opts.MinFree>>20)
	}
	return nil
}

// Append takes a batch, whole or not at all: an error says that nothing was taken.
func (s *Shelf) Append(ctx context.Context, batch []Sample) (out Outcome, err error) {
	db, release, err := s.use()
	if err != nil {
		return Outcome{}, err
	}
	defer release()
	if broken := s.broken.Load(); broken != nil {
		return Outcome{}, *broken
	}
	if err := s.Room(); err != nil {
		return Outcome{}, err
	}
	s.appending.Lock()
	defer s.appending.Unlock()
	lost := s.meters.value(wblFailures)
	err = s.guard(func() error {
		app, memory, late := db.Appender(ctx), db.Head().MinTime(), s.late.Load()
		for i := range batch {
			k := &batch[i]
			ref := k.Series.ref
			if k.Series.life != s.lives {
				ref = 0
			}
			got, err := app.Append(ref, k.Series.Labels, k.Time, k.Value)
			switch {
			case err == nil:
				if got != ref {
					k.Series.ref, k.Series.life = got, s.lives
				}
				out.Taken++
				if k.Time < memory && k.Time < late {
					late = k.Time
					s.late.Store(late)
				}
			case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
				out.Duplicate++
			case errors.Is(err, storage.ErrTooOldSample), errors.Is(err, storage.ErrOutOfBounds), errors.Is(err, storage.ErrOutOfOrderSample):
				out.Late++
			case errors.Is(err, errSeriesLimit):
				out.Limited++
			default:
				out.Invalid++
				s.opts.Log.Debug("a sample is refused", "series", k.Series.Labels.String(), "error", err)
			}
		}
		return app.Commit()
	})
	// The TSDB does not say that late samples are in memory only; they are acknowledged
	// as those that are not written at all.
	if err == nil && s.meters.value(wblFailures) > lost {
		err = errors.New("late samples were not written to their log")
	}
	if err != nil {
		return Outcome{}, s.fail(err)
	}
	return out, nil
}

const wblFailures = "prometheus_tsdb_out_of_order_wbl_writes_failed_total"

func (s *Shelf) fail(err error) error {
	err = fmt.Errorf("%w: %w", ErrBroken, err)
	s.broken.Store(&err)
	return err
}

// guard turns a panic of the TSDB into an error. It leaves locks behind, so that
// nothing of it can be used again: not even to close it.
func (s *Shelf) guard(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = s.fail(fmt.Errorf("the samples can be used again after a restart: %v", r))
			s.panicked.Store(true)
		}
	}()
	return do()
}

// Reopen closes the database after an error and opens it again. What was synced is
// there again, and what was taken as far as it reached the disk.
func (s *Shelf) Reopen() error {
	if s.panicked.Load() {
		return *s.broken.Load()
	}
	s.opening.Lock()
	defer s.opening.Unlock()
	if _, release, err := s.use(); err == nil {
		release()
		if s.broken.Load() == nil {
			return nil // Somebody else has opened it meanwhile.
		}
	}
	if err := s.Close(); err != nil {
		s.opts.Log.Warn("closing the samples to open them again", "dir", s.opts.Dir, "error", err)
	}
	return s.open()
}

// Close ends the use of the directory. It waits for queriers.
func (s *Shelf) Close() error {
	if s.panicked.Load() {
		return nil
	}
	s.life.Lock()
	defer s.life.Unlock()
	if s.db == nil {
		return nil
	}
	db := s.db
	s.db = nil
	return s.guard(db.Close)
}

// SetWriteNotified names whom to tell after each batch that is written to the log.
func (s *Shelf) SetWriteNotified(wn wlog.WriteNotified) {
	s.life.Lock()
	defer s.life.Unlock()
	s.notified = wn
	if s.db != nil {
		s.db.SetWriteNotified(wn)
	}
}

// Querier implements storage.Queryable. The shelf cannot be closed before it is.
func (s *Shelf) Querier(mint, maxt int64) (storage.Querier, error) {
	db, release, err := s.use()
	if err != nil {
		return nil, err
	}
	q, err := db.Querier(mint, maxt)
	if err != nil {
		release()
		return nil, err
	}
	return &querier{Querier: q, release: sync.OnceFunc(release)}, nil
}

// ChunkQuerier is Querier for whole chunks of samples, most of which need not be read.
func (s *Shelf) ChunkQuerier(mint, maxt int64) (storage.ChunkQuerier, error) {
	db, release, err := s.use()
	if err != nil {
		return nil, err
	}
	q, err := db.ChunkQuerier(mint, maxt)
	if err != nil {
		release()
		return nil, err
	}
	return &chunkQuerier{ChunkQuerier: q, release: sync.OnceFunc(release)}, nil
}

type chunkQuerier struct {
	storage.ChunkQuerier
	release func()
}

func (q *chunkQuerier) Close() error {
	defer q.release()
	return q.ChunkQuerier.Close()
}

type querier struct {
	storage.Querier
	release func()
}

func (q *querier) Close() error {
	defer q.release()
	return q.Querier.Close()
}

// Oldest is the time of the oldest sample, Unix milliseconds; ok is false when there
// is none.
func (s *Shelf) Oldest() (oldest int64, ok bool) {
	db, release, err := s.use()
	if err != nil {
		return 0, false
	}
	defer release()
	head := db.Head()
	oldest = head.MinTime()
	for _, b := range db.Blocks() {
		oldest = min(oldest, b.MinTime())
	}
	// The TSDB's own time of the oldest late sample is a mere bound once some of its
	// memory was collected: then it is what could come at the latest.
	earliest := head.MaxTime() - s.opts.OutOfOrder.Milliseconds()
	for _, late := range []int64{s.late.Load(), head.MinOOOTime()} {
		if late > earliest {
			oldest = min(oldest, late)
		}
	}
	return oldest, oldest != math.MaxInt64 && oldest != math.MinInt64
}

// Newest is the end of the newest block, Unix milliseconds; 0 when there is none.
func (s *Shelf) Newest() (newest int64) {
	db, release, err := s.use()
	if err != nil {
		return 0
	}
	defer release()
	for _, b := range db.Blocks() {
		newest = max(newest, b.MaxTime())
	}
	return newest
}

// Series is how many series are in memory.
func (s *Shelf) Series() int {
	db, release, err := s.use()
	if err != nil {
		return 0
	}
	defer release()
	return int(db.Head().NumSeries())
}

// Block is one block of samples.
type Block struct {
	Min, Max int64 // Unix milliseconds; Max is the first after it
	Bytes    int64
}

// Stats says what is on the shelf.
type Stats struct {
	Series   int // in memory
	Blocks   []Block
	Bytes    int64 // on the disk
	Repaired int   // how often the log was damaged when it was opened
	Aside    int   // blocks and logs that were put aside since they are damaged
}

// Stats looks what is on the shelf. It costs a walk over the files.
func (s *Shelf) Stats() Stats {
	db, release, err := s.use()
	if err != nil {
		return Stats{}
	}
	defer release()
	stats := Stats{Series: int(db.Head().NumSeries()), Bytes: size(s.opts.Dir), Repaired: s.repaired, Aside: int(s.aside.Load())}
	for _, b := range db.Blocks() {
		stats.Blocks = append(stats.Blocks, Block{b.MinTime(), b.MaxTime(), b.Size()})
	}
	return stats
}

// limit refuses series beyond a number, but not those that the log brings back.
type limit struct {
	max    int
	opened *atomic.Bool
	head   *tsdb.Head
}

func (l *limit) PreCreation(labels.Labels) error {
	if l.opened.Load() && l.head.NumSeries() >= uint64(l.max) {
		return errSeriesLimit
	}
	return nil
}

func (*limit) PostCreation(labels.Labels) {}

func (s *Shelf) logs() []string {
	return []string{filepath.Join(s.opts.Dir, "wal"), filepath.Join(s.opts.Dir, wlog.WblDirName)}
}

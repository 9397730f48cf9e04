// Package oncall knows who is on call: rotas whose shifts are the events of iCalendar
// files. The SUMMARY of an event names the people, separated by commas; where events
// overlap the one that starts later wins, so that a swap is one more event.
//
// A file is read again when it changes. One that cannot be read leaves what was read before
// in force, and says so.
package oncall

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"grove/notify/channel"
)

// Rota is one rota as the file of alerts has it.
type Rota struct {
	Calendar  string   `yaml:"calendar" json:"calendar" jsonschema:"description=File in the format iCalendar (.ics). The SUMMARY of its events names who is on call\\, people or channels\\, separated by commas."`
	Otherwise []string `yaml:"otherwise,omitempty" json:"otherwise,omitempty" jsonschema:"description=Who is told when nobody is on call."`
	Zone      string   `yaml:"zone,omitempty" json:"zone,omitempty" jsonschema:"description=Time zone of events that have none\\, such as days; that of the machine when it is missing."`
}

// Check says what is wrong with a rota; whether its file can be read is seen later.
func (r *Rota) Check() error {
	switch {
	case r.Calendar == "" && len(r.Otherwise) == 0:
		return channel.BadOption("calendar", "a rota needs the file of its calendar, or names in otherwise")
	case r.Calendar != "" && !filepath.IsAbs(r.Calendar):
		return channel.BadOption("calendar", "%q is no absolute path of a file", r.Calendar)
	}
	if r.Zone != "" {
		if _, err := time.LoadLocation(r.Zone); err != nil {
			return channel.BadOption("zone", "%q is no time zone such as Europe/Berlin", r.Zone)
		}
	}
	if len(r.Otherwise) > maxPeople {
		return channel.BadOption("otherwise", "%d are more than the bound of %d", len(r.Otherwise), maxPeople)
	}
	for i, name := range r.Otherwise {
		if name == "" || len(name) > maxNameBytes {
			return channel.BadOption(fmt.Sprintf("otherwise[%d]", i), "a name has 1 to %d bytes", maxNameBytes)
		}
	}
	return nil
}

// ErrNone is wrapped by the errors of a rota that is not there.
var ErrNone = errors.New("no such rota")

// ErrNobody is wrapped by the error that nobody is on call.
var ErrNobody = errors.New("nobody is on call")

// Options are the surroundings of rotas.
type Options struct {
	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil discards
}

// Rotas are all rotas of a manager. Its methods may be called from many goroutines; they
// read files, and nothing else waits.
type Rotas struct {
	o Options

	mu  sync.Mutex // guards all
	all map[string]*rota
}

// rota is a rota with what was read of its file.
type rota struct {
	mu       sync.Mutex // guards what follows
	said     Rota
	calendar *Calendar // nil: it was never read
	stamp    stamp
	problem  error // of the file as it is
	// shifts are those of the time from which to which somebody asked last.
	shifts   []Shift
	from, to time.Time
}

// stamp tells a file that has changed.
type stamp struct {
	time time.Time
	size int64
	err  string
}

// New returns rotas without any; Replace says which there are.
func New(o Options) *Rotas {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Rotas{o: o, all: map[string]*rota{}}
}

// Replace says which rotas there are. One that is as it was keeps what was read.
func (r *Rotas) Replace(rotas map[string]Rota) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[string]*rota, len(rotas))
	for name, said := range rotas {
		if old := r.all[name]; old != nil && old.said.Calendar == said.Calendar && old.said.Zone == said.Zone && slices.Equal(old.said.Otherwise, said.Otherwise) {
			all[name] = old
			continue
		}
		all[name] = &rota{said: said}
	}
	r.all = all
}

// Names lists the rotas, sorted.
func (r *Rotas) Names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.all))
}

func (r *Rotas) find(name string) (*rota, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if found := r.all[name]; found != nil {
		return found, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrNone, name)
}

// OnCall says who is on call at a time, and who is told otherwise when nobody is. It is an
// error, which wraps ErrNobody, when that is nobody, too.
func (r *Rotas) OnCall(name string, at time.Time) (people []string, err error) {
	one, err := r.find(name)
	if err != nil {
		return nil, err
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	r.refresh(name, one)
	if one.calendar != nil {
		shifts, err := one.between(at, at.Add(time.Second))
		if err != nil {
			r.note(name, one, err)
		}
		for _, s := range shifts {
			if !s.From.After(at) && s.To.After(at) {
				return slices.Clone(s.People), nil
			}
		}
	}
	switch {
	case len(one.said.Otherwise) > 0:
		return slices.Clone(one.said.Otherwise), nil
	case one.problem != nil:
		return nil, fmt.Errorf("rota %q: %w: %w", name, ErrNobody, one.problem)
	}
	return nil, fmt.Errorf("rota %q: %w at %s", name, ErrNobody, at.Format("Mon 2006-01-02 15:04 MST"))
}

// Shifts says who is on call from a time on, up to another, and who is next. The times in
// which nobody is are left out.
func (r *Rotas) Shifts(name string, from, to time.Time) ([]Shift, error) {
	one, err := r.find(name)
	if err != nil {
		return nil, err
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	r.refresh(name, one)
	switch {
	case one.calendar != nil:
		return one.calendar.Shifts(from, to)
	case one.problem != nil:
		return nil, fmt.Errorf("rota %q: %w", name, one.problem)
	}
	return nil, nil
}

// Problem is what is wrong with the file of a rota as it is now, though what was read
// before is in force.
func (r *Rotas) Problem(name string) error {
	one, err := r.find(name)
	if err != nil {
		return err
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	r.refresh(name, one)
	return one.problem
}

// ahead is how much more than what is asked for is worked out at once, since the same is
// asked for again with each message.
const ahead = 7 * 24 * time.Hour

// between returns the shifts that overlap a time, and maybe more.
func (o *rota) between(from, to time.Time) ([]Shift, error) {
	if !o.from.IsZero() && !from.Before(o.from) && !to.After(o.to) {
		return o.shifts, nil
	}
	first, last := from.Add(-time.Hour), to.Add(ahead)
	shifts, err := o.calendar.Shifts(first, last)
	if err != nil {
		return nil, err
	}
	o.shifts, o.from, o.to = shifts, first, last
	return shifts, nil
}

// refresh reads the file if it has changed since.
func (r *Rotas) refresh(name string, one *rota) {
	if one.said.Calendar == "" {
		return
	}
	now := stampOf(one.said.Calendar)
	if now == one.stamp {
		return
	}
	calendar, err := read(one.said)
	one.stamp = now
	if err != nil {
		r.note(name, one, err)
		return
	}
	if one.problem != nil {
		r.o.Log.Info("the calendar of a rota can be read again", "rota", name, "file", one.said.Calendar)
	}
	one.calendar, one.problem, one.from, one.to, one.shifts = calendar, nil, time.Time{}, time.Time{}, nil
}

// note says once what is wrong.
func (r *Rotas) note(name string, one *rota, err error) {
	if one.problem == nil || one.problem.Error() != err.Error() {
		r.o.Log.Error("the calendar of a rota cannot be used", "rota", name, "file", one.said.Calendar, "error", err, "before", one.calendar != nil)
	}
	one.problem = err
}

func stampOf(file string) stamp {
	info, err := os.Stat(file)
	if err != nil {
		return stamp{err: err.Error()}
	}
	return stamp{time: info.ModTime(), size: info.Size()}
}

// read reads the file of a rota.
func read(said Rota) (*Calendar, error) {
	info, err := os.Stat(said.Calendar)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // Opening a pipe would wait for who writes it.
		return nil, fmt.Errorf("%s is no file", said.Calendar)
	}
	f, err := os.Open(said.Calendar)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", said.Calendar, err)
	}
	zone := time.Local
	if said.Zone != "" {
		if zone, err = time.LoadLocation(said.Zone); err != nil {
			return nil, err
		}
	}
	calendar, err := Parse(text, zone)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", said.Calendar, err)
	}
	return calendar, nil
}

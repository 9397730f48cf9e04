// Package revision keeps definitions in the database: every revision as it was given,
// word for word, with who made it, when and why. Managers that share the database hear
// of changes, and each keeps the current ones as files in a directory, from which it
// reads them when it starts while the database is away.
//
// A definition is of a site, or of none. Those of no site are for every manager of the
// database, those of a site for its managers alone. There one of the site takes the place of
// one of the same name that is for all; once it is removed, that one counts again. Each has
// revisions of its own.
package revision

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"grove/tree/store"
)

// Options are the surroundings of Definitions.
type Options struct {
	Store *store.Store
	// Check says what is wrong with the text of a definition before it is kept; nil lets
	// every text in.
	Check func(name, text string) error
	// Site is the site of this manager, which may change; nil and empty are none.
	Site func() string
	// Dir is where the current definitions are kept as files, for this package alone.
	// Empty is nowhere.
	Dir string
	// Changed is called by Run when files of Dir have changed; nil is nobody.
	Changed func()
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log takes what happens without being asked for; nil is nowhere.
	Log *slog.Logger
}

// Bounds of what is kept.
const (
	MaxTextBytes    = 1 << 20
	MaxCommentBytes = 1000
	MaxWhoBytes     = 256
	MaxDefinitions  = 10_000
	MaxHistory      = 1000 // revisions that History returns
)

// Any stands for an expected revision when it does not matter which is current.
const Any int64 = -1

// Topic is the one of the store's notices about definitions.
const Topic = "definition"

// Errors besides those of package store.
var (
	ErrDefinition = errors.New("definition")         // wrapped by every error about what was given
	ErrNotFound   = errors.New("no such definition") // or no such revision of it
)

// Revision is one state of a definition.
type Revision struct {
	Site    string // whose it is; empty: it is for all managers of the database
	Name    string
	Number  int64 // from 1 on
	Removed bool  // the definition is gone with this revision; Text is empty
	Text    string
	SHA256  string // of Text, in hexadecimal
	Who     string
	Time    time.Time // to the millisecond
	Comment string
}

// Change is a new text for a definition.
type Change struct {
	Name, Text string
	// Expected is the number of the revision that was changed: 0 makes a new definition,
	// Any changes whatever there is.
	Expected     int64
	Who, Comment string
}

// ConflictError says that somebody else was quicker; it wraps store.ErrStale.
type ConflictError struct {
	Site     string // of which the definition is
	Name     string
	Expected int64
	Current  Revision // without its text
}

// Error implements error.
func (e *ConflictError) Error() string {
	switch {
	case e.Current.Number == 0 && e.Site != "":
		return fmt.Sprintf("definition %s: site %s has none of its own, so there is no revision %d of it to change; one for all sites is changed as that", e.Name, e.Site, e.Expected)
	case e.Current.Number == 0:
		return fmt.Sprintf("definition %s: there is none, so it has no revision %d to change", e.Name, e.Expected)
	case e.Expected == 0:
		return fmt.Sprintf("definition %s: is there already, as revision %d by %s of %s", e.Name, e.Current.Number, e.Current.Who, e.Current.Time.Format(time.RFC3339))
	}
	what := "changed"
	if e.Current.Removed {
		what = "removed"
	}
	return fmt.Sprintf("definition %s: %s meanwhile: revision %d is by %s of %s, and yours comes after revision %d: look at the difference, then put yours again",
		e.Name, what, e.Current.Number, e.Current.Who, e.Current.Time.Format(time.RFC3339), e.Expected)
}

// Unwrap returns store.ErrStale.
func (e *ConflictError) Unwrap() error { return store.ErrStale }

// Definitions are those in one database that a manager has: those for all, and those of its
// site. What it changes are those of its site if it has one. Its methods may be called from
// many goroutines; Run runs once.
type Definitions struct {
	o      Options
	mirror mirror
}

// New returns the definitions of a database.
func New(o Options) *Definitions {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Definitions{o: o, mirror: mirror{wake: make(chan struct{}, 1)}}
}

// ForAll returns the definitions that are for all managers of the database, of whichever
// site. They are for reading and changing: its Run does nothing that is of use.
func (d *Definitions) ForAll() *Definitions {
	o := d.o
	o.Site, o.Dir, o.Changed = nil, "", nil
	return New(o)
}

// site is the site of this manager.
func (d *Definitions) site() string {
	if d.o.Site == nil {
		return ""
	}
	return d.o.Site()
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// CheckName says whether a text may be the name of a definition.
func CheckName(name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("%w: the name %q is not 1 to 64 of a to z, 0 to 9, dot, underscore and hyphen, beginning with a letter or digit", ErrDefinition, clip(name))
	}
	return nil
}

func checkText(what, text string, most int) error {
	switch {
	case len(text) > most:
		return fmt.Errorf("%w: %s has %d bytes, more than %d", ErrDefinition, what, len(text), most)
	case !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0:
		return fmt.Errorf("%w: %s is not UTF-8", ErrDefinition, what)
	}
	return nil
}

// clip shortens hostile text for an error message.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}

// Put keeps a text as the next revision, and returns that. A text that is the current one
// already makes no new revision.
func (d *Definitions) Put(ctx context.Context, c Change) (Revision, error) {
	if err := errors.Join(CheckName(c.Name), checkText("its text", c.Text, MaxTextBytes)); err != nil {
		return Revision{}, err
	}
	if d.o.Check != nil {
		if err := d.o.Check(c.Name, c.Text); err != nil {
			return Revision{}, err
		}
	}
	return d.add(ctx, c, false)
}

// Remove takes a definition away; what it was stays in its history.
func (d *Definitions) Remove(ctx context.Context, name string, expected int64, who, comment string) (Revision, error) {
	return d.add(ctx, Change{Name: name, Expected: expected, Who: who, Comment: comment}, true)
}

// Rollback makes a new revision with the text of an old one.
func (d *Definitions) Rollback(ctx context.Context, name string, to, expected int64, who, comment string) (Revision, error) {
	old, err := d.Get(ctx, name, to)
	if err != nil {
		return Revision{}, err
	}
	if site := d.site(); old.Site != site {
		return Revision{}, (&Revision{Site: site, Name: name}).notFound()
	}
	if comment == "" {
		comment = fmt.Sprintf("back to revision %d", old.Number)
	}
	if old.Removed {
		return d.Remove(ctx, name, expected, who, comment)
	}
	return d.Put(ctx, Change{Name: name, Text: old.Text, Expected: expected, Who: who, Comment: comment})
}

const revisionColumns = "r.site, r.name, r.revision, r.removed, r.sha256, r.who, r.made_at, r.comment"

// scanner is a row.
type scanner interface{ Scan(...any) error }

func scan(row scanner, more ...any) (r Revision, err error) {
	var removed, at int64
	err = row.Scan(append([]any{&r.Site, &r.Name, &r.Number, &removed, &r.SHA256, &r.Who, &at, &r.Comment}, more...)...)
	r.Removed, r.Time = removed != 0, time.UnixMilli(at)
	return r, err
}

// currentOnes are the current revisions of all definitions.
const currentOnes = " FROM definition d JOIN definition_revision r ON r.site = d.site AND r.name = d.name AND r.revision = d.revision"

// current returns the current revision of a site's own, without its text; its number is zero
// when there never was one.
func current(tx *store.Tx, site, name string) (r Revision, err error) {
	err = tx.Each("SELECT "+revisionColumns+currentOnes+" WHERE d.site = $1 AND d.name = $2",
		[]any{site, name}, func(rows *sql.Rows) error { r, err = scan(rows); return err })
	return r, err
}

// counts returns that of two current revisions that a manager of a site has: its site's own
// unless there is none, or it was removed and there is one for all.
func counts(own, all Revision) Revision {
	if own.Number == 0 || own.Removed && all.Number != 0 && !all.Removed {
		return all
	}
	return own
}

// add makes the next revision.
func (d *Definitions) add(ctx context.Context, c Change, remove bool) (Revision, error) {
	err := errors.Join(CheckName(c.Name), checkText("the name of who changes it", c.Who, MaxWhoBytes), checkText("the comment", c.Comment, MaxCommentBytes))
	if err != nil {
		return Revision{}, err
	}
	sum := sha256.Sum256([]byte(c.Text))
	next := Revision{
		Site: d.site(), Name: c.Name, Removed: remove, Text: c.Text, SHA256: hex.EncodeToString(sum[:]), Who: c.Who, Comment: c.Comment,
		Time: d.o.Now().Truncate(time.Millisecond),
	}
	made := next
	err = d.o.Store.Write(ctx, func(tx *store.Tx) error {
		now, err := current(tx, next.Site, c.Name)
		if err != nil {
			return err
		}
		exists := now.Number != 0 && !now.Removed
		switch {
		case remove && !exists && c.Expected == Any:
			return next.notFound()
		case c.Expected != Any && c.Expected != now.Number && (exists || c.Expected != 0), remove && !exists:
			return &ConflictError{next.Site, c.Name, c.Expected, now}
		case !remove && exists && now.SHA256 == next.SHA256:
			made = now
			made.Text = c.Text
			return nil
		}
		made = next
		made.Number = now.Number + 1
		return insert(tx, &made, c.Expected)
	})
	if err != nil {
		return Revision{}, err
	}
	return made, nil
}

// insert writes a revision, unless another manager has written one with its number since
// the current one was read.
func insert(tx *store.Tx, r *Revision, expected int64) error {
	var n int64
	var err error
	if r.Number == 1 {
		var count int64
		if _, err := tx.Row("SELECT COUNT(*) FROM definition", nil, &count); err != nil {
			return err
		}
		if count >= MaxDefinitions {
			return fmt.Errorf("%w: there are %d, and no more fit", ErrDefinition, count)
		}
		n, err = tx.Exec("INSERT INTO definition (site, name, revision) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", r.Site, r.Name, r.Number)
	} else {
		n, err = tx.Exec("UPDATE definition SET revision = $1 WHERE site = $2 AND name = $3 AND revision = $4", r.Number, r.Site, r.Name, r.Number-1)
	}
	if err != nil {
		return err
	}
	if n == 0 {
		now, err := current(tx, r.Site, r.Name)
		if err != nil {
			return err
		}
		return &ConflictError{r.Site, r.Name, expected, now}
	}
	var removed int64
	if r.Removed {
		removed = 1
	}
	_, err = tx.Exec("INSERT INTO definition_revision (site, name, revision, removed, text, sha256, who, made_at, comment) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
		r.Site, r.Name, r.Number, removed, r.Text, r.SHA256, r.Who, r.Time.UnixMilli(), r.Comment)
	tx.Notify(store.Notice{Topic: Topic, Name: r.Name, Revision: r.Number})
	return err
}

// notFound is that there is no such definition.
func (r *Revision) notFound() error {
	if r.Site != "" {
		return fmt.Errorf("%w: site %s has no %s of its own", ErrNotFound, r.Site, r.Name)
	}
	return fmt.Errorf("%w: %s", ErrNotFound, r.Name)
}

// both returns the current revisions of a definition, without their texts: that of a site's
// own and that for all; numbers are zero where there never was one.
func both(tx *store.Tx, site, name string) (own, all Revision, err error) {
	if all, err = current(tx, "", name); err == nil && site != "" {
		own, err = current(tx, site, name)
	}
	return own, all, err
}

// Get returns a revision of a definition. Number 0 is the current one that counts here, which
// must not be removed; other numbers are of the site's own definition if it ever had one, else
// of that for all.
func (d *Definitions) Get(ctx context.Context, name string, number int64) (r Revision, err error) {
	if err := CheckName(name); err != nil {
		return r, err
	}
	site := d.site()
	err = d.o.Store.Read(ctx, func(tx *store.Tx) error {
		r = Revision{}
		own, all, err := both(tx, site, name)
		if err != nil {
			return err
		}
		now, want := counts(own, all), number
		if number == 0 {
			want = now.Number
		} else if own.Number != 0 {
			now = own
		}
		return tx.Each("SELECT "+revisionColumns+", r.text FROM definition_revision r WHERE r.site = $1 AND r.name = $2 AND r.revision = $3",
			[]any{now.Site, name, want}, func(rows *sql.Rows) error {
				var text string
				r, err = scan(rows, &text)
				r.Text = text
				return err
			})
	})
	switch {
	case err != nil:
		return Revision{}, err
	case number == 0 && (r.Number == 0 || r.Removed):
		return Revision{}, fmt.Errorf("%w: %s", ErrNotFound, name)
	case r.Number == 0:
		return r, fmt.Errorf("%w: %s has no revision %d", ErrNotFound, name, number)
	}
	return r, nil
}

// text returns the text of a revision.
func (d *Definitions) text(ctx context.Context, r Revision) (text string, err error) {
	found := false
	err = d.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		found, err = tx.Row("SELECT r.text FROM definition_revision r WHERE r.site = $1 AND r.name = $2 AND r.revision = $3", []any{r.Site, r.Name, r.Number}, &text)
		return err
	})
	if err == nil && !found {
		err = fmt.Errorf("%w: %s has no revision %d", ErrNotFound, r.Name, r.Number)
	}
	return text, err
}

// List returns the current revisions that count here, in the order of their names, without
// their texts; with removed also those of definitions that are gone.
func (d *Definitions) List(ctx context.Context, removed bool) ([]Revision, error) {
	return d.list(ctx, d.site(), removed)
}

func (d *Definitions) list(ctx context.Context, site string, removed bool) (list []Revision, err error) {
	err = d.o.Store.Read(ctx, func(tx *store.Tx) error {
		list = list[:0]
		// Of two with the same name that for all is first.
		return tx.Each("SELECT "+revisionColumns+currentOnes+" WHERE d.site IN ($1, $2) ORDER BY d.name, d.site", []any{"", site}, func(rows *sql.Rows) error {
			r, err := scan(rows)
			if last := len(list) - 1; last >= 0 && list[last].Name == r.Name {
				list[last] = counts(r, list[last])
			} else {
				list = append(list, r)
			}
			return err
		})
	})
	if !removed {
		list = slices.DeleteFunc(list, func(r Revision) bool { return r.Removed })
	}
	return list, err
}

// History returns the revisions of a definition, newest first, without their texts: the
// newest MaxHistory, or those before a number that is not 0. They are of the site's own
// definition if it ever had one, else of that for all.
func (d *Definitions) History(ctx context.Context, name string, before int64) (list []Revision, err error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if before <= 0 {
		before = 1<<63 - 1
	}
	site := d.site()
	err = d.o.Store.Read(ctx, func(tx *store.Tx) error {
		list = list[:0]
		own, _, err := both(tx, site, name)
		if err != nil {
			return err
		}
		return tx.Each("SELECT "+revisionColumns+" FROM definition_revision r WHERE r.site = $1 AND r.name = $2 AND r.revision < $3 ORDER BY r.revision DESC LIMIT $4",
			[]any{own.Site, name, before, int64(MaxHistory)}, func(rows *sql.Rows) error {
				r, err := scan(rows)
				list = append(list, r)
				return err
			})
	})
	if err == nil && len(list) == 0 && before == 1<<63-1 {
		err = fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	return list, err
}

// Diff returns what changed between two revisions of a definition as a unified diff,
// empty when nothing did. Number 0 is nothing for from and the current one for to.
func (d *Definitions) Diff(ctx context.Context, name string, from, to int64) (string, error) {
	newer, err := d.Get(ctx, name, to)
	if err != nil {
		return "", err
	}
	older := Revision{Name: name}
	if from != 0 {
		if older, err = d.Get(ctx, name, from); err != nil {
			return "", err
		}
	}
	return Unified(title(older), title(newer), older.Text, newer.Text), nil
}

func title(r Revision) string {
	if r.Site != "" {
		return fmt.Sprintf("%s revision %d of site %s", r.Name, r.Number, r.Site)
	}
	return fmt.Sprintf("%s revision %d", r.Name, r.Number)
}

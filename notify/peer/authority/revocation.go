package authority

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"grove/notify/peer"
)

// Revocation says that the certificates of a manager up to a number are not valid any more.
type Revocation struct {
	ID      peer.ID   `json:"id"`
	Entry   int64     `json:"entry"` // orders the revocations of an authority, upwards
	UpTo    int64     `json:"upTo"`  // number of a certificate
	Time    time.Time `json:"time"`
	By      string    `json:"by,omitempty"` // who did it
	Comment string    `json:"comment,omitempty"`
}

// revocations are those of one authority, of each manager the last one.
type revocations struct {
	of map[peer.ID]Revocation
}

// revocationList is how they are written down.
type revocationList struct {
	Revoked []Revocation `json:"revoked"`
}

// covers says whether a certificate of a manager is revoked.
func (r *revocations) covers(id peer.ID, number int64) bool {
	e, ok := r.of[id]
	return ok && number <= e.UpTo
}

// add takes an entry in, unless it knows one of that manager that goes as far; added says
// that it did.
func (r *revocations) add(e Revocation) (added bool) {
	if was, ok := r.of[e.ID]; ok && was.UpTo >= e.UpTo {
		return false
	}
	if r.of == nil {
		r.of = map[peer.ID]Revocation{}
	}
	r.of[e.ID] = e
	return true
}

// last is the highest entry there is.
func (r *revocations) last() (entry int64) {
	for _, e := range r.of {
		entry = max(entry, e.Entry)
	}
	return entry
}

// highest is the highest number that is revoked.
func (r *revocations) highest() (number int64) {
	for _, e := range r.of {
		number = max(number, e.UpTo)
	}
	return number
}

// after lists the entries after one, in their order, at most so many.
func (r *revocations) after(entry int64, most int) []Revocation {
	list := slices.DeleteFunc(slices.Collect(maps.Values(r.of)), func(e Revocation) bool { return e.Entry <= entry })
	slices.SortFunc(list, func(a, b Revocation) int { return int(a.Entry - b.Entry) })
	return list[:min(len(list), most)]
}

// with returns a copy that has an entry more.
func (r *revocations) with(e Revocation) revocations {
	c := revocations{maps.Clone(r.of)}
	c.add(e)
	return c
}

// check says whether an entry can be one.
func (e *Revocation) check() error {
	if err := e.ID.Check(); err != nil {
		return err
	}
	if e.Entry < 1 || e.UpTo < 0 || len(e.By) > 4*MaxNameBytes || len(e.Comment) > MaxCommentBytes {
		return fmt.Errorf("the revocation of %s has a number or a text that cannot be", e.ID)
	}
	return nil
}

func (r *revocations) write(file string) error {
	text, err := json.MarshalIndent(revocationList{r.after(0, MaxMembers)}, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(file, append(text, '\n'))
}

// readRevocations reads a file of them; none is no revocations.
func readRevocations(file string) (r revocations, err error) {
	text, err := readFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	var list revocationList
	err = json.Unmarshal(text, &list)
	for i := 0; err == nil && i < len(list.Revoked); i++ {
		if err = list.Revoked[i].check(); err == nil {
			r.add(list.Revoked[i])
		}
	}
	if err != nil {
		return r, fmt.Errorf("%s is damaged: %w: it says which managers may not link any more: bring it back from where it was saved; "+
			"without it, remove it and look with grove peers whether all who were revoked still are", file, err)
	}
	return r, nil
}

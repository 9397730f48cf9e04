package authority

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"grove/notify/peer"
)

// Upper is a manager that this one has joined.
type Upper struct {
	ID      peer.ID
	Name    string // as it calls itself
	Address string // at which it was joined
	Joined  time.Time
	Ends    time.Time // of this manager's certificate from it
}

// upper is an Upper with what links need. What is known of one is never changed: another
// takes its place.
type upper struct {
	Upper
	certificate *x509.Certificate // of this manager
	root        *x509.Certificate
	got         time.Time // when the certificate came
	revoked     revocations
}

func (u *upper) clone() *upper {
	c := *u
	return &c
}

// life is how long the certificate is good for the authority from when it came.
func (u *upper) life() time.Duration {
	return u.certificate.NotAfter.Sub(u.certificate.NotBefore) - Apart
}

// due is when the certificate is to be renewed: after two thirds of its life, by the clock
// here, whatever that of the authority says; at once when the clock was put back since it
// came, as nobody knows by how much.
func (u *upper) due(now time.Time) time.Time {
	if now.Before(u.got) {
		return now
	}
	due := u.got.Add(u.life() * 2 / 3)
	// The clock here may be ahead and be put right later. One that is so far ahead that it
	// would be due again as soon as it came does not count.
	if late := u.certificate.NotAfter.Add(-u.life() / 3); late.Before(due) && late.After(u.got) {
		return late
	}
	return due
}

// upperFile is how it is written down.
type upperFile struct {
	ID          peer.ID      `json:"id"`
	Name        string       `json:"name"`
	Address     string       `json:"address"`
	Joined      time.Time    `json:"joined"`
	Got         time.Time    `json:"got"`
	Certificate []byte       `json:"certificate"` // DER
	Root        []byte       `json:"root"`        // DER
	Revoked     []Revocation `json:"revoked"`
}

const upperPrefix, upperSuffix = "upper-", ".json"

func (a *Authority) upperName(id peer.ID) string {
	return filepath.Join(a.o.Dir, upperPrefix+string(id)+upperSuffix)
}

func (a *Authority) writeUpper(u *upper) error {
	text, err := json.MarshalIndent(upperFile{
		u.ID, u.Name, u.Address, u.Joined.UTC(), u.got.UTC(), u.certificate.Raw, u.root.Raw, u.revoked.after(0, MaxMembers),
	}, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(a.upperName(u.ID), append(text, '\n'))
}

// readUppers reads what is known of the managers that this one has joined.
func readUppers(dir string, k *keys) (map[peer.ID]*upper, error) {
	files, err := filepath.Glob(filepath.Join(dir, upperPrefix+"*"+upperSuffix))
	if err != nil {
		return nil, err
	}
	if len(files) > MaxUppers {
		return nil, fmt.Errorf("%s has the files of %d managers that were joined; %d is the bound", dir, len(files), MaxUppers)
	}
	uppers := map[peer.ID]*upper{}
	for _, file := range files {
		text, err := readFile(file)
		if err != nil {
			return nil, err
		}
		u, err := parseUpper(text, k)
		if err == nil && filepath.Base(file) != upperPrefix+string(u.ID)+upperSuffix {
			err = fmt.Errorf("it is about manager %s", u.ID)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w: bring it back from where it was saved, or remove it and join that manager again", file, err)
		}
		uppers[u.ID] = u
	}
	return uppers, nil
}

// parseUpper reads what writeUpper writes.
func parseUpper(text []byte, k *keys) (*upper, error) {
	var f upperFile
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	if err := f.ID.Check(); err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	c, err := x509.ParseCertificate(f.Certificate)
	if err != nil {
		return nil, fmt.Errorf("it is damaged: the certificate: %w", err)
	}
	root, err := x509.ParseCertificate(f.Root)
	if err != nil {
		return nil, fmt.Errorf("it is damaged: the certificate of the authority: %w", err)
	}
	if id, err := proven(c); err != nil || id != k.id {
		return nil, fmt.Errorf("its certificate is not one of this manager, %s", k.id)
	}
	if err := signed(c, root, x509.ExtKeyUsageClientAuth); err != nil || nameIn(root) != f.ID {
		return nil, fmt.Errorf("its certificate is not from manager %s", f.ID)
	}
	u := &upper{Upper: Upper{f.ID, f.Name, f.Address, f.Joined, c.NotAfter}, certificate: c, root: root, got: f.Got}
	for _, e := range f.Revoked {
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("it is damaged: %w", err)
		}
		u.revoked.add(e)
	}
	return u, nil
}

// upper returns what is known of a manager that was joined.
func (a *Authority) upper(id peer.ID) (*upper, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if u := a.uppers[id]; u != nil {
		return u, nil
	}
	return nil, peer.Refuse(peer.NotFound, "this manager has not joined manager %s", id)
}

// Uppers lists the managers that this one has joined, by ID.
func (a *Authority) Uppers() []Upper {
	a.mu.RLock()
	defer a.mu.RUnlock()
	list := make([]Upper, 0, len(a.uppers))
	for _, u := range a.uppers {
		list = append(list, u.Upper)
	}
	slices.SortFunc(list, func(x, y Upper) int { return strings.Compare(string(x.ID), string(y.ID)) })
	return list
}

func (a *Authority) roomForUpper(id peer.ID) error {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if _, again := a.uppers[id]; !again && len(a.uppers) >= MaxUppers {
		return peer.Refuse(peer.Refused, "this manager has joined %d others, which is the bound: leave one first", MaxUppers)
	}
	return nil
}

// keepUpper writes down a manager that was joined, in the place of what was known of it.
func (a *Authority) keepUpper(u *upper) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if was := a.uppers[u.ID]; was != nil {
		u.revoked = was.revoked
	}
	if err := a.writeUpper(u); err != nil {
		return err
	}
	a.uppers[u.ID] = u
	return nil
}

// replaceUpper puts next in the place of what is known, unless that changed meanwhile: then a
// later turn does it.
func (a *Authority) replaceUpper(was, next *upper) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.uppers[was.ID] != was {
		return fmt.Errorf("what is known of manager %s changed meanwhile", was.ID)
	}
	if err := a.writeUpper(next); err != nil {
		return err
	}
	a.uppers[was.ID] = next
	return nil
}

// learn takes in what an authority revoked, and returns up to which entry it is known.
func (a *Authority) learn(from peer.ID, entries []Revocation) (have int64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	u := a.uppers[from]
	if u == nil {
		return 0, peer.Refuse(peer.Refused, "manager %s is no authority here", from)
	}
	next := u.clone()
	next.revoked = revocations{}
	for _, e := range u.revoked.of {
		next.revoked.add(e)
	}
	learned := false
	for _, e := range entries {
		if err := e.check(); err != nil {
			return 0, peer.Refuse(peer.Invalid, "%v", err)
		}
		learned = next.revoked.add(e) || learned
	}
	if !learned {
		return u.revoked.last(), nil
	}
	if len(next.revoked.of) > MaxMembers {
		return 0, peer.Refuse(peer.Invalid, "an authority revokes at most %d managers", MaxMembers)
	}
	if err := a.writeUpper(next); err != nil {
		return 0, err
	}
	a.uppers[from] = next
	return next.revoked.last(), nil
}

// Leave leaves a manager that this one has joined: it is told when it is linked, and its
// certificate is forgotten here in any case. A *peer.Refusal says that it was not joined.
func (a *Authority) Leave(ctx context.Context, by By, id peer.ID) error {
	u, err := a.upper(id)
	if err != nil {
		return err
	}
	e := by.entry("peer leave", string(id))
	e.Was = u.Name
	if _, err := a.o.Audit.Append(ctx, e); err != nil {
		return fmt.Errorf("leave %s: the audit log: %w", id, err)
	}
	if f := a.fabric(); f != nil {
		if _, err := f.Ask(ctx, id, kindLeave, []byte("{}")); err != nil {
			a.log.Warn("a manager that was left does not know of it: revoke this one there", "manager", id, "name", u.Name, "error", err)
		}
	}
	a.mu.Lock()
	err = os.Remove(a.upperName(id))
	if err == nil {
		delete(a.uppers, id)
	}
	a.mu.Unlock()
	if err != nil {
		return fmt.Errorf("leave %s: %w", id, err)
	}
	if told := a.told().Left; told != nil {
		told(id)
	}
	return syncDir(a.o.Dir)
}

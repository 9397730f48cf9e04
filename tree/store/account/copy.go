package account

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"grove/tree/grant"
)

// A copy is a file, readable by its owner alone, from which a manager knows who may come
// in when it starts while its database is away. It has what the database has: the hashes
// of passwords, sessions and tokens, and no secret itself.
//
//	{"grove_accounts":1,"sha256":"…","content":{"database":"…","written":1790000000000,"users":[…]}}
//
// The sum is that of the bytes of the content: a copy that is damaged lets nobody in.
const (
	copyVersion = 1
	// maxCopyBytes bounds it: room for all users that there may be, with a few sessions
	// and tokens each.
	maxCopyBytes = 64 << 20
)

// errCopy is wrapped by the errors of a copy that is not used.
var errCopy = errors.New("the copy of the users is not used")

// envelope is the outer form of a copy.
type envelope struct {
	Version int             `json:"grove_accounts"`
	SHA256  string          `json:"sha256"`
	Content json.RawMessage `json:"content"`
}

// content is what a copy tells. Times are Unix milliseconds; zero is never.
type content struct {
	Database string       `json:"database"` // see Options.Database
	Written  int64        `json:"written"`
	Users    []copiedUser `json:"users"` // empty, and not null: there are none
}

type copiedUser struct {
	Name     string          `json:"name"`
	Title    string          `json:"title,omitempty"`
	Source   string          `json:"source"`
	Subject  string          `json:"subject,omitempty"`
	Grants   []grant.Grant   `json:"grants"`
	Disabled bool            `json:"disabled,omitempty"`
	Password string          `json:"password,omitempty"` // its hash
	Created  int64           `json:"created"`
	Changed  int64           `json:"changed"`
	Login    int64           `json:"login,omitempty"`
	Sessions []copiedSession `json:"sessions,omitempty"`
	Tokens   []copiedToken   `json:"tokens,omitempty"`
}

type copiedSession struct {
	ID      string `json:"id"`
	Hash    string `json:"hash"`
	Method  string `json:"method"`
	Address string `json:"address,omitempty"`
	Agent   string `json:"agent,omitempty"`
	Created int64  `json:"created"`
	Seen    int64  `json:"seen"`
	Ends    int64  `json:"ends"`
}

type copiedToken struct {
	ID      string        `json:"id"`
	Name    string        `json:"name"`
	Hash    string        `json:"hash"`
	Grants  []grant.Grant `json:"grants"`
	Created int64         `json:"created"`
	Ends    int64         `json:"ends"`
	Used    int64         `json:"used,omitempty"`
}

// encode writes a copy.
func (c *content) encode() ([]byte, error) {
	inner, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(inner)
	text, err := json.Marshal(envelope{copyVersion, hex.EncodeToString(sum[:]), inner})
	if err == nil && len(text) > maxCopyBytes {
		err = fmt.Errorf("the users need a copy of %d bytes, more than %d", len(text), maxCopyBytes)
	}
	return text, err
}

// parseCopy reads a copy. It takes it whole or not at all.
func parseCopy(text []byte) (*content, error) {
	var e envelope
	if err := strict(text, &e); err != nil {
		return nil, fmt.Errorf("%w: it is damaged: %w", errCopy, err)
	}
	if e.Version != copyVersion {
		return nil, fmt.Errorf("%w: it has the version %d, not %d", errCopy, e.Version, copyVersion)
	}
	if sum := sha256.Sum256(e.Content); hex.EncodeToString(sum[:]) != e.SHA256 {
		return nil, fmt.Errorf("%w: it is damaged: its sum is wrong", errCopy)
	}
	var c content
	err := strict(e.Content, &c)
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCopy, err)
	}
	return &c, nil
}

// strict reads one JSON value, and no member that is not known.
func strict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows on its end")
	}
	return nil
}

// check says what no database can have told.
func (c *content) check() error {
	if c.Users == nil {
		return errors.New("it does not say whether there are users")
	}
	names, hashes := map[string]bool{}, map[string]bool{}
	once := func(text string) error {
		if _, err := parseHash(text); err != nil {
			return err
		}
		if hashes[text] {
			return errors.New("a hash is there twice")
		}
		hashes[text] = true
		return nil
	}
	for i := range c.Users {
		u := &c.Users[i]
		if u.Name == "" || names[u.Name] {
			return fmt.Errorf("user %d has no name, or that of another", i+1)
		}
		names[u.Name] = true
		if err := checkGrants(u.Grants); err != nil {
			return fmt.Errorf("user %d: %w", i+1, err)
		}
		for _, s := range u.Sessions {
			if err := once(s.Hash); err != nil {
				return fmt.Errorf("user %d: session: %w", i+1, err)
			}
		}
		for _, t := range u.Tokens {
			if err := errors.Join(once(t.Hash), checkGrants(t.Grants)); err != nil {
				return fmt.Errorf("user %d: token: %w", i+1, err)
			}
		}
	}
	return nil
}

// readCopy reads the file. One that others may write is not believed.
func readCopy(file string) (*content, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // It was only read.
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: it is no file", errCopy)
	case info.Mode().Perm()&0o022 != 0:
		return nil, fmt.Errorf("%w: others may write it: its mode is %#o, not 0600", errCopy, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxCopyBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxCopyBytes {
		return nil, fmt.Errorf("%w: it has more than %d bytes", errCopy, maxCopyBytes)
	}
	return parseCopy(text)
}

// temporary begins the names of copies that are being written.
const temporary = ".new-accounts-"

// writeCopy puts a whole file in the place of the one before, readable by its owner alone.
func writeCopy(file string, text []byte) (err error) {
	dir := filepath.Dir(file)
	f, err := os.CreateTemp(dir, temporary+"*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // It is no copy yet.
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), file); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes what happened to the names of files outlive a power cut.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// removeUnfinished takes out copies of a process that was killed while it wrote them.
func removeUnfinished(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), temporary) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// milli is a time as copies have it.
func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// timeOf is the time of a copy, or of the database.
func timeOf(milli int64) time.Time {
	if milli == 0 {
		return time.Time{}
	}
	return time.UnixMilli(milli)
}

package witness

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// Ledger is what one source tried to send and what was acknowledged, in a file that is on the
// disk before anything else happens: whatever becomes of the manager, the ledger knows what it
// owes. What is sent has numbers from 0.
type Ledger struct {
	file *os.File
}

// NewLedger begins the ledger of a source.
func NewLedger(t testing.TB) *Ledger {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "ledger"), os.O_CREATE|os.O_EXCL|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return &Ledger{f}
}

// Tried says that a number is about to be sent, whose time is this, Unix milliseconds.
func (l *Ledger) Tried(number int, at int64) error { return l.write("tried %d %d\n", number, at) }

// Acknowledged says that the manager answered for a number.
func (l *Ledger) Acknowledged(number int) error { return l.write("acked %d 0\n", number) }

func (l *Ledger) write(format string, args ...any) error {
	if _, err := fmt.Fprintf(l.file, format, args...); err != nil {
		return err
	}
	return l.file.Sync()
}

// Claim is what a ledger says of one number.
type Claim struct {
	At    int64 // Unix milliseconds
	Acked bool
}

// Claims reads the ledger back: by number.
func (l *Ledger) Claims() ([]Claim, error) {
	if _, err := l.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	var all []Claim
	lines := bufio.NewScanner(l.file)
	for lines.Scan() {
		var what string
		var number int
		var at int64
		if _, err := fmt.Sscanf(lines.Text(), "%s %d %d", &what, &number, &at); err != nil {
			return nil, fmt.Errorf("%q: %w", lines.Text(), err)
		}
		switch {
		case what == "tried" && number == len(all):
			all = append(all, Claim{At: at})
		case what == "acked" && number < len(all):
			all[number].Acked = true
		default:
			return nil, fmt.Errorf("%q is out of order", lines.Text())
		}
	}
	return all, lines.Err()
}

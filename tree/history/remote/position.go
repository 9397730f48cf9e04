package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// position is a place in the log: all records that end at or before it are done.
type position struct {
	Segment int   `json:"segment"`
	Offset  int64 `json:"offset"` // bytes of the segment
}

// progress is what a target's file holds.
type progress struct {
	position
	// Newest is the time of the newest sample that the target took, Unix milliseconds.
	Newest int64 `json:"newest"`
}

// maxProgress bounds the file, in bytes.
const maxProgress = 4096

// readProgress returns what the file holds; false is that there is none.
func readProgress(file string) (progress, bool, error) {
	var p progress
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return p, false, nil
	}
	if err == nil && info.Size() > maxProgress {
		err = fmt.Errorf("%s has %d bytes, and %d is the bound", file, info.Size(), maxProgress)
	}
	if err != nil {
		return p, false, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return p, false, err
	}
	if err := json.Unmarshal(text, &p); err != nil || p.Segment < 0 || p.Offset < 0 {
		return p, false, fmt.Errorf("%s is not a position: remove it to send what the log holds anew", file)
	}
	return p, true, nil
}

// write replaces the file at once, so that a crash leaves the old or the new one.
func (p progress) write(file string) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".position-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // It is gone when all went well.
	_, err = f.Write(append(text, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	return err
}

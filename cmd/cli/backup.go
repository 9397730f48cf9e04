package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"grove/viewer/record"
	"grove/viewer/record/archive"
)

// backupCommand writes a backup.
type backupCommand struct {
	remote
	File string `arg:"" help:"File to write, such as grove.tar.zst, readable by its owner alone. One that is there is replaced once the new one is whole."`
}

// Run implements the command. The file has its name only when it was read back and found
// whole.
func (c *backupCommand) Run(ctx context.Context, p *Process) (err error) {
	res, why, err := c.send(ctx, http.MethodPost, "/api/v1/backup", nil, http.Header{})
	if why != nil {
		return why.exit()
	}
	if err != nil {
		return err
	}
	defer res.Body.Close()
	f, err := os.CreateTemp(filepath.Dir(c.File), "."+filepath.Base(c.File)+"-*") // 0600
	if err != nil {
		return exit(Usage, "%w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name()) // It is of no use.
		}
	}()
	size, err := io.Copy(f, res.Body)
	if err != nil {
		return exit(NoReply, "the backup from %s was cut off: %w", c.Server, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	m, err := archive.Check(ctx, bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return exit(NoReply, "what came from %s cannot be restored: %w", c.Server, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), c.File); err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "%s: %s of %s, %s, %s unpacked\n", plain(c.File), quantity(float64(size), "bytes"), plain(m.Manager), count(len(m.Files), "file"), quantity(float64(m.Bytes()), "bytes"))
	return nil
}

// restoreCommand restores a backup.
type restoreCommand struct {
	remote
	File    string `arg:"" help:"File that grove backup has written."`
	DropIns bool   `help:"Also put the files of the drop-in directory back, in place of those of the same names."`
	Check   bool   `help:"Only say what is in the file, and whether it is whole."`
}

// Run implements the command. The file is read to its end before anything is sent.
func (c *restoreCommand) Run(ctx context.Context, p *Process) error {
	f, err := os.Open(c.File)
	if err != nil {
		return exit(Usage, "%w", err)
	}
	defer func() { _ = f.Close() }() // It is only read.
	m, err := archive.Check(ctx, bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return exit(Wrong, "%s: %w", c.File, err)
	}
	if c.Check {
		fmt.Fprintf(p.Stdout, "%s: whole, made by %s with grove %s at %s, %s, %s unpacked\n", plain(c.File), plain(m.Manager), plain(m.Version),
			localTime(m.Created.Format(time.RFC3339)), count(len(m.Files), "file"), quantity(float64(m.Bytes()), "bytes"))
		return nil
	}
	restored, err := c.restore(ctx, f)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "restored the backup by %s of %s: %s, %s with what they were\n", plain(restored.Manager), localTime(restored.Created),
		quantity(float64(restored.Bytes), "bytes"), count(restored.Nodes, "node"))
	for _, name := range restored.DropIns {
		fmt.Fprintf(p.Stdout, "put %s into the drop-in directory\n", plain(name))
	}
	for _, w := range restored.Warnings {
		fmt.Fprintf(p.Stderr, "grove: %s\n", plain(w))
	}
	return nil
}

// restore sends a file in parts and has it restored.
func (c *restoreCommand) restore(ctx context.Context, f *os.File) (done record.Restored, err error) {
	answer, err := c.do(ctx, http.MethodPost, "/api/v1/restores", nil)
	if err != nil {
		return done, err
	}
	var upload record.Upload
	if err := json.Unmarshal(answer, &upload); err != nil || upload.MaxPart < 1 {
		return done, exit(NoReply, "the answer of %s is no upload: %w", c.Server, err)
	}
	address := "/api/v1/restores/" + upload.ID
	defer func() {
		if err != nil { // Whoever comes next need not wait until it is given up by itself.
			_, _ = c.do(context.WithoutCancel(ctx), http.MethodDelete, address, nil)
		}
	}()
	size, part := int64(0), make([]byte, min(upload.MaxPart, record.MaxPart))
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return done, err
	}
	for {
		n, err := io.ReadFull(f, part)
		if n > 0 {
			if err := c.sendPart(ctx, address, size, part[:n]); err != nil {
				return done, err
			}
			size += int64(n)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return done, err
		}
	}
	res, why, err := c.send(ctx, http.MethodPost, address+"/apply", nil, http.Header{}, "size", strconv.FormatInt(size, 10), "drop_ins", strconv.FormatBool(c.DropIns))
	if why != nil {
		return done, why.exit()
	}
	if err != nil {
		return done, err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(io.LimitReader(res.Body, maxProblem)).Decode(&done); err != nil {
		return done, exit(NoReply, "%s: %w", c.Server, err)
	}
	return done, nil
}

func (c *restoreCommand) sendPart(ctx context.Context, address string, offset int64, part []byte) error {
	header := http.Header{"Content-Type": {"application/octet-stream"}}
	res, why, err := c.send(ctx, http.MethodPut, address, bytes.NewReader(part), header, "offset", strconv.FormatInt(offset, 10))
	if why != nil {
		return why.exit()
	}
	if err != nil {
		return err
	}
	return res.Body.Close()
}

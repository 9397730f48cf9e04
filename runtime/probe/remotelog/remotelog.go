// Package remotelog is the probe kind "remotelog": a log on another machine that is
// fetched by SFTP, FTPS or FTP, from where reading stopped.
package remotelog

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/follow"
	"grove/runtime/probe/pattern"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/ssh"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Kind returns the kind "remotelog". Its probes connect only where the policy allows, and
// read only the secrets that the other does; nil is the default policy of each.
func Kind(policy *dial.Policy, secrets *secret.Policy) probe.Kind {
	return probe.Kind{
		Name:       "remotelog",
		Title:      "Log files of other machines by SFTP, FTPS and FTP",
		Doc:        doc + pattern.Doc,
		Example:    example,
		NewOptions: func() any { return &Options{} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			r, err := o.check()
			if err != nil {
				return nil, err
			}
			p := &remoteProbe{recipe: r, matcher: r.set.NewMatcher()}
			p.stream = p.matcher.Stream(nil)
			p.visit = (&ftpServer{recipe: r, dialer: policy.Dialer(0), secrets: secrets}).visit
			if r.Protocol == sftpProtocol {
				client := ssh.NewClient(r.target, policy, secrets)
				p.visit, p.close = (&sftpServer{client: client}).visit, client.Close
			}
			return p, nil
		},
	}
}

// files are the files of a server during a visit. A file that is not there is
// fs.ErrNotExist.
type files interface {
	size(path string) (int64, error)
	// open returns what a file holds from an offset on.
	open(path string, offset int64) (io.ReadCloser, error)
}

type remoteProbe struct {
	recipe  *recipe
	visit   func(ctx context.Context, look func(files) error) error
	close   func() error // nil: nothing is kept
	matcher *pattern.Matcher
	stream  *pattern.Stream
	at      follow.Position
	began   bool // the file was looked for: a new one is read from its start
	resumed bool // at is of the probe before a restart
	bytes   uint64
	turns   uint64
	gaps    uint64
}

var _ probe.Rememberer = (*remoteProbe)(nil)

// Target implements probe.Probe.
func (p *remoteProbe) Target() string { return p.recipe.host }

// Close implements probe.Probe.
func (p *remoteProbe) Close() error {
	if p.close == nil {
		return nil
	}
	return p.close()
}

// Attributes implements probe.Probe.
func (p *remoteProbe) Attributes() []beans.AttributeInfo {
	counter := map[string]string{"metricType": "counter"}
	list := append(answer.Attributes("host_key", "algorithms", "login"),
		beans.AttributeInfo{Name: "found", Type: beans.TypeBool, Readable: true, Description: "1 when the file is there."},
		beans.AttributeInfo{Name: "size", Type: beans.TypeFloat, Unit: "bytes", Readable: true, Description: "How much it holds."},
		beans.AttributeInfo{Name: "behind", Type: beans.TypeFloat, Unit: "bytes", Readable: true, Description: "What is there and not read yet."},
		beans.AttributeInfo{Name: "bytes", Type: beans.TypeFloat, Unit: "bytes", Readable: true, Description: "What was read.", Descriptor: counter},
		beans.AttributeInfo{Name: "rotations", Type: beans.TypeFloat, Unit: "rotations", Readable: true, Description: "Times that the file was replaced, emptied or cut short.", Descriptor: counter},
		beans.AttributeInfo{Name: "gaps", Type: beans.TypeFloat, Unit: "gaps", Readable: true, Description: "Rotations of which the rest of the old file was not found: lines may be missing.", Descriptor: counter},
	)
	return append(list, p.recipe.set.Attributes()...)
}

// Run implements probe.Probe.
func (p *remoteProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	if err := ctx.Err(); err != nil {
		return r, err
	}
	before := p.bytes
	failure := p.visit(ctx, func(f files) error { return p.look(ctx, &r, f) })
	err := answer.Add(ctx, &r, start, failure)
	if failure != nil && p.bytes == before {
		return r, err // nothing could be read: that no line came says nothing
	}
	r.Number("bytes", float64(p.bytes))
	r.Number("rotations", float64(p.turns))
	r.Number("gaps", float64(p.gaps))
	p.matcher.Add(&r)
	return r, err
}

// look reads what is new.
func (p *remoteProbe) look(ctx context.Context, r *probe.Result, f files) error {
	size, err := f.size(p.recipe.Path)
	if errors.Is(err, fs.ErrNotExist) {
		p.began = true
		r.Number("found", 0)
		p.stream.Flush(false)
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case !p.began && p.recipe.From != "start":
		if err := p.skip(f, size); err != nil {
			return err
		}
	case p.resumed:
		if err := p.resume(f); err != nil {
			return err
		}
	}
	p.began = true
	_, err = p.read(ctx, f, p.recipe.Path)
	if errors.Is(err, follow.ErrChanged) {
		err = p.rotated(ctx, f)
	}
	p.stream.Flush(false)
	p.at.Open = p.stream.Open()
	r.Number("found", 1)
	r.Number("size", float64(size))
	r.Number("behind", float64(max(0, size-p.at.Offset)))
	return err
}

// skip goes to the end of the file.
func (p *remoteProbe) skip(f files, size int64) error {
	from, err := f.open(p.recipe.Path, (&follow.Position{Offset: size}).Start())
	if err != nil {
		return err
	}
	at, err := follow.AtEnd(size, from)
	_ = from.Close() // more may have been written, which nobody reads here
	if err == nil {
		p.at = at
	}
	return err
}

// resume goes back over a record that was not whole before a restart, when the file is
// still the same.
func (p *remoteProbe) resume(f files) error {
	p.resumed = false
	if p.at.Open == 0 {
		return nil
	}
	from, err := f.open(p.recipe.Path, p.at.Start())
	if err != nil {
		return err
	}
	defer from.Close()
	if p.at.Check(from) == nil {
		p.at.Rewind()
	}
	return nil
}

// read reads a file from the position on.
func (p *remoteProbe) read(ctx context.Context, f files, path string) (more bool, err error) {
	from, err := f.open(path, p.at.Start())
	if err != nil {
		return false, err
	}
	n, more, err := p.at.Read(ctx, from, p.stream, maxReading, path == p.recipe.Rotated)
	p.bytes += uint64(n)
	if closing := from.Close(); err == nil && !more {
		err = closing // when more is left the server complains, of course
	}
	return more, err
}

// rotated is run when the file is not the one that was read: the rest of that one is
// looked for under its other name, and the new one is read from its start.
func (p *remoteProbe) rotated(ctx context.Context, f files) error {
	for more := true; more; {
		var err error
		more, err = p.read(ctx, f, p.recipe.Rotated)
		switch {
		case errors.Is(err, follow.ErrChanged), errors.Is(err, fs.ErrNotExist):
			p.gaps++
			more = false
		case err != nil:
			return err // the next run goes on
		}
	}
	p.turns++
	p.stream.Flush(true)
	p.at = follow.Position{}
	_, err := p.read(ctx, f, p.recipe.Path)
	return err
}

// memory is what a probe remembers.
type memory struct {
	File string `json:"file"` // protocol, address and path
	follow.Position
}

func (p *remoteProbe) file() string {
	return p.recipe.Protocol + "://" + p.recipe.Address + "/" + p.recipe.Path
}

// Recall implements probe.Rememberer.
func (p *remoteProbe) Recall(text []byte) {
	var m memory
	if len(text) > 0 && json.Unmarshal(text, &m) == nil && m.File == p.file() {
		p.at, p.began, p.resumed = m.Position, true, true
	}
}

// Memory implements probe.Rememberer.
func (p *remoteProbe) Memory() []byte {
	if !p.began {
		return nil
	}
	text, err := json.Marshal(memory{p.file(), p.at})
	if err != nil {
		return nil // numbers and texts always become JSON
	}
	return text
}

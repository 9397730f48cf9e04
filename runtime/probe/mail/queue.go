package mail

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/files"
	"grove/tree"
)

//go:embed queue.md
var queueDoc string

//go:embed queue.yaml
var queueExample string

const (
	// maxListing bounds what the service may say, in bytes, and maxField one word of it.
	maxListing, maxField = 256 << 20, 1 << 20
	// showq is the socket of the service that lists the queues, beneath the queue directory.
	showq = "public/showq"
)

// queues are those that the service lists, as they are named in the queue directory.
var queues = []string{"maildrop", "incoming", "active", "deferred", "hold"}

// QueueOptions are the options of the kind "postfix_queue".
type QueueOptions struct {
	Directory string `yaml:"directory" jsonschema:"default=/var/spool/postfix,description=Queue directory of Postfix (queue_directory)."`
}

// Queue returns the kind "postfix_queue". Its probes ask the Postfix whose queue directory
// the policy allows; nil is the default policy.
func Queue(policy *files.Policy) probe.Kind {
	return probe.Kind{
		Name:       "postfix_queue",
		Title:      "Queues of a Postfix on this machine",
		Doc:        queueDoc,
		Example:    queueExample,
		NewOptions: func() any { return &QueueOptions{Directory: "/var/spool/postfix"} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*QueueOptions)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			if err := files.CheckPath(o.Directory); err != nil {
				return nil, probe.BadOption("directory", "%w", err)
			}
			return &queueProbe{directory: o.Directory, policy: policy}, nil
		},
	}
}

type queueProbe struct {
	directory string
	policy    *files.Policy
}

// Target implements probe.Probe.
func (p *queueProbe) Target() string { return "" }

// Close implements probe.Probe.
func (p *queueProbe) Close() error { return nil }

// Attributes implements probe.Probe.
func (p *queueProbe) Attributes() []beans.AttributeInfo {
	list := append(answer.Attributes(), readable(
		beans.AttributeInfo{Name: "messages", Type: beans.TypeInt, Unit: "messages", Description: "Messages in all queues."},
		beans.AttributeInfo{Name: "size", Type: beans.TypeInt, Unit: "bytes", Description: "Size of all messages."},
		beans.AttributeInfo{Name: "oldest", Type: beans.TypeFloat, Unit: "s", Description: "Age of the oldest message; 0 when there is none. Messages on hold do not count."},
		beans.AttributeInfo{Name: "maildrop", Type: beans.TypeInt, Unit: "messages", Description: "Messages of programs on this machine that were not picked up yet."},
		beans.AttributeInfo{Name: "incoming", Type: beans.TypeInt, Unit: "messages", Description: "Messages that wait for a place in the active queue."},
		beans.AttributeInfo{Name: "active", Type: beans.TypeInt, Unit: "messages", Description: "Messages that are being delivered."},
		beans.AttributeInfo{Name: "deferred", Type: beans.TypeInt, Unit: "messages", Description: "Messages that could not be delivered and will be tried again."},
		beans.AttributeInfo{Name: "hold", Type: beans.TypeInt, Unit: "messages", Description: "Messages that somebody has put on hold."},
		beans.AttributeInfo{Name: "queues", Type: beans.TypeTable, Key: "queue", Description: "The queues.", Columns: readable(
			beans.AttributeInfo{Name: "queue", Type: beans.TypeString, Description: "maildrop, incoming, active, deferred or hold."},
			beans.AttributeInfo{Name: "messages", Type: beans.TypeInt, Unit: "messages", Description: "Messages in it."},
			beans.AttributeInfo{Name: "size", Type: beans.TypeInt, Unit: "bytes", Description: "Size of its messages."},
			beans.AttributeInfo{Name: "oldest", Type: beans.TypeFloat, Unit: "s", Description: "Age of its oldest message; 0 when there is none."},
		)},
	)...)
	return list
}

// Run implements probe.Probe.
func (p *queueProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	if err := ctx.Err(); err != nil {
		return r, err
	}
	// The policy is about what may be opened: who may look into the directory may ask.
	d, err := p.policy.Open(p.directory)
	if errors.Is(err, files.ErrDenied) {
		return r, err
	}
	if err == nil {
		_ = d.Close()
		err = p.ask(ctx, &r)
	}
	err = answer.Add(ctx, &r, start, timely(ctx, err))
	return r, err
}

func (p *queueProbe) ask(ctx context.Context, r *probe.Result) error {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", filepath.Join(p.directory, showq))
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	counts, err := count(conn, time.Now())
	if err != nil {
		return err
	}
	var all queue
	table := probe.Table{Attribute: "queues", Columns: []string{"queue", "messages", "size", "oldest"}}
	for _, name := range queues {
		q := counts[name]
		all.messages += q.messages
		all.size += q.size
		if name != "hold" {
			all.oldest = max(all.oldest, q.oldest)
		}
		r.Number(name, q.messages)
		table.Rows = append(table.Rows, []tree.Value{tree.Text(name), tree.Number(q.messages), tree.Number(q.size), tree.Number(q.oldest.Seconds())})
	}
	r.Number("messages", all.messages)
	r.Number("size", all.size)
	r.Number("oldest", all.oldest.Seconds())
	r.Tables = append(r.Tables, table)
	return nil
}

// queue is what was counted of one queue.
type queue struct {
	messages, size float64
	oldest         time.Duration
}

// count reads the answer of the service showq: for each message pairs of name and value,
// each ended by a zero byte, and an empty name behind the last (attr_print0 of Postfix).
func count(listing io.Reader, now time.Time) (map[string]queue, error) {
	scan := bufio.NewScanner(io.LimitReader(listing, maxListing))
	scan.Buffer(make([]byte, 64<<10), maxField)
	scan.Split(zeroEnded)
	found := map[string]queue{}
	message := map[string]string{}
	end := func() {
		name := message["queue_name"]
		if slices.Contains(queues, name) {
			q := found[name]
			q.messages++
			if size, err := strconv.ParseUint(message["size"], 10, 53); err == nil {
				q.size += float64(size)
			}
			if at, err := strconv.ParseInt(message["time"], 10, 53); err == nil {
				q.oldest = max(q.oldest, now.Sub(time.Unix(at, 0)))
			}
			found[name] = q
		}
		clear(message)
	}
	heard := false
	for scan.Scan() {
		heard = true
		name := scan.Text()
		if name == "" {
			end()
			continue
		}
		if !scan.Scan() {
			return nil, io.ErrUnexpectedEOF
		}
		switch name {
		case "queue_name":
			end()
			message[name] = scan.Text()
		case "size", "time":
			message[name] = scan.Text()
		}
	}
	end()
	if err := scan.Err(); err != nil {
		return nil, err
	}
	if !heard {
		return nil, io.ErrUnexpectedEOF
	}
	return found, nil
}

// zeroEnded splits at zero bytes.
func zeroEnded(data []byte, atEnd bool) (advance int, token []byte, err error) {
	i := slices.Index(data, 0)
	switch {
	case i >= 0:
		return i + 1, data[:i], nil
	case atEnd && len(data) > 0:
		return 0, nil, io.ErrUnexpectedEOF
	}
	return 0, nil, nil
}

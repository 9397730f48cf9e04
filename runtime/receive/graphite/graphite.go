// Package graphite is the receiver for what programs send to Graphite's carbon in its
// plaintext protocol: "path value time" lines, with tags behind a semicolon
// (graphite.readthedocs.io, "Feeding In Your Data" and "Graphite Tag Support").
package graphite

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"math"
	"net"
	"net/netip"
	"strconv"
	"time"

	"grove/runtime/probe"
	"grove/runtime/probe/series"
	"grove/runtime/receive"
	"grove/runtime/receive/plaintext"
	"grove/runtime/receive/sample"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Options of a Hub. The zero value stands for the defaults.
type Options struct {
	Sources []netip.Prefix   // the addresses that may send; nil: all
	Rate    float64          // lines a second and source; 0: 100,000
	Burst   int              // lines at once; 0: 200,000
	Now     func() time.Time // nil: time.Now
}

// Hub takes lines. It may be used from many goroutines.
type Hub struct {
	samples *sample.Hub
	server  *plaintext.Server
	now     func() time.Time
}

// NewHub makes a hub.
func NewHub(o Options) *Hub {
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Hub{samples: sample.NewHub(sample.Options{Now: o.Now}), now: o.Now}
	h.server = plaintext.New(plaintext.Options{Sources: o.Sources, Rate: o.Rate, Burst: o.Burst, Account: h.samples.Account(), Line: h.line, Now: o.Now})
	return h
}

// Kind returns the kind "graphite": probes that take part in what a hub gets.
func Kind(h *Hub) probe.Kind {
	return sample.Kind(h.samples, probe.Kind{Name: "graphite", Title: "Metrics that programs send to Graphite", Doc: doc, Example: example})
}

// Packets takes lines by UDP, and Stream by TCP, until the context ends.
func (h *Hub) Packets(ctx context.Context, conn net.PacketConn) error {
	return h.server.Packets(ctx, conn)
}

// Stream takes lines by TCP until the context ends.
func (h *Hub) Stream(ctx context.Context, l net.Listener) error { return h.server.Stream(ctx, l) }

// Stats reads the counts of lines.
func (h *Hub) Stats() receive.Counts { return h.samples.Account().Counts() }

var errLine = errors.New("is no line of Graphite's: path value time")

// line takes one line.
func (h *Hub) line(line []byte) {
	d := h.samples.Begin(context.Background())
	defer d.End()
	key, name, s, err := parse(line, h.now())
	if err != nil {
		d.Refuse(err, 1)
		return
	}
	if wanted, ok := d.Series(name, key, 1); ok {
		d.Put(wanted, key, s)
	}
}

// parse reads "servers.web1.load;dc=eu 0.5 1700000000". A time of -1, or none, is now.
func parse(line []byte, now time.Time) (key, name []byte, s series.Sample, err error) {
	fields := bytes.Fields(line)
	if len(fields) < 2 || len(fields) > 3 {
		return nil, nil, s, errLine
	}
	path, tags, _ := bytes.Cut(fields[0], []byte{';'})
	s.Value, err = strconv.ParseFloat(string(fields[1]), 64)
	if err != nil || math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
		return nil, nil, s, errLine
	}
	s.Time = now.UnixMilli()
	if len(fields) == 3 && string(fields[2]) != "-1" {
		at, err := strconv.ParseFloat(string(fields[2]), 64)
		if err != nil || !(at > 0 && at < 1e11) {
			return nil, nil, s, errLine
		}
		s.Time = int64(at * 1000)
	}
	key, from, to := plaintext.AppendName(nil, path)
	if from == to {
		return nil, nil, s, errLine
	}
	for tag := range bytes.SplitSeq(tags, []byte{';'}) {
		if label, text, ok := bytes.Cut(tag, []byte{'='}); ok {
			key = plaintext.AppendTag(key, label, text)
		}
	}
	return key, key[from:to], s, nil
}

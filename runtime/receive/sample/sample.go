// Package sample is what the receivers of labelled samples have in common: which probes
// want a series, who may send it to them, and the probe itself, which makes attributes
// and tables of what comes.
//
// A receiver has a [Hub] and a kind made by [Kind]. For each message it begins a
// [Delivery], gives it every sample with the key of its series, and ends it.
package sample

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/labels"

	"grove/runtime/receive"
)

const (
	// maxAhead is how far in the future a sample may be: clocks differ.
	maxAhead = 5 * time.Minute
	// maxKnown bounds the series that the hub remembers who wants.
	maxKnown = 200_000
)

// Separator stands after each name and text of a key: it is never part of UTF-8.
const Separator = 0xff

// ErrLabels is why a series is refused.
var ErrLabels = errors.New("a series has no name, labels of more than 16 KiB, or labels that are not UTF-8")

// AppendLabel appends a label to the key of a series: all its labels, that of its name
// ("__name__") among them, always in the same order.
func AppendLabel[T string | []byte](key []byte, name, text T) []byte {
	key = append(append(key, name...), Separator)
	return append(append(key, text...), Separator)
}

// Options of a Hub. The zero value stands for the defaults.
type Options struct {
	// May says whether who sends may send to the probes of an instance. Nil: everybody may.
	May func(ctx context.Context, instance string) error
	Now func() time.Time // nil: time.Now
}

// Hub knows the probes of one kind and what they want. It may be used from many
// goroutines.
type Hub struct {
	options  Options
	attached receive.Attached[*taker]
	account  receive.Account
	spare    sync.Pool // *Delivery

	mu     sync.RWMutex // guards the rest
	names  map[string]bool
	any    bool
	known  map[string][]Probe // who wants a series, by its key
	former map[string][]Probe // of before known was full
	round  uint64             // counts changes of the probes
}

// Probe is one probe that wants a series.
type Probe = receive.Named[*taker]

// NewHub makes a hub.
func NewHub(o Options) *Hub {
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Hub{options: o}
	h.spare.New = func() any { return &Delivery{hub: h} }
	h.changed()
	return h
}

// Account is where it is counted what became of samples. What does not come to a
// Delivery, since it could not be read or came too fast, its receiver counts there.
func (h *Hub) Account() *receive.Account { return &h.account }

// Probes is how many probes take part.
func (h *Hub) Probes() int { return len(h.attached.All()) }

// Known is of how many series the hub knows who wants them.
func (h *Hub) Known() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.known)
}

// changed forgets who wants what, since probes came or went.
func (h *Hub) changed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.round++
	h.names, h.any = map[string]bool{}, false
	h.known, h.former = map[string][]Probe{}, nil
	for _, p := range h.attached.All() {
		names, all := p.Probe.plan.Names()
		h.any = h.any || all
		for _, n := range names {
			h.names[n] = true
		}
	}
}

// wants lists the probes that want a series; the error says that its labels are none.
func (h *Hub) wants(name, key []byte) ([]Probe, error) {
	h.mu.RLock()
	wanted := h.any || h.names[string(name)]
	if !wanted {
		h.mu.RUnlock()
		return nil, nil
	}
	list, ok := h.known[string(key)]
	former, was := h.former[string(key)]
	round := h.round
	h.mu.RUnlock()
	switch {
	case ok:
		return list, nil
	case was:
		list = former
	default:
		l, err := labelsOf(key)
		if err != nil {
			return nil, err
		}
		for _, p := range h.attached.All() {
			if p.Probe.plan.Fits(l) {
				list = append(list, p)
			}
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if round == h.round {
		if len(h.known) >= maxKnown/2 {
			h.known, h.former = map[string][]Probe{}, h.known
		}
		h.known[string(key)] = list
	}
	return list, nil
}

// labelsOf makes labels of a key.
func labelsOf(key []byte) (labels.Labels, error) {
	if !utf8.Valid(bytes.ReplaceAll(key, []byte{Separator}, nil)) {
		return labels.EmptyLabels(), ErrLabels
	}
	b := labels.NewScratchBuilder(16)
	for len(key) > 0 {
		name, rest, _ := bytes.Cut(key, []byte{Separator})
		text, after, _ := bytes.Cut(rest, []byte{Separator})
		key = after
		if len(text) > 0 {
			b.Add(string(name), string(text))
		}
	}
	b.Sort()
	l := b.Labels()
	if _, twice := l.HasDuplicateLabelNames(); twice {
		return l, ErrLabels
	}
	return l, nil
}

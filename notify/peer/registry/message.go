package registry

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"grove/notify/peer"
)

// MaxMessage bounds the text of a message, bytes.
const MaxMessage = 4 << 10

const (
	messageTime  = 3 * time.Second // of one try
	messageTries = 3
	maxRecent    = 1000
)

// message is what people and programs say to those of another manager (registry.message).
type message struct {
	ID   string `json:"id"` // the same when it is sent again
	By   string `json:"by,omitempty"`
	Text string `json:"text"`
}

func (m message) check() error {
	if m.Text == "" || len(m.Text) > MaxMessage || !utf8.ValidString(m.Text) {
		return peer.Refuse(peer.Invalid, "the message has %d bytes: it is not 1 to %d bytes of valid UTF-8", len(m.Text), MaxMessage)
	}
	if m.ID == "" || len(m.ID) > 64 || len(m.By) > 256 {
		return peer.Refuse(peer.Invalid, "a message has an ID of 1 to 64 bytes, and at most 256 bytes say who wrote it")
	}
	return nil
}

// Message sends a text to another manager, or to all that live when to is empty, and waits
// until each has it or cannot be reached. By is who wrote it.
func (r *Registry) Message(ctx context.Context, to peer.ID, by, text string) ([]Receipt, error) {
	m := message{rand.Text(), by, text}
	if err := m.check(); err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var receipts []Receipt
	asked, _ := r.each(ctx, messageTries*messageTime, func(ctx context.Context, other *member) (err error) {
		for range messageTries {
			if _, err = ask[struct{}](ctx, r, other.id, "registry.message", m, messageTime); err == nil || !errors.Is(err, peer.ErrLost) {
				break
			}
		}
		r.mu.Lock()
		receipt := Receipt{ID: other.ID, Name: other.Name}
		r.mu.Unlock()
		if err != nil {
			receipt.Err = err.Error()
		}
		mu.Lock()
		receipts = append(receipts, receipt)
		mu.Unlock()
		return err
	}, func(other *member) bool {
		return other.ID == to || to == "" && (other.state == Live || other.state == CutOff)
	})
	if asked == 0 && to != "" {
		return nil, peer.Refuse(peer.NotFound, "no manager %s is known", to)
	}
	slices.SortFunc(receipts, func(a, b Receipt) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return receipts, nil
}

// answerMessage hands a message to who reads it here, once.
func (r *Registry) answerMessage(_ context.Context, from peer.ID, body []byte) ([]byte, error) {
	var m message
	if err := decode("registry.message", body, &m); err != nil {
		return nil, err
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	if r.o.Received == nil {
		return nil, peer.Refuse(peer.Refused, "nobody reads messages here")
	}
	r.mu.Lock()
	id := string(from) + m.ID
	again := slices.Contains(r.notes, id)
	if !again {
		if len(r.notes) >= maxRecent {
			r.notes = slices.Delete(r.notes, 0, maxRecent/2)
		}
		r.notes = append(r.notes, id)
	}
	n := Note{From: peer.Manager{ID: from}, By: m.By, Text: m.Text}
	if other := r.members[from]; other != nil {
		n.From = other.Manager
	}
	r.mu.Unlock()
	if !again {
		r.o.Received(n)
	}
	return []byte("{}"), nil
}

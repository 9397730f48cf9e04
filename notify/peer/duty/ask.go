package duty

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"grove/notify/peer"
)

// Kinds of messages. Those to a keeper, and those to who holds a device.
const (
	kindLive    = "duty.live"    // I am there, and this is what I hold
	kindLeave   = "duty.leave"   // this is what others need of a device of mine
	kindPlace   = "duty.place"   // this one is to watch it from now on
	kindAway    = "duty.away"    // I am about to stop, or there again
	kindDevices = "duty.devices" // who watches what
	kindMoves   = "duty.moves"   // what was moved
	kindWho     = "duty.who"     // who can take over for me
	kindBook    = "duty.book"    // what you know of the devices of one to whom I am home now

	kindOffer   = "duty.offer"   // get ready to watch this
	kindRelease = "duty.release" // let it go, and say how it is
	kindTake    = "duty.take"    // watch it

	kindFetch = "duty.fetch" // a piece of what is too long for one message
)

// A message is a line of JSON, and after it what does not go well into JSON: a parcel, or
// a long list under gzip. What is longer than inlineBytes stays with its sender, who hands
// it out in pieces.
type frame struct {
	Body  json.RawMessage `json:"body"`
	Bytes int             `json:"bytes,omitempty"`
	Sum   string          `json:"sha256,omitempty"` // of what is to be fetched
}

const (
	inlineBytes = 256 << 10
	pieceBytes  = 384 << 10
	maxBlob     = 4 << 20
	stashTime   = 2 * time.Minute
	stashBytes  = 128 << 20
)

// stash is what others fetch in pieces.
type stash struct {
	mu    sync.Mutex
	parts []part // the oldest first
	bytes int
}

type part struct {
	sum  string
	data []byte
	ends time.Time
}

func (s *stash) put(sum string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for len(s.parts) > 0 && (now.After(s.parts[0].ends) || s.bytes+len(data) > stashBytes) {
		s.bytes -= len(s.parts[0].data)
		s.parts = s.parts[1:]
	}
	s.parts = append(s.parts, part{sum, data, now.Add(stashTime)})
	s.bytes += len(data)
}

func (s *stash) get(sum string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.parts {
		if s.parts[i].sum == sum {
			return s.parts[i].data
		}
	}
	return nil
}

// fetch is a question for a piece.
type fetch struct {
	Sum    string `json:"sha256"`
	Offset int    `json:"offset"`
}

// pack makes a message of a body and a blob.
func (d *Duty) pack(body any, blob []byte) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	f := frame{Body: text, Bytes: len(blob)}
	if len(blob) > maxBlob {
		return nil, fmt.Errorf("%d bytes are more than %d, which one message about devices has at most", len(blob), maxBlob)
	}
	if len(blob) > inlineBytes {
		sum := sha256.Sum256(blob)
		f.Sum = hex.EncodeToString(sum[:])
		d.parts.put(f.Sum, blob)
		blob = nil
	}
	line, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	return append(append(line, '\n'), blob...), nil
}

// unpack reads what pack has made, and fetches from its sender what is not in it.
func (d *Duty) unpack(ctx context.Context, from peer.ID, message []byte, body any) (blob []byte, err error) {
	line, blob, _ := bytes.Cut(message, []byte("\n"))
	var f frame
	if err := json.Unmarshal(line, &f); err != nil {
		return nil, fmt.Errorf("a message about devices cannot be read: %w", err)
	}
	if f.Bytes < 0 || f.Bytes > maxBlob {
		return nil, fmt.Errorf("a message about devices comes with %d bytes, more than %d", f.Bytes, maxBlob)
	}
	if body != nil {
		if err := json.Unmarshal(f.Body, body); err != nil {
			return nil, fmt.Errorf("a message about devices cannot be read: %w", err)
		}
	}
	if f.Sum == "" {
		if len(blob) != f.Bytes {
			return nil, fmt.Errorf("a message about devices has %d bytes behind its line, and says %d", len(blob), f.Bytes)
		}
		return blob, nil
	}
	free, err := d.fetches.take(ctx, Key{Owner: from})
	if err != nil {
		return nil, err
	}
	defer free()
	whole := make([]byte, 0, f.Bytes)
	for len(whole) < f.Bytes {
		q, err := json.Marshal(fetch{f.Sum, len(whole)})
		if err != nil {
			return nil, err
		}
		var piece []byte
		if from == d.self {
			piece, err = d.onFetch(ctx, from, q)
		} else {
			piece, err = d.o.Fabric.AskBulk(ctx, from, kindFetch, q)
		}
		if err != nil {
			return nil, fmt.Errorf("fetch %d bytes from %s: %w", f.Bytes, from, err)
		}
		if len(piece) == 0 || len(whole)+len(piece) > f.Bytes {
			return nil, fmt.Errorf("fetch %d bytes from %s: a piece of %d bytes does not fit", f.Bytes, from, len(piece))
		}
		whole = append(whole, piece...)
	}
	if sum := sha256.Sum256(whole); hex.EncodeToString(sum[:]) != f.Sum {
		return nil, fmt.Errorf("fetch %d bytes from %s: they have arrived damaged", f.Bytes, from)
	}
	return whole, nil
}

func (d *Duty) onFetch(_ context.Context, _ peer.ID, message []byte) ([]byte, error) {
	var q fetch
	if err := json.Unmarshal(message, &q); err != nil {
		return nil, peer.Refuse(peer.Invalid, "a question for a piece cannot be read: %v", err)
	}
	data := d.parts.get(q.Sum)
	if q.Offset < 0 || q.Offset >= len(data) {
		return nil, peer.Refuse(peer.NotFound, "there is nothing to be fetched under this sum at %d", q.Offset)
	}
	return data[q.Offset:min(q.Offset+pieceBytes, len(data))], nil
}

// handler answers one kind of message.
type handler func(ctx context.Context, from peer.ID, message []byte) ([]byte, error)

// handlers are all of them.
func (d *Duty) handlers() map[string]handler {
	return map[string]handler{
		kindLive: d.onLive, kindLeave: d.onLeave, kindPlace: d.onPlace, kindAway: d.onAway, kindDevices: d.onDevices, kindMoves: d.onMoves, kindWho: d.onWho, kindBook: d.onBook,
		kindOffer: d.onOffer, kindRelease: d.onRelease, kindTake: d.onTake, kindFetch: d.onFetch,
	}
}

// handle has all kinds answered.
func (d *Duty) handle() {
	for kind, h := range d.handlers() {
		d.o.Fabric.Handle(kind, func(ctx context.Context, from peer.ID, message []byte) ([]byte, error) {
			answer, err := h(ctx, from, message)
			var refused *peer.Refusal
			if err != nil && !errors.As(err, &refused) {
				d.log.Warn("a question about devices was not answered", "kind", kind, "from", from, "err", err)
			}
			return answer, err
		})
	}
}

// ask asks another manager, or this one itself.
func (d *Duty) ask(ctx context.Context, to peer.ID, kind string, body any, blob []byte, into any) ([]byte, error) {
	message, err := d.pack(body, blob)
	if err != nil {
		return nil, err
	}
	var answer []byte
	if to == d.self {
		if answer, err = d.handlers()[kind](ctx, d.self, message); err != nil {
			return nil, err
		}
		return d.unpack(ctx, to, answer, into)
	}
	if _, ok := ctx.Deadline(); !ok { // of a person who waits
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, personTime)
		defer cancel()
	}
	ctx, done := d.asking(ctx, to)
	defer done()
	answer, err = d.o.Fabric.Ask(ctx, to, kind, message)
	if err == nil {
		blob, err = d.unpack(ctx, to, answer, into)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = fmt.Errorf("%w: %w", peer.ErrLost, cause)
	}
	return blob, err
}

// asking is a question that is under way.
type asking struct {
	to    peer.ID
	began time.Time
	end   context.CancelCauseFunc
}

// errHungUp is that a question will get no answer.
var errHungUp = errors.New("the link was lost meanwhile")

// asking notes a question until done is called.
func (d *Duty) asking(ctx context.Context, to peer.ID) (context.Context, func()) {
	ctx, end := context.WithCancelCause(ctx)
	a := &asking{to, time.Now(), end}
	d.wantedMu.Lock()
	defer d.wantedMu.Unlock()
	d.asks[a] = true
	return ctx, func() {
		d.wantedMu.Lock()
		defer d.wantedMu.Unlock()
		delete(d.asks, a)
		end(nil)
	}
}

// hangUp ends questions to which no answer comes any more, so that they are asked again, or
// somebody else is.
func (d *Duty) hangUp() {
	d.wantedMu.Lock()
	defer d.wantedMu.Unlock()
	silent := map[peer.ID]bool{}
	for a := range d.asks {
		s, ok := silent[a.to]
		if !ok {
			s = d.o.Roster.State(a.to) != Live
			silent[a.to] = s
		}
		if s || d.linked[a.to].After(a.began) {
			a.end(errHungUp)
		}
	}
}

// unsure says whether what was asked may have been done though the answer is an error.
func unsure(err error) bool {
	var r *peer.Refusal
	return !errors.As(err, &r) || r.Code == peer.Busy
}

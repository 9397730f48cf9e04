package sample

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/record/pack"
	"grove/tree"
)

const kind = "record.samples"

// Bounds of a message.
const (
	// MaxNodes is of how many nodes one question asks.
	MaxNodes = 64
	// maxAnswer is how long an answer is, bytes.
	maxAnswer = 256 << 10
	// maxSpan is how long a time one question is about.
	maxSpan = 32 * 24 * time.Hour
	// maxChain is how many managers may be named in a question.
	maxChain = 4096
)

// Question asks for the readings of some nodes, from a time on and before another, Unix
// milliseconds; those of the first node from First on.
type Question struct {
	Chain []peer.ID   `json:"chain,omitempty"`
	Nodes []tree.Path `json:"nodes"`
	From  int64       `json:"from"`
	To    int64       `json:"to"`
	First int64       `json:"first"`
}

func parseQuestion(body []byte) (q Question, err error) {
	if err := json.Unmarshal(body, &q); err != nil {
		return q, peer.Refuse(peer.Invalid, "%s: %v", kind, err)
	}
	err = q.check()
	return q, err
}

// check bounds a question.
func (q *Question) check() error {
	switch {
	case len(q.Nodes) == 0 || len(q.Nodes) > MaxNodes:
		return peer.Refuse(peer.Invalid, "%s: 1 to %d nodes, not %d", kind, MaxNodes, len(q.Nodes))
	case len(q.Chain) > maxChain:
		return peer.Refuse(peer.Invalid, "%s: a chain of %d managers at most, not %d", kind, maxChain, len(q.Chain))
	case q.From < 0 || q.From >= q.To || q.To-q.From > maxSpan.Milliseconds():
		return peer.Refuse(peer.Invalid, "%s: a time of at most %s, not from %d to %d", kind, maxSpan, q.From, q.To)
	}
	q.First = max(q.First, q.From)
	return nil
}

// Reading is one, at a time in Unix milliseconds.
type Reading struct {
	At    int64
	Value float64
}

// answer is what was found: the readings of the nodes in the order of the question. Of Done
// nodes they are whole; of the one after those they are there up to before Next.
//
// It is written as varints: a version, Done, Next, the number of lists, and for each list how
// many readings it has, and for each reading the milliseconds since the one before (the first:
// since 1970) and eight bytes of value.
type answer struct {
	done  int
	next  int64
	lists [][]Reading
}

const version = 1

func (a *answer) bytes() []byte {
	b := []byte{version}
	b = binary.AppendUvarint(b, uint64(a.done))
	b = binary.AppendVarint(b, a.next)
	b = binary.AppendUvarint(b, uint64(len(a.lists)))
	for _, list := range a.lists {
		b = binary.AppendUvarint(b, uint64(len(list)))
		last := int64(0)
		for _, r := range list {
			b = binary.AppendVarint(b, r.At-last)
			b = pack.AppendFloat(b, r.Value)
			last = r.At
		}
	}
	return b
}

// parseAnswer reads the answer to a question. Readings that were not asked for make it none.
func parseAnswer(body []byte, q *Question) (a answer, err error) {
	fail := func(format string, args ...any) (answer, error) {
		return answer{}, fmt.Errorf("the answer to %s makes no sense: %w", kind, fmt.Errorf(format, args...))
	}
	if len(body) == 0 || body[0] != version {
		return fail("it has another version than %d", version)
	}
	r := pack.New(body[1:])
	done, next, lists := r.Uvarint(), r.Varint(), r.Uvarint()
	if r.Err() == nil && (done > uint64(len(q.Nodes)) || lists > uint64(len(q.Nodes)) || lists < done || lists > done+1) {
		return fail("%d nodes are done and %d told, %d were asked for", done, lists, len(q.Nodes))
	}
	if r.Err() == nil && lists > done && (next <= q.From || next >= q.To || done == 0 && next <= q.First) {
		return fail("it goes on at %d, which is not within what was asked for", next)
	}
	a.done, a.next = int(done), next
	for range lists {
		n := r.Uvarint()
		if r.Err() == nil && n > uint64(r.Len()) {
			return fail("%d readings in %d bytes", n, r.Len())
		}
		list := make([]Reading, 0, min(n, maxAnswer/9))
		last := int64(0)
		for range n {
			last += r.Varint()
			v := r.Float()
			if r.Err() != nil {
				break
			}
			if last < q.From || last >= q.To {
				return fail("a reading of %d was not asked for", last)
			}
			if !math.IsNaN(v) {
				list = append(list, Reading{last, v})
			}
		}
		a.lists = append(a.lists, list)
	}
	if err := r.Err(); err != nil {
		return fail("%w", err)
	}
	if r.Len() > 0 {
		return fail("%w", errors.New("something follows after the end"))
	}
	return a, nil
}

package question

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
	"grove/tree/history"
)

const kindRange = "record.range"

// MaxHops is through how many managers a question goes at most; maxChain how many may be
// named in it.
const (
	MaxHops  = 8
	maxChain = 4096
)

// rangeQuestion asks for points, from a time on and before another, Unix milliseconds.
type rangeQuestion struct {
	Chain   []peer.ID `json:"chain,omitempty"`
	Hops    int       `json:"hops"`
	Path    tree.Path `json:"path"`
	From    int64     `json:"from"`
	To      int64     `json:"to"`
	Buckets int       `json:"buckets"`
}

func parseRange(body []byte) (q rangeQuestion, err error) {
	if err := json.Unmarshal(body, &q); err != nil {
		return q, peer.Refuse(peer.Invalid, "%s: %v", kindRange, err)
	}
	return q, checkWay(kindRange, q.Hops, q.Chain)
}

// checkWay bounds the way of a question.
func checkWay(kind string, hops int, chain []peer.ID) error {
	switch {
	case hops < 0 || hops >= MaxHops:
		return peer.Refuse(peer.Invalid, "%s: a question goes through %d managers at most", kind, MaxHops)
	case len(chain) > maxChain:
		return peer.Refuse(peer.Invalid, "%s: a chain of %d managers at most, not %d", kind, maxChain, len(chain))
	}
	return nil
}

const rangeVersion = 1

// rangeBytes writes the answer: varints of a version, the width of a bucket in nanoseconds,
// up to when it is merged (milliseconds; the least number is never), the step of that in
// nanoseconds, and for each point the milliseconds since the one before (the first: since
// 1970), how many readings it has, and unless it is a gap four values of eight bytes.
func rangeBytes(points []history.Point, res history.Resolution) []byte {
	b := make([]byte, 0, 64+len(points)*44)
	b = append(b, rangeVersion)
	b = binary.AppendVarint(b, int64(res.Bucket))
	merged := int64(math.MinInt64)
	if !res.Merged.IsZero() {
		merged = res.Merged.UnixMilli()
	}
	b = binary.AppendVarint(b, merged)
	b = binary.AppendVarint(b, int64(res.Step))
	b = binary.AppendUvarint(b, uint64(len(points)))
	last := int64(0)
	for _, p := range points {
		b = binary.AppendVarint(b, p.Time.UnixMilli()-last)
		last = p.Time.UnixMilli()
		b = binary.AppendUvarint(b, p.Count)
		if p.Count > 0 {
			for _, v := range []float64{p.Min, p.Max, p.Avg, p.Last} {
				b = pack.AppendFloat(b, v)
			}
		}
	}
	return b
}

func parseRangeAnswer(body []byte) (points []history.Point, res history.Resolution, err error) {
	fail := func(err error) ([]history.Point, history.Resolution, error) {
		return nil, history.Resolution{}, fmt.Errorf("the answer to %s makes no sense: %w", kindRange, err)
	}
	if len(body) == 0 || body[0] != rangeVersion {
		return fail(fmt.Errorf("it has another version than %d", rangeVersion))
	}
	r := pack.New(body[1:])
	res.Bucket = time.Duration(r.Varint())
	if merged := r.Varint(); merged != math.MinInt64 && r.Err() == nil {
		res.Merged = time.UnixMilli(merged)
	}
	res.Step = time.Duration(r.Varint())
	n := r.Uvarint()
	if n > history.MaxBuckets+1 {
		return fail(fmt.Errorf("%d points are more than %d", n, history.MaxBuckets+1))
	}
	last := int64(0)
	for i := range n {
		step := r.Varint()
		last += step
		p := history.Point{Time: time.UnixMilli(last), Min: math.NaN(), Max: math.NaN(), Avg: math.NaN(), Last: math.NaN(), Count: r.Uvarint()}
		if p.Count > 0 {
			p.Min, p.Max, p.Avg, p.Last = r.Float(), r.Float(), r.Float(), r.Float()
		}
		if r.Err() != nil {
			break
		}
		if i > 0 && step < 0 {
			return fail(errors.New("its points are not in the order of time"))
		}
		points = append(points, p)
	}
	if r.Err() != nil {
		return fail(r.Err())
	}
	if r.Len() > 0 {
		return fail(errors.New("something follows after the end"))
	}
	return points, res, nil
}

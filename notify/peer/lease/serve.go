package lease

import (
	"context"
	"encoding/json"
	"time"

	"grove/notify/peer"
)

// MaxServed is the longest time of a lease that is taken over the fabric. A manager that has
// a new home waits for so long before it gets leases there: what others took at the old one
// is over then.
const MaxServed = 30 * time.Second

// question is what is asked of the home: lease.take has name, holder and milliseconds,
// lease.renew, lease.release and lease.check have name, holder and token.
type question struct {
	Name   string `json:"name"`
	Holder string `json:"holder,omitempty"`
	Milli  int64  `json:"ms,omitempty"`
	Token  int64  `json:"token,omitempty"`
}

// answer is a lease as it is sent: times are milliseconds from when it was asked.
type answer struct {
	Token int64 `json:"token"`
	Milli int64 `json:"ms"`
}

// Serve answers the questions of other managers for leases: those of managers whose home
// this one is. With says for how long it has been that; zero is not. The holder of a lease
// is the manager that asks, and what it calls itself within.
func (l *Leases) Serve(f peer.Fabric, with func(peer.ID) time.Duration) {
	handle := func(kind string, do func(ctx context.Context, q question) (Lease, error)) {
		f.Handle(kind, func(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
			var q question
			if err := json.Unmarshal(body, &q); err != nil {
				return nil, peer.Refuse(peer.Invalid, "%s: %v", kind, err)
			}
			if since := with(from); kind == "lease.take" && since < MaxServed {
				return nil, peer.Refuse(peer.Busy, "%s cannot be taken here for another %s: what was taken at another home has to be over before", q.Name, (MaxServed - since).Round(time.Millisecond))
			}
			q.Holder = string(from) + "/" + q.Holder
			got, err := do(ctx, q)
			if err != nil {
				return nil, err
			}
			return json.Marshal(answer{got.Token, got.Left.Milliseconds()})
		})
	}
	handle("lease.take", func(ctx context.Context, q question) (Lease, error) {
		ttl := time.Duration(q.Milli) * time.Millisecond
		if q.Milli > MaxServed.Milliseconds() {
			return Lease{}, peer.Refuse(peer.Invalid, "%s is taken for %d ms: a lease of another manager is for %s at most", q.Name, q.Milli, MaxServed)
		}
		return l.Take(ctx, q.Name, q.Holder, ttl)
	})
	handle("lease.renew", func(ctx context.Context, q question) (Lease, error) { return l.Renew(ctx, q.Name, q.Holder, q.Token) })
	handle("lease.release", func(ctx context.Context, q question) (Lease, error) {
		return Lease{}, l.Release(ctx, q.Name, q.Holder, q.Token)
	})
	handle("lease.check", func(ctx context.Context, q question) (Lease, error) { return Lease{}, l.Check(ctx, q.Name, q.Token) })
}

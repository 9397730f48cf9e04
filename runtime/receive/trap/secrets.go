package trap

import (
	"crypto/subtle"
	"time"

	"grove/runtime/probe/secret"
)

// freshness is how long a secret that was read is used before it is read again.
const freshness = 10 * time.Second

// communities are those that a probe takes, as its definition refers to them.
type communities struct {
	references []string
	read       [][]byte
	at         time.Time
}

func newCommunities(references []string) *communities { return &communities{references: references} }

// allow says whether a community is one of them. A reference that cannot be read lets
// nobody in.
func (c *communities) allow(policy *secret.Policy, community []byte, now time.Time) bool {
	if c.at.IsZero() || now.Sub(c.at) > freshness || now.Before(c.at) {
		c.read, c.at = c.read[:0], now
		for _, reference := range c.references {
			if !secret.Looks(reference) {
				c.read = append(c.read, []byte(reference))
			} else if text, err := policy.Read(secret.Ref(reference)); err == nil {
				c.read = append(c.read, []byte(text))
			}
		}
	}
	found := 0
	for _, known := range c.read {
		found |= subtle.ConstantTimeCompare(known, community)
	}
	return found == 1
}

// fresh reads the passwords of a user again when they may have changed.
func (a *account) fresh(policy *secret.Policy, now time.Time) error {
	if !a.readAt.IsZero() && now.Sub(a.readAt) <= freshness && !now.Before(a.readAt) {
		return a.unreadable
	}
	a.readAt = now
	auth, err := policy.Read(a.AuthPassword)
	priv := ""
	if err == nil {
		priv, err = policy.Read(a.PrivPassword)
	}
	if a.unreadable = err; err != nil {
		return err
	}
	if auth != a.auth || priv != a.priv {
		a.auth, a.priv, a.keys = auth, priv, nil
	}
	return nil
}

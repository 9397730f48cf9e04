package trap

import (
	"crypto/subtle"
	"time"

	"grove/runtime/probe/secret"
	"grove/runtime/receive/trap/usm"
)

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
	if c.at.IsZero() || now.Sub(c.at) > usm.Freshness || now.Before(c.at) {
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

package receive

import (
	"context"
	"errors"
)

// Dispatch gives the things of one message to the probes that want them, all of a probe's
// at once, and counts in the account what became of each. May says whether who sends may
// send to the probes of an instance; nil: everybody may, and ErrHidden: it is as if they
// were not there. Taken is how many were taken by some probe, denied how many only by those
// that the sender may not send to, and err why.
func Dispatch[P, T any](ctx context.Context, attached *Attached[P], account *Account, may func(ctx context.Context, instance string) error,
	list []T, wants func(P, *T) bool, take func(P, []*T),
) (taken, denied int, err error) {
	probes := attached.All()
	refused := make([]error, len(probes))
	for k, p := range probes {
		if may != nil {
			refused[k] = may(ctx, p.Instance)
		}
	}
	given := make([][]*T, len(probes))
	for i := range list {
		one := &list[i]
		wanted, got := false, false
		for k, p := range probes {
			if errors.Is(refused[k], ErrHidden) || !wants(p.Probe, one) {
				continue
			}
			wanted = true
			if refused[k] != nil {
				err = refused[k]
				continue
			}
			got = true
			given[k] = append(given[k], one)
		}
		switch {
		case got:
			taken++
		case wanted:
			denied++
		}
	}
	for k, p := range probes {
		if len(given[k]) > 0 {
			take(p.Probe, given[k])
		}
	}
	account.Applied(taken)
	account.Refused(NoNode, len(list)-taken-denied)
	account.Refused(Denied, denied)
	return taken, denied, err
}

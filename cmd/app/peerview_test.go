package app

import (
	"errors"
	"fmt"
	"testing"

	"grove/notify/peer"
	"grove/notify/peer/authority"
	peerrest "grove/viewer/peer"
)

// TestProblemsOfJoining holds that each error of joining is told to people as one that they
// can do something about, and none as a mistake of the server.
func TestProblemsOfJoining(t *testing.T) {
	for _, c := range []struct{ err, want error }{
		{authority.ErrToken, peerrest.ErrToken},
		{authority.ErrUsed, peerrest.ErrUsed},
		{authority.ErrUnreachable, peerrest.ErrUnreachable},
		{authority.ErrSilent, peerrest.ErrSilent},
		{fmt.Errorf("%w: %w", authority.ErrSilent, peer.ErrLost), peerrest.ErrSilent},
		{authority.ErrFingerprint, peerrest.ErrFingerprint},
		{authority.ErrClocks, peerrest.ErrClocks},
		{peer.Refuse(peer.Refused, "no"), peerrest.ErrRefused},
		{peer.Refuse(peer.Busy, "wait"), peerrest.ErrBusy},
	} {
		if got := peerProblem(fmt.Errorf("join tls://berlin:7443: %w", c.err)); !errors.Is(got, c.want) || !errors.Is(got, c.err) {
			t.Errorf("%v is told as %v", c.err, got)
		}
	}
}

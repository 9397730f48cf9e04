package member

import (
	"strings"
	"testing"

	"grove/notify/peer"
	"grove/notify/peer/authority"
	"grove/notify/peer/settings"
)

// TestNoClusterToJoinOver holds that an invitation of a manager in an external cluster, which
// this one is not in, says what to do.
func TestNoClusterToJoinOver(t *testing.T) {
	m := &Member{}
	m.file.name = "/var/lib/grove/peers.yaml"
	m.said.Store(&settings.Settings{})
	_, err := m.AskToJoin(t.Context(), authority.Cluster, nil, hamburg, "authority.join", nil)
	if !peer.IsRefusal(err, peer.Refused) || !strings.Contains(err.Error(), "name that cluster in /var/lib/grove/peers.yaml") {
		t.Error(err)
	}
}

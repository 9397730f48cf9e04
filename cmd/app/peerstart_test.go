package app_test

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"grove/cmd/app"
	"grove/tree"
)

// A port that something else listens on stops no monitoring: a node is red until it is free.
func TestAPortInUseIsTriedAgain(t *testing.T) {
	t.Parallel()
	other, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	address := "tls://" + other.Addr().String()
	s := newSite(t, "berlin", "listen: [\""+address+"\"]\n")
	s.until("a node is red", func() bool {
		n, ok := s.node("/grove/Peers/Listening")
		return ok && n.Status == tree.Red && strings.HasPrefix(n.Value.String(), "cannot listen on "+address+": ") && strings.Contains(n.Value.String(), "address already in use")
	})
	var o struct{ Deaf string }
	s.must(http.MethodGet, "/api/v1/peers", nil, &o)
	if !strings.Contains(o.Deaf, "address already in use") {
		t.Errorf("the overview says %q", o.Deaf)
	}
	if err := s.call(http.MethodPost, "/api/v1/peers/invite", map[string]string{"name": "hamburg"}, nil); err == nil || !strings.Contains(err.Error(), "cannot listen on "+address) || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("an invitation meanwhile: %v", err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	s.until("it listens", func() bool { n, _ := s.node("/grove/Peers/Listening"); return n.Status == tree.Green })
	s.must(http.MethodPost, "/api/v1/peers/invite", map[string]string{"name": "hamburg"}, nil)
}

// A file of peers that cannot be read keeps a manager from starting, as flags do: where it
// listens, and who may do what, is not to be guessed.
func TestABrokenFileOfPeers(t *testing.T) {
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "peers.yaml"), []byte("site: north\nlisen: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := app.New(app.Config{Listen: "127.0.0.1:0", Data: data, NoHost: true})
	if !errors.Is(err, app.ErrConfig) || !strings.Contains(err.Error(), "peers.yaml:2:1: ") {
		t.Errorf("error %v", err)
	}
}

// Two managers of one name have nodes each, and each tree depends on its own link.
func TestTwoManagersOfOneName(t *testing.T) {
	t.Parallel()
	hub := newSite(t, "hub", listens)
	first, second := newSite(t, "shop", ""), newSite(t, "shop", "")
	first.joins(hub)
	second.joins(hub)
	var o struct {
		Managers []struct{ ID, Name, Branch string }
	}
	hub.until("both are there", func() bool {
		hub.must(http.MethodGet, "/api/v1/peers", nil, &o)
		return len(o.Managers) == 2 && o.Managers[0].Name == "shop" && o.Managers[1].Name == "shop~"+o.Managers[1].ID[:4] && o.Managers[0].Branch != "" && o.Managers[1].Branch != ""
	})
	for _, m := range o.Managers {
		name := strings.ReplaceAll(m.Name, "~", "~0") // as paths write it
		if m.Branch != "/Managers/"+name {
			t.Errorf("the tree of %s hangs at %s", m.Name, m.Branch)
		}
		link := tree.MustPath("/grove/Peers/" + name + "/Link")
		hub.until("the link of "+m.Name+" is up", func() bool { n, ok := hub.node(link.String()); return ok && n.Status == tree.Green })
		hub.until("the tree of "+m.Name+" depends on that link", func() bool {
			n, ok := hub.node(m.Branch)
			return ok && n.Spec.Alerting != nil && slices.Equal(n.Spec.Alerting.DependsOn, []tree.Path{link})
		})
	}
	if err := hub.call(http.MethodPost, "/api/v1/peers/shop/revoke", map[string]string{}, nil); err == nil || !strings.Contains(err.Error(), "several") {
		t.Errorf("one of the two is revoked: %v", err)
	}
	hub.must(http.MethodPost, "/api/v1/peers/"+strings.ReplaceAll(o.Managers[1].Name, "~", "%7E")+"/revoke", map[string]string{}, nil)
	first.until("the first is linked", func() bool { n, ok := first.node("/grove/Peers/hub/Link"); return ok && n.Status == tree.Green })
}

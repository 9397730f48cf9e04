package app_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"grove/cmd/app"
	"grove/tree"
)

// written is a log that may be read while somebody writes to it.
type written struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// A device whose probe needs a secret moves: its new manager reads the secret where the
// reference says, and neither the secret, nor the token of the invitation, nor a private key
// is in anything else that either manager writes or tells.
func TestSecretsOfPeersStaySecret(t *testing.T) {
	t.Parallel()
	const secret = "Canary-x!y/z"
	secrets := t.TempDir()
	if err := os.WriteFile(filepath.Join(secrets, "shop"), []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+secret {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, `{"load": 7}`)
	}))
	t.Cleanup(shop.Close)
	var log written
	with := func(c *app.Config) {
		c.SecretDirs = []string{secrets}
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	hub := newSiteWith(t, "hub", listens, with)
	edge := newSiteWith(t, "edge", "move_loopback: true\n", with)
	edge.write("definitions/shop.yaml", "grove: 1\napplication: shop\nparameters: { token: { type: secret, required: true } }\n"+
		"probes:\n  answer: { kind: document, url: \""+shop.URL+"\", bearer: \"${token}\", every: 200ms, format: json, attributes: { load: { from: load } } }\n"+
		"tree:\n  Load: { from: answer.load }\n---\nuse: shop\nname: shop\nat: /shop\nwith: { token: \"file:"+filepath.Join(secrets, "shop")+"\" }\n")
	var invited struct{ Address, Token string }
	hub.must(http.MethodPost, "/api/v1/peers/invite", map[string]string{"name": "edge"}, &invited)
	edge.must(http.MethodPost, "/api/v1/peers/join", map[string]string{"address": invited.Address, "token": invited.Token}, nil)
	green := func(s *site) func() bool {
		return func() bool { n, ok := s.node("/shop/Load"); return ok && n.Status == tree.Green }
	}
	edge.until("the shop is watched", green(edge))
	edge.until("the shop can be given", func() bool {
		return edge.call(http.MethodPost, "/api/v1/devices/shop/give", map[string]string{"to": "hub"}, nil) == nil
	})
	hub.until("the hub has the secret, too", green(hub))

	canaries := map[string]string{
		"the secret": secret[:8], "the secret in base64": base64.StdEncoding.EncodeToString([]byte(secret))[:12], "the secret in hex": hex.EncodeToString([]byte(secret)),
		"the token": invited.Token,
	}
	said := map[string][]byte{}
	for _, s := range []*site{hub, edge} {
		for _, path := range []string{
			"/api/v1/peers", "/api/v1/devices", "/api/v1/peers/moves", "/api/v1/duplicates", "/api/v1/definitions", "/api/v1/journal?limit=1000", "/api/v1/tree?depth=20", "/api/v1/audit", "/metrics",
		} {
			said[s.name+" at "+path] = s.read(http.MethodGet, path)
		}
		z, err := zstd.NewReader(bytes.NewReader(s.read(http.MethodPost, "/api/v1/backup")))
		if err != nil {
			t.Fatal(err)
		}
		backup, err := io.ReadAll(z)
		z.Close()
		if err != nil {
			t.Fatal(err)
		}
		said["the backup of "+s.name] = backup
	}
	for _, s := range []*site{hub, edge} {
		keys := filepath.Join(s.data, "peers")
		found := 0
		s.stop()
		if err := filepath.WalkDir(s.data, func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			text, err := os.ReadFile(name)
			if key, ok := bytes.CutPrefix(text, []byte("-----BEGIN PRIVATE KEY-----\n")); ok && strings.HasPrefix(name, keys) {
				canaries["the key "+s.name+strings.TrimPrefix(name, s.data)], found = string(key[:40]), found+1
				if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("%s: %v %v", name, info.Mode(), err)
				}
				return nil
			}
			said["the file "+s.name+strings.TrimPrefix(name, s.data)] = text
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if found == 0 {
			t.Errorf("no private key is in %s", keys)
		}
	}
	said["the log"] = []byte(log.String())
	references := 0
	for where, text := range said {
		if bytes.Contains(text, []byte(filepath.Join(secrets, "shop"))) {
			references++
		}
		if len(text) == 0 && !strings.HasPrefix(where, "the file") {
			t.Errorf("%s is empty", where)
		}
		for what, canary := range canaries {
			if at := bytes.Index(text, []byte(canary)); at >= 0 {
				t.Errorf("%s has %s: …%q", where, what, text[max(0, at-60):at+8])
			}
		}
	}
	if references < 3 { // the edge's file, in its backup, and what the hub wrote of the parcel
		t.Errorf("the reference to the secret is in %d places only: what was looked at?", references)
	}
}

// read is what the manager answers.
func (s *site) read(method, path string) []byte {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, "http://"+s.app.Addr().String()+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		s.Fatalf("%s %s: %d %v: %s", method, path, res.StatusCode, err, text)
	}
	return text
}

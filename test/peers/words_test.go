package peers

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"grove/cmd/app"
	"grove/notify/peer"
	"grove/notify/peer/authority"
	"grove/notify/peer/fabric"
	"grove/test/grovetest"
	"grove/tree/store/audit"
	"grove/tree/store/storetest"
	"grove/viewer"
	viewpeer "grove/viewer/peer"
)

// stranger is a manager of another version: it has the links of one, and says what a test
// wants it to say.
type stranger struct {
	*fabric.Fabric
	authority *authority.Authority
}

// newStranger makes one that has joined nobody.
func newStranger(t *testing.T, name string) *stranger {
	t.Helper()
	db := storetest.SQLite(t).OpenAs(t, name)
	quiet := slog.New(slog.DiscardHandler)
	a, err := authority.Open(t.Context(), authority.Options{Dir: filepath.Join(t.TempDir(), "peers"), Store: db, Audit: audit.New(db, name, nil), Name: name})
	if err != nil {
		t.Fatal(err)
	}
	f, err := fabric.New(fabric.Options{Self: a.ID(), Security: a, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return &stranger{f, a}
}

// joins joins a manager as one of a generation of messages.
func (s *stranger) joins(ctx context.Context, address, token string, protocol int) error {
	me := peer.Manager{ID: s.Self(), Name: "stranger", Version: "another"}
	_, err := s.authority.Join(ctx, authority.By{Who: "test"}, address, token, me,
		func(ctx context.Context, address string, c *tls.Config, to peer.ID, kind string, body []byte) ([]byte, error) {
			var said map[string]any
			if err := json.Unmarshal(body, &said); err != nil {
				return nil, err
			}
			said["manager"].(map[string]any)["protocol"] = protocol
			said["ofTheFuture"] = map[string]any{"a": []int{1}}
			body, err := json.Marshal(said)
			if err != nil {
				return nil, err
			}
			return s.AskOnce(ctx, address, c, to, kind, body)
		})
	return err
}

// kinds are all kinds of messages that the source has handlers for, or asks.
func kinds(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../notify/peer/*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	word := regexp.MustCompile(`"((?:authority|branch|duty|lease|record|registry|remote|twin|alert|history)\.[a-z]+)"`)
	var all []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, found := range word.FindAllSubmatch(text, -1) {
			all = append(all, string(found[1]))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestWordsOfOthers has a manager hear from one of another version: a generation of messages
// that is not its own, kinds that it does not know, and messages of all kinds that it knows
// with what it cannot understand. It takes what it can, refuses the rest in words, and goes on
// with its work.
func TestWordsOfOthers(t *testing.T) {
	data, said := t.TempDir(), new(grovetest.Log)
	for file, text := range map[string]string{"peers.yaml": "listen: [\"tls://127.0.0.1:0\"]\n", "definitions/shop.yaml": watched} {
		file = filepath.Join(data, file)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a, err := app.New(app.Config{Listen: "127.0.0.1:0", Data: data, Name: "berlin", NoHost: true, Version: "test", Log: slog.New(slog.NewTextHandler(said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	a.Start()
	berlin := &manager{Manager: &grovetest.Manager{Client: grovetest.Client{
		TB: t, Name: "berlin", Address: "http://" + a.Addr().String(), HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: grovetest.Patience},
	}}}
	t.Cleanup(func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("berlin said:\n%s", said)
		}
	})
	invite := func() (address, token string) {
		t.Helper()
		code, body, err := berlin.Request(http.MethodPost, "/api/v1/peers/invite", map[string]string{"name": "stranger"})
		var invited struct{ Address, Token string }
		if err == nil {
			err = json.Unmarshal(body, &invited)
		}
		if err != nil || code/100 != 2 {
			t.Fatalf("invite: %d: %s, %v", code, body, err)
		}
		return invited.Address, invited.Token
	}
	s := newStranger(t, "stranger")
	address, token := invite()

	for _, protocol := range []int{-1, peer.Protocol - 2, peer.Protocol + 2, 1 << 30} {
		if err := s.joins(t.Context(), address, token, protocol); !peer.IsRefusal(err, peer.Refused) || !strings.Contains(err.Error(), fmt.Sprintf("generation %d", protocol)) {
			t.Errorf("joining with generation %d: %v", protocol, err)
		}
	}
	if err := s.joins(t.Context(), address, token, peer.Protocol+1); err != nil {
		t.Fatal(err)
	}
	home := s.authority.Uppers()[0].ID
	if err := s.Connect(address, home); err != nil {
		t.Fatal(err)
	}
	berlin.Eventually(func() error {
		if l := s.Links(); len(l) != 1 || !l[0].Up {
			return fmt.Errorf("%+v", l)
		}
		return nil
	})

	here := func() ([]byte, error) {
		manager := map[string]any{"id": s.Self(), "name": "stranger", "protocol": peer.Protocol + 1, "integrates": false, "capacity": 5, "ofTheFuture": 7}
		body, err := json.Marshal(map[string]any{"manager": manager, "number": time.Now().UnixMilli(), "life": 1, "ofTheFuture": []string{"x"}})
		if err != nil {
			t.Fatal(err)
		}
		return s.Ask(t.Context(), home, "registry.here", body)
	}
	listed := func(state string) {
		t.Helper()
		berlin.Eventually(func() error {
			if _, err := here(); err != nil {
				return err
			}
			p, err := berlin.peer("stranger")
			if err == nil && (p.State != state || p.Protocol != peer.Protocol+1) {
				err = fmt.Errorf("stranger is %+v", p)
			}
			return err
		})
	}
	listed("live")

	if _, err := s.Ask(t.Context(), home, "registry.hereafter", []byte("{}")); !errors.Is(err, peer.ErrNobody) {
		t.Errorf("a kind that nobody knows: %v", err)
	}
	bodies := map[string][]byte{
		"nothing": nil, "null": []byte("null"), "a list": []byte("[]"), "a word": []byte(`"x"`), "half": []byte(`{"a":`), "zeros": make([]byte, 64),
		"more":  []byte(`{"ofTheFuture":{"a":[1,2]},"key":{"owner":"x","name":"y"}}`),
		"other": []byte(`{"manager":7,"number":"x","key":[],"token":{},"under":3,"path":5,"entries":{},"devices":"none","of":9}`),
		"deep":  bytes.Repeat([]byte("["), 20_000), "long": bytes.Repeat([]byte(" "), peer.MaxBody),
	}
	all, known := kinds(t), 0
	for _, kind := range all {
		if kind == "authority.leave" { // It needs no body, and is understood.
			continue
		}
		handled := false
		for name, body := range bodies {
			_, err := s.Ask(t.Context(), home, kind, body)
			var refusal *peer.Refusal
			if errors.Is(err, peer.ErrNobody) {
				break
			}
			if handled = true; err != nil && !errors.As(err, &refusal) {
				t.Errorf("%s with %s: %v", kind, name, err)
			}
			if refusal != nil && (refusal.Message == "" || strings.Contains(refusal.Message, "panic") || strings.Contains(refusal.Message, "nil pointer")) {
				t.Errorf("%s with %s: %s: %q", kind, name, refusal.Code, refusal.Message)
			}
		}
		if handled {
			known++
		}
	}
	t.Logf("%d of %d kinds are answered: %s", known, len(all), strings.Join(all, " "))
	if known < 35 {
		t.Errorf("only %d kinds are answered", known)
	}
	if text := said.String(); strings.Contains(text, "panic") || strings.Contains(text, "goroutine ") {
		t.Error("a handler broke")
	}

	// It is as it was.
	listed("live")
	if err := berlin.Push(map[string]any{"path": number, "value": 700}); err != nil {
		t.Fatal(err)
	}
	berlin.Is(number, "700", "red")
	var tree viewer.Details
	if err := berlin.Ask("/api/v1/nodes/grove/Peers/stranger/Link", &tree); err != nil {
		t.Error(err)
	}
	var devices viewpeer.Devices
	if err := berlin.Ask("/api/v1/devices", &devices); err != nil || len(devices.Devices) != 1 || devices.Devices[0].Watcher != "berlin" {
		t.Errorf("devices are %+v: %v", devices, err)
	}
}

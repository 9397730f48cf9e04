package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"grove/tree/grant"
)

// heard collects what comes on a connection that stays open.
type heard struct {
	next func() ([]byte, error)
	text bytes.Buffer
}

// until reads on until a text comes.
func (h *heard) until(text string) error {
	for !strings.Contains(h.text.String(), text) {
		more, err := h.next()
		h.text.Write(more)
		h.text.WriteByte('\n')
		if err != nil {
			return fmt.Errorf("%q does not come: %w", text, err)
		}
	}
	return nil
}

// events opens a stream of server-sent events.
func (e *estate) events(ctx context.Context, a *asker, target string) *heard {
	e.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url+target, nil)
	if err != nil {
		e.Fatal(err)
	}
	a.sign(req)
	res, err := e.http.Do(req)
	if err != nil {
		e.Fatal(err)
	}
	e.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		e.Fatalf("%s: %s %s", target, res.Status, text)
	}
	piece := make([]byte, 64<<10)
	return &heard{next: func() ([]byte, error) {
		n, err := res.Body.Read(piece)
		return piece[:n], err
	}}
}

// feed opens the live feed with some subscriptions, and acknowledges what comes.
func (e *estate) feed(ctx context.Context, a *asker, requests ...map[string]any) *heard {
	e.Helper()
	header := &http.Request{Header: http.Header{"Origin": {e.url}}}
	a.sign(header)
	dialer := websocket.Dialer{Subprotocols: []string{"grove.live.v2.json"}}
	ws, res, err := dialer.DialContext(ctx, "ws"+strings.TrimPrefix(e.url, "http")+"/api/v1/live", header.Header)
	if err != nil {
		e.Fatal(res, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = ws.Close() })
	e.Cleanup(func() { stop(); _ = ws.Close() })
	for _, request := range requests {
		if err := ws.WriteJSON(request); err != nil {
			e.Fatal(err)
		}
	}
	return &heard{next: func() ([]byte, error) {
		_, text, err := ws.ReadMessage()
		if err != nil {
			return nil, err
		}
		var frame struct {
			Type string
			ID   uint32
			Seq  uint64
		}
		if json.Unmarshal(text, &frame) == nil && (frame.Type == "snapshot" || frame.Type == "delta") {
			err = ws.WriteJSON(map[string]any{"type": "ack", "id": frame.ID, "seq": frame.Seq})
		}
		return text, err
	}}
}

// TestStreamsTellWhatIsSeen listens to everything that tells of changes by itself, while
// nodes change that are hidden, and after them one that is not.
func TestStreamsTellWhatIsSeen(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	paths := map[string]string{e.acme: north + e.acme, e.zenith: south + e.zenith, e.vault: "/" + e.vault + "/Gold"}
	turn := 0
	// set pushes a value that stands nowhere else, of another status than the one before.
	set := func(name string) (value string) {
		v := 10 + float64(turn+1)/64
		if turn/len(paths)%2 == 1 {
			v += 85
		}
		turn++
		body := reading{"path": paths[name], "value": v}
		var out map[string]any
		e.send(nil, http.MethodPost, "/api/v1/readings", body, http.StatusOK, &out)
		return fmt.Sprint(v)
	}
	subscribe := func(more map[string]any) map[string]any {
		all := map[string]any{"type": "subscribe", "id": 1, "path": "/"}
		for k, v := range more {
			all[k] = v
		}
		return all
	}
	openAll := map[string]any{"type": "open", "id": 1, "all": true}
	for _, a := range e.askers {
		if a.token == "" && a.session == "" || a.whole(grant.Viewer) {
			continue
		}
		t.Run(a.name, func(t *testing.T) {
			open := map[string]*heard{
				"events":             e.events(ctx, a, "/api/v1/events"),
				"notifications":      e.events(ctx, a, "/api/v1/bean/notifications?name="+url.QueryEscape("*:*")),
				"alerts":             e.events(ctx, a, "/api/v1/alerts/stream"),
				"the live feed":      e.feed(ctx, a, subscribe(nil)),
				"a part of the feed": e.feed(ctx, a, subscribe(map[string]any{"path": "/plant", "depth": 1}), openAll),
				"a filtered feed":    e.feed(ctx, a, subscribe(map[string]any{"filter": map[string]any{"statuses": []string{"red", "green"}}})),
				"the problems":       e.feed(ctx, a, subscribe(map[string]any{"some": 3}), map[string]any{"type": "open", "id": 1, "problems": true}, openAll),
			}
			for name, h := range open {
				begins := `"snapshot"`
				if name == "events" || name == "notifications" || name == "alerts" {
					begins = ": events follow"
				}
				if err := h.until(begins); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			values := map[string]string{}
			for name := range paths {
				if name != a.sees[0] {
					values[name] = set(name)
				}
			}
			values[a.sees[0]] = set(a.sees[0]) // What is seen comes last.
			for name, h := range open {
				if name == "alerts" {
					continue // It says that something changed, and what has a test of its own.
				}
				if err := h.until(values[a.sees[0]]); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				for hidden, value := range values {
					if !slices.Contains(a.sees, hidden) && (strings.Contains(h.text.String(), hidden) || strings.Contains(h.text.String(), value)) {
						t.Errorf("%s tells of what is hidden:\n%s", name, around(h.text.String(), hidden))
					}
				}
			}
		})
	}
}

// TestStreamsEndWithTheirToken revokes the token behind everything that stays open.
func TestStreamsEndWithTheirToken(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var token struct{ ID, Token string }
	e.send(nil, http.MethodPost, "/api/v1/tokens", map[string]any{"name": "for a while"}, http.StatusCreated, &token)
	a := &asker{name: "for a while", token: token.Token}
	open := map[string]*heard{
		"events":        e.events(ctx, a, "/api/v1/events"),
		"notifications": e.events(ctx, a, "/api/v1/bean/notifications?name="+url.QueryEscape("*:*")),
		"alerts":        e.events(ctx, a, "/api/v1/alerts/stream"),
		"the live feed": e.feed(ctx, a, map[string]any{"type": "subscribe", "id": 1, "path": "/"}),
	}
	for name, h := range open {
		if err := h.until(map[bool]string{true: `"snapshot"`, false: ": events follow"}[name == "the live feed"]); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, e.url+"/api/v1/tokens/"+token.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("root", "correct horse battery")
	if code, answer := e.do(req); code != http.StatusNoContent {
		t.Fatalf("revoke: %d %s", code, answer)
	}
	for name, h := range open {
		if err := h.until("what never comes"); ctx.Err() != nil {
			t.Errorf("%s goes on: %v", name, err)
		}
	}
}

package test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"

	"grove/test/grovetest"
	"grove/tree"
	"grove/viewer/live/client"
	"grove/viewer/live/frame"
)

// A crowd looks at a hall while everything in it changes again and again. Some of it
// never read what they are sent.
const (
	crowd       = 180
	deaf        = 20
	crowdGroups = 20
	crowdNodes  = 50
	crowdRounds = 60
	// crowdMemory is what the live heap of the manager may grow by, in bytes: some hundred
	// kilobytes a viewer. Its resident memory would tell of the race detector, too.
	crowdMemory = 32 << 20
)

// TestCrowdOfViewers has two hundred viewers of one manager, of which twenty do not read:
// the others see all there is to see, open and close groups meanwhile, and the manager's
// memory stays bounded.
func TestCrowdOfViewers(t *testing.T) {
	data := t.TempDir()
	s, address, err := grovetest.Program{Dir: data}.Serve("--data", data, "--no-own-host", "--log-level", "warn")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.End(os.Kill) })
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	m := &manager{TB: t, url: address, drop: filepath.Join(data, "definitions"), log: s.Said, http: &http.Client{Transport: transport, Timeout: patience}}
	m.write("crowd.yaml", fmt.Sprintf(`grove: 1
application: crowd
at: /crowd
tree:
  Bell: { kind: performance }
  "Group ${item}":
    each: "1..%d"
    nodes:
      "n${item}": { each: "1..%d", kind: performance, red: "> 1000000" }
`, crowdGroups, crowdNodes))
	m.loaded("crowd")
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()

	dialer := websocket.Dialer{Subprotocols: []string{"grove.live.v2.json"}, NetDialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			err = c.(*net.TCPConn).SetReadBuffer(4 << 10)
		}
		return c, err
	}}
	for range deaf {
		ws, _, err := dialer.DialContext(ctx, "ws"+strings.TrimPrefix(address, "http")+"/api/v1/live", http.Header{"Origin": {address}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ws.Close() })
		if err := ws.WriteJSON(map[string]any{"type": "subscribe", "id": 1, "path": "/"}); err != nil {
			t.Fatal(err)
		}
	}
	var viewers sync.WaitGroup
	faults := make([]error, crowd)
	for i := range crowd {
		c, err := client.Dial(ctx, address, tree.MustPath("/crowd"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		look := func() error {
			for turn := 0; ; turn++ {
				if _, err := c.Next(); err != nil {
					return fmt.Errorf("viewer %d: %w", i, err)
				}
				var all, rung int
				c.Read(func(m *frame.Mirror) {
					m.Walk(func(n *frame.Mirrored, _ int) bool {
						v, ok := n.Value.Number()
						switch {
						case !ok:
						case n.Name == "Bell":
							rung = int(v)
						case v == crowdRounds:
							all++
						}
						return true
					})
				})
				if rung == crowdRounds && all == crowdGroups*crowdNodes {
					return nil
				}
				// Every third viewer closes and opens everything now and then.
				if i%3 != 0 || turn%3 != 0 {
					continue
				}
				if err := c.CloseAll(); err != nil {
					return err
				}
				if err := c.OpenAll(); err != nil {
					return err
				}
			}
		}
		viewers.Go(func() { faults[i] = look() })
	}
	before := m.liveHeap()
	var body bytes.Buffer
	for round := 1; round <= crowdRounds; round++ {
		body.Reset()
		body.WriteByte('[')
		for g := 1; g <= crowdGroups; g++ {
			for n := 1; n <= crowdNodes; n++ {
				fmt.Fprintf(&body, "{\"path\":\"/crowd/Group %d/n%d\",\"value\":%d},", g, n, round)
			}
		}
		fmt.Fprintf(&body, "{\"path\":\"/crowd/Bell\",\"value\":%d}]", round)
		res, err := m.http.Post(address+"/api/v1/readings", "application/json", strings.NewReader(body.String())) // its own: a request that is sent again may still be read
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatal(res.Status)
		}
	}
	viewers.Wait()
	if err := errors.Join(faults...); err != nil {
		t.Error(err)
	}
	after := m.liveHeap()
	t.Logf("%d viewers and %d who do not read: %.0f MB before, %.0f MB after", crowd, deaf, before/(1<<20), after/(1<<20))
	if after-before > float64(crowdMemory) {
		t.Errorf("the manager grew by %.0f MB", (after-before)/(1<<20))
	}
	m.is("/crowd/Bell", strconv.Itoa(crowdRounds), "green")
}

// liveHeap is what the manager's last collection of garbage found in use, in bytes.
func (m *manager) liveHeap() float64 {
	m.Helper()
	res, err := m.http.Get(m.url + "/metrics")
	if err != nil {
		m.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "go_gc_heap_live_bytes "); ok {
			bytes, err := strconv.ParseFloat(text, 64)
			if err != nil {
				m.Fatal(err)
			}
			return bytes
		}
	}
	m.Fatal("there is no go_gc_heap_live_bytes")
	return 0
}

package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	view "grove/viewer/peer"
)

// managers is what an integration manager knows: one that is well, one that was lost just
// now, one that others hear, one that is dead, and one that left.
func managers() view.Overview {
	ago := func(d time.Duration) time.Time { return noon.Add(-d) }
	heard, trip := ago(3*time.Second), 0.0123
	self := func(id, name string, devices int) view.Peer {
		return view.Peer{ID: id, Name: name, Version: "1", Protocol: 1, Capacity: 2000, Devices: devices, Started: ago(time.Hour)}
	}
	o := view.Overview{Self: self("00000000000000cc", "berlin", 120), Home: "rome", StandIns: []string{"hamburg", "*"}, Error: "peers.yaml:3:1: unknown setting \"lisen\"", Managers: []view.OtherPeer{
		{Peer: self("00000000000000aa", "hamburg", 88), State: view.Live, Heard: &heard, Branch: "/Managers/hamburg", Nodes: 4711, StandIns: []string{"berlin"},
			Link: &view.PeerLink{Up: true, Since: ago(51 * time.Hour), RoundTrip: &trip}, MessagesPerSecond: 42.25, Saturation: 0.031},
		{Peer: self("00000000000000bb", "köln", 12), State: view.Suspect, Heard: &heard, Branch: "/Managers/köln", Nodes: 90, Lag: view.Lag{Entries: 12, Seconds: 184},
			Link: &view.PeerLink{Since: ago(2 * time.Second), Waiting: 2048, Error: "read: connection \x1b[31mreset"}},
		{Peer: self("00000000000000dd", "oslo", 0), State: view.CutOff, Heard: &heard},
		{Peer: self("00000000000000ee", "paris", 7), State: view.Dead, Link: &view.PeerLink{Since: ago(time.Minute)}},
		{Peer: view.Peer{ID: "00000000000000ff", Name: "turin"}, State: view.Gone},
	}}
	o.Self.Integrates, o.Deaf = true, "cannot listen on tls://0.0.0.0:7443: address already in use"
	return o
}

func TestPeersArePrinted(t *testing.T) {
	o := managers()
	for name, s := range map[string]peerSheet{"piped": {}, "wide": {width: 180}, "narrow": {width: 70}, "colored": {drawing: drawing{color: true}}} {
		t.Run(name, func(t *testing.T) {
			s.now = noon
			var b strings.Builder
			s.print(&b, &o)
			for line := range strings.SplitSeq(b.String(), "\n") {
				if n := len([]rune(line)); s.width > 0 && n > s.width {
					t.Errorf("%d characters: %s", n, line)
				}
			}
			golden(t, "peers-"+name+".txt", b.String())
		})
	}
}

// TestPeersComeInPages puts the pages of the server together.
func TestPeersComeInPages(t *testing.T) {
	whole := managers()
	s := serve(t, map[string]any{"GET /api/v1/peers": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := whole
		page.Managers, page.Next = whole.Managers[:3], "more"
		if r.URL.Query().Get("after") != "" {
			page.Managers, page.Next = whole.Managers[3:], ""
		}
		_ = json.NewEncoder(w).Encode(page)
	})})
	code, stdout, stderr := s.atNoon(t, "peers")
	if code != OK || stderr != "" {
		t.Fatalf("%d %s", code, stderr)
	}
	golden(t, "peers-piped.txt", stdout)
}

func TestPeersAreManaged(t *testing.T) {
	before := func(d time.Duration) *time.Time { at := noon.Add(-d); return &at }
	note := func(answer any) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			text, _ := io.ReadAll(r.Body)
			w.Header().Set("Asked", string(text))
			_ = json.NewEncoder(w).Encode(answer)
		}
	}
	problem := func(status int, detail string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "title": http.StatusText(status), "detail": detail})
		}
	}
	rounds := 0
	handover := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		if strings.Contains(string(text), "oslo") {
			_ = json.NewEncoder(w).Encode(view.MoveOutcome{Moved: 1, Left: []view.Left{{Device: "db", Error: "oslo knows no probe postgres"}}})
			return
		}
		if rounds++; rounds == 1 {
			_ = json.NewEncoder(w).Encode(view.MoveOutcome{Moved: 90, UnderWay: 30})
			return
		}
		_ = json.NewEncoder(w).Encode(view.MoveOutcome{Moved: 30})
	})
	devices := view.Devices{Total: 1200, Next: "more", Devices: []view.Device{
		{Name: "db", Application: "postgres", At: "/shop/db", Owner: "berlin", Watcher: "hamburg", Epoch: 4, State: view.Given, Until: before(-8 * time.Hour), StandIns: []string{"hamburg", "*"}},
		{Name: "sw1", Application: "switch", At: "/net/sw1", Owner: "paris", Epoch: 1, State: view.Orphaned, DuplicateOf: "berlin:switch-1"},
		{Name: "switch-1", Application: "switch", At: "/net/\x1b[2Jswitch-1", Owner: "berlin", Watcher: "berlin", State: view.Own},
	}}
	moves := view.MovePage{Next: "more", Moves: []view.Move{
		{Time: noon, Device: "db", From: "berlin", To: "hamburg", Why: "given", By: "ada", State: view.UnderWay, Epoch: 4, Error: "hamburg loads the definition"},
		{Time: *before(time.Hour), Device: "sw1", To: "berlin", Why: "takeover", State: view.Done, Took: 4.25, Epoch: 2},
		{Time: *before(2 * time.Hour), Device: "sw2", From: "berlin", To: "oslo", Why: "handover", By: "ada", State: view.Failed, Error: "oslo has no room", Epoch: 1},
	}}
	s := serve(t, map[string]any{
		"POST /api/v1/peers/invite":            note(view.Invited{Invitation: view.Invitation{Token: "s3cret", Address: "tls://berlin:7443", Ends: *before(-24 * time.Hour)}, Command: "grove peer join tls://berlin:7443 s3cret"}),
		"POST /api/v1/peers/join":              note(view.Joined{PeerName: view.PeerName{ID: "00000000000000cc", Name: "berlin"}, Address: "tls://berlin:7443"}),
		"POST /api/v1/peers/hamburg/revoke":    note(view.PeerName{ID: "00000000000000aa", Name: "hamburg"}),
		"POST /api/v1/peers/hamburg/leave":     note(view.PeerName{ID: "00000000000000aa", Name: "hamburg"}),
		"POST /api/v1/peers/integrate":         note(view.MoveOutcome{Moved: 2}),
		"POST /api/v1/peers/handover":          handover,
		"POST /api/v1/peers/live":              note(view.MoveOutcome{UnderWay: 3}),
		"GET /api/v1/peers/moves":              moves,
		"GET /api/v1/devices":                  devices,
		"POST /api/v1/devices/db/give":         note(view.Move{Device: "db", From: "berlin", To: "hamburg", State: view.Done}),
		"POST /api/v1/devices/sw/1/give":       note(view.Move{Device: "sw/1", From: "berlin", To: "hamburg", State: view.Failed, Error: "hamburg has no room"}),
		"POST /api/v1/devices/berlin:x/return": note(view.Move{Device: "x", To: "berlin", State: view.UnderWay, Error: "hamburg is not linked"}),
		"POST /api/v1/devices/give": note(view.Moved{Done: 1, UnderWay: 1, Failed: 2, Moves: []view.Move{
			{Device: "db", Owner: "berlin", At: "/shop/db", From: "berlin", To: "hamburg", State: view.Done},
			{Device: "till", Owner: "berlin", At: "/shop/till", From: "berlin", To: "hamburg", State: view.Failed, Error: "it stays: probe \"answer\" asks an address on this machine"},
			{Device: "web", Owner: "berlin", At: "/shop/web", From: "berlin", To: "hamburg", State: view.UnderWay},
			{Device: "switch-1", State: view.Failed, Error: "there is no such device here: \"switch-1\""},
		}, Stays: []view.Stay{{Path: "/shop/Note", Why: "no definition has grown it"}}}),
		"POST /api/v1/devices/return":      note(view.Moved{Done: 2, Moves: []view.Move{{Device: "db", To: "berlin", State: view.Done}, {Device: "web", To: "berlin", State: view.Done}}}),
		"POST /api/v1/devices/gone/return": problem(404, "there is no such manager or device: gone"),
		"GET /api/v1/duplicates": view.Duplicates{Next: "more", Groups: []view.Duplicate{
			{Identity: "address=10.0.0.1", Why: "rule address", Primary: view.Sighting{Manager: "berlin", Device: "switch-1", Path: "/net/switch-1"}, Secondaries: []view.Sighting{{Manager: "hamburg", Device: "sw1", Path: "/lan/sw1"}}},
		}},
		"POST /api/v1/messages": note(view.Deliveries{Deliveries: []view.Delivery{{PeerName: view.PeerName{Name: "hamburg"}}, {PeerName: view.PeerName{Name: "köln"}, Error: "the link to the manager was lost"}}}),
	})
	late := serve(t, map[string]any{"POST /api/v1/peers/join": problem(410, "the token cannot be used any more: it ended at 12:00; make a new one at the other manager with grove peer invite")})
	var all strings.Builder
	for _, args := range []string{
		"peer invite hamburg", "peer invite hamburg --for 2h --json", "peer join tls://berlin:7443 s3cret", "peer join tls://berlin:7443 -",
		"peer revoke hamburg -m stolen", "peer leave hamburg", "peer integrate on", "peer integrate off", "peer integrate perhaps",
		"peer handover", "peer handover oslo", "peer live", "peer moves", "peer moves --device db --limit 7", "peer devices", "peer devices --manager berlin --state given --at /shop --text d", "peer devices --color always",
		"peer give db hamburg --for 8h", "peer give sw/1 hamburg", "peer return berlin:x", "peer return gone", "peer give db", "peer give /shop switch-1 hamburg --for 8h", "peer return /shop", "peer return db switch-1", "peer duplicates", "peer message all lunch is ready",
	} {
		s.asked = nil
		code, stdout, stderr := s.atNoon(t, strings.Fields(args)...)
		fmt.Fprintf(&all, "$ grove %s: %d, asked %s\n%s%s\n", args, code, s.asked, stdout, stderr)
	}
	code, stdout, stderr := late.atNoon(t, "peer", "join", "tls://berlin:7443", "s3cret")
	fmt.Fprintf(&all, "$ grove peer join, late: %d\n%s%s\n", code, stdout, stderr)
	golden(t, "peer.txt", strings.ReplaceAll(all.String(), s.URL, "http://grove"))
}

// TestPeersAreAskedWhatWasSaid: the bodies are those of the REST interface.
func TestPeersAreAskedWhatWasSaid(t *testing.T) {
	var asked string
	take := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		asked = string(text)
		fmt.Fprint(w, `{"deliveries":[{"name":"x"}],"state":"done"}`)
	})
	s := serve(t, map[string]any{
		"POST /api/v1/peers/invite": take, "POST /api/v1/peers/join": take, "POST /api/v1/peers/x/revoke": take, "POST /api/v1/peers/x/leave": take, "POST /api/v1/peers/integrate": take,
		"POST /api/v1/peers/handover": take, "POST /api/v1/peers/live": take, "POST /api/v1/devices/x/give": take, "POST /api/v1/devices/x/return": take, "POST /api/v1/devices/give": take, "POST /api/v1/devices/return": take, "POST /api/v1/messages": take,
	})
	for _, c := range []struct{ args, stdin, want string }{
		{"invite x", "", `{"name":"x","for":"24h"}`}, {"invite x --for 7d", "", `{"name":"x","for":"7d"}`},
		{"join tls://h:1 t", "", `{"address":"tls://h:1","token":"t"}`}, {"join tls://h:1 -", "t2\n", `{"address":"tls://h:1","token":"t2"}`},
		{"revoke x -m why", "", `{"comment":"why"}`}, {"leave x", "", `{}`}, {"integrate on", "", `{"on":true}`}, {"integrate off", "", `{"on":false}`},
		{"handover", "", `{}`}, {"handover y", "", `{"to":"y"}`}, {"live", "", `{}`},
		{"give x y", "", `{"to":"y"}`}, {"give x y --for 8h", "", `{"to":"y","for":"8h"}`}, {"return x", "", `{}`},
		{"give /x y", "", `{"devices":["/x"],"to":"y"}`}, {"give x /z y --for 8h", "", `{"devices":["x","/z"],"to":"y","for":"8h"}`}, {"return /x", "", `{"devices":["/x"]}`}, {"return x z", "", `{"devices":["x","z"]}`},
		{"message x a b", "", `{"to":"x","text":"a b"}`}, {"message all a", "", `{"to":"*","text":"a"}`},
	} {
		var out, errs bytes.Buffer
		code := Run(t.Context(), Process{Args: append(strings.Fields("peer "+c.args), "--server", s.URL), Stdin: strings.NewReader(c.stdin), Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }})
		if code != OK || asked != c.want {
			t.Errorf("peer %s: %d, asked %s, not %s\n%s%s", c.args, code, asked, c.want, &out, &errs)
		}
	}
}

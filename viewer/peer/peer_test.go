package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree/store"
	"grove/viewer/viewertest"
)

const (
	north = "00000000000000aa"
	south = "00000000000000bb"
)

// estate are Peers that note what they are asked for.
type estate struct {
	did []string
	err error
}

func (e *estate) note(format string, args ...any) error {
	e.did = append(e.did, fmt.Sprintf(format, args...))
	return e.err
}

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (e *estate) Overview(context.Context) (Overview, error) {
	trip := 0.012
	return Overview{
		Self: Peer{ID: "00000000000000cc", Name: "berlin", Version: "1", Protocol: 1, Capacity: 2000, Started: began}, Home: "hamburg",
		Managers: []OtherPeer{
			{Peer: Peer{ID: south, Name: "south", Started: began}, State: CutOff},
			{Peer: Peer{ID: north, Name: "north", Started: began}, State: Live, Link: &PeerLink{Address: "tls://north:7443", Up: true, Since: began, RoundTrip: &trip}},
		},
	}, e.note("overview")
}

func (e *estate) Devices(context.Context) ([]Device, error) {
	return []Device{
		{Name: "switch-2", Application: "switch", At: "/net/switch-2", Owner: "berlin", OwnerID: "00000000000000cc", Watcher: "north", WatcherID: north, Epoch: 3, State: Given},
		{Name: "switch-1", Application: "switch", At: "/net/switch-1", Owner: "south", OwnerID: south, State: Orphaned, Epoch: 1},
		{Name: "db", Application: "postgres", At: "/shop/db", Owner: "north", OwnerID: north, Watcher: "north", WatcherID: north, State: Own, Epoch: 1},
		{Name: "db", Application: "postgres", At: "/shop/db", Owner: "south", OwnerID: south, Watcher: "south", WatcherID: south, State: Own, Epoch: 1},
	}, e.err
}

func (e *estate) Moves(_ context.Context, q MoveQuery) (MovePage, error) {
	return MovePage{Next: "7"}, e.note("moves %+v", q)
}

func (e *estate) Duplicates(context.Context) ([]Duplicate, error) {
	return []Duplicate{
		{Identity: "serial=2", Primary: Sighting{"north", "b", "/b"}, Secondaries: []Sighting{{"south", "b", "/b"}}, Why: "serial"},
		{Identity: "address=1", Primary: Sighting{"north", "a", "/a"}, Secondaries: []Sighting{{"south", "a", "/a"}}, Why: "address"},
	}, e.err
}

func (e *estate) Invite(_ context.Context, name string, within time.Duration) (Invitation, error) {
	return Invitation{"s3cret", "tls://north:7443", began}, e.note("invite %s %s", name, within)
}

func (e *estate) Join(_ context.Context, address, token string) (Joined, error) {
	return Joined{PeerName{north, "north"}, address}, e.note("join %s %s", address, token)
}

func (e *estate) Revoke(_ context.Context, manager, comment string) (PeerName, error) {
	return PeerName{north, "north"}, e.note("revoke %s %q", manager, comment)
}

func (e *estate) Leave(_ context.Context, manager string) (PeerName, error) {
	return PeerName{north, "north"}, e.note("leave %s", manager)
}

func (e *estate) Integrate(_ context.Context, on bool) (MoveOutcome, error) {
	return MoveOutcome{Moved: 2}, e.note("integrate %t", on)
}

func (e *estate) Give(_ context.Context, device, to string, within time.Duration) (Move, error) {
	return Move{Time: began, Device: device, From: "berlin", To: to, Why: "given", State: Done, Took: 0.5, Epoch: 4}, e.note("give %s %s %s", device, to, within)
}

func (e *estate) Return(_ context.Context, device string) (Move, error) {
	return Move{Device: device, State: UnderWay}, e.note("return %s", device)
}

func (e *estate) GiveAll(_ context.Context, devices []string, to string, within time.Duration) (Moved, error) {
	return Moved{Stays: []Stay{{"/shop/Note", "it was pushed"}}, Moves: []Move{
		{Device: "a", To: to, State: Done}, {Device: "b", To: to, State: UnderWay}, {Device: "c", State: Failed, Error: "no room"}, {Device: "d", To: to, State: Done},
	}}, e.note("give %q %s %s", devices, to, within)
}

func (e *estate) ReturnAll(_ context.Context, devices []string) (Moved, error) {
	return Moved{}, e.note("return %q", devices)
}

func (e *estate) HandOver(_ context.Context, to string) (MoveOutcome, error) {
	left := make([]Left, 150)
	for i := range left {
		left[i] = Left{fmt.Sprint("d", i), "nobody can"}
	}
	return MoveOutcome{3, 1, left}, e.note("handover %q", to)
}

func (e *estate) Live(context.Context) (MoveOutcome, error) {
	return MoveOutcome{Moved: 3}, e.note("live")
}

func (e *estate) Message(_ context.Context, to, text string) ([]Delivery, error) {
	return []Delivery{{PeerName{south, "south"}, "the link was lost"}, {PeerName{north, "north"}, ""}}, e.note("message %s %q", to, text)
}

func TestPeers(t *testing.T) {
	long := strings.Repeat("t", MaxToken+1)
	for _, c := range []struct {
		name, grants, method, target, body string
		err                                error
		status                             int
		answer                             string
		did, audited                       []string
	}{
		{"looked at", "viewer", "GET", "/peers", "", nil, 200,
			`"home":"hamburg","managers":[{"id":"` + north + `","name":"north","version":"","protocol":0,"capacity":0,"devices":0,"started":"2026-01-02T03:04:05Z","state":"live","link":{"outbound":false,"address":"tls://north:7443","up":true,"since":"2026-01-02T03:04:05Z","roundTrip":0.012,"waiting":0,"bytesIn":0,"bytesOut":0,"messagesIn":0,"messagesOut":0},"lag":{"entries":0,"seconds":0},"messagesPerSecond":0,"saturation":0},{"id":"` + south + `"`,
			[]string{"overview"}, nil},
		{"looked at without a link", "viewer", "GET", "/peers", "", nil, 200, `"state":"cut off","link":null`, []string{"overview"}, nil},
		{"looked at by who has a part", "admin /shop", "GET", "/peers", "", nil, 403, "needs the role viewer on /", nil, nil},
		{"looked at after nothing", "viewer", "GET", "/peers?after=!", "", nil, 400, "after: it is not the next of a page", []string{"overview"}, nil},
		{"looked at without the database", "viewer", "GET", "/peers", "", fmt.Errorf("secret: %w", store.ErrUnavailable), 503, "the database is not available", []string{"overview"}, nil},

		{"invited", "admin", "POST", "/peers/invite", `{"name":"hamburg","for":"2d"}`, nil, 200,
			`"token":"s3cret","address":"tls://north:7443","ends":"2026-01-02T03:04:05Z","command":"grove peer join tls://north:7443 s3cret"`,
			[]string{"invite hamburg 48h0m0s"}, nil},
		{"invited for a day", "admin", "POST", "/peers/invite", `{"name":"hamburg"}`, nil, 200, `"token"`, []string{"invite hamburg 24h0m0s"}, nil},
		{"invited for ever", "admin", "POST", "/peers/invite", `{"name":"hamburg","for":"31d"}`, nil, 422, "for: 31d is not from 1m to 30d", nil, nil},
		{"invited for no time", "admin", "POST", "/peers/invite", `{"name":"hamburg","for":"24"}`, nil, 422, "needs a unit", nil, nil},
		{"invited by an editor", "editor", "POST", "/peers/invite", `{"name":"hamburg"}`, nil, 403, "needs the role admin on /", nil, nil},
		{"invited where nobody comes", "admin", "POST", "/peers/invite", `{"name":"hamburg"}`, ErrDeaf, 409, `this manager listens nowhere; say in peers.yaml where it listens`, []string{"invite hamburg 24h0m0s"}, nil},
		{"invited where something else listens", "admin", "POST", "/peers/invite", `{"name":"hamburg"}`, fmt.Errorf("%w: address in use", ErrOccupied), 409, `no other manager can link to this one now: address in use; end what else listens there`, []string{"invite hamburg 24h0m0s"}, nil},

		{"joined", "admin", "POST", "/peers/join", `{"address":" tls://north:7443","token":"s3cret\n"}`, nil, 200, `"id":"` + north + `","name":"north","address":"tls://north:7443"`, []string{"join tls://north:7443 s3cret"}, nil},
		{"joined by an editor", "editor", "POST", "/peers/join", `{"address":"tls://x","token":"y"}`, nil, 403, "needs the role admin on /", nil, nil},
		{"joined at no address", "admin", "POST", "/peers/join", `{"address":"grove.example:7443","token":"y"}`, nil, 422, "begins with neither tls:// nor wss://", nil, nil},
		{"joined without a token", "admin", "POST", "/peers/join", `{"address":"tls://x","token":" "}`, nil, 422, "token: want that of an invitation", nil, nil},
		{"joined with a book", "admin", "POST", "/peers/join", `{"address":"tls://x","token":"` + long + `"}`, nil, 422, "of at most 8192 bytes", nil, nil},
		{"joined with a wrong token", "admin", "POST", "/peers/join", `{"address":"tls://x","token":"y"}`, ErrToken, 422, "the token is not right; copy the whole command", []string{"join tls://x y"}, nil},
		{"joined with a used token", "admin", "POST", "/peers/join", `{"address":"tls://x","token":"y"}`, fmt.Errorf("%w: it was used at 12:00", ErrUsed), 410, "it was used at 12:00; make a new one at the other manager", []string{"join tls://x y"}, nil},
		{"joined where nobody is", "admin", "POST", "/peers/join", `{"address":"tls://x","token":"y"}`, ErrUnreachable, 502, "check that it listens there", []string{"join tls://x y"}, nil},
		{"joined who does not answer", "admin", "POST", "/peers/join", `{"address":"tls://x","token":"y"}`, fmt.Errorf("%w: tls://x", ErrSilent), 503, "no answer came in time: tls://x; its machine or this one may have too much to do: try the same again", []string{"join tls://x y"}, nil},
		{"joined somebody else", "admin", "POST", "/peers/join", `{"address":"tls://x","token":"y"}`, ErrFingerprint, 409, "is another manager than the one that made the token", []string{"join tls://x y"}, nil},
		{"joined at another time", "admin", "POST", "/peers/join", `{"address":"tls://x","token":"y"}`, ErrClocks, 409, "set both clocks by NTP", []string{"join tls://x y"}, nil},

		{"revoked", "admin", "POST", "/peers/north/revoke", `{"comment":"stolen"}`, nil, 200, `"name":"north"`, []string{`revoke north "stolen"`}, nil},
		{"revoked by an operator", "operator", "POST", "/peers/north/revoke", `{}`, nil, 403, "needs the role admin", nil, nil},
		{"revoked who is not there", "admin", "POST", "/peers/west/revoke", `{}`, fmt.Errorf("%w: west", ErrUnknown), 404, "there is no such manager or device: west", []string{`revoke west ""`}, nil},
		{"left", "admin", "POST", "/peers/" + north + "/leave", "", nil, 200, `"name":"north"`, []string{"leave " + north}, nil},
		{"left one of two", "admin", "POST", "/peers/north/leave", "", ErrAmbiguous, 409, "say the ID", []string{"leave north"}, nil},
		{"integrated", "admin", "POST", "/peers/integrate", `{"on":false}`, nil, 200, `"moved":2,"underWay":0,"left":[]`, []string{"integrate false"}, []string{"ada: peer integrate off null: <nil>"}},
		{"integrated by an editor", "editor", "POST", "/peers/integrate", `{"on":true}`, nil, 403, "needs the role admin", nil, nil},

		{"devices", "viewer", "GET", "/devices?limit=3", "", nil, 200, `"total":4,"next":"`, nil, nil},
		{"devices of one", "viewer", "GET", "/devices?manager=north&state=given", "", nil, 200, `"devices":[{"name":"switch-2","application":"switch","at":"/net/switch-2","owner":"berlin","ownerId":"00000000000000cc","watcher":"north","watcherId":"` + north + `","epoch":3,"state":"given"}],"total":1}`, nil, nil},
		{"devices below", "viewer", "GET", "/devices?at=/shop", "", nil, 200, `"total":2`, nil, nil},
		{"devices called so", "viewer", "GET", "/devices?text=SWITCH-1", "", nil, 200, `"total":1`, nil, nil},
		{"devices in no state", "viewer", "GET", "/devices?state=lost", "", nil, 400, "state: it is not one of own, given", nil, nil},
		{"devices nowhere", "viewer", "GET", "/devices?at=/a//b", "", nil, 400, "", nil, nil},
		{"devices for who has a part", "viewer /shop", "GET", "/devices", "", nil, 403, "needs the role viewer on /", nil, nil},

		{"given", "admin", "POST", "/devices/berlin:db%2Fmain/give", `{"to":"north","for":"8h"}`, nil, 200, `"device":"berlin:db/main","from":"berlin","to":"north","why":"given","state":"done","took":0.5,"epoch":4`,
			[]string{"give berlin:db/main north 8h0m0s"}, []string{`ada: device give berlin:db/main {"for":"8h","to":"north"}: <nil>`}},
		{"given for ever", "admin", "POST", "/devices/db/give", `{"to":"north"}`, nil, 200, `"state":"done"`, []string{"give db north 0s"}, []string{`ada: device give db {"to":"north"}: <nil>`}},
		{"given by an editor", "editor", "POST", "/devices/db/give", `{"to":"north"}`, nil, 403, "needs the role admin", nil, nil},
		{"given to who is away", "admin", "POST", "/devices/db/give", `{"to":"north"}`, ErrNotLinked, 409, "the manager is not linked now; grove peers shows the links", []string{"give db north 0s"}, []string{`ada: device give db {"to":"north"}: the manager is not linked now`}},
		{"given to who is busy", "admin", "POST", "/devices/db/give", `{"to":"north"}`, ErrBusy, 503, "try again later", []string{"give db north 0s"}, []string{`ada: device give db {"to":"north"}: it is busy now`}},
		{"given too slowly", "admin", "POST", "/devices/db/give", `{"to":"north"}`, context.DeadlineExceeded, 503, "deadline", []string{"give db north 0s"}, []string{`ada: device give db {"to":"north"}: context deadline exceeded`}},
		{"given to who does not want it", "admin", "POST", "/devices/db/give", `{"to":"north"}`, fmt.Errorf("%w: north has no room", ErrRefused), 409, "north has no room", []string{"give db north 0s"}, []string{`ada: device give db {"to":"north"}: it was refused: north has no room`}},
		{"returned", "admin", "POST", "/devices/db/return", "", nil, 200, `"state":"under way"`, []string{"return db"}, []string{"ada: device return db null: <nil>"}},
		{"returned too late", "admin", "POST", "/devices/db/return", "", ErrStale, 409, "it moved meanwhile; grove peer devices shows", []string{"return db"}, []string{"ada: device return db null: it moved meanwhile"}},
		{"returned by a mistake", "admin", "POST", "/devices/db/return", "", errors.New("secret"), 500, "the server made a mistake", []string{"return db"}, []string{"ada: device return db null: secret"}},
		{"given with all below", "admin", "POST", "/devices/give", `{"devices":["/shop","north:db"],"to":"south","for":"8h"}`, nil, 200, `"stays":[{"path":"/shop/Note","why":"it was pushed"}],"done":2,"underWay":1,"failed":1}`,
			[]string{`give ["/shop" "north:db"] south 8h0m0s`}, []string{`ada: device give /shop, north:db {"for":"8h","to":"south"}: <nil>`}},
		{"given nothing", "admin", "POST", "/devices/give", `{"devices":[],"to":"south"}`, nil, 422, "", nil, nil},
		{"given what has no name", "admin", "POST", "/devices/give", `{"devices":["a"," "],"to":"south"}`, nil, 422, "devices: want names or paths of 1 to 1024 bytes", nil, nil},
		{"given all by an editor", "editor", "POST", "/devices/give", `{"devices":["/"],"to":"south"}`, nil, 403, "needs the role admin", nil, nil},
		{"given what is a part", "admin", "POST", "/devices/give", `{"devices":["/shop/db/Load"],"to":"south"}`, fmt.Errorf("%w: it is part of db", ErrInvalid), 422, "it is part of db", []string{`give ["/shop/db/Load"] south 0s`}, []string{`ada: device give /shop/db/Load {"to":"south"}: it makes no sense: it is part of db`}},
		{"returned with all below", "admin", "POST", "/devices/return", `{"devices":["/shop"]}`, nil, 200, `"moves":[],"stays":[],"done":0`, []string{`return ["/shop"]`}, []string{"ada: device return /shop null: <nil>"}},
		{"returned by an editor", "editor", "POST", "/devices/return", `{"devices":["/"]}`, nil, 403, "needs the role admin", nil, nil},
		{"handed over", "admin", "POST", "/peers/handover", `{}`, nil, 200, `"moved":3,"underWay":1,"left":[{"device":"d0","error":"nobody can"}`, []string{`handover ""`}, []string{"ada: peer handover the stand-ins null: <nil>"}},
		{"handed over to one", "admin", "POST", "/peers/handover", `{"to":"north"}`, nil, 200, `"device":"d99"`, []string{`handover "north"`}, []string{"ada: peer handover north null: <nil>"}},
		{"live", "admin", "POST", "/peers/live", "", nil, 200, `"moved":3`, []string{"live"}, []string{"ada: peer live this manager null: <nil>"}},
		{"live by an operator", "operator", "POST", "/peers/live", "", nil, 403, "needs the role admin", nil, nil},

		{"moves", "viewer", "GET", "/peers/moves?device=db&limit=7&after=9", "", nil, 200, `"moves":[],"next":"7"}`, []string{"moves {Device:db Limit:7 After:9}"}, nil},
		{"moves after nothing", "viewer", "GET", "/peers/moves?after=x", "", fmt.Errorf("%w: no place", ErrQuery), 400, "no place", []string{"moves {Device: Limit:500 After:x}"}, nil},
		{"moves of all that there are", "viewer", "GET", "/peers/moves?limit=1001", "", nil, 422, "", nil, nil},
		{"moves for who has a part", "admin /shop", "GET", "/peers/moves", "", nil, 403, "needs the role viewer on /", nil, nil},
		{"duplicates", "viewer", "GET", "/duplicates", "", nil, 200, `"groups":[{"identity":"address=1","primary":{"manager":"north","device":"a","path":"/a"},"secondaries":[{"manager":"south","device":"a","path":"/a"}],"why":"address"},{"identity":"serial=2"`, nil, nil},
		{"duplicates for who has a part", "admin /shop", "GET", "/duplicates", "", nil, 403, "needs the role viewer on /", nil, nil},

		{"told", "operator", "POST", "/messages", `{"to":"*","text":" lunch "}`, nil, 200, `"deliveries":[{"id":"` + north + `","name":"north"},{"id":"` + south + `","name":"south","error":"the link was lost"}]}`, []string{`message * "lunch"`}, []string{`ada: peer message * {"text":"lunch"}: <nil>`}},
		{"told nothing", "operator", "POST", "/messages", `{"to":"*","text":" "}`, nil, 422, "text: want 1 to 2000 bytes", nil, nil},
		{"told by a viewer", "viewer", "POST", "/messages", `{"to":"*","text":"x"}`, nil, 403, "needs the role operator on /", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, e := viewertest.New(t), &estate{err: c.err}
			api, err := New(Options{Peers: e, Audit: w.Audit})
			if err != nil {
				t.Fatal(err)
			}
			w.Add(api.Register)
			status, body := w.Do(c.grants, c.method, "/api/v1"+c.target, c.body)
			if status != c.status || !strings.Contains(body, c.answer) {
				t.Errorf("%d %s", status, body)
			}
			if strings.Contains(body, "d100") {
				t.Error("more than 100 devices are left")
			}
			if diff := cmp.Diff([][]string{c.did, c.audited}, [][]string{e.did, w.Audited}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestPages walks through the devices one at a time: each comes once, in order.
func TestPages(t *testing.T) {
	w := viewertest.New(t)
	api, err := New(Options{Peers: &estate{}, Audit: w.Audit})
	if err != nil {
		t.Fatal(err)
	}
	w.Add(api.Register)
	var names []string
	for after := ""; ; {
		status, body := w.Do("viewer", "GET", "/api/v1/devices?limit=1&after="+after, "")
		var page Devices
		if err := json.Unmarshal([]byte(body), &page); status != 200 || err != nil || page.Total != 4 {
			t.Fatal(status, body, err)
		}
		for _, d := range page.Devices {
			names = append(names, d.Owner+":"+d.Name)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"north:db", "south:db", "south:switch-1", "berlin:switch-2"}, names); diff != "" {
		t.Error(diff)
	}
}

// TestNobodyIsToldTheToken: what is wrong with a request to join does not repeat it.
func TestNobodyIsToldTheToken(t *testing.T) {
	w := viewertest.New(t)
	api, err := New(Options{Peers: &estate{}, Audit: w.Audit})
	if err != nil {
		t.Fatal(err)
	}
	w.Add(api.Register)
	for _, body := range []string{`{"token":"s3cret"}`, `{"address":"tls://x","token":"s3cret` + strings.Repeat("x", MaxToken) + `"}`} {
		if status, answer := w.Do("admin", "POST", "/api/v1/peers/join", body); status != 422 || strings.Contains(answer, `s3cretx`) {
			t.Errorf("%d %.300s", status, answer)
		}
	}
}

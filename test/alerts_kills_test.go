package test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"grove/notify/channel"
	"grove/test/witness"
	"grove/tree"
	"grove/tree/alert"
)

// stormNodes is how many nodes each group of a storm has: few enough that a message
// names every alert of its group.
const stormNodes = 10

// stormDefinition grows so many groups of unrelated nodes.
func stormDefinition(groups int) string {
	return fmt.Sprintf(`grove: 1
application: storm
at: /storm
tree:
  "g${item}":
    each: "1..%d"
    nodes:
      "n${item}": { each: "1..%d", kind: performance, red: "> 90" }
`, groups, stormNodes)
}

// stormAlerts sends every alert to one webhook, a message for each group of nodes.
func stormAlerts(url string) string {
	return fmt.Sprintf(`channels:
  hook: { kind: webhook, url: %q }
routes:
  - name: all
    when: { under: /storm }
    to: [hook]
    group: { by: ["path:2"], wait: 200ms, interval: 200ms }
    repeat: never
    resolved: each
    most: 10000
alerts: { settle: 100ms }
`, url)
}

// storm turns nodes red, and half of them green again, while the manager is killed.
type storm struct {
	*trial
	groups int
	ledger *witness.Ledger // numbers of batches: that of a group's turning red, or plus groups its turning green
	hook   *hook
	next   int           // batch
	begun  int           // batches that were tried
	calmed time.Duration // after the last kill
}

// hook is the receiver of a webhook that outlives all managers. It keeps what it gets in
// a file that is on the disk before it answers, and now and then answers that it did not.
type hook struct {
	mu     sync.Mutex
	file   *os.File
	random *rand.Rand
	fault  error
	server *httptest.Server
}

func newHook(t testing.TB, seed uint64) *hook {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "hook"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	h := &hook{file: f, random: rand.New(rand.NewPCG(seed, 1))}
	h.server = httptest.NewServer(h)
	t.Cleanup(func() { h.server.Close(); _ = f.Close() })
	return h
}

// ServeHTTP implements http.Handler.
func (h *hook) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil { // the manager was killed in the middle
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	mood := h.random.IntN(300)
	if mood == 0 {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	var line bytes.Buffer
	err = json.Compact(&line, body)
	if err == nil {
		line.WriteByte('\n')
		_, err = h.file.Write(line.Bytes())
	}
	if err = errors.Join(err, h.file.Sync()); err != nil && h.fault == nil {
		h.fault = fmt.Errorf("%.200s: %w", body, err)
	}
	if mood == 1 { // taken, and nobody is told so
		http.Error(w, "who knows", http.StatusBadGateway)
	}
}

// messages are what it got, in the order of their coming, repeats included.
func (h *hook) messages() (all []delivery, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, err := h.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(h.file)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return all, h.fault
		}
		if err != nil {
			return nil, err
		}
		d := delivery{text: string(line)}
		if err := json.Unmarshal(line, &d.Message); err != nil {
			return nil, fmt.Errorf("%.200s: %w", line, err)
		}
		all = append(all, d)
	}
}

// delivery is one message as it came.
type delivery struct {
	channel.Message
	text string
}

// stormVerdict is what the ledgers of a storm say of what was told.
type stormVerdict struct {
	alerts   int // that were acknowledged and stayed
	ended    int // that were told and are over
	messages int
	repeats  int // deliveries with a key that had come before
	lost     int // stayed and were never told, or ended and that was never told
	phantom  int // told though nobody ever sent them
	double   int // the same told twice under two keys, or two things under one
	said     []string
}

func (v *stormVerdict) note(count *int, format string, args ...any) {
	if *count++; len(v.said) < 20 {
		v.said = append(v.said, fmt.Sprintf(format, args...))
	}
}

// judge holds what was told against what was acknowledged.
func judgeStorm(groups int, claims []witness.Claim, deliveries []delivery) (v stormVerdict) {
	texts := map[string]string{}   // by key
	last := map[string]string{}    // what was told last of a group
	numbers := map[string]string{} // keys by group and sequence
	told, over := map[string]bool{}, map[string]bool{}
	for _, d := range deliveries {
		if text, again := texts[d.Key]; again {
			v.repeats++
			if text != d.text {
				v.note(&v.double, "%s came with two bodies: %.300s and %.300s", d.Key, text, d.text)
			}
			continue
		}
		texts[d.Key] = d.text
		number := fmt.Sprintf("%s %d", d.Group, d.Sequence)
		if other, twice := numbers[number]; twice {
			v.note(&v.double, "message %s of its group came as %s and as %s", number, other, d.Key)
		}
		numbers[number] = d.Key
		var states []string
		for i := range d.Alerts {
			a := &d.Alerts[i]
			path := a.Path.String()
			states = append(states, path+" "+string(a.State))
			if a.Ended() {
				over[path] = true
				continue
			}
			told[path], over[path] = true, false
			if batch, ok := stormBatch(a.Path); !ok || batch >= len(claims) {
				v.note(&v.phantom, "%s was told, which nobody sent", path)
			}
		}
		slices.Sort(states)
		state := strings.Join(states, "\n")
		if last[d.Group] == state {
			v.note(&v.double, "%s tells the same as the one before: %s", d.Key, state)
		}
		last[d.Group] = state
	}
	v.messages = len(texts)
	for group := range groups {
		for node := range stormNodes {
			path := stormPath(group, node)
			red := group < len(claims) && claims[group].Acked
			turned := groups+group < len(claims) && stormTurns(group, node)
			switch {
			case !turned && red:
				v.alerts++
				if !told[path] || over[path] {
					v.note(&v.lost, "%s is red and was not told: told %v, over %v", path, told[path], over[path])
				}
			case turned && claims[groups+group].Acked && told[path]:
				v.ended++
				if !over[path] {
					v.note(&v.lost, "%s was told, and not that it is over", path)
				}
			}
		}
	}
	return v
}

// stormTurns says whether a node turns green again: half of the nodes of a group, and all
// of every third group.
func stormTurns(group, node int) bool { return node%2 == 0 || group%3 == 0 }

func stormPath(group, node int) string { return fmt.Sprintf("/storm/g%d/n%d", group+1, node+1) }

// stormBatch is the batch that turns a node red.
func stormBatch(p tree.Path) (batch int, ok bool) {
	var group, node int
	n, err := fmt.Sscanf(p.String(), "/storm/g%d/n%d", &group, &node)
	return group - 1, n == 2 && err == nil
}

// newStorm prepares a manager with so many alerts to come.
func newStorm(t testing.TB, groups int) *storm {
	t.Helper()
	r := newTrial(t, 1, 1)
	s := &storm{trial: r, groups: groups, ledger: witness.NewLedger(t), hook: newHook(t, r.random.Uint64())}
	file := filepath.Join(r.data, "alerts.yaml")
	for name, text := range map[string]string{filepath.Join(r.drop, "storm.yaml"): stormDefinition(groups), file: stormAlerts(s.hook.server.URL)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.args = append(r.args, "--alerts", file)
	return s
}

// blow sends batches, each until it is acknowledged, as far as the last. A batch that the
// manager does not live to acknowledge is sent to the next one.
func (s *storm) blow(ctx context.Context, address string, last int) error {
	for ; s.next < last; s.next++ {
		group, value := s.next%s.groups, 99
		if s.next >= s.groups {
			value = 1
		}
		var readings []reading
		for node := range stormNodes {
			if value == 99 || stormTurns(group, node) {
				readings = append(readings, reading{"path": stormPath(group, node), "value": value, "time": time.Now().UnixMilli()})
			}
		}
		body, err := json.Marshal(readings)
		if err != nil {
			return err
		}
		if s.begun == s.next {
			s.begun++
			if err := s.ledger.Tried(s.next, time.Now().UnixMilli()); err != nil {
				return err
			}
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"/api/v1/readings", bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := s.client.Do(req)
		if err != nil {
			return nil // It was killed.
		}
		answer, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			return nil
		}
		if res.StatusCode != http.StatusOK || !strings.Contains(string(answer), fmt.Sprintf(`"accepted":%d`, len(readings))) {
			return fmt.Errorf("batch %d: %w: %s: %s", s.next, errRefused, res.Status, answer)
		}
		if err := s.ledger.Acknowledged(s.next); err != nil {
			return err
		}
	}
	return nil
}

// rage lets the storm blow while the manager is killed so many times, until everything is
// told that is to be told.
func (s *storm) rage(kills int) stormVerdict {
	s.Helper()
	batches := 2 * s.groups
	for life := range kills {
		m := s.start()
		fault := make(chan error, 1)
		ctx, cancel := context.WithCancel(context.Background())
		go func() { fault <- s.blow(ctx, m.url, batches*(life+1)/(kills+1)) }()
		s.while(20*time.Millisecond, 1200*time.Millisecond)
		s.kill()
		cancel()
		if err := <-fault; err != nil {
			s.Fatal(err)
		}
	}
	m := s.start()
	if err := s.blow(context.Background(), m.url, batches); err != nil || s.next != batches {
		s.Fatalf("the last life took %d of %d batches: %v", s.next, batches, err)
	}
	claims, err := s.ledger.Claims()
	if err != nil {
		s.Fatal(err)
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	began, came := time.Now(), 0
	for last := began; ; <-tick.C {
		deliveries, err := s.hook.messages()
		if err != nil {
			s.Fatal(err)
		}
		if len(deliveries) > came {
			came, last = len(deliveries), time.Now()
		}
		// It may take its time, as long as something comes.
		if v := judgeStorm(s.groups, claims, deliveries); v.lost == 0 || time.Since(last) > 2*patience {
			s.calmed = time.Since(began)
			break
		}
	}
	if err := s.process.End(syscall.SIGTERM); err != nil {
		s.Errorf("the last life ended with %v: %s", err, s.process.Said)
	}
	deliveries, err := s.hook.messages()
	if err != nil {
		s.Fatal(err)
	}
	return judgeStorm(s.groups, claims, deliveries)
}

// TestStormLedgerFindsFaults is the judge's own test: it must see each kind of fault.
func TestStormLedgerFindsFaults(t *testing.T) {
	now := time.Now()
	tell := func(key, group string, sequence int64, nodes ...string) delivery {
		m := channel.Message{Key: key, Group: group, Sequence: sequence}
		for _, n := range nodes {
			path, isOver := strings.CutPrefix(n, "!")
			a := alert.Alert{Path: tree.MustPath(path), State: alert.Open}
			if isOver {
				a.State, a.Resolved = alert.Resolved, &now
			}
			m.Alerts = append(m.Alerts, a)
		}
		return delivery{m, fmt.Sprint(key, nodes)}
	}
	// Two groups: of the first all turn green again, of the second half do.
	claims := []witness.Claim{{At: 1, Acked: true}, {At: 2, Acked: true}, {At: 3, Acked: true}, {At: 4, Acked: false}}
	var one, over, two []string
	for node := range stormNodes {
		one, over, two = append(one, stormPath(0, node)), append(over, "!"+stormPath(0, node)), append(two, stormPath(1, node))
	}
	right := []delivery{tell("a1", "a", 1, one...), tell("b1", "b", 1, two...), tell("a2", "a", 2, over...)}
	for name, c := range map[string]struct {
		deliveries                     []delivery
		lost, phantom, double, repeats int
	}{
		"all is told":             {right, 0, 0, 0, 0},
		"one comes twice":         {append(slices.Clone(right), right[0]), 0, 0, 0, 1},
		"never told":              {[]delivery{right[0], right[2]}, stormNodes / 2, 0, 0, 0},
		"never told to be over":   {right[:2], stormNodes, 0, 0, 0},
		"over, and told again":    {append(slices.Clone(right), tell("a3", "a", 3, one[0])), 1, 0, 0, 0},
		"told of nobody":          {append(slices.Clone(right), tell("c1", "c", 1, "/storm/g77/n1")), 0, 1, 0, 0},
		"another body":            {append(slices.Clone(right), tell("a1", "a", 1, one[0])), 0, 0, 1, 1},
		"another key":             {append(slices.Clone(right), tell("a4", "a", 2, append(slices.Clone(over), one[0])...)), 1, 0, 1, 0},
		"the same under two keys": {append(slices.Clone(right), tell("a3", "a", 3, over...)), 0, 0, 1, 0},
		"nothing":                 {nil, stormNodes / 2, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			v := judgeStorm(2, claims, c.deliveries)
			if v.lost != c.lost || v.phantom != c.phantom || v.double != c.double || v.repeats != c.repeats {
				t.Errorf("%+v", v)
			}
		})
	}
}

// TestAlertsAreToldThroughKills kills the program again and again in a storm of alerts:
// each that stays is told, each that was told and ended is told to be over, and what comes
// twice has the same key. BenchmarkAlertKills is the long form.
func TestAlertsAreToldThroughKills(t *testing.T) {
	t.Parallel()
	s := newStorm(t, 100)
	v := s.rage(5)
	if v.lost+v.phantom+v.double > 0 {
		t.Errorf("%d lost, %d phantom, %d double:\n%s\n%s", v.lost, v.phantom, v.double, strings.Join(v.said, "\n"), s.process.Said)
	}
	if v.alerts == 0 || v.ended == 0 {
		t.Errorf("nothing was told: %+v", v)
	}
	t.Logf("%+v, within %v of the last kill", v, s.calmed)
}

// BenchmarkAlertKills is the storm of 10,000 alerts with 100 kills. Its figures are what
// was lost, made up or told under two keys, which must be 0.
//
//	go test ./test -run '^$' -bench '^BenchmarkAlertKills$' -benchtime 1x -timeout 20m
func BenchmarkAlertKills(b *testing.B) {
	const kills = 100
	for b.Loop() {
		s := newStorm(b, 10_000/stormNodes)
		v := s.rage(kills)
		for _, text := range v.said {
			b.Log(text)
		}
		b.ReportMetric(float64(len(s.ready)-1), "kills")
		b.ReportMetric(float64(v.lost), "lost")
		b.ReportMetric(float64(v.phantom), "phantom")
		b.ReportMetric(float64(v.double), "double")
		b.ReportMetric(float64(v.repeats), "repeats")
		b.ReportMetric(float64(v.messages), "messages")
		b.ReportMetric(s.calmed.Seconds(), "s-calm")
		b.ReportMetric(float64(v.alerts+v.ended), "alerts")
	}
}

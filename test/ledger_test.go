package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"grove/test/grovetest"
	"grove/test/witness"
)

// late is how long before its batch one more reading of each batch was taken, as a
// manager sends it that was cut off for a while.
const late = int64(time.Hour / time.Millisecond)

// redAbove is where the node Flip of each source turns red.
const redAbove = 1_000_000_000

// generator is one source of load. Each of its batches has a number for each of its
// nodes, a late one, one that changes a status, a text and an event: what they say
// follows from the number of the batch.
type generator struct {
	*witness.Ledger
	source, nodes int
	next          int   // number of the next batch
	last          int64 // time of the batch before, Unix milliseconds
	client        *http.Client
}

// value is what a node gets with a batch. Every value is there once.
func (g *generator) value(batch, node int) float64 {
	return float64(g.source)*1e9 + float64(batch)*1e3 + float64(node) + 0.5
}

// flip is what the node Flip gets: every batch changes its status.
func (g *generator) flip(batch int) float64 {
	if batch%2 == 1 {
		return redAbove + float64(batch)
	}
	return float64(batch)
}

func (g *generator) text(batch int) string { return fmt.Sprintf("batch %d of %d", batch, g.source) }
func (g *generator) root() string          { return fmt.Sprintf("/load/s%d", g.source) }
func (g *generator) node(i int) string     { return fmt.Sprintf("%s/Numbers/n%d", g.root(), i+1) }

// loaded is the definition of the nodes of so many sources.
func loadDefinition(sources, nodes int) string {
	return fmt.Sprintf(`grove: 1
application: load
at: /load
tree:
  "s${item}":
    each: "1..%d"
    nodes:
      Numbers:
        nodes:
          "n${item}": { each: "1..%d", kind: performance }
      Late: { kind: performance }
      Flip: { kind: performance, red: "> %d" }
      Word: { kind: text }
      Log: { kind: log }
`, sources, nodes, redAbove)
}

// body is a batch as it is sent.
func (g *generator) body(batch int, at int64) []byte {
	b := fmt.Appendf(nil, `[{"path":"%s/Late","value":%d,"time":%d},{"path":"%[1]s/Flip","value":%[4]v,"time":%[5]d},{"path":"%[1]s/Word","value":%[6]q,"time":%[5]d},`+
		`{"path":"%[1]s/Log","event":{"text":%[6]q,"status":"yellow"},"time":%[5]d}`,
		g.root(), batch, at-late, strconv.FormatFloat(g.flip(batch), 'f', -1, 64), at, g.text(batch))
	for i := range g.nodes {
		b = fmt.Appendf(b, `,{"path":%q,"value":%s,"time":%d}`, g.node(i), strconv.FormatFloat(g.value(batch, i), 'f', -1, 64), at)
	}
	return append(b, ']')
}

// errRefused is an answer that says that a batch was not kept, or not all of it.
var errRefused = errors.New("refused")

// load sends batches one after the other until one of them gets no answer, which is how
// it notices that the manager was killed. The error is of a manager that answers wrongly.
func (g *generator) load(address string) error {
	for {
		at := max(time.Now().UnixMilli(), g.last+1)
		batch := g.next
		g.next, g.last = batch+1, at
		if err := g.Tried(batch, at); err != nil {
			return err
		}
		answered, err := g.send(address, g.body(batch, at))
		switch {
		case !answered:
			return nil
		case err != nil:
			return fmt.Errorf("batch %d of source %d: %w", batch, g.source, err)
		}
		if err := g.Acknowledged(batch); err != nil {
			return err
		}
	}
}

// send posts readings; answered says whether there was a whole answer.
func (g *generator) send(address string, body []byte) (answered bool, err error) {
	res, err := g.client.Post(address+"/api/v1/readings", "application/json", bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return false, err
	}
	var out struct {
		Accepted int `json:"accepted"`
	}
	if err := json.Unmarshal(text, &out); err != nil || res.StatusCode != http.StatusOK || out.Accepted != g.nodes+4 {
		return true, fmt.Errorf("%w: %s: %s", errRefused, res.Status, text)
	}
	return true, nil
}

// verdict counts what a restarted manager has against what the ledgers say.
type verdict struct {
	samples, statuses, events int // that were acknowledged
	lost                      int // acknowledged and not there
	altered                   int // there with another value, status or time
	phantom                   int // there although nobody ever sent it
	double                    int // there twice
	said                      []string
}

// note counts a fault and keeps the first few for people.
func (v *verdict) note(count *int, format string, args ...any) {
	if *count++; len(v.said) < 20 {
		v.said = append(v.said, fmt.Sprintf(format, args...))
	}
}

func (v *verdict) faults() int { return v.lost + v.altered + v.phantom + v.double }

// sample is one sample of a series.
type sample struct {
	at    int64 // Unix milliseconds
	value float64
}

// samples holds what is kept of a node against the claims; value is what a batch gave the
// node, at the time of the batch less ago.
func (v *verdict) hold(node string, kept []sample, claims []witness.Claim, ago int64, value func(batch int) float64) {
	byTime := make(map[int64]float64, len(kept))
	for _, s := range kept {
		if _, twice := byTime[s.at]; twice {
			v.note(&v.double, "%s has two samples at %d", node, s.at)
		}
		byTime[s.at] = s.value
	}
	for batch, c := range claims {
		got, there := byTime[c.At-ago]
		delete(byTime, c.At-ago)
		switch {
		case there && got != value(batch):
			v.note(&v.altered, "%s has %v at %d, not %v", node, got, c.At-ago, value(batch))
		case !there && c.Acked:
			v.note(&v.lost, "%s lacks batch %d", node, batch)
		}
		if c.Acked {
			v.samples++
		}
	}
	for at, got := range byTime {
		v.note(&v.phantom, "%s has %v at %d, which nobody sent", node, got, at)
	}
}

// holdEvents holds the events of a source against its claims.
func (v *verdict) holdEvents(g *generator, kept []grovetest.Entry, claims []witness.Claim) {
	byText := map[string]grovetest.Entry{}
	for _, e := range kept {
		if _, twice := byText[e.Text]; twice {
			v.note(&v.double, "the event %q is there twice", e.Text)
		}
		byText[e.Text] = e
	}
	for batch, c := range claims {
		e, there := byText[g.text(batch)]
		delete(byText, g.text(batch))
		switch {
		case there && (e.Time.UnixMilli() != c.At || e.To != "yellow"):
			v.note(&v.altered, "the event %q is %s at %v, not yellow at %d", e.Text, e.To, e.Time, c.At)
		case !there && c.Acked:
			v.note(&v.lost, "the event %q is not there", g.text(batch))
		}
		if c.Acked {
			v.events++
		}
	}
	for text := range byText {
		v.note(&v.phantom, "the event %q was never sent", text)
	}
}

// holdStatuses holds the changes of the node Flip of a source against its claims. A batch
// changes the status for certain when the one before was acknowledged, even if the manager
// was killed between them.
func (v *verdict) holdStatuses(g *generator, kept []grovetest.Entry, claims []witness.Claim) {
	status := func(batch int) string { return []string{"green", "red"}[batch%2] }
	byBatch := map[int]grovetest.Entry{}
	for _, e := range kept {
		value, _ := e.Value.(float64)
		batch := int(value)
		if batch >= redAbove {
			batch -= redAbove
		}
		_, twice := byBatch[batch]
		switch {
		case e.To == "white":
			v.note(&v.altered, "%s/Flip was white at %v: %s", g.root(), e.Time, e.Text)
			continue
		case twice:
			v.note(&v.double, "batch %d of %d changed the status twice", batch, g.source)
		case batch >= len(claims):
			v.note(&v.phantom, "%s/Flip became %s by %v, which nobody sent", g.root(), e.To, e.Value)
		}
		byBatch[batch] = e
	}
	for batch, c := range claims {
		e, there := byBatch[batch]
		certain := c.Acked && (batch == 0 || claims[batch-1].Acked)
		switch {
		case there && e.To != status(batch):
			v.note(&v.altered, "batch %d of %d made the status %s", batch, g.source, e.To)
		case there && certain && batch > 0 && e.From != status(batch-1):
			v.note(&v.altered, "before batch %d of %d the status was %s", batch, g.source, e.From)
		case !there && certain:
			v.note(&v.lost, "batch %d of %d changed the status, and the journal does not know", batch, g.source)
		}
		if certain {
			v.statuses++
		}
	}
}

// query asks the manager's own PromQL for raw samples of the series of a selector.
func (m *manager) samples(selector string) map[string][]sample {
	m.Helper()
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	m.ask("/prometheus/api/v1/query?"+url.Values{"query": {selector + "[2h]"}, "time": {strconv.FormatInt(time.Now().Unix()+60, 10)}}.Encode(), &answer)
	all := map[string][]sample{}
	for _, series := range answer.Data.Result {
		path := series.Metric["path"]
		for _, pair := range series.Values {
			at, _ := pair[0].(float64)
			text, _ := pair[1].(string)
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				m.Fatalf("%s: %v", selector, err)
			}
			all[path] = append(all[path], sample{int64(at*1000 + 0.5), value})
		}
	}
	return all
}

// journal reads the entries of one node and kind, oldest first.
func (m *manager) journal(path, kind string) (all []grovetest.Entry) {
	m.Helper()
	c := grovetest.Client{TB: m.TB, Address: m.url, HTTP: m.http}
	if err := c.Journal(path, kind, "-2h", "", func(e grovetest.Entry) { all = append(all, e) }); err != nil {
		m.Fatal(err)
	}
	return all
}

// audit holds everything that a manager remembers of the load against the ledgers.
func (m *manager) judge(generators []*generator) (v verdict) {
	m.Helper()
	for _, g := range generators {
		claims, err := g.Claims()
		if err != nil {
			m.Fatal(err)
		}
		for i := range g.nodes {
			kept := m.samples(fmt.Sprintf("grove_node_value{path=%q}", g.node(i)))[g.node(i)]
			v.hold(g.node(i), kept, claims, 0, func(batch int) float64 { return g.value(batch, i) })
		}
		for _, extra := range []struct {
			name  string
			ago   int64
			value func(int) float64
		}{{"/Late", late, func(batch int) float64 { return float64(batch) }}, {"/Flip", 0, g.flip}} {
			path := g.root() + extra.name
			v.hold(path, m.samples(fmt.Sprintf("grove_node_value{path=%q}", path))[path], claims, extra.ago, extra.value)
		}
		v.holdEvents(g, m.journal(g.root()+"/Log", "event"), claims)
		v.holdStatuses(g, m.journal(g.root()+"/Flip", "status"), claims)
	}
	return v
}

// TestLedgerFindsFaults is the ledger's own test: it must see each kind of fault.
func TestLedgerFindsFaults(t *testing.T) {
	g := &generator{source: 1, nodes: 1}
	claims := []witness.Claim{{At: 1000, Acked: true}, {At: 2000, Acked: true}, {At: 3000, Acked: false}, {At: 4000, Acked: true}, {At: 5000, Acked: true}}
	value := func(batch int) float64 { return g.value(batch, 0) }
	right := []sample{{1000, value(0)}, {2000, value(1)}, {4000, value(3)}, {5000, value(4)}}
	event := func(batch int) grovetest.Entry {
		return grovetest.Entry{Time: time.UnixMilli(claims[batch].At), To: "yellow", Text: g.text(batch)}
	}
	change := func(batch int, from, to string) grovetest.Entry {
		return grovetest.Entry{From: from, To: to, Value: g.flip(batch)}
	}
	events := []grovetest.Entry{event(0), event(1), event(3), event(4)}
	changes := []grovetest.Entry{change(0, "white", "green"), change(1, "green", "red"), change(4, "red", "green")}
	for name, c := range map[string]struct {
		samples                      []sample
		events, changes              []grovetest.Entry
		lost, altered, phantom, twin int
	}{
		"all is there":             {right, events, changes, 0, 0, 0, 0},
		"the unknown is there too": {append(slices.Clone(right), sample{3000, value(2)}), append(slices.Clone(events), event(2)), append(slices.Clone(changes), change(2, "red", "green")), 0, 0, 0, 0},
		"nothing is there":         {nil, nil, nil, 4 + 4 + 3, 0, 0, 0},
		"another value":            {append(slices.Clone(right[1:]), sample{1000, 7}), events, changes, 0, 1, 0, 0},
		"another time":             {append(slices.Clone(right[1:]), sample{1001, value(0)}), events, changes, 1, 0, 1, 0},
		"a sample of nobody":       {append(slices.Clone(right), sample{9000, 1}), events, changes, 0, 0, 1, 0},
		"an event twice":           {right, append(slices.Clone(events), event(3)), changes, 0, 0, 0, 1},
		"an event of nobody":       {right, append(slices.Clone(events), grovetest.Entry{Text: "x"}), changes, 0, 0, 1, 0},
		"a change from elsewhere":  {right, events, []grovetest.Entry{changes[0], change(1, "yellow", "red"), changes[2]}, 0, 1, 0, 0},
		"a change less":            {right, events, changes[:2], 1, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var v verdict
			v.hold("n", c.samples, claims, 0, value)
			v.holdEvents(g, c.events, claims)
			v.holdStatuses(g, c.changes, claims)
			if v.lost != c.lost || v.altered != c.altered || v.phantom != c.phantom || v.double != c.twin {
				t.Errorf("%+v", v)
			}
		})
	}
}

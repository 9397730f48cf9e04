package record

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/store/journal"
)

// TestLine writes entries and reads them.
func TestLine(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_123)
	for name, value := range map[string]tree.Value{
		"none": {}, "number": tree.Number(0.1), "infinity": tree.Number(math.Inf(-1)), "text": tree.Text("a\u2028\x01<b>"), "empty": tree.Text(""),
	} {
		e := journal.Entry{ID: journal.FirstID(at) + 3, Time: at, Path: tree.MustPath("/a/b~1c"), Kind: journal.Status, From: tree.Green, To: tree.Red, Value: value, Text: "why"}
		line := LineOf(&e)
		text, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		var read Line
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatal(err)
		}
		got, err := read.Entry()
		if err != nil {
			t.Fatal(err)
		}
		if got.Value.String() != e.Value.String() || got.Value.IsNone() != e.Value.IsNone() {
			t.Errorf("%s: value %v, want %v", name, got.Value, e.Value)
		}
		got.Value, e.Value = tree.Value{}, tree.Value{}
		if !got.Time.Equal(e.Time) || got.ID != e.ID || got.Path != e.Path || got.Kind != e.Kind || got.From != e.From || got.To != e.To || got.Text != e.Text {
			t.Errorf("%s: %+v, want %+v", name, got, e)
		}
	}
}

// TestBatch reads answers that make sense, and some that do not.
func TestBatch(t *testing.T) {
	const line = `{"n":%,"i":"1048576","p":"/a","k":2,"f":"white","s":"green","t":"x"}`
	entry := func(n string) string { return strings.ReplaceAll(line, "%", n) }
	for name, tc := range map[string]struct {
		body    string
		entries int
		refused int
		err     string
	}{
		"two":             {`{"to":12,"last":20,"entries":[` + entry("11") + `,` + entry("12") + `]}`, 2, 0, ""},
		"none":            {`{"to":10,"last":9,"entries":[]}`, 0, 0, ""},
		"one is wrong":    {`{"to":13,"last":20,"entries":[` + entry("11") + `,{"n":12,"p":7},` + strings.Replace(entry("12"), `"k":2`, `"k":99`, 1) + `,` + entry("13") + `]}`, 2, 2, ""},
		"no JSON":         {`{`, 0, 0, "the answer to record.after makes no sense: unexpected end of JSON input"},
		"goes back":       {`{"to":9,"last":20}`, 0, 0, "the answer to record.after goes up to number 9: 10 were asked for, up to 15, of 20"},
		"goes too far":    {`{"to":16,"last":20}`, 0, 0, "the answer to record.after goes up to number 16: 10 were asked for, up to 15, of 20"},
		"beyond its last": {`{"to":14,"last":13}`, 0, 0, "the answer to record.after goes up to number 14: 10 were asked for, up to 15, of 13"},
		"misses too many": {`{"to":12,"last":20,"missed":3}`, 0, 0, "the answer to record.after has missed 3 of 2 entries"},
		"out of order":    {`{"to":12,"last":20,"entries":[` + entry("12") + `,` + entry("11") + `]}`, 0, 0, "the answer to record.after has the number 11 after 12, up to 12"},
		"too many":        {`{"to":12,"last":20,"entries":[1` + strings.Repeat(",1", MaxBatch) + `]}`, 0, 0, "the answer to record.after has 513 entries, which is more than the bound of 512"},
	} {
		t.Run(name, func(t *testing.T) {
			b, refused, err := decodeBatch([]byte(tc.body), &after{After: 10, To: 15})
			said := ""
			if err != nil {
				said = err.Error()
			}
			if d := cmp.Diff(tc.err, said); d != "" || len(b.Entries) != tc.entries || err == nil && refused != tc.refused {
				t.Errorf("%d entries, %d refused, -want +got\n%s", len(b.Entries), refused, d)
			}
		})
	}
}

// FuzzBatch reads anything: what is taken fits the question.
func FuzzBatch(f *testing.F) {
	f.Add([]byte(`{"to":12,"last":20,"entries":[{"n":11,"i":"1048576","p":"/a","k":2,"f":"white","s":"green","v":{"n":"1e999"},"t":"x"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		q := &after{After: 10, To: 15}
		b, _, err := decodeBatch(body, q)
		if err != nil {
			return
		}
		if b.To < 10 || b.To > 15 || b.Missed < 0 {
			t.Errorf("%+v", b)
		}
		for _, n := range b.Entries {
			if _, err := n.Entry(); err != nil || n.Number <= 10 || n.Number > b.To {
				t.Errorf("%+v: %v", n, err)
			}
		}
	})
}

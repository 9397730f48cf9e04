package parcel

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func example() *Parcel {
	return &Parcel{
		Key: Key{"00000000000000aa", "sw1"}, Packed: at, By: "00000000000000aa", Epoch: 3,
		Instance: Instance{
			Application: "switch", At: tree.MustPath("/net/sw1"), With: json.RawMessage(`{"address":"192.0.2.1","community":"file:/etc/grove/community"}`),
			Kinds: []string{"snmp"}, Identity: map[string]string{"address": "192.0.2.1"},
		},
		Definition: Definition{Application: "switch", Alias: "switch-12ab", Sum: "12ab", Files: []File{NewFile("switch.yaml", "application: switch\n")}},
		Thresholds: []Threshold{{tree.MustPath("/load"), json.RawMessage(`{"red":{"form":"above","high":90}}`)}},
		Alerts:     []Alert{{tree.MustPath("/load"), "status", tree.Red, at, json.RawMessage(`{"acknowledgement":{"by":"ann"}}`)}},
		Told:       []Told{{tree.MustPath("/load"), "status", tree.Red, at}},
		Windows:    []json.RawMessage{json.RawMessage(`{"name":"backup"}`)},
		States: []State{
			{Path: tree.MustPath("/load"), Form: "number", Value: "93.5", Time: at, Status: tree.Red, Since: at},
			{Path: tree.MustPath("/log"), Time: at, Status: tree.Green, Events: []tree.Event{{Time: at, Status: tree.Yellow, Text: "link down"}}},
		},
		Memories: []Memory{{"sw1/if/snmp", []byte{0, 1, 2}}},
	}
}

func TestEncodeDecode(t *testing.T) {
	p := example()
	data, err := Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, got, cmp.Comparer(func(a, b tree.Path) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	again, err := Encode(got)
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("the same parcel is written otherwise: %v", err)
	}
}

func zip(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text)) // into memory
	_ = w.Close()
	return b.Bytes()
}

// TestNewerFields holds that what a newer manager adds is left out.
func TestNewerFields(t *testing.T) {
	text, err := json.Marshal(example())
	if err != nil {
		t.Fatal(err)
	}
	newer := strings.Replace(string(text), `{"version":0`, `{"version":1,"mood":"good"`, 1)
	if _, err := Decode(zip(newer)); err != nil {
		t.Error(err)
	}
}

func TestBounds(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Parcel)
		want   string
	}{
		"name":          {func(p *Parcel) { p.Key.Name = "a/b" }, `parcel of a/b: "a/b" is not the name of a device: 1 to 64 letters, digits, dots, - and _`},
		"owner":         {func(p *Parcel) { p.Key.Owner = "x" }, `parcel of sw1: owner of a device: "x" is not the ID of a manager: 16 hexadecimal digits are`},
		"epoch":         {func(p *Parcel) { p.Epoch = -1 }, "parcel of sw1: epoch -1"},
		"application":   {func(p *Parcel) { p.Instance.Application = "" }, "parcel of sw1: the name of its application has 0 bytes: 1 to 4096 are"},
		"damaged file":  {func(p *Parcel) { p.Definition.Files[0].Text += "x" }, `parcel of sw1: file "switch.yaml" of the definition has arrived damaged: its SHA-256 is another one`},
		"parameters":    {func(p *Parcel) { p.Instance.With = json.RawMessage(`[]`) }, "parcel of sw1: its parameters are no JSON object"},
		"windows":       {func(p *Parcel) { p.Windows = make([]json.RawMessage, MaxWindows+1) }, "parcel of sw1: 1001 maintenance windows are more than 1000"},
		"form of state": {func(p *Parcel) { p.States[0].Form = "bool" }, "parcel of sw1: parcel: state of /load: unknown form \"bool\": number or text"},
		"number":        {func(p *Parcel) { p.States[0].Value = "x" }, `parcel of sw1: parcel: state of /load: "x" is no number`},
		"memory":        {func(p *Parcel) { p.Memories[0].Data = make([]byte, MaxMemoryBytes+1) }, `parcel of sw1: memory "sw1/if/snmp" of a probe has 1048577 bytes, more than 1048576`},
	} {
		t.Run(name, func(t *testing.T) {
			p := example()
			c.change(p)
			_, err := Encode(p)
			if err == nil || err.Error() != c.want || !errors.Is(err, ErrParcel) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"too long":      {make([]byte, MaxBytes+1), "parcel: 2097153 bytes are more than 2097152"},
		"no gzip":       {[]byte("{}"), "parcel: unexpected EOF"},
		"no JSON":       {zip("x"), "parcel: invalid character 'x' looking for beginning of value"},
		"a bomb":        {zip(strings.Repeat(" ", MaxTextBytes+1)), "parcel: opened it has more than 33554432 bytes"},
		"newer version": {zip(`{"version":2,"key":{"name":"sw1"}}`), "parcel of sw1: it has version 2, and this manager knows versions up to 1: give the device to a newer one, or update this one"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode(c.data)
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestState(t *testing.T) {
	for _, v := range []tree.Value{{}, tree.Text("running"), tree.Text("NaN"), tree.Number(0.1), tree.Number(math.Inf(-1))} {
		s := NewState(tree.MustPath("/x"), &tree.Memory{Value: v, Time: at, Status: tree.Yellow, Since: at})
		m, err := s.Memory(tree.MustPath("/y/x"))
		if err != nil || m.Value != v || m.Path != tree.MustPath("/y/x") || m.Status != tree.Yellow {
			t.Errorf("%#v: %+v, %v", v, m, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	data, err := Encode(example())
	if err != nil {
		f.Fatal(err)
	}
	text, err := json.Marshal(example())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data, "")
	f.Add([]byte(nil), string(text))
	f.Add([]byte(nil), `{"version":1,"states":[{"form":"number","value":"1e999"}]}`)
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		if text != "" {
			data = zip(text)
		}
		p, err := Decode(data)
		if (p == nil) == (err == nil) {
			t.Fatalf("both or neither: %v, %v", p, err)
		}
		if err != nil {
			return
		}
		data, err = Encode(p)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if _, err := Decode(data); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
	})
}

package ber

import (
	"math"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gosnmp/gosnmp"
)

func oid(t testing.TB, dotted string) OID {
	t.Helper()
	o, err := ParseOID(dotted)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestOID(t *testing.T) {
	for _, text := range []string{"1.3", "0.0", "2.999.3", "1.3.6.1.2.1.2.2.1.10.4294967295", "2.39.128.127.16384.16383"} {
		o := oid(t, text)
		if o.String() != text {
			t.Errorf("%s comes back as %s", text, o)
		}
		if err := CheckOID([]byte(o)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"", "1", "3.1", "1.40", "1.x", "1.3.4294967296", "1.3.", "1.3.-1"} {
		if o, err := ParseOID(text); err == nil {
			t.Errorf("%q is %q", text, o)
		}
	}
	for _, bad := range []string{"\x80", "\x2b\x81", "\x2b\xff\xff\xff\xff\xff\x7f", strings.Repeat("\x01", 129)} {
		if CheckOID([]byte(bad)) == nil {
			t.Errorf("%x passes", bad)
		}
	}
	if got := Index(oid(t, "1.3.4.192.0.2.1")[1:]); got != "4.192.0.2.1" {
		t.Errorf("index %s", got)
	}
}

func TestCompareOrdersAsSNMPDoes(t *testing.T) {
	ordered := []string{"1.3", "1.3.1", "1.3.1.1", "1.3.2", "1.3.127", "1.3.128", "1.3.128.0", "1.3.255", "1.3.256", "1.3.16383", "1.3.16384", "1.3.4294967295", "1.4", "2.5"}
	for i, a := range ordered {
		for j, b := range ordered {
			want := min(1, max(-1, i-j))
			if got := Compare(oid(t, a), []byte(oid(t, b))); got != want {
				t.Errorf("Compare(%s, %s) = %d", a, b, got)
			}
		}
	}
}

// gosnmp is the judge of what is written.
func TestRequestsAreReadByGosnmp(t *testing.T) {
	long := make([]Name, 60)
	for i := range long {
		long[i] = Name{oid(t, "1.3.6.1.2.1.31.1.1.1.10"), string(appendArc(nil, uint64(i*1000)))}
	}
	tests := []struct {
		name string
		r    Request
	}{
		{"get", Request{Version: Version2c, Community: "public", PDU: Get, Names: []Name{{oid(t, "1.3.6.1.2.1.1.3.0"), ""}}}},
		{"next of version 1", Request{Version: Version1, Community: "", PDU: GetNext, Names: []Name{{oid(t, "1.3.6.1"), "\x07"}}}},
		{"long community", Request{Version: Version2c, Community: strings.Repeat("x", 127), PDU: Get, Names: long[:5]}},
		{"bulk", Request{Version: Version2c, Community: "c", PDU: GetBulk, NonRepeaters: 1, Repetitions: 200, Names: long}},
		{"nothing", Request{Version: Version2c, Community: "c", PDU: Get}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, at := tt.r.Append([]byte("before"))
			b, at = b[6:], at-6
			PutID(b, at, MinID+77)
			p, err := (&gosnmp.GoSNMP{Version: gosnmp.SnmpVersion(tt.r.Version), Community: tt.r.Community}).SnmpDecodePacket(b)
			if err != nil {
				t.Fatalf("%v\n% x", err, b)
			}
			var names, want []string
			for _, v := range p.Variables {
				names = append(names, strings.TrimPrefix(v.Name, "."))
			}
			for _, n := range tt.r.Names {
				want = append(want, (n.Column + OID(n.Row)).String())
			}
			if diff := cmp.Diff(want, names); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
			if p.Community != tt.r.Community || byte(p.PDUType) != tt.r.PDU || p.RequestID != MinID+77 {
				t.Errorf("%+v", p)
			}
			if tt.r.PDU == GetBulk && (int(p.MaxRepetitions) != tt.r.Repetitions || int(p.NonRepeaters) != tt.r.NonRepeaters) {
				t.Errorf("repetitions %d, %d", p.MaxRepetitions, p.NonRepeaters)
			}
			h, err := ReadHead(b)
			if err != nil || h.ID != MinID+77 || string(h.Community) != tt.r.Community {
				t.Errorf("own head %+v, %v", h, err)
			}
		})
	}
}

func sample(t testing.TB) []byte {
	p := &gosnmp.SnmpPacket{
		Version: gosnmp.Version2c, Community: "public", PDUType: gosnmp.GetResponse, RequestID: 7,
		Variables: []gosnmp.SnmpPDU{
			{Name: ".1.3.6.1.2.1.2.2.1.8.1", Type: gosnmp.Integer, Value: -2},
			{Name: ".1.3.6.1.2.1.1.5.0", Type: gosnmp.OctetString, Value: "name"},
			{Name: ".1.3.6.1.2.1.1.2.0", Type: gosnmp.ObjectIdentifier, Value: ".1.3.6.1.2.1.25.2.1.4"},
			{Name: ".1.3.6.1.2.1.31.1.1.1.6.1", Type: gosnmp.Counter64, Value: uint64(math.MaxUint64)},
			{Name: ".1.3.6.1.2.1.2.2.1.10.1", Type: gosnmp.Counter32, Value: uint32(math.MaxUint32)},
			{Name: ".1.3.6.1.2.1.1.3.0", Type: gosnmp.TimeTicks, Value: uint32(12345)},
			{Name: ".1.3.6.1.2.1.4.20.1.1.1", Type: gosnmp.IPAddress, Value: "192.0.2.1"},
			{Name: ".1.3.6.1.4.1.2021.10.1.6.1", Type: gosnmp.OpaqueFloat, Value: float32(0.25)},
			{Name: ".1.3.6.1.4.1.2021.10.1.6.2", Type: gosnmp.OpaqueDouble, Value: -1.5},
			{Name: ".1.3.6.1.2.1.1.9.0", Type: gosnmp.NoSuchObject},
			{Name: ".1.3.6.1.2.1.1.9.1", Type: gosnmp.EndOfMibView},
		},
	}
	b, err := p.MarshalMsg()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// same says whether a value is what gosnmp reads.
func same(v *Value, g *gosnmp.SnmpPDU) bool {
	switch x := g.Value.(type) {
	case int:
		return v.Type == Integer && int64(v.Bits) == int64(x)
	case uint: // of the types of 32 bits gosnmp keeps more
		return uint32(v.Bits) == uint32(x)
	case uint32:
		return uint32(v.Bits) == x
	case uint64:
		return v.Bits == x
	case float32:
		return v.Bits == math.Float64bits(float64(x))
	case float64:
		return v.Bits == math.Float64bits(x)
	case []byte:
		return string(v.Octets) == string(x)
	case string:
		if v.Type == IPAddress {
			return net.IP(v.Octets).String() == x
		}
		return v.Type != ObjectID || CheckOID(v.Octets) != nil || OID(v.Octets).String() == strings.TrimPrefix(x, ".")
	}
	_, number := v.Number()
	return !number
}

func TestAnswersAreReadAsGosnmpReadsThem(t *testing.T) {
	if n := compareWithGosnmp(t, sample(t)); n != 11 {
		t.Errorf("%d values", n)
	}
}

// compareWithGosnmp reads a message in both ways and counts the values.
func compareWithGosnmp(t *testing.T, b []byte) (n int) {
	t.Helper()
	h, err := ReadHead(b)
	if err != nil {
		return 0
	}
	type binding struct {
		name []byte
		Value
	}
	var all []binding
	var v Value
	for {
		name, ok, err := h.Bindings.Next(&v)
		if err != nil {
			return 0
		}
		if !ok {
			break
		}
		all = append(all, binding{name, v})
	}
	p, err := decodeByGosnmp(b)
	if err != nil || p == nil {
		return 0 // it refuses some that are well-formed, and has panicked
	}
	if h.PDU != Response || len(p.Variables) != len(all) {
		if h.PDU == Response {
			t.Fatalf("%d values, gosnmp reads %d: % x", len(all), len(p.Variables), b)
		}
		return 0
	}
	if p.RequestID != h.ID || int(p.Error) != h.Status || p.Community != string(h.Community) {
		t.Fatalf("head %+v, gosnmp reads %+v: % x", h, p, b)
	}
	for i := range all {
		if CheckOID(all[i].name) == nil && len(all[i].name) > 0 && OID(all[i].name).String() != strings.TrimPrefix(p.Variables[i].Name, ".") {
			t.Fatalf("name %s, gosnmp reads %s: % x", OID(all[i].name), p.Variables[i].Name, b)
		}
		if !same(&all[i].Value, &p.Variables[i]) {
			t.Fatalf("value %+v, gosnmp reads %+v: % x", all[i].Value, p.Variables[i], b)
		}
	}
	return len(all)
}

func decodeByGosnmp(b []byte) (p *gosnmp.SnmpPacket, err error) {
	defer func() {
		if recover() != nil {
			p = nil
		}
	}()
	return (&gosnmp.GoSNMP{Version: gosnmp.Version2c, Community: "public"}).SnmpDecodePacket(slices.Clone(b))
}

func TestBindingsComeBack(t *testing.T) {
	h, err := ReadHead(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	var again []byte
	var v, w Value
	rest := h.Bindings
	for {
		name, ok, err := rest.Next(&v)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		again = AppendBinding(again, OID(name), &v)
	}
	one, two := h.Bindings, Bindings(again)
	for {
		a, ok, _ := one.Next(&v)
		b, also, err := two.Next(&w)
		if err != nil || ok != also || string(a) != string(b) {
			t.Fatalf("%x and %x, %v", a, b, err)
		}
		if !ok {
			break
		}
		if diff := cmp.Diff(v, w); diff != "" {
			t.Errorf("%s (-was +is):\n%s", OID(a), diff)
		}
	}
}

func TestMalformedIsRefused(t *testing.T) {
	whole := sample(t)
	for n := range len(whole) {
		if _, err := ReadHead(whole[:n]); err == nil {
			t.Errorf("the first %d bytes pass", n)
		}
	}
	if _, err := ReadHead(append(slices.Clone(whole), 0)); err == nil {
		t.Error("a byte behind the message passes")
	}
}

func FuzzReadAsGosnmp(f *testing.F) {
	f.Add(sample(f))
	b, at := (&Request{Version: Version2c, Community: "public", PDU: GetBulk, Repetitions: 10, Names: []Name{{"\x2b\x06\x01", ""}}}).Append(nil)
	PutID(b, at, MinID)
	f.Add(b)
	f.Add([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) { compareWithGosnmp(t, b) })
}

func BenchmarkRead(b *testing.B) {
	message := sample(b)
	var v Value
	for b.Loop() {
		h, err := ReadHead(message)
		if err != nil {
			b.Fatal(err)
		}
		for {
			_, ok, err := h.Bindings.Next(&v)
			if err != nil {
				b.Fatal(err)
			}
			if !ok {
				break
			}
		}
	}
}

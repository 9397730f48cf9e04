package message

import (
	"net/netip"
	"testing"
)

// TestNumbersOfObjects writes and reads object identifiers.
func TestNumbersOfObjects(t *testing.T) {
	for _, text := range []string{"0.0", "1.3", "1.39", "2.999.3", "1.3.6.1.4.1.4294967295.0", "2.4294967295"} {
		b, err := EncodeOID(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkOID(b); err != nil || Dotted(b) != text {
			t.Errorf("%s becomes %s, %v", text, Dotted(b), err)
		}
	}
	for _, bad := range [][]byte{nil, {0x2b, 0x80}, {0x2b, 0x80, 1}, {0x2b, 0x90, 0x80, 0x80, 0x80, 0x80, 0}, make([]byte, 200)} {
		if checkOID(bad) == nil {
			t.Errorf("%x is taken", bad)
		}
	}
	for _, v := range []int64{0, 1, -1, 127, 128, -128, -129, 1 << 40, -1 << 62} {
		if got, err := signed(AppendNumber(nil, v)); got != v || err != nil {
			t.Errorf("%d becomes %d, %v", v, got, err)
		}
	}
	for _, v := range []uint64{0, 255, 1 << 63, 1<<64 - 1} {
		if got, err := unsigned(AppendUnsigned(nil, v)); got != v || err != nil {
			t.Errorf("%d becomes %d, %v", v, got, err)
		}
	}
}

// FuzzParse reads what anybody may send: what is taken for a message has sound parts, and
// can be answered when it is an inform.
func FuzzParse(f *testing.F) {
	f.Add([]byte("\x30\x2c\x02\x01\x01\x04\x01x\xa6\x24\x02\x01\x07\x02\x01\x00\x02\x01\x00\x30\x19\x30\x0d\x06\x08\x2b\x06\x01\x02\x01\x01\x03\x00\x43\x01\x05\x30\x08\x06\x02\x2b\x06\x06\x02\x2b\x06"))
	f.Add([]byte("\x30\x1d\x02\x01\x00\x04\x01x\xa4\x15\x06\x03\x2b\x06\x01\x40\x04\x0a\x00\x00\x01\x02\x01\x06\x02\x01\x07\x43\x01\x05\x30\x00"))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		var m Message
		m.Reset(netip.MustParseAddrPort("10.0.0.1:5000"))
		if _, err := m.Parse(datagram); err != nil {
			return
		}
		for i := range m.Varbinds {
			if err := checkOID(m.Varbinds[i].OID); err != nil {
				t.Error(err)
			}
		}
		if err := checkOID(m.Trap); err != nil && m.Version == 1 {
			t.Error(err)
		}
		if out, err := Reply(datagram); m.Inform && (err != nil || len(out) != len(datagram)) {
			t.Errorf("%d bytes, %v", len(out), err)
		}
	})
}

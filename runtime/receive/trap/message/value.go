package message

import (
	"encoding/binary"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"grove/runtime/probe/snmp/mib"
)

// Number is the number that a varbind has, if any; time ticks become seconds, and an
// integer's display hint says where its point is.
func (v *Varbind) Number(o *mib.Object) (float64, bool) {
	switch v.Tag {
	case tagInteger:
		n, err := signed(v.Value)
		x := float64(n)
		if o != nil {
			if d := mib.Decimals(o.Hint); d > 0 {
				x /= math.Pow10(d)
			}
		}
		return x, err == nil
	case tagTicks:
		n, err := unsigned(v.Value)
		return float64(n) / 100, err == nil
	case tagCounter32, tagGauge32, tagUnsigned32, tagCounter64:
		n, err := unsigned(v.Value)
		return float64(n), err == nil
	case tagOpaque:
		return opaque(v.Value)
	case TagOctets: // many sensors send a number as text
		n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimRight(string(v.Value), "\x00")), 64)
		return n, err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
	}
	return 0, false
}

// opaque reads net-snmp's floating-point numbers: an Opaque that holds the tag 0x9f78
// (Float) or 0x9f79 (Double), as its asn1.h calls them.
func opaque(b []byte) (float64, bool) {
	x := math.NaN()
	switch {
	case len(b) == 7 && b[0] == 0x9f && b[1] == 0x78 && b[2] == 4:
		x = float64(math.Float32frombits(binary.BigEndian.Uint32(b[3:])))
	case len(b) == 11 && b[0] == 0x9f && b[1] == 0x79 && b[2] == 8:
		x = math.Float64frombits(binary.BigEndian.Uint64(b[3:]))
	}
	return x, !math.IsNaN(x) && !math.IsInf(x, 0)
}

// Text writes the value of a varbind for people, on one line of at most maxText bytes.
func (v *Varbind) Text(names *mib.Set, o *mib.Object) string {
	switch v.Tag {
	case TagOctets:
		hint := ""
		if o != nil {
			hint = o.Hint
		}
		return OneLine(mib.Text(v.Value, hint))
	case TagOID:
		oid := Dotted(v.Value)
		if name, ok := names.Name(oid); ok {
			_, name, _ = strings.Cut(name, "::")
			return name
		}
		return oid
	case tagAddress:
		a, _ := netip.AddrFromSlice(v.Value)
		return a.String()
	case tagInteger:
		if o != nil && (len(o.Enum) > 0 || o.Syntax == mib.Truth) {
			n, _ := signed(v.Value)
			switch word := o.Enum[n]; {
			case word != "":
				return word
			case o.Syntax == mib.Truth && n == 1:
				return "true"
			case o.Syntax == mib.Truth && n == 2: // RFC 2579
				return "false"
			}
		}
	case tagNull, tagNoObject, tagNoInstance, tagEndOfView:
		return ""
	case tagOpaque:
		if _, ok := opaque(v.Value); !ok {
			return OneLine(mib.Text(v.Value, ""))
		}
	}
	if v.Tag == tagCounter64 { // a float64 has not all its digits
		n, _ := unsigned(v.Value)
		return strconv.FormatUint(n, 10)
	}
	n, ok := v.Number(o)
	if !ok {
		return ""
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}

// MaxText bounds the texts that are made of traps, in bytes.
const MaxText = 1024

// OneLine makes a text of an agent fit for a line: what ends lines or steers terminals
// becomes a space.
func OneLine(s string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
			return ' '
		}
		return r
	}, s)
	return Clip(clean)
}

// Clip cuts a text off at maxText bytes.
func Clip(s string) string {
	if len(s) <= MaxText {
		return s
	}
	return strings.ToValidUTF8(s[:MaxText-len("…")], "") + "…"
}

package trap

import (
	"encoding/binary"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"grove/runtime/probe/snmp/mib"
)

// number is the number that a varbind has, if any; time ticks become seconds, and an
// integer's display hint says where its point is.
func (v *varbind) number(o *mib.Object) (float64, bool) {
	switch v.tag {
	case tagInteger:
		n, err := signed(v.value)
		x := float64(n)
		if o != nil {
			if d := mib.Decimals(o.Hint); d > 0 {
				x /= math.Pow10(d)
			}
		}
		return x, err == nil
	case tagTicks:
		n, err := unsigned(v.value)
		return float64(n) / 100, err == nil
	case tagCounter32, tagGauge32, tagUnsigned32, tagCounter64:
		n, err := unsigned(v.value)
		return float64(n), err == nil
	case tagOpaque:
		return opaque(v.value)
	case tagOctets: // many sensors send a number as text
		n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimRight(string(v.value), "\x00")), 64)
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

// text writes the value of a varbind for people, on one line of at most maxText bytes.
func (v *varbind) text(names *mib.Set, o *mib.Object) string {
	switch v.tag {
	case tagOctets:
		hint := ""
		if o != nil {
			hint = o.Hint
		}
		return oneLine(mib.Text(v.value, hint))
	case tagOID:
		oid := dotted(v.value)
		if name, ok := names.Name(oid); ok {
			_, name, _ = strings.Cut(name, "::")
			return name
		}
		return oid
	case tagAddress:
		a, _ := netip.AddrFromSlice(v.value)
		return a.String()
	case tagInteger:
		if o != nil && (len(o.Enum) > 0 || o.Syntax == mib.Truth) {
			n, _ := signed(v.value)
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
		if _, ok := opaque(v.value); !ok {
			return oneLine(mib.Text(v.value, ""))
		}
	}
	if v.tag == tagCounter64 { // a float64 has not all its digits
		n, _ := unsigned(v.value)
		return strconv.FormatUint(n, 10)
	}
	n, ok := v.number(o)
	if !ok {
		return ""
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}

// maxText bounds the texts that are made of traps, in bytes.
const maxText = 1024

// oneLine makes a text of an agent fit for a line: what ends lines or steers terminals
// becomes a space.
func oneLine(s string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
			return ' '
		}
		return r
	}, s)
	return clip(clean)
}

// clip cuts a text off at maxText bytes.
func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText-len("…")], "") + "…"
}

package snmp

import (
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"

	"grove/runtime/probe/snmp/ber"
	"grove/runtime/probe/snmp/mib"
	"grove/tree"
)

// convert makes a value of what an agent sent for an item. There is no value for
// what the agent does not have, and for a text where a number must be.
func (it *item) convert(names *mib.Set, v *ber.Value) tree.Value {
	switch it.form {
	case asText:
		if s, ok := it.text(names, v); ok {
			return tree.Text(s)
		}
	case asBool:
		// RFC 2579: true is 1, false is 2.
		if n, ok := v.Number(); ok && (n == 1 || n == 2) {
			return tree.Bool(n == 1)
		}
	default:
		if n, ok := it.number(v); ok {
			return tree.Number(n)
		}
	}
	return tree.Value{}
}

func (it *item) number(v *ber.Value) (float64, bool) {
	if v.Type == ber.OctetString {
		// Load averages and many sensors are numbers in text.
		n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimRight(string(v.Octets), "\x00")), 64)
		return n, err == nil && !math.IsInf(n, 0) && !math.IsNaN(n)
	}
	// A Counter64 beyond 2^53 loses its last digits.
	n, ok := v.Number()
	switch {
	case !ok:
		return 0, false
	case v.Type == ber.TimeTicks:
		return n / 100, true
	case it.decimals > 0:
		return n / math.Pow10(it.decimals), true
	}
	return n, true
}

func (it *item) text(names *mib.Set, v *ber.Value) (string, bool) {
	switch v.Type {
	case ber.OctetString, ber.Opaque:
		switch {
		case it.object != nil && it.object.Syntax == mib.Bits:
			return bits(v.Octets, it.object.Enum), true
		case it.object != nil:
			return mib.Text(v.Octets, it.object.Hint), true
		}
		return mib.Text(v.Octets, ""), true
	case ber.IPAddress:
		if len(v.Octets) == 0 {
			return "", false
		}
		return net.IP(v.Octets).String(), true
	case ber.ObjectID:
		if len(v.Octets) == 0 {
			return "0.0", true // how some agents send the identifier that means none
		}
		if ber.CheckOID(v.Octets) != nil {
			return "", false
		}
		oid := ber.OID(v.Octets).String()
		if name, ok := names.Name(oid); ok {
			return name, true
		}
		return oid, true
	}
	n, ok := it.number(v)
	if !ok {
		return "", false
	}
	if it.object != nil && it.object.Enum != nil && v.Type == ber.Integer {
		if name, ok := it.object.Enum[int64(n)]; ok {
			return name, true
		}
	}
	return strconv.FormatFloat(n, 'f', -1, 64), true
}

// bits lists the names of the bits that are set: RFC 2578 section 7.1.4, bit 0 is
// the highest of the first octet.
func bits(octets []byte, enum map[int64]string) string {
	var set []string
	for i := range min(8*len(octets), 256) {
		if octets[i/8]&(0x80>>(i%8)) == 0 {
			continue
		}
		name := enum[int64(i)]
		if name == "" {
			name = strconv.Itoa(i)
		}
		set = append(set, name)
	}
	return strings.Join(set, " ")
}

// distinct makes the keys of rows texts that tell them apart: an empty one becomes
// the index of its row, one that was there before gets it added.
func distinct(rows [][]tree.Value, index, key int) {
	seen := make(map[string]bool, len(rows))
	for _, row := range rows {
		text := strings.TrimSpace(row[key].String())
		switch {
		case text == "":
			text = row[index].String()
		case seen[text]:
			text = fmt.Sprintf("%s (%s)", text, row[index])
		}
		for n := 2; seen[text]; n++ {
			text = fmt.Sprintf("%s (%s) %d", row[key], row[index], n)
		}
		seen[text] = true
		row[key] = tree.Text(text)
	}
}

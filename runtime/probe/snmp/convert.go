package snmp

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gosnmp/gosnmp"

	"grove/runtime/probe/snmp/mib"
	"grove/tree"
)

// convert makes a value of what an agent sent for an item. There is no value for
// what the agent does not have, and for a text where a number must be.
func (it *item) convert(names *mib.Set, v *gosnmp.SnmpPDU) tree.Value {
	switch it.form {
	case asText:
		if s, ok := it.text(names, v); ok {
			return tree.Text(s)
		}
	case asBool:
		// RFC 2579: true is 1, false is 2.
		if n, ok := number(v); ok && (n == 1 || n == 2) {
			return tree.Bool(n == 1)
		}
	default:
		if n, ok := it.number(v); ok {
			return tree.Number(n)
		}
	}
	return tree.Value{}
}

// missing says whether an agent sent that it has no such thing.
func missing(t gosnmp.Asn1BER) bool {
	return t == gosnmp.NoSuchObject || t == gosnmp.NoSuchInstance || t == gosnmp.EndOfMibView || t == gosnmp.Null
}

func (it *item) number(v *gosnmp.SnmpPDU) (float64, bool) {
	if b, ok := v.Value.([]byte); ok && v.Type == gosnmp.OctetString {
		// Load averages and many sensors are numbers in text.
		n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimRight(string(b), "\x00")), 64)
		return n, err == nil && !math.IsInf(n, 0) && !math.IsNaN(n)
	}
	n, ok := number(v)
	if !ok {
		return 0, false
	}
	if v.Type == gosnmp.TimeTicks {
		return n / 100, true
	}
	if it.object != nil && it.object.Syntax == mib.Integer {
		if d := mib.Decimals(it.object.Hint); d > 0 {
			return n / math.Pow10(d), true
		}
	}
	return n, true
}

// number returns the number that was sent, as it is. A Counter64 beyond 2^53 loses
// its last digits.
func number(v *gosnmp.SnmpPDU) (float64, bool) {
	switch x := v.Value.(type) {
	case int:
		return float64(x), true
	case uint:
		return float64(x), true
	case uint32:
		return float64(x), true
	case uint64:
		return float64(x), true
	case float32:
		n := float64(x)
		return n, !math.IsNaN(n) && !math.IsInf(n, 0)
	case float64:
		return x, !math.IsNaN(x) && !math.IsInf(x, 0)
	}
	return 0, false
}

func (it *item) text(names *mib.Set, v *gosnmp.SnmpPDU) (string, bool) {
	switch x := v.Value.(type) {
	case []byte:
		switch {
		case it.object != nil && it.object.Syntax == mib.Bits:
			return bits(x, it.object.Enum), true
		case it.object != nil:
			return mib.Text(x, it.object.Hint), true
		}
		return mib.Text(x, ""), true
	case string:
		if v.Type == gosnmp.ObjectIdentifier {
			if name, ok := names.Name(x); ok {
				return name, true
			}
		}
		return x, true
	}
	n, ok := it.number(v)
	if !ok {
		return "", false
	}
	if it.object != nil && it.object.Enum != nil && v.Type == gosnmp.Integer {
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

// sortRows puts rows in the order of their indexes, as SNMP orders them.
func sortRows(rows [][]tree.Value, index int) {
	slices.SortFunc(rows, func(a, b []tree.Value) int {
		return mib.CompareOID(a[index].String(), b[index].String())
	})
}

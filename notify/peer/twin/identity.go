package twin

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// NameMark is the mark that every device has: the name of its instance.
const NameMark = "name"

// Identify returns the marks of a device that rules ask for: each from the parameter of
// that name, else from the property, else from the label, in any case of letters, as Normal
// writes it. What says nothing is left out. Name is that of the instance; it is empty for
// what every manager has under one name, such as its own host.
func Identify(marks []string, name string, parameters, properties, labels map[string]string) map[string]string {
	identity := map[string]string{}
	for _, mark := range marks {
		mark = markName(mark)
		for _, from := range []map[string]string{parameters, properties, labels, {NameMark: name}} {
			if value := Normal(mark, find(from, mark)); value != "" && len(identity) < MaxMarks {
				identity[mark] = value
				break
			}
		}
	}
	return identity
}

// find is the value under a key in any spelling.
func find(from map[string]string, mark string) string {
	if value, ok := from[mark]; ok {
		return value
	}
	var found []string
	for k := range from {
		if markName(k) == mark {
			found = append(found, k)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return from[slices.Min(found)]
}

// markName is the name of a mark in one spelling: "Engine-ID" is "engine_id".
func markName(text string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(text)), "-", "_")
}

// Normal returns the value of a mark in one spelling, or nothing if it cannot tell one
// device from another: an address that is another machine on every machine, a serial
// number that the maker forgot to set. What the mark is follows from its name:
//
//   - address, host, hostname, ip, url, and what ends so: see normalAddress;
//   - mac, engine_id, and what ends so: hexadecimal digits;
//   - anything else: text without regard of case and spaces around.
func Normal(mark, value string) string {
	value = strings.TrimSpace(value)
	if value == "" || len(value) > 4*maxText || !utf8.ValidString(value) {
		return ""
	}
	is := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return mark == n || strings.HasSuffix(mark, "_"+n) })
	}
	switch {
	case is("address", "host", "hostname", "ip", "url"):
		value = normalAddress(value)
	case is("mac", "engine_id", "engineid"):
		value = normalHex(value)
	default:
		value = normalText(value)
	}
	if len(value) > maxText {
		return ""
	}
	return value
}

// normalAddress reads an address, a host name, either with a port, or a URL, of which host
// and port count: "10.0.0.1", "[2001:db8::1]:161", "switch1.example". A port is part of
// it, since two servers of one application on one host differ by nothing else; where one
// says the port and another does not, they are not the same. Loopback, link-local and
// multicast addresses, and localhost, are another machine everywhere, so they are nothing.
func normalAddress(text string) string {
	port := ""
	if scheme, _, ok := strings.Cut(text, "://"); ok {
		u, err := url.Parse(text)
		if err != nil {
			return ""
		}
		if port = u.Port(); port == "" {
			port = schemePorts[strings.ToLower(scheme)]
		}
		text = u.Hostname()
	} else if a, err := netip.ParseAddr(text); err == nil {
		return addressText(a, "")
	} else {
		if i := strings.LastIndexByte(text, ':'); i > strings.LastIndexByte(text, ']') {
			if text, port = text[:i], text[i+1:]; port == "" {
				return ""
			}
		}
		if inner, ok := strings.CutPrefix(text, "["); ok {
			if text, ok = strings.CutSuffix(inner, "]"); !ok {
				return ""
			}
		}
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return ""
		}
		port = strconv.FormatUint(n, 10)
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return addressText(a, port)
	}
	host := strings.ToLower(strings.TrimSuffix(text, "."))
	if !isHost(host) || host == "localhost" || host == "localhost.localdomain" || strings.HasSuffix(host, ".localhost") {
		return ""
	}
	if port != "" {
		host += ":" + port
	}
	return host
}

// schemePorts are the ports that a URL need not say.
var schemePorts = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443", "ldap": "389", "ldaps": "636", "ssh": "22"}

func addressText(a netip.Addr, port string) string {
	a = a.Unmap()
	if a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() || a.IsMulticast() {
		return ""
	}
	a = a.WithZone("")
	switch {
	case port == "":
		return a.String()
	case a.Is6():
		return "[" + a.String() + "]:" + port
	}
	return a.String() + ":" + port
}

// isHost says whether a text can be the name of a host. A name whose last part is a number
// is none (WHATWG URL, host parser): it is an address that was written wrongly.
func isHost(text string) bool {
	if text == "" || len(text) > 253 {
		return false
	}
	parts := strings.Split(text, ".")
	for _, part := range parts {
		if part == "" || len(part) > 63 || strings.ContainsFunc(part, func(r rune) bool {
			return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
		}) {
			return false
		}
	}
	last := parts[len(parts)-1]
	return strings.Trim(last, "0123456789") != ""
}

// normalHex reads octets in any of the usual spellings: "80:00:1f:88", "80-00-1F-88",
// "8000.1f88", "0x80001f88", "80 00 1F 88", "0:1a:2b:3c:4d:5e". All zeros and all ones tell
// nothing apart (RFC 3411, SnmpEngineID). What is no such thing is taken as text.
func normalHex(text string) string {
	lower := strings.TrimPrefix(strings.ToLower(text), "0x")
	groups := strings.FieldsFunc(lower, func(r rune) bool { return strings.ContainsRune(":-. ", r) })
	var b strings.Builder
	for _, g := range groups {
		if len(g) == 1 && len(groups) > 1 {
			b.WriteByte('0') // net-snmp leaves leading zeros of octets out.
		}
		b.WriteString(g)
	}
	hex := b.String()
	if len(hex) < 10 || len(hex) > 64 || len(hex)%2 != 0 || strings.Trim(hex, "0123456789abcdef") != "" {
		return normalText(text)
	}
	if strings.Trim(hex, "0") == "" || strings.Trim(hex, "f") == "" {
		return ""
	}
	return hex
}

// forgotten are texts that makers put where a serial number belongs.
var forgotten = []string{
	"-", "?", "n/a", "na", "none", "null", "nil", "unknown", "undefined", "not specified", "not available", "not applicable",
	"default", "default string", "to be filled by o.e.m.", "system serial number", "chassis serial number", "serial", "empty",
	"123456789", "1234567890", "0123456789", "invalid", "example",
}

// normalText is a text without regard of case and of how many spaces it has.
func normalText(text string) string {
	text = strings.Join(strings.Fields(strings.ToLower(text)), " ")
	if slices.Contains(forgotten, text) || strings.Trim(text, "0. -:x") == "" || strings.Trim(text, "f") == "" || strings.ContainsFunc(text, unicode.IsControl) {
		return ""
	}
	return text
}

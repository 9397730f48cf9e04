package plaintext

import (
	"bytes"
	"strconv"

	"grove/runtime/receive/sample"
)

// maxParts is how many parts of a dotted name are labels.
const maxParts = 16

// AppendName begins the key of the series of a dotted name: "servers.web1.load" is
// servers_web1_load with the labels path="servers.web1.load", p1="servers", p2="web1",
// p3="load", so that a definition can choose by any part. It returns where in the key the
// name of the metric is; from equals to when nothing is left of it.
func AppendName(key, dotted []byte) (out []byte, from, to int) {
	key = append(append(key, "__name__"...), sample.Separator)
	from = len(key)
	for i, c := range dotted {
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == ':' || c >= '0' && c <= '9'
		if i == 0 && c >= '0' && c <= '9' {
			key = append(key, '_')
		}
		if !plain {
			c = '_'
		}
		key = append(key, c)
	}
	to = len(key)
	key = append(key, sample.Separator)
	n := 0
	for part := range bytes.SplitSeq(dotted, []byte{'.'}) {
		if n++; n > maxParts {
			break
		}
		key = append(append(strconv.AppendInt(append(key, 'p'), int64(n), 10), sample.Separator), part...)
		key = append(key, sample.Separator)
	}
	return sample.AppendLabel(key, []byte("path"), dotted), from, to
}

// AppendTag appends a tag as a label; one whose name cannot be a label's is left out.
func AppendTag(key, name, text []byte) []byte {
	if !isLabel(name) || len(text) == 0 || bytes.IndexByte(text, sample.Separator) >= 0 {
		return key
	}
	return sample.AppendLabel(key, name, text)
}

// isLabel says whether a tag can be a label, and none of those that the name makes.
func isLabel(name []byte) bool {
	for i, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= '0' && c <= '9' && i > 0) {
			return false
		}
	}
	if len(name) == 0 || bytes.HasPrefix(name, []byte("__")) || string(name) == "path" {
		return false
	}
	if name[0] == 'p' {
		if _, err := strconv.Atoi(string(name[1:])); err == nil {
			return false
		}
	}
	return true
}

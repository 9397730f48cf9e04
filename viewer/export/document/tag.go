package document

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"

	"grove/tree"
)

// tag is a digest of everything that the document says. What several nodes share is in
// it once.
func (d *Document) tag(first int) string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	for _, p := range d.Managers {
		_ = enc.Encode(p.Manager) // A hash takes everything, and every field has a form.
		_ = enc.Encode(p.Status)
	}
	_ = enc.Encode(d.Query)
	_ = enc.Encode(d.Generator)
	specs := map[*tree.Spec]bool{}
	var b []byte
	for i := range d.records {
		r := &d.records[i]
		b = b[:0]
		if r.Spec != nil && !specs[r.Spec] {
			specs[r.Spec] = true
			if r.way {
				_ = enc.Encode(r.Spec.Properties) // They hold below.
				continue
			}
			_ = enc.Encode([]any{r.Spec.Description, r.Spec.Unit, r.Spec.Properties})
			_, _ = fmt.Fprint(h, *d.levelsOf(r.Spec.Threshold))
		}
		if i < first {
			continue // It only says what holds below, which its spec does.
		}
		b = append(append(b, r.Path.String()...), 0, byte(r.Kind), byte(r.Status), byte(r.Last), byte(r.depth), boolByte(r.Flapping), boolByte(r.Tuned), boolByte(r.hidden))
		b = binary.LittleEndian.AppendUint64(b, uint64(r.time))
		b = binary.LittleEndian.AppendUint64(b, uint64(r.since))
		if n, ok := r.Value.Number(); ok {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(n))
		} else {
			b = append(append(b, r.Value.String()...), 0)
		}
		b = append(append(b, r.Reason...), 0)
		if r.Tuned {
			b = fmt.Appendf(b, "%v", *d.levelsOf(r.Threshold))
		}
		_, _ = h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

package promql

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"grove/tree/history/promql"
)

// answer is one that succeeded.
type answer struct {
	data            func(*encoder) // writes the field data
	warnings, infos []string
}

// flushed is how much of an answer is collected before it is sent on, in bytes.
const flushed = 32 << 10

// zippers are reused, since each holds most of a megabyte.
var zippers = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // The level is valid.
	return z
}}

// send writes the answer while it is encoded: it can be large.
func (a *answer) send(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Encoding")
	e := &encoder{to: w}
	if acceptsGzip(r.Header.Get("Accept-Encoding")) && r.Method != http.MethodHead {
		h.Set("Content-Encoding", "gzip")
		z := zippers.Get().(*gzip.Writer)
		defer zippers.Put(z)
		z.Reset(w)
		defer func() { _ = z.Close() }() // Nothing is left to do for a reader that went.
		e.to = z
	}
	e.raw(`{"status":"success","data":`)
	a.data(e)
	e.notes("warnings", a.warnings)
	e.notes("infos", a.infos)
	e.raw("}")
	e.flush()
}

// writeError answers with an error in Prometheus' shape.
func writeError(w http.ResponseWriter, status int, kind, detail string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	e := &encoder{to: w}
	e.object("status", "error", "errorType", kind, "error", detail)
	e.flush()
}

// acceptsGzip reads Accept-Encoding (RFC 9110, 12.5.3) as far as it concerns gzip.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		name, value, _ := strings.Cut(params, "=")
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		return strings.TrimSpace(name) != "q" || err == nil && q > 0
	}
	return false
}

// encoder writes JSON. An error of the reader's side ends the writing silently.
type encoder struct {
	to     io.Writer
	buf    []byte
	failed bool
}

func (e *encoder) flush() {
	if !e.failed && len(e.buf) > 0 {
		_, err := e.to.Write(e.buf)
		e.failed = err != nil
	}
	e.buf = e.buf[:0]
}

func (e *encoder) raw(s string) {
	e.buf = append(e.buf, s...)
	if len(e.buf) >= flushed {
		e.flush()
	}
}

// comma parts the elements of a list or object; it is called before each.
func (e *encoder) comma(i int) {
	if i > 0 {
		e.raw(",")
	}
}

func (e *encoder) list(n int, element func(int)) {
	e.raw("[")
	for i := range n {
		e.comma(i)
		element(i)
	}
	e.raw("]")
}

// object writes names and texts by turns.
func (e *encoder) object(pairs ...string) {
	e.raw("{")
	for i := 0; i < len(pairs); i += 2 {
		e.comma(i)
		e.text(pairs[i])
		e.raw(":")
		e.text(pairs[i+1])
	}
	e.raw("}")
}

func (e *encoder) text(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			b, _ := json.Marshal(s) // A string always has a form.
			e.raw(string(b))
			return
		}
	}
	e.buf = append(e.buf, '"')
	e.buf = append(e.buf, s...)
	e.raw(`"`)
}

func (e *encoder) notes(name string, texts []string) {
	if len(texts) > 0 {
		e.raw(`,"` + name + `":`)
		e.list(len(texts), func(i int) { e.text(texts[i]) })
	}
}

func (e *encoder) labels(l promql.Labels) {
	e.raw("{")
	for i, label := range l {
		e.comma(i)
		e.text(label.Name)
		e.raw(":")
		e.text(label.Value)
	}
	e.raw("}")
}

// time writes milliseconds as seconds, with a fraction where there is one.
func (e *encoder) time(ms int64) {
	if ms < 0 {
		e.buf = append(e.buf, '-')
		ms = -ms
	}
	e.buf = strconv.AppendInt(e.buf, ms/1000, 10)
	if part := ms % 1000; part != 0 {
		e.buf = append(e.buf, '.', byte('0'+part/100), byte('0'+part/10%10), byte('0'+part%10))
	}
}

// point writes a time with a value, which is a text, since JSON has no NaN.
func (e *encoder) point(p promql.Point) {
	e.buf = append(e.buf, '[')
	e.time(p.Time)
	e.buf = append(e.buf, ',', '"')
	form := byte('f')
	if abs := math.Abs(p.Value); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		form = 'e' // As encoding/json and Prometheus do.
	}
	e.buf = strconv.AppendFloat(e.buf, p.Value, form, -1, 64)
	e.raw(`"]`)
}

func (e *encoder) result(r *promql.Result) {
	e.raw(`{"resultType":"` + string(r.Type) + `","result":`)
	switch r.Type {
	case promql.Matrix:
		e.list(len(r.Series), func(i int) {
			s := r.Series[i]
			e.raw(`{"metric":`)
			e.labels(s.Labels)
			e.raw(`,"values":`)
			e.list(len(s.Points), func(j int) { e.point(s.Points[j]) })
			e.raw("}")
		})
	case promql.Vector:
		e.list(len(r.Series), func(i int) {
			s := r.Series[i]
			e.raw(`{"metric":`)
			e.labels(s.Labels)
			e.raw(`,"value":`)
			e.point(s.Points[0])
			e.raw("}")
		})
	case promql.Scalar:
		e.point(r.Scalar)
	case promql.String:
		e.raw("[")
		e.time(r.Scalar.Time)
		e.raw(",")
		e.text(r.Text)
		e.raw("]")
	}
	e.stats(r.Stats)
	e.raw("}")
}

// stats writes what a query cost, by the names of Prometheus.
func (e *encoder) stats(s *promql.Stats) {
	if s == nil {
		return
	}
	number := func(name string, v float64) {
		e.raw(`"` + name + `":`)
		e.raw(strconv.FormatFloat(v, 'f', -1, 64))
	}
	e.raw(`,"stats":{"timings":{`)
	number("evalTotalTime", s.Evaluation)
	e.raw(",")
	number("resultSortTime", s.Sorting)
	e.raw(",")
	number("queryPreparationTime", s.Preparation)
	e.raw(",")
	number("innerEvalTime", s.Inner)
	e.raw(",")
	number("execQueueTime", s.Queued)
	e.raw(",")
	number("execTotalTime", s.Total)
	e.raw(`},"samples":{`)
	number("totalQueryableSamples", float64(s.SamplesQueried))
	e.raw(",")
	number("samplesRead", float64(s.SamplesRead))
	e.raw(",")
	number("peakSamples", float64(s.SamplesPeak))
	e.raw("}}")
}

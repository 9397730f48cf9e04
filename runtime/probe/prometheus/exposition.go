package prometheus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"grove/runtime/probe/series"
)

// plainText is what an answer is read as whose type says nothing that is known.
const plainText = "text/plain"

// maxExcerpt bounds what an error repeats of an answer, in bytes.
const maxExcerpt = 200

// exposition is one answer of an exporter.
type exposition struct {
	body        []byte
	contentType string
	at          int64 // time of its samples, in milliseconds
	now         int64 // by which their own times are judged
	maxAge      int64 // milliseconds; 0: own times are not heeded

	samples int
	timed   bool  // every sample that is wanted has a time of its own,
	newest  int64 // of which this is the last
	problem error // series that found no place
}

// take gives the samples to a set. It is all or nothing: when the answer is malformed,
// nothing is to be read from the set, and the error says why.
func (e *exposition) take(set *series.Set) error {
	parser, err := textparse.New(e.body, e.contentType, nil, textparse.ParserOptions{
		// A definition may name parts of the classic form; package series sees to it that
		// nothing counts twice.
		KeepClassicOnClassicAndNativeHistograms: true,
		FallbackContentType:                     plainText,
	})
	if parser == nil {
		return err
	}
	set.Begin()
	timed, untimed := 0, 0
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("after %d samples: %s", e.samples, excerpt(err))
		}
		var key []byte
		var own *int64
		sample := series.Sample{Time: e.at}
		switch entry {
		case textparse.EntrySeries:
			key, own, sample.Value = parser.Series()
		case textparse.EntryHistogram:
			var whole *histogram.Histogram
			if key, own, whole, sample.Histogram = parser.Histogram(); whole != nil {
				sample.Histogram = whole.ToFloat(nil)
			}
		default:
			continue
		}
		e.samples++
		if name := nameOf(key); name != nil && !set.Wants(name) {
			continue
		}
		if own != nil && e.maxAge > 0 {
			if e.now-*own > e.maxAge {
				continue
			}
			timed++
			e.newest = max(e.newest, *own)
		} else {
			untimed++
		}
		e.put(set, parser, key, sample)
	}
	set.End()
	e.timed = timed > 0 && untimed == 0
	return nil
}

func (e *exposition) put(set *series.Set, parser textparse.Parser, key []byte, sample series.Sample) {
	x := set.Get(key)
	if x == nil {
		var l labels.Labels
		parser.Labels(&l)
		if !set.Wants([]byte(l.Get(labels.MetricName))) {
			return
		}
		var err error
		if x, err = set.Add(key, l); err != nil {
			e.problem = err
			return
		}
	}
	// An exporter that shows a series twice shows the first.
	_ = set.Put(x, sample)
}

// nameOf finds the metric's name in what a parser tells series apart by: in the text
// formats what stands before the braces, or first in them and in quotes; in protobuf what
// stands before the first separator. It is nil when the labels have to be looked at.
func nameOf(key []byte) []byte {
	if len(key) > 1 && key[0] == '{' {
		rest := bytes.TrimLeft(key[1:], " \t")
		if len(rest) == 0 || rest[0] != '"' {
			return nil
		}
		end := bytes.IndexAny(rest[1:], `"\`)
		if end < 0 || rest[1+end] == '\\' || bytes.HasPrefix(bytes.TrimLeft(rest[end+2:], " \t"), []byte("=")) {
			return nil
		}
		return rest[1 : 1+end]
	}
	for i, c := range key {
		if c == '{' || c == 0xff || c == ' ' || c == '\t' {
			return key[:i]
		}
	}
	return key
}

// format says in a word or two what the answer was read as.
func (e *exposition) format() string {
	media, parameters, err := mime.ParseMediaType(e.contentType)
	switch {
	case err == nil && media == "application/vnd.google.protobuf":
		return "protobuf"
	case err == nil && media == "application/openmetrics-text":
		return strings.TrimSpace("openmetrics " + parameters["version"])
	case err == nil && media == plainText:
		return strings.TrimSpace("text " + parameters["version"])
	}
	return "text"
}

func excerpt(err error) string {
	text := strings.ToValidUTF8(err.Error(), "�")
	if len(text) > maxExcerpt {
		text = strings.ToValidUTF8(text[:maxExcerpt], "") + "…"
	}
	return text
}

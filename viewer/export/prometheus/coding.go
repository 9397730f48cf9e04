package prometheus

import (
	"bytes"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// coding is a content coding (RFC 9110, 8.4.1).
type coding string

const (
	identity coding = ""
	gzipped  coding = "gzip" // RFC 1952
	zstded   coding = "zstd" // RFC 8878
)

// negotiateCoding reads Accept-Encoding (RFC 9110, 12.5.3). Of two that are as welcome
// gzip goes first: it takes less time, and every scraper can read it.
func negotiateCoding(header string) coding {
	var gz, zs float64
	seen := map[string]bool{}
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		q := quality(params)
		switch {
		case seen[name]:
		case name == "gzip" || name == "x-gzip":
			gz = max(gz, q)
		case name == "zstd":
			zs = q
		case name == "*" && !seen["gzip"]:
			gz = q
		}
		seen[name] = true
	}
	switch {
	case gz > 0 && gz >= zs:
		return gzipped
	case zs > 0:
		return zstded
	}
	return identity
}

// compressor is what the packages for both codings have.
type compressor interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// packer compresses an answer into memory. It is pooled: what it needs to look for
// repetitions is larger than what comes out.
type packer struct {
	compressor
	out bytes.Buffer
}

// packers are pools by coding. Both compress at their quickest: the text repeats
// itself so much that more effort hardly makes it smaller.
var packers = map[coding]*sync.Pool{
	gzipped: {New: func() any {
		z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // The level is valid.
		return &packer{compressor: z}
	}},
	zstded: {New: func() any {
		// One goroutine at work, which is the caller's, and a window as small as the
		// text allows: a scrape must not take the machine from those whom it measures.
		z, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(256<<10), zstd.WithLowerEncoderMem(true))
		return &packer{compressor: z}
	}},
}

func getPacker(c coding) *packer {
	p := packers[c].Get().(*packer)
	p.out.Reset()
	p.Reset(&p.out)
	return p
}

func (p *packer) free(c coding) { packers[c].Put(p) }

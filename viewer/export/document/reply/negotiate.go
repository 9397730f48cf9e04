// Package reply answers requests for documents: which form of them is wanted, whether
// the client has it already, compressed, and in pieces as they are made.
package reply

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// Format is one form in which a document can be had.
type Format struct {
	Name  string   // as in addresses, after the dot: "xml"
	Type  string   // content type of answers: "application/xml; charset=utf-8"
	Takes []string // media types by which clients ask for it: "application/xml", "text/xml"
}

// Split takes the name of a format off the end of an address: "tree.xml" is "tree" in the
// format named xml. Without one the format is nil.
func Split(address string, formats []Format) (rest string, format *Format) {
	for i := range formats {
		if rest, ok := strings.CutSuffix(address, "."+formats[i].Name); ok {
			return rest, &formats[i]
		}
	}
	return address, nil
}

// Wanted reads which form of a document is asked for: by its name at the end of an
// address, else by the Accept header. Rest is the address without that name. When
// ok is false the request has been refused.
func Wanted(w http.ResponseWriter, r *http.Request, address string, formats []Format, refuse Refuse) (rest string, format *Format, ok bool) {
	if rest, format = Split(address, formats); format == nil {
		format = Negotiate(r, formats)
	}
	if format == nil {
		types := make([]string, len(formats))
		for i := range formats {
			types[i] = formats[i].Takes[0]
		}
		last := len(types) - 1
		refuse(w, r, http.StatusNotAcceptable, "there is "+strings.Join(types[:last], ", ")+" and "+types[last])
	}
	return rest, format, format != nil
}

// Negotiate picks the format that the client likes best (RFC 9110, 12.5.1). The first is
// taken where it likes several alike, or does not say. It is nil when the client takes
// none of them.
func Negotiate(r *http.Request, formats []Format) *Format {
	header := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(header) == "" {
		return &formats[0]
	}
	var best *Format
	most := 0.0
	for i := range formats {
		if q := quality(header, formats[i].Takes); q > most {
			best, most = &formats[i], q
		}
	}
	return best
}

// quality returns how much an Accept header likes any of the media types, 0 to 1. The
// most specific range counts.
func quality(header string, types []string) float64 {
	most := 0.0
	for i, t := range types {
		major, _, _ := strings.Cut(t, "/")
		q, specific := 0.0, 0
		for part := range strings.SplitSeq(header, ",") {
			kind, params, err := mime.ParseMediaType(part)
			if err != nil {
				continue
			}
			rank := 0
			switch {
			case kind == t:
				rank = 3
			case i > 0: // Ranges mean the proper name, not the others.
			case kind == major+"/*":
				rank = 2
			case kind == "*/*":
				rank = 1
			}
			if rank <= specific {
				continue
			}
			q, specific = 1, rank
			if text, ok := params["q"]; ok {
				if q, err = strconv.ParseFloat(text, 64); err != nil || !(q >= 0 && q <= 1) {
					q = 0
				}
			}
		}
		most = max(most, q)
	}
	return most
}

// Clip shortens hostile text for an error message.
func Clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}

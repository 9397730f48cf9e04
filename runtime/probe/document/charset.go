package document

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
)

// marks are the byte order marks, which go before everything else that is said.
var marks = []struct {
	mark string
	form encoding.Encoding
}{
	{"\xef\xbb\xbf", unicode.UTF8BOM},
	{"\xff\xfe", unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)},
	{"\xfe\xff", unicode.UTF16(unicode.BigEndian, unicode.UseBOM)},
}

// decode makes UTF-8 of a document: by its byte order mark, the option, or what the
// server says. What none of them says must be UTF-8; XML says it by itself, and labelled
// is false then.
func (o *plan) decode(b []byte, contentType string) (text []byte, labelled bool, err error) {
	for _, m := range marks {
		if bytes.HasPrefix(b, []byte(m.mark)) {
			text, err = expand(m.form, b)
			return text, true, err
		}
	}
	form := o.charset
	if form == nil {
		if _, parameters, err := mime.ParseMediaType(contentType); err == nil && parameters["charset"] != "" {
			if form, err = htmlindex.Get(parameters["charset"]); err != nil {
				return nil, false, fmt.Errorf("the server says that the charset is %q, which is not known", parameters["charset"])
			}
		}
	}
	switch {
	case form != nil:
		text, err = expand(form, b)
		return text, true, err
	case o.format == formatXML:
		return b, false, nil
	case !utf8.Valid(b):
		return nil, false, errors.New("is not UTF-8: say by the option charset what it is")
	}
	return b, true, nil
}

// expand decodes; text of one byte a letter becomes at most three times as long.
func expand(form encoding.Encoding, b []byte) ([]byte, error) {
	text, err := form.NewDecoder().Bytes(b)
	if err != nil {
		return nil, fmt.Errorf("the charset does not fit: %w", err)
	}
	return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), nil
}

// charsetReader is what the XML decoder asks for the charset of the declaration.
func charsetReader(labelled bool) func(string, io.Reader) (io.Reader, error) {
	return func(name string, r io.Reader) (io.Reader, error) {
		if labelled {
			return r, nil // It was decoded, whatever it says.
		}
		form, err := htmlindex.Get(name)
		if err != nil {
			return nil, fmt.Errorf("the charset %q is not known", name)
		}
		return form.NewDecoder().Reader(r), nil
	}
}

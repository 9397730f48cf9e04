package post

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"grove/notify/template"
)

// maxExcerpt bounds what of an answer stands in an error, in characters.
const maxExcerpt = 300

// hidden stands in the place of a secret.
const hidden = "<secret>"

// excerpt is what people may see of an answer.
func (r *Request) excerpt(body []byte) string {
	return template.Truncate(template.OneLine(r.conceal(string(body))), maxExcerpt)
}

// hide is an error of net/http without the address, which may be a secret.
func (r *Request) hide(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if text := err.Error(); r.conceal(text) != text {
		return errors.New(template.OneLine(r.conceal(text)))
	}
	return err
}

// conceal takes the secrets out of a text, the longest first as one may hold another.
func (r *Request) conceal(text string) string {
	secrets := slices.Clone(r.Secrets)
	for _, v := range r.Header {
		secrets = append(secrets, v)
	}
	secrets = append(secrets, r.URL)
	if u, err := url.Parse(r.URL); err == nil {
		secrets = append(secrets, u.RequestURI(), u.Path, u.EscapedPath(), u.RawQuery)
		// Services repeat parts of an address: "the token … is no more".
		for part := range strings.SplitSeq(u.EscapedPath(), "/") {
			if plain, err := url.PathUnescape(part); err == nil && len(part) >= minPart {
				secrets = append(secrets, part, plain)
			}
		}
		for part := range strings.FieldsFuncSeq(u.RawQuery, func(c rune) bool { return c == '&' || c == '=' }) {
			if plain, err := url.QueryUnescape(part); err == nil && len(part) >= minPart {
				secrets = append(secrets, part, plain)
			}
		}
	}
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	for _, s := range secrets {
		if len(s) >= minSecret {
			text = strings.ReplaceAll(text, s, hidden)
		}
	}
	return text
}

// minSecret is the length from which on something is taken for a secret: what is shorter,
// such as the path "/", stands in texts by chance.
const minSecret = 6

// minPart is the same for one part of a path or a query: shorter ones are words.
const minPart = 10

// Package page writes what the pages of documents and reports have in common: the head,
// the style, and the marks of statuses. A page stands alone: it loads nothing and runs
// nothing, so that it can be sent by mail and opened from a directory.
package page

import (
	"crypto/sha256"
	_ "embed" // for the style
	"encoding/base64"
	"io"
	"strconv"

	"grove/tree"
	"grove/viewer/export/document/markup"
)

// Style is the style sheet of all pages.
//
//go:embed page.css
var Style string

// Policy is the Content-Security-Policy of a page (CSP level 3): its own style, known by
// its digest, and nothing else.
var Policy = func() string {
	sum := sha256.Sum256([]byte(Style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

// symbols are the shapes of the marks: they differ for every kind of colour vision.
const symbols = `<svg class="symbols" aria-hidden="true"><defs>` +
	`<symbol id="mark-white" viewBox="0 0 16 16"><path d="M8 1.2 14.8 8 8 14.8 1.2 8z"/></symbol>` +
	`<symbol id="mark-green" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6.2"/></symbol>` +
	`<symbol id="mark-yellow" viewBox="0 0 16 16"><path d="M8 1.8 15 14H1z"/></symbol>` +
	`<symbol id="mark-red" viewBox="0 0 16 16"><rect x="2" y="2" width="12" height="12" rx="1"/></symbol>` +
	`</defs></svg>`

// Begin writes the head of a page and begins its body.
func Begin(w io.Writer, title string) *markup.Writer {
	x := markup.HTML(w)
	x.Start("html", "lang", "en").Line()
	x.Start("head").Line()
	x.Start("meta", "charset", "utf-8").End().Line()
	x.Start("meta", "name", "viewport", "content", "width=device-width, initial-scale=1").End().Line()
	x.Element("title", title).Line()
	x.Start("style").Fixed(Style).End().Line()
	x.End().Line()
	x.Start("body").Line().Fixed(symbols).Line()
	return x
}

// Mark writes the mark of a status. It says nothing to a screen reader: the word stands
// beside it.
func Mark(x *markup.Writer, s tree.Status) {
	x.Start("svg", "class", "mark "+s.String(), "aria-hidden", "true").Start("use", "href", "#mark-"+s.String()).End().End()
}

// State writes the mark of a status with its word.
func State(x *markup.Writer, s tree.Status, word string) {
	x.Start("span", "class", "state")
	Mark(x, s)
	x.Element("span", word, "class", "word")
	x.End()
}

// Count writes how many have a status: the number with its mark, and the word for those
// who do not see the mark.
func Count(x *markup.Writer, s tree.Status, word string, n int) {
	x.Start("span", "class", "count")
	Mark(x, s)
	x.Text(strconv.Itoa(n)).Element("span", " "+word, "class", "hidden")
	x.End()
}

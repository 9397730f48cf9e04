package live

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// checkOrigin says why a request may not open a socket; it is empty when it may.
// Browsers always send the origin of the page with a websocket, and no same-origin
// rule holds a page back from connecting elsewhere, so this check is what keeps
// other sites out. Without an origin the client is a program; one that brings a
// cookie nevertheless is refused, since it could be a browser's.
func (s *Server) checkOrigin(r *http.Request) string {
	origins := r.Header.Values("Origin")
	switch {
	case len(origins) == 0 && r.Header.Get("Cookie") == "":
		return ""
	case len(origins) == 0:
		return "a request with a cookie needs an Origin"
	case len(origins) > 1:
		return "more than one Origin"
	}
	origin := origins[0]
	if slices.Contains(s.opts.Origins, origin) {
		return ""
	}
	// A page that came over TLS may be asked for here without it, behind a proxy that
	// ends TLS; the other way round somebody on the way may have written the page.
	u, err := url.Parse(origin)
	if err == nil && (u.Scheme == "https" || u.Scheme == "http" && r.TLS == nil) && strings.EqualFold(u.Host, r.Host) && u.User == nil && u.Path == "" && u.RawQuery == "" && u.Fragment == "" {
		return ""
	}
	return "the page's origin may not open the live feed here"
}

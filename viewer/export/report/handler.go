package report

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/store/journal"
	"grove/viewer/export/document"
	"grove/viewer/export/document/page"
	"grove/viewer/export/document/reply"
)

const (
	maxAtOnce = 2           // reports that are made at the same time
	maxTime   = time.Minute // for which one is made
)

// HandlerOptions are the surroundings of a Handler.
type HandlerOptions struct {
	Maker  *Maker
	Prefix string // where the handler is mounted: "/reports"
	Refuse reply.Refuse
	Log    *slog.Logger // nil discards
}

// Handler answers requests for reports:
//
//	PREFIX, PREFIX/tree      of everything, or of a subtree by the parameter path
//	PREFIX/customers/NAME    of what is one customer's
//
// A format is asked for by the Accept header or by its name at the end of the address
// (".html", ".csv", ".json"). The parameters: period (see Periods), or from and to (RFC
// 3339, or a day, or a minute); zone, a time zone by its IANA name, UTC without; worst,
// how many of the worst nodes and longest outages are listed; path; customer.
type Handler struct {
	opts HandlerOptions
	gate reply.Gate
	ages reply.Ages
}

// NewHandler returns a handler.
func NewHandler(o HandlerOptions) (*Handler, error) {
	if o.Maker == nil || o.Refuse == nil || !strings.HasPrefix(o.Prefix, "/") {
		return nil, errors.New("report: a maker, a prefix and an answer to mistakes are needed")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Handler{opts: o, gate: make(reply.Gate, maxAtOnce)}, nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		h.opts.Refuse(w, r, http.StatusMethodNotAllowed, "reports are only read: GET or HEAD")
		return
	}
	address := strings.Trim(strings.TrimPrefix(r.URL.EscapedPath(), h.opts.Prefix), "/")
	rest, format, ok := reply.Wanted(w, r, address, Formats, h.opts.Refuse)
	if !ok {
		return
	}
	what, name, _ := strings.Cut(rest, "/")
	name, err := url.PathUnescape(name)
	switch {
	case err != nil || strings.Contains(r.URL.RawQuery, ";"):
		h.opts.Refuse(w, r, http.StatusBadRequest, "the address is malformed")
		return
	case (what == "" || what == "tree") && name == "", what == "customers" && name != "":
	default:
		h.opts.Refuse(w, r, http.StatusNotFound, "there are reports of tree and customers/NAME")
		return
	}
	now := h.opts.Maker.opts.Now()
	q, err := ParseQuery(r.URL.Query(), now)
	if err == nil && name != "" && q.Customer != "" && q.Customer != name {
		err = errors.New("the address names another customer")
	}
	if err != nil {
		h.opts.Refuse(w, r, http.StatusBadRequest, err.Error())
		return
	}
	if name != "" {
		q.Customer = name
	}
	leave, ok := h.gate.Enter(r)
	if !ok {
		return // The client went away.
	}
	defer leave()
	ctx, cancel := context.WithTimeout(r.Context(), maxTime)
	defer cancel()
	report, err := h.opts.Maker.Make(ctx, q)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	tag := format.Name + "-" + report.tag()
	reply.Send(w, r, now, reply.Answer{
		Type: format.Type, Tag: tag, Policy: page.Policy, Changed: h.ages.Since(reply.Asker(r)+rest+"."+format.Name+"?"+r.URL.RawQuery, tag, now),
		Write: func(w io.Writer) error { return report.Write(w, format.Name) },
	})
}

// tag is equal for reports that say the same, but for when they were made.
func (r *Report) tag() string {
	same := *r
	same.Created = time.Time{}
	h := sha256.New()
	_ = same.WriteJSON(h) // A hash takes everything.
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// ParseQuery reads the parameters of a request, or of a publication.
func ParseQuery(values url.Values, now time.Time) (Query, error) {
	var q Query
	for key, v := range values {
		if len(v) > 1 {
			return q, errors.New(strconv.Quote(reply.Clip(key)) + " is given more than once")
		}
		switch key {
		case "path", "period", "from", "to", "zone", "customer", "worst":
		default:
			return q, errors.New("there is no parameter " + strconv.Quote(reply.Clip(key)) + "; there are path, period, from, to, zone, customer and worst")
		}
	}
	var err error
	if q.Path, err = tree.ParsePath(values.Get("path")); err != nil {
		return q, err
	}
	q.Customer = values.Get("customer")
	if text := values.Get("worst"); text != "" {
		if q.Worst, err = strconv.Atoi(text); err != nil || q.Worst < 1 || q.Worst > MaxWorst {
			return q, errors.New("worst is a number from 1 to " + strconv.Itoa(MaxWorst))
		}
	}
	zone, err := Zone(values.Get("zone"))
	if err != nil {
		return q, err
	}
	now = now.In(zone)
	switch {
	case !values.Has("from") && !values.Has("to"):
		period := values.Get("period")
		if period == "" {
			period = DefaultPeriod
		}
		q.From, q.To, err = Period(period, now)
		return q, err
	case values.Has("period"):
		return q, errors.New("period says the time already; leave from and to out")
	case !values.Has("from"):
		return q, errors.New("from is missing")
	}
	if q.From, err = ParseTime(values.Get("from"), zone); err != nil {
		return q, err
	}
	q.To = now
	if values.Has("to") {
		q.To, err = ParseTime(values.Get("to"), zone)
	}
	return q, err
}

func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	for _, known := range []struct {
		err    error
		status int
	}{
		{tree.ErrNoNode, http.StatusNotFound}, {document.ErrNoCustomer, http.StatusNotFound}, {ErrPeriod, http.StatusBadRequest},
		{journal.ErrQuery, http.StatusBadRequest}, {document.ErrTooLarge, http.StatusUnprocessableEntity}, {ErrTooMuch, http.StatusUnprocessableEntity},
		{context.DeadlineExceeded, http.StatusServiceUnavailable},
	} {
		if errors.Is(err, known.err) {
			h.opts.Refuse(w, r, known.status, err.Error())
			return
		}
	}
	if r.Context().Err() == nil {
		h.opts.Log.Error("a report could not be made", "path", r.URL.Path, "cause", err)
	}
	h.opts.Refuse(w, r, http.StatusInternalServerError, "the report could not be made; the log of the server says more")
}

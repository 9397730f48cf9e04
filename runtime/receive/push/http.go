package push

import (
	"context"
	"errors"
	"fmt"
	"math"
	"mime"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/runtime/receive"
	"grove/tree/grant"
)

// Reading is the shape of one reading, for the OpenAPI document. Bodies are read by
// a decoder of this package, which makes no copy of them.
type Reading struct {
	Path      string       `json:"path,omitempty" maxLength:"1024" doc:"Path of the node." example:"/shop/web1/Connections/Active"`
	Instance  string       `json:"instance,omitempty" doc:"In place of a path: the instance of a definition that has a probe of kind push," example:"shop-web1"`
	Probe     string       `json:"probe,omitempty" doc:"the name of the probe," example:"metrics"`
	Attribute string       `json:"attribute,omitempty" doc:"and its attribute." example:"active"`
	Value     any          `json:"value,omitempty" doc:"A number, a text, true or false."`
	Event     *PushedEvent `json:"event,omitempty" doc:"In place of a value: a line of a log."`
	Time      any          `json:"time,omitempty" doc:"When it was observed: RFC 3339 text, or seconds or milliseconds since 1970; now when absent. Not more than 5 minutes in the future."`
	Unit      string       `json:"unit,omitempty" doc:"When there is one it must be the node's." example:"connections"`
}

// PushedEvent is the shape of an event.
type PushedEvent struct {
	Text   string `json:"text" maxLength:"4096" doc:"What happened."`
	Status string `json:"status,omitempty" enum:"green,yellow,red" doc:"How bad it is; green, which is information, when absent."`
}

type input struct {
	RawBody []byte `contentType:"application/json"`
	source  string
}

// Resolve implements huma.Resolver: it looks at what the body is said to be and who
// sends it.
func (in *input) Resolve(ctx huma.Context) []error {
	if text := ctx.Header("Content-Type"); text != "" {
		if kind, _, err := mime.ParseMediaType(text); err != nil || kind != "application/json" {
			return []error{huma.NewError(http.StatusUnsupportedMediaType, fmt.Sprintf("content type %q: readings are application/json", clip([]byte(text))))}
		}
	}
	if text := ctx.Header("Content-Encoding"); text != "" && text != "identity" {
		return []error{huma.NewError(http.StatusUnsupportedMediaType, fmt.Sprintf("content encoding %q: readings are taken uncompressed", clip([]byte(text))))}
	}
	in.source = ctx.RemoteAddr()
	if host, _, err := net.SplitHostPort(in.source); err == nil {
		in.source = host
	}
	return nil
}

type output struct {
	CacheControl string `header:"Cache-Control"`
	Body         Outcome
}

// Register adds POST /api/v1/readings to an API.
func (r *Receiver) Register(api huma.API) {
	registry := api.OpenAPI().Components.Schemas
	one := registry.Schema(reflect.TypeFor[Reading](), true, "")
	most := MaxReadings
	huma.Register(api, huma.Operation{
		OperationID: "push-readings", Method: http.MethodPost, Path: "/api/v1/readings",
		Summary: "Push readings", Tags: []string{"readings"},
		Description: fmt.Sprintf("One reading, or an array of at most %d. A malformed body changes nothing. Otherwise each reading stands for itself: "+
			"good ones are applied in order, and the answer lists those that were refused. When none was applied and there was one, the answer is 422, or 403 when none was allowed. "+
			"To push to a node takes the role of an operator on it, or, to a probe, on where its instance hangs. "+
			"What the answer says was accepted is on disk, where the manager keeps a history.", MaxReadings),
		MaxBodyBytes: MaxBodyBytes, BodyReadTimeout: 30 * time.Second, SkipValidateBody: true,
		Errors:      []int{http.StatusBadRequest, http.StatusForbidden, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusServiceUnavailable},
		RequestBody: &huma.RequestBody{Required: true, Description: "One reading or an array of them."},
	}, r.post)
	// Registering describes a raw body as octets; what is taken is this.
	body := api.OpenAPI().Paths["/api/v1/readings"].Post.RequestBody
	body.Content["application/json"].Schema = &huma.Schema{OneOf: []*huma.Schema{one, {Type: huma.TypeArray, Items: one, MaxItems: &most}}}
}

func (r *Receiver) post(ctx context.Context, in *input) (*output, error) {
	kept := func(context.Context) error { return nil }
	if r.opts.Keep != nil {
		kept = r.opts.Keep()
	}
	out, err := r.Take(grant.Of(ctx), in.source, in.RawBody)
	var syntax *SyntaxError
	var rate *RateError
	switch {
	case errors.As(err, &syntax):
		return nil, huma.NewError(http.StatusBadRequest, "the body is malformed, so no reading was taken",
			&huma.ErrorDetail{Message: err.Error(), Location: "body"})
	case errors.As(err, &rate):
		header := http.Header{}
		header.Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(rate.Wait.Seconds()))))) // RFC 9110 section 10.2.3
		return nil, huma.ErrorWithHeaders(huma.NewError(http.StatusTooManyRequests, err.Error()), header)
	case err != nil:
		return nil, err
	case out.Accepted == 0 && out.RefusedCount > 0:
		details := make([]error, len(out.Refused))
		for i, f := range out.Refused {
			details[i] = &huma.ErrorDetail{Message: f.Error, Location: fmt.Sprintf("body[%d]", f.Index), Value: f.Path}
		}
		status := http.StatusForbidden
		if slices.ContainsFunc(out.Refused, func(f Refusal) bool { return f.Reason != receive.Denied.String() }) {
			status = http.StatusUnprocessableEntity
		}
		return nil, huma.NewError(status, fmt.Sprintf("none of %d readings was taken", out.RefusedCount), details...)
	}
	if out.Accepted > 0 {
		if err := kept(ctx); err != nil {
			header := http.Header{}
			header.Set("Retry-After", "5")
			return nil, huma.ErrorWithHeaders(huma.NewError(http.StatusServiceUnavailable,
				"the readings are in the tree, but not on disk: send them again, since they would not outlive a restart", err), header)
		}
	}
	return &output{"no-store", out}, nil
}

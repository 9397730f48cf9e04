package publish

import (
	"context"
	"io"
	"net/url"
	"slices"
	"strconv"
	"time"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/document"
	"grove/viewer/export/document/form"
	"grove/viewer/export/document/reply"
	"grove/viewer/export/report"
)

// Source makes what is published. It is called from several goroutines, for each
// publication once at a time.
type Source interface {
	Make(ctx context.Context, o *Options) (*Made, error)
}

// Made is a document that is ready to be written, as often as needed.
type Made struct {
	Type  string // content type
	Tag   string // equal for documents that say the same
	Write func(io.Writer) error
}

// Documents publishes documents of the given maker, as grove itself sees it. Static is the address of the schemas
// and style sheets, as the readers of a document reach it:
// "http://web1.example:7440/documents/static"; empty leaves references to them out.
func Documents(m *document.Maker, static string) Source { return documents{m, static} }

type documents struct {
	maker  *document.Maker
	static string
}

// documentQuery is what the options ask for.
func (o *Options) documentQuery() (q document.Query, err error) {
	q = document.Query{Depth: -1, Manager: o.Manager, Customer: o.Customer}
	q.Path, err = tree.ParsePath(o.Path)
	return q, err
}

// Make implements Source.
func (s documents) Make(ctx context.Context, o *Options) (*Made, error) {
	q, err := o.documentQuery()
	if err != nil {
		return nil, err
	}
	d, err := s.maker.Make(grant.With(ctx, grant.Itself), q)
	if err != nil {
		return nil, err
	}
	return &Made{
		Type: typeOf(form.Formats, o.Format), Tag: d.Tag,
		Write: func(w io.Writer) error { return form.Write(w, d, o.Format, s.static) },
	}, nil
}

// Reports publishes reports of the given maker, as grove itself sees it; nil is time.Now.
func Reports(m *report.Maker, now func() time.Time) Source {
	if now == nil {
		now = time.Now
	}
	return reports{m, now}
}

type reports struct {
	maker *report.Maker
	now   func() time.Time
}

// reportQuery is what the options ask for at a moment.
func (o *Options) reportQuery(now time.Time) (report.Query, error) {
	v := url.Values{}
	for key, text := range map[string]string{"path": o.Path, "customer": o.Customer, "period": o.Period, "zone": o.Zone} {
		if text != "" {
			v.Set(key, text)
		}
	}
	if o.Worst != 0 {
		v.Set("worst", strconv.Itoa(o.Worst))
	}
	return report.ParseQuery(v, now)
}

// Make implements Source.
func (s reports) Make(ctx context.Context, o *Options) (*Made, error) {
	q, err := o.reportQuery(s.now())
	if err != nil {
		return nil, err
	}
	r, err := s.maker.Make(grant.With(ctx, grant.Itself), q)
	if err != nil {
		return nil, err
	}
	return &Made{Type: typeOf(report.Formats, o.Format), Tag: r.Created.String(), Write: func(w io.Writer) error { return r.Write(w, o.Format) }}, nil
}

func typeOf(formats []reply.Format, name string) string {
	i := slices.IndexFunc(formats, func(f reply.Format) bool { return f.Name == name })
	if i < 0 {
		return "application/octet-stream"
	}
	return formats[i].Type
}

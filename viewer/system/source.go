package system

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/grant"
)

// MaxSourceBytes bounds the text of a file that is shown.
const MaxSourceBytes = 1 << 20

// ErrTooLarge is wrapped by Sources.Text when a file has more than it was asked for.
var ErrTooLarge = errors.New("the file is too large to be shown")

// Sources knows the files that the definitions of a manager came from. Its methods may
// be called from many goroutines.
type Sources interface {
	// File says what is known of a file, by its name as the definitions and their errors
	// have it; ok is false for all others, whatever is on the disk.
	File(name string) (f File, ok bool)
	// Text reads a file that File knows, at most so many bytes of it.
	Text(name string, most int) (string, error)
}

// File is a file of definitions.
type File struct {
	// Instances are where the instances hang that the file asks for.
	Instances []tree.Path
	// Users are where the instances hang that use an application which it defines.
	Users []tree.Path
	// Broken says that it is not known what the file asks for now.
	Broken bool
	// Catalogue says that it comes with the program, so that it is nobody's secret.
	Catalogue bool
	// DropIn is its name in the drop-in directory, Shared that of the definition that
	// managers share; both are empty for others.
	DropIn, Shared string
}

// SourceText is the answer of GET /api/v1/sources.
type SourceText struct {
	File   string `json:"file"`
	Text   string `json:"text"`
	Masked bool   `json:"masked,omitempty" doc:"Something in it looked like a secret, and has •••• in its place."`
	DropIn string `json:"drop_in,omitempty" doc:"Its name in the drop-in directory, as POST plan takes it."`
	Shared string `json:"shared,omitempty" doc:"Name of the shared definition that it is."`
}

func (a *API) getSource(ctx context.Context, in *struct {
	File string `query:"file" required:"true" minLength:"1" maxLength:"4096" doc:"As GET definitions names it."`
}) (*struct {
	CacheControl string `header:"Cache-Control"`
	Body         SourceText
}, error) {
	f, ok := a.Sources.File(in.File)
	if !ok || !a.reads(grant.Of(ctx), &f) {
		return nil, huma.NewError(http.StatusNotFound, fmt.Sprintf("no definition of this manager comes from the file %.200q", in.File))
	}
	text, err := a.Sources.Text(in.File, MaxSourceBytes)
	if errors.Is(err, ErrTooLarge) {
		return nil, huma.NewError(http.StatusRequestEntityTooLarge, fmt.Sprintf("%s has more than %d bytes, which is the bound of what is shown", in.File, MaxSourceBytes))
	}
	if err != nil {
		return nil, huma.NewError(http.StatusNotFound, fmt.Sprintf("%s cannot be read any more", in.File), err)
	}
	s := SourceText{File: in.File, DropIn: f.DropIn, Shared: f.Shared}
	s.Text, s.Masked = mask(text)
	return &struct {
		CacheControl string `header:"Cache-Control"`
		Body         SourceText
	}{"no-store", s}, nil
}

// reads says whether somebody may read a file: he sees everything that it asks for, and
// something that is made of it.
func (a *API) reads(s *grant.Subject, f *File) bool {
	if s.Whole(grant.Viewer) {
		return true
	}
	if f.Broken {
		return false
	}
	seen := 0
	for _, p := range f.Instances {
		if !a.Guard.May(s, grant.Viewer, p) {
			return false
		}
		seen++
	}
	for _, p := range f.Users {
		if a.Guard.May(s, grant.Viewer, p) {
			seen++
		}
	}
	return seen > 0 || f.Catalogue && len(s.Grants) > 0
}

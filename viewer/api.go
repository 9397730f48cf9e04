package viewer

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"grove/tree/grant"
)

// api registers the REST interface and its document.
func (s *Server) api(m *mux) error {
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:       "Grove",
				Version:     "v1",
				Description: "The live monitor tree of one manager. Errors have the shape of RFC 9457. Times are RFC 3339 in UTC.",
			},
			Components: &huma.Components{Schemas: registry},
		},
		Formats:                      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{s.hideCauses},
	}
	api := humago.New(m, config)
	huma.Register(api, huma.Operation{
		OperationID: "get-tree", Method: http.MethodGet, Path: "/api/v1/tree",
		Summary: "A part of the tree", Tags: []string{"tree"},
		Description: "The node at a path with the nodes below it, nested. With a filter, a node is there when it matches or one below it does.",
		Errors:      []int{http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusNotImplemented, http.StatusServiceUnavailable},
	}, s.getTree)
	huma.Register(api, huma.Operation{
		OperationID: "get-node", Method: http.MethodGet, Path: "/api/v1/nodes/{path}",
		Summary: "Everything about one node", Tags: []string{"tree"},
		Description: "The path of the node is the rest of the address, slashes and all.",
		Errors:      []int{http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusNotImplemented, http.StatusServiceUnavailable},
	}, s.getNode)
	huma.Register(api, huma.Operation{
		OperationID: "get-definitions", Method: http.MethodGet, Path: "/api/v1/definitions",
		Summary: "Definitions and their instances", Tags: []string{"definitions"},
		Errors: []int{http.StatusUnprocessableEntity},
	}, s.getDefinitions)
	for _, add := range s.opts.Operations {
		add(api)
	}
	// The schema of errors is part of the document whoever uses it.
	registry.Schema(reflect.TypeFor[huma.ErrorModel](), true, "")
	for _, doc := range []struct {
		path, contentType string
		marshal           func() ([]byte, error)
	}{
		{"/api/v1/openapi.json", "application/vnd.oai.openapi+json", func() ([]byte, error) { return json.MarshalIndent(api.OpenAPI(), "", "  ") }},
		{"/api/v1/openapi.yaml", "application/vnd.oai.openapi", api.OpenAPI().YAML},
	} {
		data, err := doc.marshal()
		if err != nil {
			return fmt.Errorf("viewer: write %s: %w", doc.path, err)
		}
		f, err := newFile(strings.TrimPrefix(doc.path, "/"), data)
		if err != nil {
			return fmt.Errorf("viewer: write %s: %w", doc.path, err)
		}
		f.contentType = doc.contentType
		m.Handle("GET "+f.route, f)
	}
	return nil
}

type definitionsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         DefinitionList
}

func (s *Server) getDefinitions(ctx context.Context, _ *struct{}) (*definitionsOutput, error) {
	o := &definitionsOutput{CacheControl: "no-store"}
	if s.opts.Definitions != nil {
		o.Body = s.opts.Definitions.Definitions().seenBy(s.opts.Guard, grant.Of(ctx))
	}
	if o.Body.Instances == nil {
		o.Body.Instances = []Instance{}
	}
	if o.Body.Applications == nil {
		o.Body.Applications = []Application{}
	}
	return o, nil
}

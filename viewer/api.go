package viewer

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"grove/tree"
)

const nodesPath = "/api/v1/nodes/{path}"

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
		Errors:      []int{http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity},
	}, s.getTree)
	huma.Register(api, huma.Operation{
		OperationID: "get-node", Method: http.MethodGet, Path: nodesPath,
		Summary: "Everything about one node", Tags: []string{"tree"},
		Description: "The path of the node is the rest of the address, slashes and all.",
		Errors:      []int{http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity},
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

type treeInput struct {
	Path   string   `query:"path" default:"/" maxLength:"1024" doc:"Where to begin." example:"/shop/web1"`
	Depth  int      `query:"depth" default:"32" minimum:"0" maximum:"32" doc:"How many levels below it; all when absent."`
	Status []string `query:"status" enum:"white,green,yellow,red" maxItems:"4" doc:"Only nodes with one of these statuses, and the groups above them."`
	Text   string   `query:"text" maxLength:"256" doc:"Only nodes with this in name or description, in any case, and the groups above them."`
	Limit  int      `query:"limit" default:"10000" minimum:"1" maximum:"100000" doc:"At most so many nodes."`
}

// Tree is the answer of GET /api/v1/tree.
type Tree struct {
	Seq       uint64  `json:"seq" doc:"Number of the last flush, as in the live feed."`
	Count     int     `json:"count" doc:"How many nodes the answer has."`
	Truncated bool    `json:"truncated,omitempty" doc:"More nodes would belong here: the limit was reached."`
	Root      *Branch `json:"root" doc:"The node at the path."`
}

type treeOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Tree
}

func (s *Server) getTree(_ context.Context, in *treeInput) (*treeOutput, error) {
	path, err := tree.ParsePath(in.Path)
	if err != nil {
		return nil, Problem(err)
	}
	s.opts.Tree.Look(path)
	b := brancher{text: strings.ToLower(in.Text), limit: in.Limit}
	for _, name := range in.Status {
		st, err := tree.ParseStatus(name)
		if err != nil {
			return nil, Problem(err)
		}
		b.statuses = append(b.statuses, st)
	}
	seq := s.opts.Tree.Seq()
	if err := s.opts.Tree.Walk(path, in.Depth, b.add); err != nil {
		return nil, Problem(fmt.Errorf("%s: %w", path, s.opts.Tree.Missing(path)))
	}
	return &treeOutput{"no-store", Tree{Seq: seq, Count: b.count, Truncated: b.truncated, Root: b.stack[0].twig.branch()}}, nil
}

// brancher nests the nodes of a walk, which come parents first. Groups above a match
// are taken when the match comes. The tree stands still during a walk, so nodes are
// only copied then and put into words afterwards.
type brancher struct {
	statuses []tree.Status
	text     string
	limit    int

	top       int     // depth of the first node
	stack     []level // the path to the present node
	count     int
	truncated bool
}

type level struct {
	node tree.Node
	twig *twig // nil while the node is not taken
}

type twig struct {
	node  tree.Node
	below []*twig
}

func (b *brancher) add(n *tree.Node) bool {
	if len(b.stack) == 0 {
		b.top, b.count = n.Depth, 1
		b.stack = append(b.stack, level{twig: &twig{node: *n}})
		return true
	}
	b.stack = append(b.stack[:n.Depth-b.top], level{node: *n})
	if !b.matches(n) {
		return true
	}
	for i := 1; i < len(b.stack); i++ {
		if b.stack[i].twig != nil {
			continue
		}
		if b.count >= b.limit {
			b.truncated = true
			return false
		}
		b.count++
		b.stack[i].twig = &twig{node: b.stack[i].node}
		up := b.stack[i-1].twig
		up.below = append(up.below, b.stack[i].twig)
	}
	return true
}

// branch puts a twig into words.
func (t *twig) branch() *Branch {
	b := &Branch{Node: nodeOf(&t.node)}
	for _, w := range t.below {
		b.Nodes = append(b.Nodes, w.branch())
	}
	return b
}

func (b *brancher) matches(n *tree.Node) bool {
	if len(b.statuses) > 0 && !slices.Contains(b.statuses, n.Status) {
		return false
	}
	return b.text == "" || strings.Contains(strings.ToLower(n.Name), b.text) ||
		n.Spec != nil && strings.Contains(strings.ToLower(n.Spec.Description), b.text)
}

type nodeInput struct {
	Path string `path:"path" maxLength:"1024" doc:"Path of the node." example:"shop/web1/Connections/Active"`
}

type nodeOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         *Details
}

// answerWithin is how long the answer about a node in request mode waits for the
// reading that looking at it asked for.
const answerWithin = time.Second

// look says that somebody looks at a node. One in request mode is waited for.
func (s *Server) look(ctx context.Context, path tree.Path) (tree.Node, error) {
	t := s.opts.Tree
	before, err := t.Node(path)
	t.Look(path)
	if err != nil || before.Spec.Mode != tree.Request || before.Kind == tree.Group || time.Since(before.Time) < answerWithin {
		return before, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	again := time.NewTicker(answerWithin / 50)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return t.Node(path)
		case <-again.C:
			if n, err := t.Node(path); err != nil || !n.Time.Equal(before.Time) || n.Reason != before.Reason {
				return n, err
			}
		}
	}
}

func (s *Server) getNode(ctx context.Context, in *nodeInput) (*nodeOutput, error) {
	path, err := tree.ParsePath(in.Path)
	if err != nil {
		return nil, Problem(err)
	}
	t := s.opts.Tree
	n, err := s.look(ctx, path)
	if err != nil {
		return nil, Problem(fmt.Errorf("%s: %w", path, t.Missing(path)))
	}
	events, err := t.Events(path)
	if err != nil {
		return nil, Problem(err)
	}
	cause, err := t.Cause(path)
	if err != nil {
		return nil, Problem(err)
	}
	return &nodeOutput{"no-store", detailsOf(&n, events, cause)}, nil
}

type definitionsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         DefinitionList
}

func (s *Server) getDefinitions(context.Context, *struct{}) (*definitionsOutput, error) {
	o := &definitionsOutput{CacheControl: "no-store"}
	if s.opts.Definitions != nil {
		o.Body = s.opts.Definitions.Definitions()
	}
	if o.Body.Instances == nil {
		o.Body.Instances = []Instance{}
	}
	if o.Body.Applications == nil {
		o.Body.Applications = []Application{}
	}
	return o, nil
}

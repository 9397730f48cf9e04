package system

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/grant"
)

// Options are the surroundings of the operations.
type Options struct {
	Guard *grant.Guard
	// Groups are the figures of the manager as they are now. It is called for each
	// request, from many goroutines.
	Groups func(ctx context.Context) []Group
	// Managers are this manager, first, and those that it is linked with.
	Managers func(ctx context.Context) []Manager
	// Links are the links to other managers; nil: there are none.
	Links func(ctx context.Context) []Link
	// Sources knows the files.
	Sources Sources
	Now     func() time.Time // nil is time.Now
	// Problem makes answers of errors.
	Problem func(error) error
}

// API holds the operations; Register adds them.
type API struct {
	Options
	meter meter
}

// New returns the operations.
func New(o Options) *API {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Links == nil {
		o.Links = func(context.Context) []Link { return nil }
	}
	return &API{Options: o}
}

// Register adds the operations to an API.
func (a *API) Register(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "get-system", Method: http.MethodGet, Path: "/api/v1/system", Tags: []string{"system"},
		Summary:     "How this manager is",
		Description: "Figures of the manager itself in groups, each with its unit, and a status where one is good or bad. They belong to no node: seeing them needs the role viewer on /.",
		Errors:      []int{http.StatusForbidden},
	}, a.getSystem)
	huma.Register(api, huma.Operation{
		OperationID: "get-managers", Method: http.MethodGet, Path: "/api/v1/managers", Tags: []string{"system"},
		Summary:     "This manager and those that it is linked with",
		Description: "What each can do and how to talk to it. What it has is told to those who may see the whole manager.",
	}, a.getManagers)
	huma.Register(api, huma.Operation{
		OperationID: "get-source", Method: http.MethodGet, Path: "/api/v1/sources", Tags: []string{"definitions"},
		Summary: "The text of a definition file",
		Description: "Of a file that the definitions of this manager name: one that asks for an instance, defines an application, or is in error. " +
			"Whoever sees all that the file asks for may read it. Secrets that stand in it are masked.",
		Errors: []int{http.StatusNotFound, http.StatusRequestEntityTooLarge},
	}, a.getSource)
}

// System is the answer of GET /api/v1/system.
type System struct {
	Time   string  `json:"time" format:"date-time" doc:"Of this manager's clock."`
	Status string  `json:"status" enum:"white,green,yellow,red" doc:"The worst of the groups."`
	Groups []Group `json:"groups" nullable:"false"`
}

// Group is a part of the manager.
type Group struct {
	Name    string   `json:"name" doc:"For programs." example:"history"`
	Title   string   `json:"title" doc:"For people." example:"History"`
	Status  string   `json:"status" enum:"white,green,yellow,red" doc:"The worst of its figures."`
	Figures []Figure `json:"figures" nullable:"false"`
}

// Figure is one of them. It has a value with a unit, or a text.
type Figure struct {
	Name        string   `json:"name" example:"Series"`
	Value       *float64 `json:"value,omitempty"`
	Unit        string   `json:"unit,omitempty" doc:"Of the value." example:"bytes"`
	Text        string   `json:"text,omitempty" doc:"Where it is no number."`
	Time        string   `json:"time,omitempty" format:"date-time" doc:"Where it is a moment."`
	Status      string   `json:"status,omitempty" enum:"white,green,yellow,red" doc:"Absent: it is neither good nor bad."`
	Path        string   `json:"path,omitempty" doc:"The node that shows the same, with its past."`
	Description string   `json:"description,omitempty"`

	// Rate, unless it is empty, says that Value is a count since the start, and that the
	// answer has by how much it grew in a second, in this unit.
	Rate string `json:"-"`
}

// Number returns a figure with a value.
func Number(name string, v float64, unit, description string) Figure {
	return Figure{Name: name, Value: &v, Unit: unit, Description: description}
}

// Rate returns a figure whose value is a count, to be told as what it grows by in a
// second.
func Rate(name string, count float64, unit, description string) Figure {
	return Figure{Name: name, Value: &count, Rate: unit, Description: description}
}

// Words returns a figure that is a text.
func Words(name, text, description string) Figure {
	return Figure{Name: name, Text: text, Description: description}
}

// Manager is one manager.
type Manager struct {
	Name         string   `json:"name"`
	Self         bool     `json:"self,omitempty" doc:"It is the one that answers."`
	State        string   `json:"state" enum:"up,lost,unknown"`
	Version      string   `json:"version,omitempty"`
	Host         string   `json:"host,omitempty"`
	Address      string   `json:"address,omitempty" doc:"Where people and programs reach it."`
	Started      string   `json:"started,omitempty" format:"date-time"`
	Ways         []Way    `json:"ways,omitempty" doc:"How to talk to it."`
	Capabilities []string `json:"capabilities,omitempty" doc:"Kinds of probes that it has."`
	Counts       []Figure `json:"counts,omitempty" doc:"What it has; absent for who may not see the whole manager."`
}

// Way is a way of talking to a manager.
type Way struct {
	Name    string `json:"name" example:"Live feed"`
	Address string `json:"address" doc:"Below the manager's address, or a whole one." example:"/api/v1/live"`
	For     string `json:"for" doc:"Who talks so, and in what." example:"websocket, grove.live.v2.binary"`
}

// Link is a link to another manager.
type Link struct {
	Name      string   `json:"name"`
	Address   string   `json:"address"`
	State     string   `json:"state" enum:"up,connecting,lost"`
	Since     string   `json:"since,omitempty" format:"date-time" doc:"When it took the state."`
	Reason    string   `json:"reason,omitempty" doc:"Why it is not up."`
	RoundTrip *float64 `json:"round_trip,omitempty" doc:"Seconds."`
	Queue     int      `json:"queue" doc:"Messages that wait to be sent."`
}

// Managers is the answer of GET /api/v1/managers.
type Managers struct {
	Managers []Manager `json:"managers" nullable:"false" doc:"The one that answers comes first."`
	Links    []Link    `json:"links" nullable:"false"`
}

func (a *API) getSystem(ctx context.Context, _ *struct{}) (*struct {
	CacheControl string `header:"Cache-Control"`
	Body         System
}, error) {
	if err := grant.DemandWhole(grant.Of(ctx), grant.Viewer); err != nil {
		return nil, a.Problem(err)
	}
	now := a.Now()
	s := System{Time: stamp(now), Groups: a.Groups(ctx)}
	statuses := make([]string, 0, len(s.Groups))
	for i := range s.Groups {
		g := &s.Groups[i]
		a.meter.rates(now, g)
		if g.Figures == nil {
			g.Figures = []Figure{}
		}
		own := make([]string, len(g.Figures))
		for k := range g.Figures {
			own[k] = g.Figures[k].Status
		}
		g.Status = worst(own)
		statuses = append(statuses, g.Status)
	}
	s.Status = worst(statuses)
	if s.Groups == nil {
		s.Groups = []Group{}
	}
	return &struct {
		CacheControl string `header:"Cache-Control"`
		Body         System
	}{"no-store", s}, nil
}

// worst is the worst status of a list. White is told only where nothing else is known:
// a figure that is not there yet does not outweigh the others. None at all is green.
func worst(statuses []string) string {
	for _, s := range []tree.Status{tree.Red, tree.Yellow, tree.Green} {
		if slices.Contains(statuses, s.String()) {
			return s.String()
		}
	}
	if slices.Contains(statuses, tree.White.String()) {
		return tree.White.String()
	}
	return tree.Green.String()
}

func (a *API) getManagers(ctx context.Context, _ *struct{}) (*struct {
	CacheControl string `header:"Cache-Control"`
	Body         Managers
}, error) {
	m := Managers{Managers: a.Managers(ctx), Links: a.Links(ctx)}
	if !grant.Of(ctx).Whole(grant.Viewer) {
		for i := range m.Managers {
			m.Managers[i].Counts = nil
		}
		m.Links = nil // Whom a manager talks to belongs to no node.
	}
	if m.Managers == nil {
		m.Managers = []Manager{}
	}
	if m.Links == nil {
		m.Links = []Link{}
	}
	return &struct {
		CacheControl string `header:"Cache-Control"`
		Body         Managers
	}{"no-store", m}, nil
}

// stamp writes a time as all of the REST interface does.
func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

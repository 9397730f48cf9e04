package grafana

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// Query is one question of a dashboard.
type Query struct {
	Panel string // its title; "variable x" for a variable
	RefID string
	Expr  string // PromQL, with the variables filled in
	// MayBeEmpty says that the panel has words for an answer without series, such as that
	// of what is wrong now.
	MayBeEmpty bool
	// Instant says that it asks for one moment, not for a range.
	Instant bool
}

// ranges are what Grafana itself fills in, for a range of an hour in steps of a minute.
var ranges = map[string]string{"__rate_interval": "4m", "__interval": "1m", "__range": "1h", "__interval_ms": "60000", "__range_s": "3600"}

// variable finds $name, ${name}, ${name:format} and [[name]].
var variable = regexp.MustCompile(`\$\{(\w+)(?::\w+)?\}|\$(\w+)|\[\[(\w+)(?::\w+)?\]\]`)

// Queries lists what a dashboard asks, in the order of its panels, with variables filled
// in: values holds them by name. A variable that nobody knows is an error. Values of paths
// are regular expressions, as Grafana writes them: "/shop/web1", "(/a|/b)", ".*".
func Queries(dashboard []byte, values map[string]string) ([]Query, error) {
	var d model
	if err := json.Unmarshal(dashboard, &d); err != nil {
		return nil, fmt.Errorf("grafana: dashboard: %w", err)
	}
	var out []Query
	add := func(q Query) error {
		var unknown string
		q.Expr = variable.ReplaceAllStringFunc(q.Expr, func(found string) string {
			name := strings.Join(variable.FindStringSubmatch(found)[1:], "")
			if v, ok := values[name]; ok {
				return v
			}
			if v, ok := ranges[name]; ok {
				return v
			}
			unknown = found
			return found
		})
		if unknown != "" {
			return fmt.Errorf("grafana: panel %q: nobody gives the variable %s a value", q.Panel, unknown)
		}
		out = append(out, q)
		return nil
	}
	for _, v := range d.Templating.List {
		if expr, ok := v.series(); ok {
			if err := add(Query{Panel: "variable " + v.Name, Expr: expr}); err != nil {
				return nil, err
			}
		}
	}
	for _, p := range d.all() {
		for _, t := range p.Targets {
			if err := add(Query{Panel: p.Title, RefID: t.RefID, Expr: t.Expr, Instant: t.Instant, MayBeEmpty: p.FieldConfig.Defaults.NoValue != ""}); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// model is the part of a dashboard that queries and lint look at.
type model struct {
	ID         *int64   `json:"id"`
	UID        string   `json:"uid"`
	Title      string   `json:"title"`
	Text       string   `json:"description"`
	Tags       []string `json:"tags"`
	Version    *int64   `json:"version"`
	Schema     int      `json:"schemaVersion"`
	Panels     []panel  `json:"panels"`
	Templating struct {
		List []variableModel `json:"list"`
	} `json:"templating"`
}

// all lists the panels with those of collapsed rows.
func (m *model) all() []panel {
	var out []panel
	for _, p := range m.Panels {
		out = append(out, p)
		out = append(out, p.Panels...)
	}
	return out
}

type variableModel struct {
	Name       string          `json:"name"`
	Type       string          `json:"type"`
	Datasource *reference      `json:"datasource"`
	Query      json.RawMessage `json:"query"`
}

// labelValues is the form of a variable's query.
var labelValues = regexp.MustCompile(`^label_values\((.+), *(\w+)\)$`)

// series is the selector of the series whose labels a variable lists.
func (v *variableModel) series() (expr string, ok bool) {
	if v.Type != "query" {
		return "", false
	}
	var q struct {
		Query string `json:"query"`
	}
	if json.Unmarshal(v.Query, &q) != nil {
		_ = json.Unmarshal(v.Query, &q.Query) // The older form is the text alone.
	}
	m := labelValues.FindStringSubmatch(q.Query)
	if m == nil {
		return q.Query, true
	}
	return m[1], true
}

type reference struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type panel struct {
	ID          int        `json:"id"`
	Type        string     `json:"type"`
	Title       string     `json:"title"`
	Text        string     `json:"description"`
	Datasource  *reference `json:"datasource"`
	GridPos     *grid      `json:"gridPos"`
	Targets     []target   `json:"targets"`
	Panels      []panel    `json:"panels"`
	FieldConfig struct {
		Defaults struct {
			Unit    string `json:"unit"`
			NoValue string `json:"noValue"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
}

type grid struct{ X, Y, W, H int }

type target struct {
	Expr         string     `json:"expr"`
	RefID        string     `json:"refId"`
	LegendFormat string     `json:"legendFormat"`
	Format       string     `json:"format"`
	Instant      bool       `json:"instant"`
	Datasource   *reference `json:"datasource"`
}

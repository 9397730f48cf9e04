package grafana

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLintFindsBadTwins changes one thing in a good dashboard, and wants the rule that is
// against it to say so, and no other.
func TestLintFindsBadTwins(t *testing.T) {
	good, err := Dashboard(define(t, sample))
	if err != nil {
		t.Fatal(err)
	}
	type m = map[string]any
	panelOf := func(d m, title string) m {
		for _, p := range d["panels"].([]any) {
			if p := p.(m); p["title"] == title {
				return p
			}
		}
		t.Fatalf("no panel %s", title)
		return nil
	}
	targetOf := func(d m, title string) m { return panelOf(d, title)["targets"].([]any)[0].(m) }
	variables := func(d m) []any { return d["templating"].(m)["list"].([]any) }
	for name, c := range map[string]struct {
		change func(d m)
		want   []string
	}{
		"good":                         {func(m) {}, nil},
		"an unknown key":               {func(d m) { d["titel"] = "x" }, []string{"schema: Dashboard: unexpected field 'titel'"}},
		"a wrong type":                 {func(d m) { d["editable"] = "yes" }, []string{"schema: *"}},
		"an unknown key in a query":    {func(d m) { targetOf(d, "Direct")["legend"] = "x" }, []string{"schema: panels[3].targets[0].Dataquery: unexpected field 'legend'"}},
		"an unknown key in options":    {func(d m) { panelOf(d, "Direct")["options"].(m)["legnd"] = "x" }, []string{"schema: panels[3].options.Options: unexpected field 'legnd'"}},
		"an unknown key in a field":    {func(d m) { panelOf(d, "Direct")["fieldConfig"].(m)["defaults"].(m)["custom"].(m)["x"] = 1 }, []string{"schema: *unexpected field 'x'"}},
		"no uid":                       {func(d m) { delete(d, "uid") }, []string{`identity: uid "" is not grove-… in small letters, digits, - and _, at most 40`}},
		"a random uid":                 {func(d m) { d["uid"] = "bdkx81" }, []string{`identity: uid "bdkx81" is not grove-… in small letters, digits, - and _, at most 40`}},
		"an id":                        {func(d m) { d["id"] = 7 }, []string{"identity: id and version are the business of the Grafana that imports it"}},
		"a version":                    {func(d m) { d["version"] = 7 }, []string{"identity: id and version are the business of the Grafana that imports it"}},
		"no tag":                       {func(d m) { d["tags"] = []any{"x"} }, []string{"identity: the tag grove is missing"}},
		"no description":               {func(d m) { d["description"] = "" }, []string{"identity: it has no title or no description"}},
		"a fixed source of a panel":    {func(d m) { panelOf(d, "Direct")["datasource"].(m)["uid"] = "P1809" }, []string{`datasource: panel "Direct" does not use ${datasource}`}},
		"a fixed source of a query":    {func(d m) { targetOf(d, "Direct")["datasource"].(m)["uid"] = "P1809" }, []string{`datasource: query A of panel "Direct" does not use ${datasource}`}},
		"no source of a query":         {func(d m) { delete(targetOf(d, "Direct"), "datasource") }, []string{`datasource: query A of panel "Direct" does not use ${datasource}`}},
		"a fixed source of a variable": {func(d m) { variables(d)[1].(m)["datasource"].(m)["uid"] = "x" }, []string{"datasource: variable instance does not use ${datasource}"}},
		"no choice of a source": {func(d m) { d["templating"].(m)["list"] = variables(d)[1:] },
			[]string{"datasource: there is no variable datasource that chooses one", "variable: $datasource is used and not there"}},
		"a panel without a unit":        {func(d m) { delete(panelOf(d, "Direct")["fieldConfig"].(m)["defaults"].(m), "unit") }, []string{`panel: panel "Direct" has no unit`}},
		"a panel without a title":       {func(d m) { panelOf(d, "Direct")["title"] = "" }, []string{"panel: panel 4 has no title"}},
		"a panel without a description": {func(d m) { delete(panelOf(d, "Direct"), "description") }, []string{`panel: panel "Direct" has no description`}},
		"a text without a description":  {func(d m) { panels := d["panels"].([]any); delete(panels[len(panels)-1].(m), "description") }, []string{`panel: panel "About" has no description`}},
		"two panels of one identity":    {func(d m) { panelOf(d, "Direct")["id"] = 1 }, []string{`panel: panel "Direct" has the identity of panel "Status"`}},
		"a panel without identity":      {func(d m) { delete(panelOf(d, "Direct"), "id") }, []string{`panel: panel "Direct" has no identity`}},
		"a type that nobody checks":     {func(d m) { panelOf(d, "Direct")["type"] = "graph" }, []string{`panel: panel "Direct" is of type "graph", which nobody checks`}},
		"panels that overlap":           {func(d m) { panelOf(d, "Direct")["gridPos"].(m)["w"] = 9 }, []string{`layout: panel "Requests" lies on panel "Direct"`}},
		"a panel beside the grid":       {func(d m) { panelOf(d, "Bytes")["gridPos"].(m)["w"] = 9 }, []string{`layout: panel "Bytes" does not lie on the grid`}},
		"a query that is none":          {func(d m) { targetOf(d, "Direct")["expr"] = "sum(" }, []string{`query: query A of panel "Direct": *`}},
		"an empty query":                {func(d m) { targetOf(d, "Direct")["expr"] = "" }, []string{`query: query A of panel "Direct": *`}},
		"no query":                      {func(d m) { panelOf(d, "Direct")["targets"] = []any{} }, []string{`query: panel "Direct" asks for nothing`}},
		"a query without a letter":      {func(d m) { targetOf(d, "Direct")["refId"] = "" }, []string{`query: panel "Direct" has queries without letters of their own`}},
		"two queries of one letter": {func(d m) {
			p := panelOf(d, "Direct")
			p["targets"] = append(p["targets"].([]any), p["targets"].([]any)[0])
		},
			[]string{`query: panel "Direct" has queries without letters of their own`}},
		"a query without a legend":  {func(d m) { delete(targetOf(d, "Direct"), "legendFormat") }, []string{`query: query A of panel "Direct" has no legend`}},
		"a variable that is nobody": {func(d m) { targetOf(d, "Direct")["expr"] = `up{job="$job"}` }, []string{"variable: $job is used and not there"}},
		"a variable for nothing":    {func(d m) { variables(d)[1].(m)["name"] = "other" }, []string{"variable: $instance is used and not there", "variable: other is there and not used"}},
		"a variable without query":  {func(d m) { variables(d)[1].(m)["query"] = m{"query": ""} }, []string{"variable: instance asks for nothing"}},
	} {
		t.Run(name, func(t *testing.T) {
			var d m
			if err := json.Unmarshal(good, &d); err != nil {
				t.Fatal(err)
			}
			c.change(d)
			text, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range Lint(text, parse) {
				got = append(got, p.String())
			}
			if len(got) != len(c.want) {
				t.Fatalf("-want +got\n%s", cmp.Diff(c.want, got))
			}
			for i := range got {
				if !matches(c.want[i], got[i]) {
					t.Errorf("%s, want %s", got[i], c.want[i])
				}
			}
		})
	}
	if got := Lint([]byte("{"), parse); len(got) == 0 {
		t.Error("half a dashboard is fine")
	}
}

// matches compares with a pattern in which * stands for anything.
func matches(pattern, text string) bool {
	for i, part := range strings.Split(pattern, "*") {
		at := strings.Index(text, part)
		if at < 0 || i == 0 && at != 0 {
			return false
		}
		text = text[at+len(part):]
	}
	return strings.HasSuffix(pattern, "*") || text == ""
}

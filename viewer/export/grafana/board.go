package grafana

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// DefaultPage is where grove's page is unless the person who looks says otherwise.
const DefaultPage = "http://127.0.0.1:7440"

// tag marks all dashboards of grove, so that they link to each other.
const tag = "grove"

// source is the data source that the variable chooses.
func source() common.DataSourceRef {
	return common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("${datasource}")}
}

// board lays panels out on Grafana's grid, which is 24 units wide.
type board struct {
	builder *dashboard.DashboardBuilder
	id      uint32
	x, y, h uint32 // where the next panel goes, and how high the present line is
}

const gridWidth = 24

func newBoard(uid, title, description string, tags ...string) *board {
	b := dashboard.NewDashboardBuilder(title).
		Uid(uid).
		Description(description).
		Tags(append([]string{tag}, tags...)).
		Timezone("browser").
		Time("now-6h", "now").
		Refresh("30s").
		Editable().
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Link(dashboard.NewDashboardLinkBuilder("Dashboards").Type(dashboard.DashboardLinkTypeDashboards).Tags([]string{tag}).AsDropdown(true).KeepTime(true)).
		Link(dashboard.NewDashboardLinkBuilder("Grove").Type(dashboard.DashboardLinkTypeLink).Url("${grove}/").TargetBlank(true)).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus").
			Description("Grove itself, or a Prometheus that scrapes it."))
	return &board{builder: b}
}

// page adds the variable that says where grove's page is.
func (b *board) page() {
	b.builder.WithVariable(dashboard.NewTextBoxVariableBuilder("grove").Label("Grove").
		Description("Where grove's page is, for links back.").
		DefaultValue(dashboard.StringOrMap{String: cog.ToPtr(DefaultPage)}).
		Current(option(DefaultPage)))
}

func option(text string) dashboard.VariableOption {
	return dashboard.VariableOption{Selected: cog.ToPtr(true), Text: dashboard.StringOrArrayOfString{String: &text}, Value: dashboard.StringOrArrayOfString{String: &text}}
}

// everything is the choice of all values of a variable, as Grafana writes it.
func everything() dashboard.VariableOption {
	o := option("All")
	o.Value = dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}}
	o.Text = dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}}
	return o
}

// paths adds a variable whose values are found in the label path of series. Grafana
// writes several values as (a|b), with what is special in regular expressions escaped.
func (b *board) paths(name, label, description, query, regex, all string) {
	v := dashboard.NewQueryVariableBuilder(name).Label(label).Description(description).
		Datasource(source()).
		Query(dashboard.StringOrMap{Map: map[string]any{"qryType": 1, "query": query, "refId": name}}).
		Definition(query).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
		Sort(dashboard.VariableSortAlphabeticalAsc).
		Multi(true).IncludeAll(true).
		Current(everything())
	if regex != "" {
		v.Regex(regex)
	}
	if all != "" {
		v.AllValue(all)
	}
	b.builder.WithVariable(v)
}

// row begins a new row with a title.
func (b *board) row(title string) {
	b.newLine()
	b.id++
	b.builder.WithRow(dashboard.NewRowBuilder(title).Id(b.id).GridPos(dashboard.GridPos{X: 0, Y: b.y, W: gridWidth, H: 1}))
	b.y++
}

func (b *board) newLine() {
	b.x, b.y, b.h = 0, b.y+b.h, 0
}

// place returns an identity and a place for a panel.
func (b *board) place(width, height uint32) (uint32, dashboard.GridPos) {
	if b.x+width > gridWidth {
		b.newLine()
	}
	pos := dashboard.GridPos{X: b.x, Y: b.y, W: width, H: height}
	b.x, b.h = b.x+width, max(b.h, height)
	b.id++
	return b.id, pos
}

func (b *board) add(p cog.Builder[dashboard.Panel]) { b.builder.WithPanel(p) }

// json writes the dashboard, and checks it as it checks any.
func (b *board) json() ([]byte, error) {
	d, err := b.builder.Build()
	if err != nil {
		return nil, fmt.Errorf("grafana: %w", err)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return nil, fmt.Errorf("grafana: %w", err)
	}
	return out.Bytes(), nil
}

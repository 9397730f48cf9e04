package grafana

import (
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/text"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// quote writes a text as a string of PromQL.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

func query(expr, legend string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Datasource(source()).Expr(expr).LegendFormat(legend).RefId("A").
		EditorMode(prometheus.QueryEditorModeCode).Range()
}

// link leads from a series to its node on grove's page.
func link() []cog.Builder[dashboard.DashboardLink] {
	return []cog.Builder[dashboard.DashboardLink]{
		dashboard.NewDashboardLinkBuilder("Show in grove").Type(dashboard.DashboardLinkTypeLink).Url("${grove}/#node=${__field.labels.path:percentencode}").TargetBlank(true),
	}
}

// rename shortens the names of series, which are paths.
func rename(regex, to string) dashboard.DataTransformerConfig {
	return dashboard.DataTransformerConfig{Id: "renameByRegex", Options: map[string]any{"regex": regex, "renamePattern": to}}
}

// timeline shows statuses as bars over time.
func (b *board) timeline(title, description, expr, empty string, height uint32) {
	id, pos := b.place(gridWidth, height)
	p := statetimeline.NewPanelBuilder().Id(id).GridPos(pos).Title(title).Description(description).
		Datasource(source()).WithTarget(query(expr, "{{path}}")).
		Mappings(statusMappings()).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdThresholds)).
		Thresholds(thresholds([]dashboard.Threshold{{Color: colours[0]}})).
		Unit("none").MergeValues(true).ShowValue(common.VisibilityModeNever).RowHeight(0.8).PerPage(20).
		Legend(common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom).ShowLegend(true)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeSingle).Sort(common.SortOrderNone)).
		DataLinks(link())
	if empty != "" {
		p.NoValue(empty)
	}
	b.add(p)
}

func thresholds(steps []dashboard.Threshold) *dashboard.ThresholdsConfigBuilder {
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps)
}

// chart is what a panel of numbers over time shows.
type chart struct {
	title, description, expr, unit string
	legend                         string
	steps                          []dashboard.Threshold
	rename                         [2]string // regular expression and replacement; empty: none
	empty                          string    // what to say when there is nothing; empty: there must be something
	ratio, positive                bool
	stacked                        bool
	colours                        map[string]string // by the name of a series
	width                          uint32
}

func (b *board) chart(c chart) {
	id, pos := b.place(c.width, 8)
	p := timeseries.NewPanelBuilder().Id(id).GridPos(pos).Title(c.title).Description(c.description).
		Datasource(source()).WithTarget(query(c.expr, c.legend)).Unit(c.unit).
		LineWidth(1).FillOpacity(8).ShowPoints(common.VisibilityModeAuto).
		Legend(common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom).ShowLegend(true)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending)).
		DataLinks(link())
	if len(c.steps) > 0 {
		p.Thresholds(thresholds(c.steps))
	}
	if len(c.steps) > 1 {
		p.ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed))
	}
	if c.ratio {
		p.AxisSoftMax(1)
	}
	if c.positive {
		p.Min(0)
	}
	if c.rename[0] != "" {
		p.WithTransformation(rename(c.rename[0], c.rename[1]))
	}
	if c.empty != "" {
		p.NoValue(c.empty)
	}
	if c.stacked {
		p.Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal).Group("A")).FillOpacity(60).LineWidth(0)
	}
	for _, name := range sortedKeys(c.colours) {
		p.OverrideByName(name, []dashboard.DynamicConfigValue{{Id: "color", Value: map[string]any{"mode": "fixed", "fixedColor": c.colours[name]}}})
	}
	b.add(p)
}

// number shows one number large, in a colour.
func (b *board) number(title, description, expr string, steps []dashboard.Threshold) {
	id, pos := b.place(6, 4)
	b.add(stat.NewPanelBuilder().Id(id).GridPos(pos).Title(title).Description(description).
		Datasource(source()).WithTarget(query(expr, title)).Unit("none").
		Thresholds(thresholds(steps)).
		ColorMode(common.BigValueColorModeBackground).GraphMode(common.BigValueGraphModeArea).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})))
}

// list shows the present values of series as a table with one line for each path.
func (b *board) list(title, description, expr, column, empty string, status bool, width, height uint32) {
	id, pos := b.place(width, height)
	p := table.NewPanelBuilder().Id(id).GridPos(pos).Title(title).Description(description).
		Datasource(source()).
		WithTarget(prometheus.NewDataqueryBuilder().Datasource(source()).Expr(expr).RefId("A").
			EditorMode(prometheus.QueryEditorModeCode).Instant().Format(prometheus.PromQueryFormatTable)).
		Unit("none").
		Footer(common.NewTableFooterOptionsBuilder().Show(false).Reducer([]string{})).
		WithTransformation(dashboard.DataTransformerConfig{Id: "filterFieldsByName", Options: map[string]any{"include": map[string]any{"names": []string{"path", "Value"}}}}).
		WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{
			"indexByName":  map[string]any{"path": 0, "Value": 1},
			"renameByName": map[string]any{"path": "Path", "Value": column},
		}}).
		SortBy([]cog.Builder[common.TableSortByFieldState]{common.NewTableSortByFieldStateBuilder().DisplayName(column).Desc(true)}).
		OverrideByName("Path", []dashboard.DynamicConfigValue{{Id: "links", Value: []map[string]any{
			{"title": "Show in grove", "url": "${grove}/#node=${__value.text:percentencode}", "targetBlank": true},
		}}})
	if status {
		p.Mappings(statusMappings()).
			OverrideByName(column, []dashboard.DynamicConfigValue{{Id: "custom.cellOptions", Value: map[string]any{"type": "color-background", "mode": "basic"}}, {Id: "custom.width", Value: 120}})
	}
	if empty != "" {
		p.NoValue(empty)
	}
	b.add(p)
}

// words shows a text in Markdown.
func (b *board) words(title, content string, height uint32) {
	id, pos := b.place(gridWidth, height)
	b.add(text.NewPanelBuilder().Id(id).GridPos(pos).Title(title).Description("About this dashboard.").Mode(text.TextModeMarkdown).Content(content))
}

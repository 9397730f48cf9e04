package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/guptarohit/asciigraph"

	"grove/tree"
	"grove/viewer/record"
)

// historyCommand prints what a node was.
type historyCommand struct {
	remote
	Path   string `arg:"" help:"Path of the node: /shop/web1/Connections/Active."`
	From   string `help:"Beginning: how long ago, such as 24h or 7d, or a time such as 2026-03-01T12:00:00Z." default:"1h" placeholder:"TIME"`
	To     string `help:"End, in the same forms, or now." default:"now" placeholder:"TIME"`
	Points int    `help:"At most so many points; default: as many as the terminal is wide." placeholder:"N"`
	Table  bool   `help:"Print a line for each point instead of a drawing." xor:"form"`
	CSV    bool   `name:"csv" help:"Print CSV, as the server answers." xor:"form"`
	JSON   bool   `name:"json" help:"Print JSON, as the server answers." xor:"form"`
}

// Sizes of a drawing.
const (
	axisWidth  = 12 // what stands left of it
	drawWidth  = 96 // without a terminal
	drawHeight = 12
	maxBands   = 20 // statuses that are listed
)

// bounds draws the minimum and the maximum, so that the line is the average.
var bounds = asciigraph.CreateCharSet("·")

// Run implements the command.
func (c *historyCommand) Run(ctx context.Context, p *Process, all *commands) error {
	path, err := tree.ParsePath(c.Path)
	if err != nil {
		return exit(Usage, "%w", err)
	}
	width, _ := screen(p.Stdout)
	if width == 0 {
		width = drawWidth
	}
	width = max(width-axisWidth-1, 20)
	points := c.Points
	if points == 0 {
		points = width
	}
	format := "json"
	if c.CSV {
		format = "csv"
	}
	body, err := c.get(ctx, "/api/v1/history", "path", path.String(), "from", moment(c.From), "to", moment(c.To), "points", strconv.Itoa(points), "format", format)
	if err != nil {
		return err
	}
	if c.CSV || c.JSON {
		_, err = p.Stdout.Write(body)
		return err
	}
	var s record.Series
	if err := json.Unmarshal(body, &s); err != nil {
		return exit(NoReply, "the answer of %s is no history: %w", c.Server, err)
	}
	if c.Table {
		return tabulate(p.Stdout, &s)
	}
	d := drawing{color: all.colored(p.Stdout)}
	drawHistory(p.Stdout, &s, width, d)
	return nil
}

// moment makes of how long ago what the server takes. A flag could not have the sign.
func moment(text string) string {
	if new(days).UnmarshalText([]byte(text)) == nil {
		return "-" + text
	}
	return text
}

// tabulate prints a line for each point.
func tabulate(w io.Writer, s *record.Series) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "TIME\tMIN\tAVG\tMAX\tREADINGS\t")
	number := func(v *float64) string {
		if v == nil {
			return "-"
		}
		return quantity(*v, plain(s.Unit))
	}
	for _, p := range s.Points {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t\n", localTime(p.Time), number(p.Min), number(p.Avg), number(p.Max), p.Count)
	}
	return t.Flush()
}

// drawHistory draws the average between the minimum and the maximum, and below it the
// statuses, and says what they come to.
func drawHistory(w io.Writer, s *record.Series, width int, d drawing) {
	from, to := parsed(s.From), parsed(s.To)
	s.Unit = plain(s.Unit)
	fmt.Fprintf(w, "%s  %s to %s\n", plain(s.Path), localTime(s.From), localTime(s.To))
	lines, sum := columns(s, from, to, width)
	if sum.count > 0 {
		options := []asciigraph.Option{
			asciigraph.Height(drawHeight), asciigraph.Offset(2), asciigraph.SeriesChars(bounds, bounds, asciigraph.DefaultCharSet),
			asciigraph.YAxisValueFormatter(func(v float64) string { return fmt.Sprintf("%*s", axisWidth-3, quantity(rounded(v), s.Unit)) }),
		}
		if sum.flat() {
			options = append(options, asciigraph.Height(2))
		}
		if d.color {
			options = append(options, asciigraph.SeriesColors(asciigraph.DimGray, asciigraph.DimGray, asciigraph.Default))
		}
		fmt.Fprintln(w, asciigraph.PlotMany(lines, options...))
	} else if s.Kind == tree.Performance.String() && sum.readings == 0 {
		fmt.Fprintln(w, "  no readings in this time")
	}
	fmt.Fprintf(w, "%*s%s\n", axisWidth, "", strip(s, from, to, width, d))
	fmt.Fprintf(w, "%*s%s\n", axisWidth, "", scale(from, to, width))
	if infinite := sum.readings - sum.count; infinite > 0 {
		fmt.Fprintf(w, "  %d readings in points with infinite ones, which are not drawn\n", infinite)
	}
	if sum.count > 0 {
		fmt.Fprintf(w, "  %d readings, minimum %s, average %s, maximum %s, last %s\n", sum.count,
			quantity(sum.min, s.Unit), quantity(sum.total/float64(sum.count), s.Unit), quantity(sum.max, s.Unit), quantity(sum.last, s.Unit))
	}
	if s.Merged != "" {
		fmt.Fprintf(w, "  until %s the readings were kept merged into %s each\n", localTime(s.Merged), tree.FormatDuration(time.Duration(s.MergedStep*float64(time.Second))))
	}
	bands := s.Statuses
	if n := len(bands) - maxBands; n > 0 {
		fmt.Fprintf(w, "  … %d statuses before: ask for a shorter time to see them\n", n)
		bands = bands[n:]
	}
	for _, b := range bands {
		m := marks[b.Status]
		text := ""
		if b.Text != "" {
			text = ": " + b.Text
		}
		fmt.Fprintf(w, "  %s %s from %s for %s%s\n", d.paint(m.shape, m.color), plain(b.Status), localTime(b.From),
			tree.FormatDuration(parsed(b.To).Sub(parsed(b.From)).Round(time.Second)), plain(text))
	}
}

// rounded makes the labels of an axis short.
func rounded(v float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	if err != nil {
		return v
	}
	return r
}

func parsed(text string) time.Time {
	at, _ := time.Parse(time.RFC3339Nano, text) // The server writes no other.
	return at
}

// summary is what all points come to.
type summary struct {
	min, max, total, last float64
	count                 uint64 // of the readings that these are over
	readings              uint64 // infinite ones, too
}

// flat says that all readings are the same, which leaves nothing to draw.
func (s *summary) flat() bool { return s.min == s.max }

// column is what is drawn in one column.
type column struct {
	max, min, avg float64
	count         uint64 // readings of the points that are in it
}

// add merges a point into the column.
func (c *column) add(p *record.Point) {
	if c.count == 0 {
		*c = column{*p.Max, *p.Min, *p.Avg, p.Count}
		return
	}
	c.max, c.min = max(c.max, *p.Max), min(c.min, *p.Min)
	c.count += p.Count
	c.avg += (*p.Avg - c.avg) * float64(p.Count) / float64(c.count)
}

// columns spreads the points over the columns of a drawing: maximum, minimum and
// average. A column without a point takes that of the one before, unless there is a gap.
func columns(s *record.Series, from, to time.Time, width int) (lines [][]float64, sum summary) {
	sum.min, sum.max = math.Inf(1), math.Inf(-1)
	lines = make([][]float64, 3)
	for i := range lines {
		lines[i] = make([]float64, width)
	}
	nothing := column{max: math.NaN(), min: math.NaN(), avg: math.NaN()}
	now, k := nothing, 0
	per := to.Sub(from) / time.Duration(width)
	for x := range width {
		now.count = 0 // What several points of a column come to is merged.
		gap := false
		for end := from.Add(time.Duration(x+1) * per); k < len(s.Points) && parsed(s.Points[k].Time).Before(end); k++ {
			p := &s.Points[k]
			sum.readings += p.Count
			if p.Avg == nil || p.Min == nil || p.Max == nil || p.Last == nil { // a gap, or infinite
				if gap = true; now.count == 0 {
					now = nothing
				}
				continue
			}
			gap = false
			now.add(p)
			sum.min, sum.max, sum.last = min(sum.min, *p.Min), max(sum.max, *p.Max), *p.Last
			sum.total += *p.Avg * float64(p.Count)
			sum.count += p.Count
		}
		if k == len(s.Points) && len(s.Points) > 0 && from.Add(time.Duration(x)*per).Sub(parsed(s.Points[k-1].Time)) > 3*time.Duration(s.Step*float64(time.Second)) {
			now = nothing // after the last
		}
		lines[0][x], lines[1][x], lines[2][x] = now.max, now.min, now.avg
		if gap {
			now = nothing
		}
	}
	return lines, sum
}

// strip is the worst status of each column.
func strip(s *record.Series, from, to time.Time, width int, d drawing) string {
	var b strings.Builder
	per := to.Sub(from) / time.Duration(width)
	for x := range width {
		begin, end := from.Add(time.Duration(x)*per), from.Add(time.Duration(x+1)*per)
		worst := tree.White
		for _, band := range s.Statuses {
			if st, err := tree.ParseStatus(band.Status); err == nil && parsed(band.From).Before(end) && parsed(band.To).After(begin) {
				worst = max(worst, st)
			}
		}
		m := marks[worst.String()]
		b.WriteString(d.paint(m.shape, m.color))
	}
	return b.String()
}

// scale writes the times below a drawing.
func scale(from, to time.Time, width int) string {
	layout := "15:04:05"
	switch span := to.Sub(from); {
	case span > 7*24*time.Hour:
		layout = "2006-01-02"
	case span > 24*time.Hour:
		layout = "01-02 15:04"
	}
	first, last := from.Local().Format(layout), to.Local().Format(layout)
	return first + strings.Repeat(" ", max(width-len(first)-len(last), 1)) + last
}

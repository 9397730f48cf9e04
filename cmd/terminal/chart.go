package terminal

import (
	"fmt"
	"math"
	"strings"

	"grove/viewer/record"
)

// chart draws the averages of a series as bars from the least to the greatest value, in so
// many columns and lines; a last line says what they come to.
func (m *model) chart(s *record.Series, columns, lines int) []string {
	from, to := parsed(s.From), parsed(s.To)
	sum, count := make([]float64, columns), make([]int, columns)
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range s.Points {
		at := int(float64(columns) * float64(parsed(p.Time).Sub(from)) / float64(to.Sub(from)))
		if p.Count == 0 || p.Avg == nil || p.Min == nil || p.Max == nil || at < 0 || at >= columns {
			continue
		}
		sum[at], count[at] = sum[at]+*p.Avg, count[at]+1
		low, high = min(low, *p.Min), max(high, *p.Max)
	}
	if low > high {
		return []string{faintStyle.Render("no readings in the last hour")}
	}
	bars := m.glyphs.bars
	steps := len(bars) - 1
	drawn := make([]string, lines-1)
	for line := range drawn {
		var b strings.Builder
		for at := range columns {
			if count[at] == 0 {
				b.WriteByte(' ')
				continue
			}
			part := 0.5 // A line in the middle, where all are the same.
			if high > low {
				part = (sum[at]/float64(count[at]) - low) / (high - low)
			}
			// The least has one step, so that it is told from nothing.
			level := 1 + int(part*float64(len(drawn)*steps-1)+0.5) - (len(drawn)-1-line)*steps
			b.WriteString(bars[min(max(level, 0), steps)])
		}
		drawn[line] = b.String()
	}
	about := fmt.Sprintf("%s to %s in the last hour", m.o.Quantity(low, s.Unit), m.o.Quantity(high, s.Unit))
	return append(drawn, faintStyle.Render(cut(safe(about, m.glyphs.ascii), columns, m.glyphs.more)))
}

package app

import (
	"context"
	"log/slog"
	"time"

	"grove/beans"
	"grove/notify"
	"grove/tree"
	"grove/tree/monitor"
)

// maxStatusLines bounds the changes of status that are logged in a second.
const maxStatusLines = 50

// statusLog tells of changes of status: the monitor beans' listeners, the bus, and the
// log, where attributes that turn yellow or red, or are well again, get a line.
type statusLog struct {
	log       *slog.Logger
	source    *notify.Source
	directory *monitor.Directory

	second time.Time // of the lines below
	lines  int
	left   int // lines that were left out
}

// take is the function for tree.Options.Statuses.
func (s *statusLog) take(changes []tree.StatusChange) {
	s.directory.Publish(changes)
	for i := range changes {
		c := &changes[i]
		if c.Kind == tree.Group {
			continue
		}
		s.source.Publish(monitor.TypeStatusChanged, c.Path.String()+" went from "+c.From.String()+" to "+c.To.String(), map[string]beans.Value{
			"path": c.Path.String(), "from": c.From.String(), "to": c.To.String(), "value": c.Value.Any(), "reason": c.Reason,
		})
		if c.From > tree.Green || c.To > tree.Green {
			s.line(c)
		}
	}
}

// line logs one change, unless too many were logged in this second.
func (s *statusLog) line(c *tree.StatusChange) {
	if second := c.Time.Truncate(time.Second); !second.Equal(s.second) {
		if s.left > 0 {
			s.log.Warn("changes of status were too many to log", "left_out", s.left)
		}
		s.second, s.lines, s.left = second, 0, 0
	}
	if s.lines++; s.lines > maxStatusLines {
		s.left++
		return
	}
	level := slog.LevelInfo
	if c.To > tree.Green {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("path", c.Path.String()), slog.String("from", c.From.String()), slog.String("to", c.To.String())}
	if !c.Value.IsNone() {
		attrs = append(attrs, slog.Any("value", c.Value.Any()))
	}
	if c.Reason != "" {
		attrs = append(attrs, slog.String("reason", c.Reason))
	}
	s.log.LogAttrs(context.Background(), level, "status", attrs...)
}

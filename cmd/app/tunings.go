package app

import (
	"context"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/store/journal"
)

// tuned keeps a tuned threshold and writes into the journal that it was; it is for
// tree.Options. What is tuned again at a restart is no news.
func (p *past) tuned(t tree.Tuning) error {
	if err := p.memory.Tuned(t); err != nil {
		return err
	}
	if p.recalling.Load() > 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), markWithin)
	defer cancel()
	return p.journal.Append(ctx, journal.Entry{Time: time.Now(), Path: t.Path, Kind: journal.Tuning, Text: tuningText(t.Threshold)})
}

// tuningText says for people which threshold is in force.
func tuningText(th *tree.Threshold) string {
	if th == nil {
		return "the threshold is that of the definition again"
	}
	var parts []string
	for _, level := range []struct {
		name  string
		level tree.Level
	}{{"yellow", th.Yellow}, {"red", th.Red}} {
		if text := level.level.String(); text != "" {
			parts = append(parts, level.name+" "+text)
		}
	}
	if th.StaleAfter > 0 {
		parts = append(parts, "white after "+tree.FormatDuration(th.StaleAfter)+" without a reading")
	}
	if len(parts) == 0 {
		return "the threshold is tuned: it says nothing of numbers"
	}
	return "the threshold is tuned: " + strings.Join(parts, ", ")
}

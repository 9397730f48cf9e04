package cli

import (
	"strings"
	"testing"
)

func TestFit(t *testing.T) {
	five := "a\nb\nc\nd\ne\n"
	for name, c := range map[string]struct {
		text          string
		columns, rows int
		want          string
	}{
		"no terminal": {five, 0, 0, five},
		"room enough": {"a\nb\n", 10, 5, "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J"},
		"just so":     {five, 10, 6, "\x1b[Ha\x1b[K\nb\x1b[K\nc\x1b[K\nd\x1b[K\ne\x1b[K\n\x1b[J"},
		"too long":    {five, 60, 5, "\x1b[Ha\x1b[K\nb\x1b[K\nc\x1b[K\n… 2 more lines: name a path, --depth or --status\x1b[K\n\x1b[J"},
		"too wide":    {"└─ \x1b[31m■\x1b[0m name\n", 6, 5, "\x1b[H└─ \x1b[31m■\x1b[0m n\x1b[K\n\x1b[J"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fit(c.text, c.columns, c.rows); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	long := strings.Repeat("line\n", 1000)
	if got := strings.Count(fit(long, 80, 24), "\n"); got != 23 {
		t.Errorf("%d lines on a terminal of 24", got)
	}
}

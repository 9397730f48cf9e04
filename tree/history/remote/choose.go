package remote

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"grove/tree"
	"grove/tree/history/fold"
)

// chooser says which series a target gets, and with which labels.
type chooser struct {
	paths       []string // texts of the tops of the subtrees; none: everything
	all         bool
	only, never *regexp.Regexp // of names of metrics; nil: none is said
	added       []labels.Label // sorted by name
	builder     *labels.Builder
}

// newChooser reads the options of a target, which were checked; common labels are
// those that all targets get, before the target's own.
func newChooser(t *Target, common map[string]string) (*chooser, error) {
	c := &chooser{all: len(t.Paths) == 0, builder: labels.NewBuilder(labels.EmptyLabels())}
	for _, text := range t.Paths {
		p, err := tree.ParsePath(text)
		if err != nil {
			return nil, err
		}
		c.all = c.all || p.IsRoot()
		c.paths = append(c.paths, p.String())
	}
	var err error
	if c.only, err = globs(t.Metrics); err != nil {
		return nil, err
	}
	if c.never, err = globs(t.NotMetrics); err != nil {
		return nil, err
	}
	added := maps.Clone(common)
	if added == nil {
		added = map[string]string{}
	}
	maps.Copy(added, t.Labels)
	for _, name := range sortedKeys(added) {
		c.added = append(c.added, labels.Label{Name: name, Value: strings.ToValidUTF8(added[name], "�")})
	}
	return c, nil
}

// globs joins names with stars to one pattern.
func globs(names []string) (*regexp.Regexp, error) {
	if len(names) == 0 {
		return nil, nil
	}
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = strings.ReplaceAll(regexp.QuoteMeta(n), `\*`, ".*")
	}
	return regexp.Compile(`^(?:` + strings.Join(parts, "|") + `)$`)
}

// choose returns the labels that a series is sent with, or false. It is for one
// goroutine.
func (c *chooser) choose(l labels.Labels) (labels.Labels, bool) {
	if l.Get(fold.Label) != "" {
		return labels.EmptyLabels(), false // beside averages, which have the name of the readings
	}
	name := l.Get(labels.MetricName)
	if c.only != nil && !c.only.MatchString(name) || c.never != nil && c.never.MatchString(name) {
		return labels.EmptyLabels(), false
	}
	if !c.all && !c.within(l.Get("path")) {
		return labels.EmptyLabels(), false
	}
	c.builder.Reset(l)
	for _, a := range c.added {
		if c.builder.Get(a.Name) == "" {
			c.builder.Set(a.Name, a.Value)
		}
	}
	return c.builder.Labels(), true
}

func (c *chooser) within(path string) bool {
	return slices.ContainsFunc(c.paths, func(top string) bool {
		rest, ok := strings.CutPrefix(path, top)
		return ok && (rest == "" || rest[0] == '/')
	})
}

package history

import (
	"math"
	"time"

	"grove/tree"
	"grove/tree/metric"
)

// Fill keeps readings of a node that were taken elsewhere while it was not watched here, in
// the node's own unit and at the times that they have: those that are there already are kept
// once. The node, of which spec says what it is, need not be in the tree. What is older than
// Options.OutOfOrder is left out, and so are gaps. It waits as Readings does.
func (s *Store) Fill(path tree.Path, spec *tree.Spec, samples []Sample) {
	if spec == nil || spec.Kind != tree.Performance && spec.Kind != tree.State || spec.History != nil && spec.History.Off || len(samples) == 0 {
		return
	}
	of := metric.SeriesOf(path, spec)
	series := named(of.Name, of.Labels...)
	latest := s.opts.Now().Add(tree.MaxAhead)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.admit(len(samples))
	for i := range samples {
		one := &samples[i]
		if one.Gap || math.IsNaN(one.Value) || one.Time.Before(time.Unix(0, 0)) || one.Time.After(latest) {
			continue
		}
		s.push(series, millis(one.Time), of.Scale.Of(one.Value))
	}
}

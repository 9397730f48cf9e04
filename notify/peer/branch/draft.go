package branch

import (
	"fmt"

	"grove/notify/peer/branch/frame"
	"grove/tree"
)

// draft is a snapshot that comes in pieces.
type draft struct {
	most   int
	over   int // nodes beyond that
	placed []frame.Placed
	specs  map[uint32]*tree.Spec
}

func newDraft(most int) *draft { return &draft{most: most, specs: map[uint32]*tree.Spec{}} }

// add takes one piece.
func (d *draft) add(body []byte) error {
	var f frame.Frame
	if err := f.Decode(body); err != nil {
		return err
	}
	if err := readSpecs(d.specs, f.Specs); err != nil {
		return err
	}
	room := min(d.most-len(d.placed), len(f.Placed))
	d.over += len(f.Placed) - room
	d.placed = append(d.placed, f.Placed[:room]...)
	return nil
}

// readSpecs adds specs to those that nodes refer to.
func readSpecs(known map[uint32]*tree.Spec, more []frame.Spec) error {
	for _, s := range more {
		if len(known) >= maxSpecs*2 {
			return fmt.Errorf("%w: more than %d specs", errRubbish, maxSpecs*2)
		}
		spec, err := readSpec(s.Text)
		if err != nil {
			return fmt.Errorf("%w: %w", errRubbish, err)
		}
		known[s.ID] = spec
	}
	return nil
}

package tree

import "strconv"

// Untune puts the threshold of the definition back in force at the attribute that r
// names. The value stays, and is held against it at once. One that was not tuned stays
// as it is.
func (t *Tree) Untune(r Ref) error {
	now := t.opts.Now().UnixNano()
	t.mu.Lock()
	i := t.at(r)
	if err := t.tunable(i, "node "+strconv.FormatUint(uint64(r.index), 10)); err != nil {
		t.unlock()
		return err
	}
	if _, ok := t.tuned[i]; !ok {
		t.unlock()
		return nil
	}
	t.untune(i, now)
	told := t.tuning(i, nil)
	t.unlock()
	return t.tell(told)
}

func (t *Tree) untune(i uint32, now int64) {
	delete(t.tuned, i)
	t.dropClass(t.cells[i].class)
	t.dress(i, t.places[i].spec)
	t.reconsider(i, now)
	t.place(i)
}

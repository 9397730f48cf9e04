package ccms

import (
	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/ccms/alert"
)

// highest returns for each position in a picture the open alert at or below it that matters
// most, of those that are seen. The picture has all that somebody sees down to so many
// levels (negative: all).
func (e *Exporter) highest(s *grant.Subject, rows []row, depth int) []*alert.Alert {
	out := make([]*alert.Alert, len(rows))
	top := rows[0].Path
	tops := e.book.Tops(top)
	if len(tops) == 0 {
		return out
	}
	rise := func(k int32, a *alert.Alert) {
		for ; k >= 0; k = rows[k].above {
			if out[k] == nil || alert.Compare(a, out[k]) < 0 {
				out[k] = a
			}
		}
	}
	lowest := map[tree.Path]int32{} // the groups whose children are not in the picture
	for i := range rows {
		r := &rows[i]
		if r.Kind == tree.Group {
			if depth >= 0 && r.Depth == top.Depth()+depth {
				lowest[r.Path] = int32(i)
			}
		} else if a := tops[r.Path]; a != nil {
			rise(int32(i), a)
		}
	}
	if len(lowest) == 0 {
		return out
	}
	scope := e.opts.Guard.Scope(s)
	for p, a := range tops {
		above := p
		for above.Depth() > top.Depth()+depth {
			above = above.Parent()
		}
		k, ok := lowest[above]
		if !ok || above == p {
			continue
		}
		if n, err := e.opts.Tree.Node(p); err == nil && n.Kind != tree.Group && scope.There(p) == grant.Seen {
			rise(k, a)
		}
	}
	return out
}

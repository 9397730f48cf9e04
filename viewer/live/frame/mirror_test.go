package frame

import (
	"errors"
	"testing"
	"time"

	"grove/tree"
)

func mirrorOf(t *testing.T) *Mirror {
	t.Helper()
	m := new(Mirror)
	err := m.Apply(&Frame{Type: TypeSnapshot, Seq: 5, Nodes: []Node{{Index: 4, Parent: 4}, {Index: 7, Parent: 4, Name: "a"}, {Index: 8, Parent: 7, Name: "b"}}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMirrorRefusesWhatDoesNotFit(t *testing.T) {
	delta := func(from uint64, nodes []Node, changes ...Change) *Frame {
		return &Frame{Type: TypeDelta, From: from, Seq: 6, Nodes: nodes, Changes: changes}
	}
	for _, c := range []struct {
		name  string
		frame *Frame
		want  error
		text  string
	}{
		{"a gap", delta(4, nil), ErrGap, "gap between frames: have 5, delta from 4"},
		{"an unknown node", delta(5, nil, Change{Index: 9}), ErrFrame, "malformed frame: change of the unknown node 9"},
		{"an unknown parent", delta(5, []Node{{Index: 9, Parent: 10}}), ErrFrame, "malformed frame: node 9 comes before its parent 10"},
		{"its own parent", delta(5, []Node{{Index: 9, Parent: 9}}), ErrFrame, "malformed frame: node 9 comes before its parent 9"},
		{"a circle", delta(5, []Node{{Index: 7, Parent: 8}}), ErrFrame, "malformed frame: node 7 is placed below itself or nowhere"},
	} {
		if err := mirrorOf(t).Apply(c.frame); !errors.Is(err, c.want) || err.Error() != c.text {
			t.Errorf("%s: %v, want %s", c.name, err, c.text)
		}
	}
	if err := new(Mirror).Apply(delta(0, nil)); !errors.Is(err, ErrGap) {
		t.Errorf("a delta before any snapshot: %v", err)
	}
}

func TestMirrorKnowsSinceWhen(t *testing.T) {
	m := mirrorOf(t)
	at, long := time.Unix(100, 0), time.Unix(50, 0)
	f := &Frame{Type: TypeDelta, From: 5, Seq: 6, Time: at, Changes: []Change{
		{Index: 7, Full: true, Since: long, State: State{Status: tree.Green}},
		{Index: 8, State: State{Status: tree.Red, Value: tree.Number(1)}},
	}}
	if err := m.Apply(f); err != nil {
		t.Fatal(err)
	}
	f = &Frame{Type: TypeDelta, From: 6, Seq: 7, Time: at.Add(time.Hour), Changes: []Change{{Index: 8, State: State{Status: tree.Red, Value: tree.Number(2)}}}}
	if err := m.Apply(f); err != nil {
		t.Fatal(err)
	}
	if !m.Node(7).Since.Equal(long) || !m.Node(8).Since.Equal(at) {
		t.Errorf("since %v and %v", m.Node(7).Since, m.Node(8).Since)
	}
}

func TestMirrorReusesAnIndexWithinOneFrame(t *testing.T) {
	m := mirrorOf(t)
	f := &Frame{Type: TypeDelta, From: 5, Seq: 6, Removed: []uint32{7, 8, 99}, Nodes: []Node{{Index: 8, Parent: 4, Name: "new"}}}
	if err := m.Apply(f); err != nil {
		t.Fatal(err)
	}
	if m.Len() != 2 || m.Node(7) != nil || m.Node(8).Name != "new" || len(m.Node(4).Below) != 1 {
		t.Errorf("%d nodes, %+v", m.Len(), m.Node(4))
	}
}

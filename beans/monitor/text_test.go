package monitor_test

import (
	"testing"

	"grove/beans/monitor"
)

func TestText(t *testing.T) {
	both := func(m *monitor.Text) { m.SetNotifyMatch(true); m.SetNotifyDiffer(true) }
	tests := map[string]struct {
		set   func(*monitor.Text)
		steps []step
	}{
		"fires on the change alone": {both, []step{
			{value: "up", want: told("0 string.matches a string(up) by string(up)")},
			{value: "up"},
			{value: "down", want: told("1 string.differs a string(down) by string(up)")},
			{value: "sideways"},
			{value: "up", want: told("2 string.matches a string(up) by string(up)")},
			{value: "UP", want: told("3 string.differs a string(UP) by string(up)")},
		}},
		"differs first": {both, []step{
			{value: "", want: told("0 string.differs a string() by string(up)")},
			{value: "up", want: told("1 string.matches a string(up) by string(up)")},
		}},
		"the state goes on while nothing is told": {func(m *monitor.Text) { m.SetNotifyDiffer(true) }, []step{
			{value: "up"},
			{value: "down", want: told("0 string.differs a string(down) by string(up)")},
			{value: "up"},
			{value: "down", want: told("1 string.differs a string(down) by string(up)")},
		}},
		"errors reset it": {both, []step{
			{value: "up", want: told("0 string.matches a string(up) by string(up)")},
			{value: int64(1), want: told("1 error.type a The observed attribute type is not valid.")},
			{value: "up", want: told("2 string.matches a string(up) by string(up)")},
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				m := w.service.NewText()
				b, n := w.thing("a")
				w.add(m, n)
				m.SetCompare("up")
				tt.set(m)
				scans(w, m, b, tt.steps)
			})
		})
	}
}

func TestTextToCompareResets(t *testing.T) {
	inBubble(t, func(w *world) {
		m := w.service.NewText()
		b, n := w.thing("a")
		w.add(m, n)
		m.SetNotifyMatch(true)
		scans(w, m, b, []step{
			{value: "", want: told("0 string.matches a string() by string()")},
			{do: func() { m.SetCompare("") }, value: ""},
			{do: func() { m.SetCompare("x") }, value: "x", want: told("1 string.matches a string(x) by string(x)")},
		})
	})
}

package monitor

import "grove/beans"

// Text tells when a text becomes, or ceases to be, equal to another (StringMonitor).
// [Service.NewText] makes one.
type Text struct {
	core[textState]

	// Guarded by core.mu.
	compare                   string
	notifyMatch, notifyDiffer bool
}

type textState struct {
	next    next // upper: a match, lower: a difference
	scanned string
}

// NewText makes a string monitor that observes nothing and compares with the empty
// text, with no notifications enabled. It is to be registered as a bean.
func (s *Service) NewText() *Text {
	t := &Text{}
	t.init(s, textRules{t})
	t.bean, t.info = textBean(t)
	return t
}

// Compare returns the text that is compared with.
func (t *Text) Compare() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.compare
}

// SetCompare changes the text that is compared with. If it is another than before, both
// alarms may come again.
func (t *Text) SetCompare(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.compare != text {
		t.compare = text
		t.eachLocked(func(o *object[textState]) { o.state.next = either })
	}
}

// NotifyMatch reports whether it is told that the text matches.
func (t *Text) NotifyMatch() bool { return t.flag(&t.notifyMatch) }

// SetNotifyMatch says whether it is told that the text matches; it changes nothing else.
func (t *Text) SetNotifyMatch(on bool) { t.setFlag(&t.notifyMatch, on) }

// NotifyDiffer reports whether it is told that the text differs.
func (t *Text) NotifyDiffer() bool { return t.flag(&t.notifyDiffer) }

// SetNotifyDiffer says whether it is told that the text differs; it changes nothing else.
func (t *Text) SetNotifyDiffer(on bool) { t.setFlag(&t.notifyDiffer, on) }

// textRules are the rules of a string monitor.
type textRules struct{ *Text }

func (t textRules) reset(s *textState)  { s.next = either }
func (t textRules) failed(s *textState) { s.next = either }

func (t textRules) check(s *textState, v beans.Value) failure {
	text, ok := v.(string)
	if !ok {
		return failedType
	}
	s.scanned = text
	return 0
}

func (t textRules) derive(s *textState) (derived beans.Value, kind string, trigger beans.Value) {
	switch matches := s.scanned == t.compare; {
	case matches && s.next != lower:
		s.next = lower
		if t.notifyMatch {
			kind, trigger = TypeTextMatches, t.compare
		}
	case !matches && s.next != upper:
		s.next = upper
		if t.notifyDiffer {
			kind, trigger = TypeTextDiffers, t.compare
		}
	}
	return s.scanned, kind, trigger
}

package pattern

import (
	"fmt"
	"time"

	"grove/tree"
)

// maxTexts bounds the texts that are remembered so as not to repeat them.
const maxTexts = 1000

// limit holds back events: the same again, and more than so many a minute.
type limit struct {
	set        *Set
	suppressed uint64
	begin      time.Time // of the minute that is counted
	told, over int       // in that minute
	owed       int       // over the limit of minutes before
	texts      map[string]*told
}

// told is a text that became an event.
type told struct {
	at    time.Time
	again int // times since then
}

// admits says whether an event is told, and adds to its text how often it was not.
func (l *limit) admits(e *tree.Event, now time.Time) bool {
	var before *told
	if l.set.repeat > 0 {
		if before = l.texts[e.Text]; before != nil && now.Sub(before.at) < l.set.repeat {
			before.again++
			l.suppressed++
			return false
		}
	}
	if now.Sub(l.begin) >= time.Minute || l.begin.IsZero() {
		l.owed += l.over
		l.begin, l.told, l.over = now, 0, 0
	}
	if l.told++; l.told > l.set.limit {
		l.over++
		l.suppressed++
		return false
	}
	if l.set.repeat > 0 {
		text := e.Text
		if before != nil && before.again > 0 {
			e.Text = fmt.Sprintf("%s (and %d times more within %v)", text, before.again, now.Sub(before.at).Round(time.Second))
		}
		l.remember(text, now)
	}
	return true
}

func (l *limit) remember(text string, now time.Time) {
	if len(l.texts) >= maxTexts {
		for t, old := range l.texts {
			if now.Sub(old.at) >= l.set.repeat {
				delete(l.texts, t)
			}
		}
		if len(l.texts) >= maxTexts {
			return // so many different ones are no repetition
		}
	}
	if l.texts == nil {
		l.texts = map[string]*told{}
	}
	l.texts[text] = &told{at: now}
}

// summary tells, when a minute is over, how many events were over its limit.
func (l *limit) summary(now time.Time) (tree.Event, bool) {
	if now.Sub(l.begin) >= time.Minute {
		l.owed += l.over
		l.over = 0
	}
	if l.owed == 0 {
		return tree.Event{}, false
	}
	e := tree.Event{Time: now, Status: tree.White, Text: fmt.Sprintf("%d more events were not shown: the limit is %d a minute", l.owed, l.set.limit)}
	l.owed = 0
	return e, true
}

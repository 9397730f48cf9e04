package outbox

import (
	"context"
	"log/slog"
	"time"
)

// said is when something was last logged, and how often it has happened since.
type said struct {
	at     time.Time
	others int
}

// sayEvery is how often the same is logged at most: a storm must not fill the log.
const sayEvery = time.Second

// sayLocked logs what may happen often: one of a second, with the number of the others.
func (o *Outbox) sayLocked(level slog.Level, what string, args ...any) {
	s, now := o.said[what], o.options.Now()
	if s == nil {
		s = &said{}
		o.said[what] = s
	}
	if ago := now.Sub(s.at); ago >= 0 && ago < sayEvery {
		s.others++
		return
	}
	if s.others > 0 {
		args = append(args, "others", s.others)
	}
	o.log.Log(context.Background(), level, what, args...) //nolint:sloglint // All who call give a constant.
	*s = said{at: now}
}

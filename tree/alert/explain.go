package alert

import (
	"time"

	"grove/tree"
)

// Explanation says what would become of an alert, without that anything is sent.
type Explanation struct {
	Alert Alert `json:"alert"`
	// Routes are all routes in the order of the configuration, also those that do not
	// take it.
	Routes []Routing `json:"routes"`
	// Told are the channels in the end, in order of time; none when it is suppressed.
	Told []Telling `json:"told"`
}

// Routing says whether a route takes an alert, and why.
type Routing struct {
	Route      string      `json:"route"`
	Takes      bool        `json:"takes"`
	Conditions []Condition `json:"conditions"`
	// Group is the group that the alert would join: "instance=shop-web1".
	Group string `json:"group,omitempty"`
	// Text says what else is to be known: "not reached, since route \"night\" took it".
	Text string `json:"text,omitempty"`
}

// Condition is one condition of a route.
type Condition struct {
	Name string `json:"name"` // "under", "status", "during"
	Want string `json:"want"` // as configured
	Have string `json:"have"` // of the alert
	OK   bool   `json:"ok"`
}

// Telling is one message that would be sent.
type Telling struct {
	Route   string `json:"route"`
	Channel string `json:"channel"`
	// To is the target of the route that the channel comes from: a person, who is on call.
	To string `json:"to,omitempty"`
	// After is when, counted from the opening; Step is 0, or that of the escalation from 1 on.
	After   Duration `json:"after"`
	Step    int      `json:"step"`
	Purpose string   `json:"purpose"` // see channel.Purpose
	// Until says that it repeats so often while the alert stays; zero: it does not.
	Every Duration `json:"every,omitempty"`
}

// Duration is a duration as text: "1m30s".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) {
	return []byte(tree.FormatDuration(time.Duration(d))), nil
}

// UnmarshalText implements encoding.TextUnmarshaler; it reads what time.ParseDuration does.
func (d *Duration) UnmarshalText(text []byte) error {
	t, err := time.ParseDuration(string(text))
	*d = Duration(t)
	return err
}

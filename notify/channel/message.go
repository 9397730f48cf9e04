package channel

import (
	"time"

	"grove/tree"
	"grove/tree/alert"
)

// Purpose is what a message is for.
type Purpose string

// The purposes.
const (
	Firing       Purpose = "firing"       // alerts have opened or changed
	Reminder     Purpose = "reminder"     // they are still there
	Escalation   Purpose = "escalation"   // nobody acknowledged them
	Resolution   Purpose = "resolved"     // all of them are over
	Announcement Purpose = "announcement" // a maintenance is near, begins or ends
	Heartbeat    Purpose = "heartbeat"    // grove lives
	Test         Purpose = "test"         // somebody tries the channel
)

// Message is what is to be told in one delivery: the alerts of one group of a route, or
// something without alerts.
type Message struct {
	// Key identifies the message: a repeated delivery has the same, another message another.
	Key string `json:"key"`
	// Group identifies what the message is about: all messages about the same group of
	// alerts on the same channel have it, and Sequence counts them from 1 on. A system
	// that keeps incidents keeps one for it.
	Group    string    `json:"group"`
	Sequence int64     `json:"sequence"`
	Purpose  Purpose   `json:"purpose"`
	Time     time.Time `json:"time"` // when it was decided
	Manager  string    `json:"manager"`
	Route    string    `json:"route,omitempty"`
	// By is what the alerts of the group have in common: "instance" -> "shop-web1".
	By map[string]string `json:"by,omitempty"`
	// Status and Severity are the worst of the alerts that are not over; green and cleared
	// when all are.
	Status   tree.Status   `json:"status"`
	Severity tree.Severity `json:"severity"`
	// Title is one line, Text some: what a person reads where no template says otherwise.
	Title string `json:"title"`
	Text  string `json:"text,omitempty"`
	URL   string `json:"url,omitempty"` // of the page that shows it
	// Alerts are the gravest of the group, at most MaxAlerts; Firing and Resolved count all.
	Alerts   []alert.Alert `json:"alerts,omitempty"`
	Firing   int           `json:"firing"`
	Resolved int           `json:"resolved"`
}

// MaxAlerts bounds Message.Alerts, MaxBytes a message as JSON: who makes one leaves out
// alerts until it fits.
const (
	MaxAlerts = 50
	MaxBytes  = 256 << 10
)

package template

import (
	"time"

	"grove/notify/channel"
	"grove/tree"
	"grove/tree/alert"
)

// Samples are messages of every purpose, by the name of what they are samples of: what
// templates are tried with when they are loaded, and what people see a channel do with.
func Samples() map[string]*channel.Message {
	at := time.Date(2026, 3, 1, 12, 5, 0, 0, time.UTC)
	red := alert.Alert{
		ID: 1, Key: "9f2c", Manager: "grove", Path: tree.MustPath("/shop/web1/Connections/Active"), Kind: alert.Status, State: alert.Open,
		Status: tree.Red, Worst: tree.Red, Severity: tree.Major, Opened: at.Add(-5 * time.Minute), Changed: at,
		Message: "/shop/web1/Connections/Active is red: 1200 connections, which is > 1000", Value: "1200", Unit: "connections", Threshold: "> 1000",
		Instance: "shop-web1", Labels: map[string]string{"site": "berlin"}, Properties: map[string]string{"customer": "acme"}, Customers: []string{"acme"},
		EventType: "qualityOfServiceAlarm", ProbableCause: "thresholdCrossed", Repair: "add a server", Count: 1, Consequences: 3, Revision: 2,
		History: []alert.Step{{Time: at.Add(-5 * time.Minute), What: alert.Opened, Status: tree.Red}},
	}
	acknowledged := red
	acknowledged.ID, acknowledged.State, acknowledged.Path = 2, alert.Acknowledged, tree.MustPath("/shop/web1/Answer")
	acknowledged.Message, acknowledged.Status, acknowledged.Worst, acknowledged.Severity = "/shop/web1/Answer is yellow", tree.Yellow, tree.Yellow, tree.Warning
	acknowledged.Value, acknowledged.Unit, acknowledged.Threshold, acknowledged.Consequences = "", "", "", 0
	acknowledged.Ack = &alert.Ack{By: "ada", At: at, Comment: "looking into it"}
	over := red
	over.State, over.Status, over.Resolved, over.Consequences = alert.Resolved, tree.Green, &at, 0
	message := func(p channel.Purpose, title string) *channel.Message {
		return &channel.Message{
			Key: "grove/databases/9f2c/1", Group: "grove/databases/9f2c", Sequence: 1, Purpose: p, Time: at, Manager: "grove", Route: "databases",
			Status: tree.Green, Severity: tree.Cleared, Title: title, Text: "What people read.", URL: "https://grove.example/alerts",
		}
	}
	about := func(p channel.Purpose, firing, resolved int, alerts ...alert.Alert) *channel.Message {
		m := message(p, "[RED] /shop/web1/Connections/Active is red: 1200 connections, which is > 1000")
		m.By, m.Alerts, m.Firing, m.Resolved = map[string]string{"instance": "shop-web1"}, alerts, firing, resolved
		if firing > 0 {
			m.Status, m.Severity = tree.Red, tree.Major
		}
		return m
	}
	return map[string]*channel.Message{
		string(channel.Firing):       about(channel.Firing, 1, 0, red),
		"firing, many":               about(channel.Firing, 70, 1, red, acknowledged, over),
		string(channel.Reminder):     about(channel.Reminder, 1, 0, acknowledged),
		string(channel.Escalation):   about(channel.Escalation, 1, 0, red),
		string(channel.Resolution):   about(channel.Resolution, 0, 1, over),
		string(channel.Announcement): message(channel.Announcement, "maintenance \"backup\" of /shop begins at 22:00"),
		string(channel.Heartbeat):    message(channel.Heartbeat, "grove lives"),
		string(channel.Test):         message(channel.Test, "a test of the channel ops-mail"),
	}
}

package cli

import (
	"fmt"
	"log/slog"
	"os"

	"grove/notify/center"
	"grove/notify/channel"
	"grove/notify/channel/builtin"
	"grove/notify/settings"
	"grove/runtime/probe/secret"
	"grove/tree/definition/source"
)

// checkAlerts checks those of the files that are files of alerts. It returns what is in
// each of them, the files that are others, and what is wrong.
func checkAlerts(files []string) (said, others []string, errs source.Errors) {
	// Channels are made and do nothing; what is secret need not be on this machine.
	world := &channel.World{Log: slog.New(slog.DiscardHandler), CheckSecret: func(ref string) error { return secret.Ref(ref).Check() }}
	for _, file := range files {
		text, err := readRegular(file, center.MaxFileBytes)
		if err != nil || !settings.Is(file, text) {
			others = append(others, file) // Who reads definitions says what is wrong.
			continue
		}
		s, bad := settings.Read(file, text, builtin.Kinds(), world)
		if len(bad) > 0 {
			errs.Append(bad...)
			continue
		}
		said = append(said, fmt.Sprintf("%s, %s, %s, %s", count(len(s.Channels), "channel"), count(len(s.Routes), "route"),
			count(len(s.Maintenance), "maintenance window"), count(len(s.Heartbeats), "heartbeat")))
	}
	return said, others, errs
}

// readRegular reads a file of at most so many bytes, and waits for no pipe.
func readRegular(name string, most int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return nil, os.ErrInvalid
	}
	return readBounded(name, most)
}

package app_test

import (
	"strings"
	"testing"

	"grove/cmd/app"
)

// TestReceiversNeedToKnowTheirSenders: protocols without a login are taken from this
// machine alone, unless the operator says from whom.
func TestReceiversNeedToKnowTheirSenders(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    app.ReceiverConfig
		want string
	}{
		{"no port", app.ReceiverConfig{Traps: "127.0.0.1"}, `--traps "127.0.0.1": host:port is wanted, such as 127.0.0.1:1162`},
		{"anybody", app.ReceiverConfig{Traps: "0.0.0.0:0"}, "--traps 0.0.0.0:0: others can send to this address, and its protocol knows no login: say who may, with --receive-from 10.0.0.0/8"},
		{"a sender that is none", app.ReceiverConfig{Traps: "0.0.0.0:0", From: []string{"sw1"}}, `--receive-from "sw1": an address or a network is wanted, such as 192.0.2.7 or 10.0.0.0/8`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, err := app.New(app.Config{Listen: "127.0.0.1:0", Data: t.TempDir(), NoHost: true, Receivers: tt.c})
			if err == nil {
				_ = a.Stop(t.Context())
				t.Fatal("it starts")
			}
			if !strings.HasSuffix(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

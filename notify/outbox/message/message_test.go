package message

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestMessagesThatAreWrong(t *testing.T) {
	fine := Message{Key: "k", Channel: "c", Body: json.RawMessage(`{}`)}
	for want, spoil := range map[string]func(m *Message){
		`message "" to the channel "c": the key has 0 bytes: it is not 1 to 256 bytes of valid UTF-8 without NUL`:                 func(m *Message) { m.Key = "" },
		"message \"a\\x00b\" to the channel \"c\": the key has 3 bytes: it is not 1 to 256 bytes of valid UTF-8 without NUL":      func(m *Message) { m.Key = "a\x00b" },
		`message "k" to the channel "": the name of the channel has 0 bytes: it is not 1 to 128 bytes of valid UTF-8 without NUL`: func(m *Message) { m.Channel = "" },
		`message "k" to the channel "c": there is no precedence 3`:                                                                func(m *Message) { m.Precedence = 3 },
		`message "k" to the channel "c": the body is no JSON`:                                                                     func(m *Message) { m.Body = json.RawMessage(`{`) },
		`message "k" to the channel "c": the body has 262147 bytes, more than the bound of 262144`:                                func(m *Message) { m.Body = json.RawMessage(`"` + strings.Repeat("x", 262145) + `"`) },
	} {
		m := fine
		spoil(&m)
		if err := m.Check(time.Now()); !errors.Is(err, ErrMessage) || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	m := fine
	m.Title, m.Body = strings.Repeat("ü", 600)+"\x00", json.RawMessage("\"\xff\"")
	if err := m.Check(time.Now()); err != nil || len(m.Title) > MaxTitleBytes || !strings.HasSuffix(m.Title, "ü…") || string(m.Body) != "\"\ufffd\"" {
		t.Errorf("%v: %q, %q", err, m.Title[len(m.Title)-8:], m.Body)
	}
}

func TestPrecedencesHaveNames(t *testing.T) {
	for _, p := range ByPrecedence {
		text, err := p.MarshalText()
		var got Precedence
		if err != nil || got.UnmarshalText(text) != nil || got != p {
			t.Errorf("%s: %s, %v", p, got, err)
		}
	}
	if _, err := ParsePrecedence("high"); err == nil || err.Error() != `unknown precedence "high": urgent, normal or bulk` {
		t.Errorf("%v", err)
	}
}

// TestTheDatabaseHasTheTime: in milliseconds, and none as none.
func TestTheDatabaseHasTheTime(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 1_900_000, time.FixedZone("", 3600))
	if got := Milliseconds(at); !got.Equal(at.Truncate(time.Millisecond)) || !Milliseconds(time.Time{}).IsZero() {
		t.Errorf("%s", got)
	}
}

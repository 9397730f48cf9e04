package syslog

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	gosyslog "github.com/leodido/go-syslog/v4"
	"github.com/leodido/go-syslog/v4/rfc3164"
	"github.com/leodido/go-syslog/v4/rfc5424"
)

// facilities are the names of the facilities by their number: RFC 5424 section 6.2.1, as
// syslog(3) and rsyslog write them.
var facilities = []string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
	"ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

// defaultPriority is that of a message without one: user.notice, RFC 3164 section 4.3.3.
const defaultPriority = 13

// message is one message, of whichever format.
type message struct {
	facility, severity int
	time               time.Time // zero: it says none that can be relied on
	host, app, pid, id string
	text               string
	data               map[string]map[string]string // structured data by its id
}

// parser reads messages. It is for one goroutine.
type parser struct {
	modern gosyslog.Machine // RFC 5424
	stamp  gosyslog.Machine // RFC 3164
}

func newParser() *parser {
	return &parser{
		modern: rfc5424.NewMachine(rfc5424.WithBestEffort()),
		stamp:  rfc3164.NewMachine(rfc3164.WithBestEffort(), rfc3164.WithYear(rfc3164.CurrentYear{}), rfc3164.WithLenientDay()),
	}
}

// parse reads a message. What is neither of the formats is text as it stands.
func (p *parser) parse(b []byte) message {
	b = bytes.TrimRight(b, "\r\n\x00")
	priority, rest, ok := cutPriority(b)
	m := message{facility: priority / 8, severity: priority % 8}
	if !ok {
		m.text = string(b)
		return m
	}
	switch {
	case bytes.HasPrefix(rest, []byte("1 ")):
		if parsed, _ := p.modern.Parse(b); parsed != nil {
			if s, ok := parsed.(*rfc5424.SyslogMessage); ok && s.Version == 1 {
				m.take(&s.Base, true)
				if s.StructuredData != nil {
					m.data = *s.StructuredData
				}
				m.text = strings.TrimPrefix(m.text, "\ufeff") // RFC 5424 section 6.4
				m.text = strings.TrimPrefix(m.text, " ")      // rsyslog, of a message of RFC 3164
				return m
			}
		}
	case m.dated(rest):
		return m
	case len(rest) > 0:
		if parsed, _ := p.stamp.Parse(b); parsed != nil {
			if s, ok := parsed.(*rfc3164.SyslogMessage); ok && s.Timestamp != nil {
				m.take(&s.Base, false)
				return m
			}
		}
	}
	m.text = string(rest)
	return m
}

// take takes what both formats have. Zoned says that the time has a zone; without one,
// and without a year, it is not taken: a device whose clock is in another zone would be
// hours off.
func (m *message) take(b *gosyslog.Base, zoned bool) {
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	m.host, m.app, m.pid, m.id, m.text = text(b.Hostname), text(b.Appname), text(b.ProcID), text(b.MsgID), text(b.Message)
	if zoned && b.Timestamp != nil {
		m.time = *b.Timestamp
	}
}

// dated reads what rsyslog makes of RFC 3164: a full date, host, tag and text.
func (m *message) dated(rest []byte) bool {
	date, after, ok := bytes.Cut(rest, []byte(" "))
	if !ok || len(date) > len(time.RFC3339Nano) {
		return false
	}
	at, err := time.Parse(time.RFC3339Nano, string(date))
	if err != nil {
		return false
	}
	host, after, ok := bytes.Cut(after, []byte(" "))
	if !ok {
		return false
	}
	m.time, m.host = at, string(host)
	// The tag ends at what is no part of a name: RFC 3164 section 4.1.3.
	tag, text, ok := bytes.Cut(after, []byte(":"))
	if !ok || len(tag) > maxTag || bytes.IndexByte(tag, ' ') >= 0 {
		m.text = string(after)
		return true
	}
	m.text = strings.TrimPrefix(string(text), " ")
	app, pid, _ := bytes.Cut(tag, []byte("["))
	m.app, m.pid = string(app), strings.TrimSuffix(string(pid), "]")
	return true
}

// maxTag is the longest tag that is taken for one, in bytes.
const maxTag = 100

// cutPriority reads "<13>".
func cutPriority(b []byte) (priority int, rest []byte, ok bool) {
	if len(b) < 3 || b[0] != '<' {
		return defaultPriority, b, false
	}
	end := bytes.IndexByte(b[:min(len(b), 5)], '>')
	if end < 2 {
		return defaultPriority, b, false
	}
	n, err := strconv.ParseUint(string(b[1:end]), 10, 8)
	if err != nil || n > 191 {
		return defaultPriority, b, false
	}
	return int(n), b[end+1:], true
}

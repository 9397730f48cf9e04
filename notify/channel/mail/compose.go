package mail

import (
	"bytes"
	_ "embed"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"grove/notify/channel"
	"grove/notify/template"
	"grove/tree"
)

//go:embed mail.html
var defaultHTML string

// compose writes a message as RFC 5322 has it.
func (m *mailer) compose(message *channel.Message) (*bytes.Buffer, error) {
	// Whatever is not ASCII is encoded, also in headers, so that any server takes it.
	msg := gomail.NewMsg(gomail.WithCharset(gomail.CharsetUTF8), gomail.WithEncoding(gomail.EncodingQP), gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(m.from)
	msg.ToMailAddress(m.to...)
	if len(m.cc) > 0 {
		msg.CcMailAddress(m.cc...)
	}
	if m.replyTo != nil {
		msg.ReplyToMailAddress(m.replyTo)
	}
	msg.SetDateWithValue(message.Time)
	msg.Subject(m.wording.Title(message))

	// The same message has the same identifier, by which mailboxes and lists drop repetitions;
	// all about the same alerts refer to one that nobody sent, by which clients thread.
	_, domain, _ := strings.Cut(m.from.Address, "@")
	msg.SetMessageIDWithValue(short(message.Key) + "@" + domain)
	thread := "<group-" + short(message.Group) + "@" + domain + ">"
	msg.SetGenHeaderPreformatted(gomail.HeaderReferences, thread)
	msg.SetGenHeaderPreformatted(gomail.HeaderInReplyTo, thread)

	// RFC 3834: nobody answers that he is on holiday.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader("X-Auto-Response-Suppress", "All")
	// RFC 2919: what filters sort by.
	msg.SetGenHeaderPreformatted("List-Id", "<"+label(message.Route, "alerts")+"."+label(message.Manager, "grove")+".grove.localhost>")
	msg.SetGenHeaderPreformatted("X-Grove-Purpose", label(string(message.Purpose), "none"))
	msg.SetGenHeaderPreformatted("X-Grove-Status", message.Status.String())
	msg.SetGenHeaderPreformatted("X-Grove-Severity", message.Severity.String())
	if message.Status == tree.Red && message.Purpose != channel.Reminder {
		msg.SetImportance(gomail.ImportanceHigh)
	}

	msg.SetBodyString(gomail.TypeTextPlain, m.wording.Text(message))
	if m.html != nil {
		// A person is told in any case: without the alternative where its template fails.
		if html, err := m.html.Render(message); err == nil {
			msg.AddAlternativeString(gomail.TypeTextHTML, html)
		}
	}
	var text bytes.Buffer
	_, err := msg.WriteTo(&text)
	return &text, err
}

// label returns a text as a part of a domain: letters, digits and hyphens.
func label(text, otherwise string) string {
	text = strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, template.Truncate(text, 40)), "-")
	if text == "" {
		return otherwise
	}
	return text
}

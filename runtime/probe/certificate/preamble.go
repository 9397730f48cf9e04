package certificate

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxPreamble bounds what a server may say before TLS begins, in bytes.
const maxPreamble = 64 << 10

// preamble is what a protocol says before TLS begins. It reads no byte that is TLS's.
type preamble func(r *bufio.Reader, w io.Writer, name string) error

// preambles by the option protocol.
var preambles = map[string]preamble{
	"tls":      func(*bufio.Reader, io.Writer, string) error { return nil },
	"smtp":     smtp,
	"imap":     imap,
	"pop3":     pop3,
	"ftp":      ftp,
	"ldap":     ldap,
	"postgres": postgres,
	"mysql":    mysql,
	"xmpp":     xmpp,
}

func line(r *bufio.Reader) (string, error) {
	text, err := r.ReadString('\n')
	return strings.TrimRight(text, "\r\n"), err
}

// refused says what a server said in place of what was wanted.
func refused(what, said string) error {
	if len(said) > 200 {
		said = said[:200]
	}
	return fmt.Errorf("%s: the server said %q", what, strings.ToValidUTF8(said, "�"))
}

// reply reads a reply of several lines, RFC 5321 section 4.2 and RFC 959 section 4.2: the
// last one has a space behind its code.
func reply(r *bufio.Reader, want string) (all []string, err error) {
	for {
		text, err := line(r)
		if err != nil {
			return all, err
		}
		all = append(all, text)
		if len(text) > 3 && text[3] == '-' || len(text) < 3 {
			continue
		}
		if !strings.HasPrefix(text, want) {
			if len(all) > 1 && text[0] == ' ' {
				continue // a line within a reply of FTP
			}
			return all, refused("wanted "+want, text)
		}
		return all, nil
	}
}

// smtp is RFC 3207.
func smtp(r *bufio.Reader, w io.Writer, _ string) error {
	if _, err := reply(r, "220"); err != nil {
		return err
	}
	if _, err := io.WriteString(w, "EHLO grove\r\n"); err != nil {
		return err
	}
	can, err := reply(r, "250")
	if err != nil {
		return err
	}
	if !strings.Contains(strings.ToUpper(strings.Join(can, "\n")+"\n"), "STARTTLS\n") {
		return errors.New("the server does not offer STARTTLS")
	}
	if _, err := io.WriteString(w, "STARTTLS\r\n"); err != nil {
		return err
	}
	_, err = reply(r, "220")
	return err
}

// imap is RFC 9051 section 6.2.1.
func imap(r *bufio.Reader, w io.Writer, _ string) error {
	hello, err := line(r)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(hello, "* OK") {
		return refused("no greeting", hello)
	}
	if _, err := io.WriteString(w, "a1 STARTTLS\r\n"); err != nil {
		return err
	}
	for {
		text, err := line(r)
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(text, "a1 OK"):
			return nil
		case !strings.HasPrefix(text, "* "):
			return refused("STARTTLS", text)
		}
	}
}

// pop3 is RFC 2595 section 4.
func pop3(r *bufio.Reader, w io.Writer, _ string) error {
	for _, command := range []string{"", "STLS\r\n"} {
		if _, err := io.WriteString(w, command); err != nil {
			return err
		}
		text, err := line(r)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(text, "+OK") {
			return refused("STLS", text)
		}
	}
	return nil
}

// ftp is RFC 4217 section 4.
func ftp(r *bufio.Reader, w io.Writer, _ string) error {
	if _, err := reply(r, "220"); err != nil {
		return err
	}
	if _, err := io.WriteString(w, "AUTH TLS\r\n"); err != nil {
		return err
	}
	_, err := reply(r, "234")
	return err
}

// startTLS is the extended request of RFC 4511 section 4.14, message 1, in BER.
const startTLS = "\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"

// ldap is RFC 4511 section 4.14.
func ldap(r *bufio.Reader, w io.Writer, _ string) error {
	if _, err := io.WriteString(w, startTLS); err != nil {
		return err
	}
	message, err := element(r, 0x30)
	if err != nil {
		return err
	}
	inner := bufio.NewReader(strings.NewReader(message))
	if _, err := element(inner, 0x02); err != nil {
		return err
	}
	answer, err := element(inner, 0x78) // ExtendedResponse
	if err != nil {
		return err
	}
	inner = bufio.NewReader(strings.NewReader(answer))
	code, err := element(inner, 0x0a)
	if err != nil {
		return err
	}
	if code != "\x00" {
		_, _ = element(inner, 0x04)
		text, _ := element(inner, 0x04) // an absent text says nothing
		return refused(fmt.Sprintf("StartTLS: result %x", code), text)
	}
	return nil
}

// element reads one element of BER with a tag that is expected.
func element(r *bufio.Reader, tag byte) (string, error) {
	got, err := r.ReadByte()
	if err != nil {
		return "", err
	}
	if got != tag {
		return "", fmt.Errorf("the answer is not LDAP: tag %#x, want %#x", got, tag)
	}
	first, err := r.ReadByte()
	if err != nil {
		return "", err
	}
	n := int(first)
	if first >= 0x80 {
		n = 0
		for range first & 0x7f {
			b, err := r.ReadByte()
			if err != nil {
				return "", err
			}
			if n = n<<8 | int(b); n > maxPreamble {
				return "", fmt.Errorf("the answer has more than %d bytes", maxPreamble)
			}
		}
	}
	body := make([]byte, n)
	_, err = io.ReadFull(r, body)
	return string(body), err
}

// postgres is the SSLRequest of the documentation of PostgreSQL, "Message Formats".
func postgres(r *bufio.Reader, w io.Writer, _ string) error {
	if _, err := io.WriteString(w, "\x00\x00\x00\x08\x04\xd2\x16\x2f"); err != nil {
		return err
	}
	b, err := r.ReadByte()
	if err != nil {
		return err
	}
	if b != 'S' {
		return errors.New("the server does not offer TLS")
	}
	return nil
}

// The capabilities of MySQL and MariaDB, "Connection Phase" of their documentations.
const (
	clientProtocol41       = 0x200
	clientSSL              = 0x800
	clientSecureConnection = 0x8000
)

// mysql reads the greeting and answers with an SSLRequest.
func mysql(r *bufio.Reader, w io.Writer, _ string) error {
	var header [4]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return err
	}
	n := int(header[0]) | int(header[1])<<8 | int(header[2])<<16
	if n < 1 || n > maxPreamble {
		return errors.New("the greeting is not that of MySQL")
	}
	greeting := make([]byte, n)
	if _, err := io.ReadFull(r, greeting); err != nil {
		return err
	}
	if greeting[0] == 0xff && n > 3 {
		return refused("no greeting", string(greeting[3:]))
	}
	version, rest, ok := strings.Cut(string(greeting[1:]), "\x00")
	const before = 4 + 8 + 1 // the thread, the first part of the challenge, a filler
	if greeting[0] != 10 || !ok || len(rest) < before+2 {
		return fmt.Errorf("the greeting is not that of MySQL: protocol %d, version %.40q", greeting[0], version)
	}
	if binary.LittleEndian.Uint16([]byte(rest[before:]))&clientSSL == 0 {
		return errors.New("the server does not offer TLS")
	}
	request := make([]byte, 4+32)
	request[0], request[3] = 32, 1
	binary.LittleEndian.PutUint32(request[4:], clientProtocol41|clientSSL|clientSecureConnection)
	binary.LittleEndian.PutUint32(request[8:], 1<<24-1)
	request[12] = 33 // utf8_general_ci
	_, err := w.Write(request)
	return err
}

// xmpp is RFC 6120 section 5.4.
func xmpp(r *bufio.Reader, w io.Writer, name string) error {
	hello := "<?xml version='1.0'?><stream:stream to='" + name + "' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	for _, step := range []struct{ send, want string }{
		{hello, "</stream:features>"},
		{"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "<proceed"},
	} {
		if _, err := io.WriteString(w, step.send); err != nil {
			return err
		}
		said := ""
		for !strings.Contains(said, step.want) || !strings.HasSuffix(said, ">") {
			b, err := r.ReadByte()
			if err != nil {
				return err
			}
			said += string(rune(b))
			if len(said) > maxPreamble || strings.HasSuffix(said, "</stream:stream>") || strings.Contains(said, "<failure") {
				return refused("STARTTLS", said)
			}
		}
		if step.want == "</stream:features>" && !strings.Contains(said, "urn:ietf:params:xml:ns:xmpp-tls") {
			return errors.New("the server does not offer STARTTLS")
		}
	}
	return nil
}

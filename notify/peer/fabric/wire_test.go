package fabric

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"grove/notify/peer"
)

const self peer.ID = "00000000000000a1"

// FuzzSubject holds that of no subject more is believed than it says: who sent it and what,
// for this manager only.
func FuzzSubject(f *testing.F) {
	for _, s := range []string{
		"grove.m.00000000000000a1.00000000000000a2.branch.open", "grove.b.00000000000000a1.00000000000000a2.x",
		"grove.a.00000000000000a2.registry.here", "grove.a.00000000000000A2.x", "grove.m.00000000000000a1.00000000000000a2.",
		"grove.m.00000000000000a1..x", "grove.m.00000000000000a2.00000000000000a1.x", "", "grove.a.", "grove.a.00000000000000a2.a.b.c.d.e.f",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		for _, prefix := range []string{urgent, bulky, toAll} {
			from, kind, ok := parseMessage(subject, prefix, self)
			if !ok {
				continue
			}
			to := string(self) + "."
			if prefix == toAll {
				to = ""
			}
			if again := prefix + to + string(from) + "." + kind; again != subject {
				t.Errorf("%q is taken for %q", subject, again)
			}
			if from.Check() != nil || checkMessage(self, kind, nil) != nil || strings.ContainsAny(kind, "*> \r\n") {
				t.Errorf("%q: from %q, kind %q", subject, from, kind)
			}
		}
	})
}

// FuzzNumber holds that a numbered message is what was numbered, and comes once.
func FuzzNumber(f *testing.F) {
	f.Add([]byte("0123456789abcdefbody"))
	f.Add(number{7, 3}.put(nil))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, body, ok := cutNumber(data)
		if !ok {
			return
		}
		if !bytes.Equal(n.put(body), data) {
			t.Errorf("%x is taken for %v %x", data, n, body)
		}
		var w window
		w.first(n)
		if w.first(n) {
			t.Errorf("%v came twice for the first time", n)
		}
	})
}

// FuzzAnswer holds that an answer is a body or an error, and that what another manager says
// went wrong is bounded.
func FuzzAnswer(f *testing.F) {
	f.Add("", []byte("body"))
	for _, code := range []string{"nobody", "too long", "invalid", "busy", "unheard of"} {
		f.Add(code, []byte("why"))
	}
	f.Add("failed", bytes.Repeat([]byte("\xff"), maxRefusal+1))
	f.Fuzz(func(t *testing.T, no string, body []byte) {
		answer, err := readAnswer(no, body)
		if err == nil && (no != "" || !bytes.Equal(answer, body)) || err != nil && answer != nil {
			t.Errorf("%q %q: answer %q, %v", no, body, answer, err)
		}
		if err == nil {
			return
		}
		if len(err.Error()) > 3*maxRefusal {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
		// What was read can be written, and read the same.
		var refusal *peer.Refusal
		if errors.As(err, &refusal) && len(refusal.Message) <= maxRefusal {
			no, body := writeAnswer(nil, err)
			if _, again := readAnswer(no, body); again.Error() != err.Error() {
				t.Errorf("%v became %v", err, again)
			}
		}
	})
}

// FuzzConnect holds that the answer of a proxy is yes only when it says so.
func FuzzConnect(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 Connection established\r\n\r\n", "HTTP/1.0 200 OK\r\nVia: x\r\n\r\n", "HTTP/1.1 407 x\r\n\r\n",
		"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\n", "SSH-2.0-x\r\n\r\n", "\r\n\r\n", "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		if parseConnect(answer) == nil && !bytes.Contains(answer, []byte(" 2")) {
			t.Errorf("%q is taken for a yes", answer)
		}
	})
}

// FuzzAddress holds that an address that is taken is a host with a port, and that a proxy's
// password is in no error.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"tls://grove.example:7443", "wss://[::1]:443/peer", "tls://:1", "http://me:password@x", "wss://x:99999", "tls://me:password@x:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if u, err := parseAddress(text); err == nil && (u.Hostname() == "" || u.Port() == "" || u.User != nil) {
			t.Errorf("%q is taken for %+v", text, u)
		}
		if _, err := parseProxy(text); err != nil && strings.Contains(err.Error(), "password") {
			t.Errorf("%q: %v", text, err)
		}
	})
}

// TestWindow holds that messages to all that come over two ways are taken once, also out of
// order, and those of a manager that was started anew.
func TestWindow(t *testing.T) {
	var w window
	for i, c := range []struct {
		n    number
		want bool
	}{
		{number{5, 1}, true}, {number{5, 1}, false}, {number{5, 3}, true}, {number{5, 2}, true}, {number{5, 2}, false}, {number{5, 3}, false},
		{number{6, 1}, true}, {number{5, 4}, false}, {number{6, 1025}, true}, {number{6, 1}, false}, {number{6, 2}, true},
	} {
		if got := w.first(c.n); got != c.want {
			t.Errorf("%d: %v first %v", i, c.n, got)
		}
	}
}

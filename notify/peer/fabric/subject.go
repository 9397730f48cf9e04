package fabric

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"

	"grove/notify/peer"
)

// The subjects. All begin with "grove.", so that an operator of a cluster can give them to
// managers in one permission:
//
//	grove.m.<to>.<from>.<kind>  a message or question, over the urgent connection
//	grove.b.<to>.<from>.<kind>  the same, over that for bulk
//	grove.a.<from>.<kind>       a message to all
//	grove.s.<from>.<stream>     a stream; its name in base64, RFC 4648 section 5
//	grove.inbox.<id>.<...>      answers
//
// A server of a manager lets nobody publish but under its own ID as <from>, or subscribe to
// what is for others. It lets everybody answer what it was asked, wherever the asker wants
// the answer: so who answers looks whether that is the asker's inbox, see lanes.
const (
	urgent = "grove.m."
	bulky  = "grove.b."
	toAll  = "grove.a."
	stream = "grove.s."
	inbox  = "grove.inbox."
)

// maxStream bounds the name of a stream, bytes.
const maxStream = 200

var kindForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,39}(\.[A-Za-z0-9_-]{1,40}){0,4}$`)

func checkKind(kind string) error {
	if !kindForm.MatchString(kind) {
		return fmt.Errorf("%.60q is not a kind of message: words of letters and digits with dots between them are", kind)
	}
	return nil
}

// parseMessage takes the subject of a message to this manager apart.
func parseMessage(subject, prefix string, self peer.ID) (from peer.ID, kind string, ok bool) {
	rest, ok := strings.CutPrefix(subject, prefix)
	if !ok {
		return "", "", false
	}
	if prefix != toAll {
		if rest, ok = strings.CutPrefix(rest, string(self)+"."); !ok {
			return "", "", false
		}
	}
	id, kind, ok := strings.Cut(rest, ".")
	from = peer.ID(id)
	return from, kind, ok && from.Check() == nil && checkKind(kind) == nil
}

func streamSubject(of peer.ID, name string) (string, error) {
	if name == "" || len(name) > maxStream {
		return "", fmt.Errorf("the name of a stream has 1 to %d bytes, %.60q has %d", maxStream, name, len(name))
	}
	return stream + string(of) + "." + base64.RawURLEncoding.EncodeToString([]byte(name)), nil
}

// number is what distinguishes messages to all, and those of a stream: when the sender began
// to run (Unix nanoseconds), and a number that grows. 16 bytes, big endian, before the body.
type number struct {
	begun int64
	n     uint64
}

const numberSize = 16

func (n number) put(body []byte) []byte {
	b := make([]byte, 0, numberSize+len(body))
	b = binary.BigEndian.AppendUint64(b, uint64(n.begun))
	b = binary.BigEndian.AppendUint64(b, n.n)
	return append(b, body...)
}

func cutNumber(data []byte) (n number, body []byte, ok bool) {
	if len(data) < numberSize || len(data) > numberSize+peer.MaxBody {
		return number{}, nil, false
	}
	return number{int64(binary.BigEndian.Uint64(data)), binary.BigEndian.Uint64(data[8:])}, data[numberSize:], true
}

// window remembers the last numbers of a sender, whose messages to all may come over more
// than one way.
type window struct {
	begun int64
	last  [1024]uint64
}

// first says whether a number comes for the first time.
func (w *window) first(n number) bool {
	if n.begun < w.begun {
		return false
	}
	if n.begun > w.begun {
		*w = window{begun: n.begun}
	}
	place := &w.last[n.n%uint64(len(w.last))]
	if *place >= n.n {
		return false
	}
	*place = n.n
	return true
}

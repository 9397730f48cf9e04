package trap

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/gosnmp/gosnmp"

	"grove/notify/channel"
)

// exchange is what is said to one target over one socket. Messages are written and read
// by gosnmp, but its own sockets and its own state of engines are not used.
type exchange struct {
	conn    net.Conn
	keys    *credentials
	engine  *engine // of the sender
	timeout time.Duration
	retries int

	receiver *gosnmp.UsmSecurityParameters // identity and clock of the target's engine, once it is known
	heard    time.Time                     // when it said so
}

// maxAnswer bounds an answer, in bytes: no datagram is longer.
const maxAnswer = 64 << 10

// trap sends a notification that nobody acknowledges.
func (x *exchange) trap(varbinds []gosnmp.SnmpPDU) error {
	message, _, err := x.message(gosnmp.SNMPv2Trap, varbinds)
	if err != nil {
		return err
	}
	if _, err = x.conn.Write(message); err != nil {
		return unreachable(err)
	}
	return nil
}

// soon is how long the network may take to say that nothing listens.
const soon = 20 * time.Millisecond

// refused says whether the network reports that what was sent did not arrive.
func (x *exchange) refused() error {
	_ = x.conn.SetReadDeadline(time.Now().Add(soon))
	var b [1]byte
	if _, err := x.conn.Read(b[:]); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return unreachable(err)
	}
	return nil
}

// unreachable says in words what the network reports.
func unreachable(err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("nothing receives notifications there: %w", err)
	}
	return err
}

// inform sends a notification and returns when it is acknowledged.
func (x *exchange) inform(varbinds []gosnmp.SnmpPDU) error {
	if x.keys.community == "" && x.receiver == nil {
		if err := x.discover(); err != nil {
			return err
		}
	}
	// The receiver's clock may have moved on, or it began anew: it says so once, and what
	// it said is used for a second try.
	for try := 0; ; try++ {
		message, id, err := x.message(gosnmp.InformRequest, varbinds)
		if err != nil {
			return err
		}
		answer, err := x.ask(message, id)
		if err != nil {
			return err
		}
		if answer.PDUType == gosnmp.GetResponse {
			if answer.Error != gosnmp.NoError {
				return channel.Permanent(fmt.Errorf("the receiver answers with the error %v", answer.Error))
			}
			return nil
		}
		again, err := x.report(answer)
		if err != nil {
			return err
		}
		if !again || try == 1 {
			return errors.New("the receiver does not take the clock that it told itself")
		}
	}
}

// discover asks for the engine of the receiver: RFC 3414 section 4.
func (x *exchange) discover() error {
	id := rand.Uint32N(1 << 31)
	packet := &gosnmp.SnmpPacket{
		Version: gosnmp.Version3, MsgFlags: gosnmp.Reportable, SecurityModel: gosnmp.UserSecurityModel,
		SecurityParameters: &gosnmp.UsmSecurityParameters{}, PDUType: gosnmp.GetRequest, MsgID: id, RequestID: id,
	}
	message, err := encode(packet)
	if err != nil {
		return err
	}
	answer, err := x.ask(message, id)
	if err != nil {
		return err
	}
	p, ok := answer.SecurityParameters.(*gosnmp.UsmSecurityParameters)
	if !ok || answer.PDUType != gosnmp.Report || len(p.AuthoritativeEngineID) < minEngineID || len(p.AuthoritativeEngineID) > maxEngineID {
		return errors.New("the receiver does not tell its engine")
	}
	x.receiver, x.heard = p, time.Now()
	return nil
}

// What a receiver reports of a message of version 3: RFC 3414 section 5 and RFC 3412
// section 5.
const (
	unsupportedSecLevels = ".1.3.6.1.6.3.15.1.1.1.0"
	notInTimeWindows     = ".1.3.6.1.6.3.15.1.1.2.0"
	unknownUserNames     = ".1.3.6.1.6.3.15.1.1.3.0"
	unknownEngineIDs     = ".1.3.6.1.6.3.15.1.1.4.0"
	wrongDigests         = ".1.3.6.1.6.3.15.1.1.5.0"
	decryptionErrors     = ".1.3.6.1.6.3.15.1.1.6.0"
)

// report says what a report means, and whether to send again with the clock that it has.
func (x *exchange) report(answer *gosnmp.SnmpPacket) (again bool, err error) {
	if answer.PDUType != gosnmp.Report || len(answer.Variables) == 0 {
		return false, fmt.Errorf("the receiver answers with a %v", answer.PDUType)
	}
	user := x.keys.user
	switch name := answer.Variables[0].Name; name {
	case notInTimeWindows, unknownEngineIDs:
		p, ok := answer.SecurityParameters.(*gosnmp.UsmSecurityParameters)
		if !ok || len(p.AuthoritativeEngineID) < minEngineID {
			return false, errors.New("the receiver does not tell its engine")
		}
		x.receiver, x.heard = p, time.Now()
		return true, nil
	case unknownUserNames:
		return false, channel.Permanent(fmt.Errorf("the receiver knows no user %q", user))
	case wrongDigests:
		return false, channel.Permanent(fmt.Errorf("the authentication of user %q fails: wrong auth_password, or another auth", user))
	case decryptionErrors:
		return false, channel.Permanent(fmt.Errorf("the receiver cannot decrypt what user %q sends: wrong priv_password, or another priv", user))
	case unsupportedSecLevels:
		return false, channel.Permanent(fmt.Errorf("the receiver does not let user %q send at this level: auth and priv", user))
	default:
		return false, fmt.Errorf("the receiver reports %s", name)
	}
}

// message writes a notification, and says the number by which its answer is known.
func (x *exchange) message(kind gosnmp.PDUType, varbinds []gosnmp.SnmpPDU) (message []byte, id uint32, err error) {
	id = rand.Uint32N(1 << 31)
	packet := &gosnmp.SnmpPacket{PDUType: kind, RequestID: id, Variables: varbinds}
	if x.keys.community != "" {
		packet.Version, packet.Community = gosnmp.Version2c, x.keys.community
		message, err = encode(packet)
		return message, id, err
	}
	engine, boots, seconds := x.engine.id, x.engine.boots, x.engine.time()
	packet.MsgFlags = x.keys.flags
	if kind == gosnmp.InformRequest {
		r := x.receiver
		engine, boots = r.AuthoritativeEngineID, r.AuthoritativeEngineBoots
		seconds = r.AuthoritativeEngineTime + uint32(time.Since(x.heard)/time.Second) //nolint:gosec // It is short.
		packet.MsgFlags |= gosnmp.Reportable
	}
	p, err := x.keys.security(engine, boots, seconds)
	if err != nil {
		return nil, 0, err
	}
	packet.Version, packet.SecurityModel, packet.SecurityParameters = gosnmp.Version3, gosnmp.UserSecurityModel, p
	packet.MsgID, packet.ContextEngineID, packet.ContextName = id, engine, x.keys.context
	message, err = encode(packet)
	return message, id, err
}

// ask sends a message until its answer comes.
func (x *exchange) ask(message []byte, id uint32) (*gosnmp.SnmpPacket, error) {
	var strange error // why the last answer was none
	buffer := make([]byte, maxAnswer)
	for range 1 + x.retries {
		if _, err := x.conn.Write(message); err != nil {
			return nil, unreachable(err)
		}
		_ = x.conn.SetReadDeadline(time.Now().Add(x.timeout))
		for {
			n, err := x.conn.Read(buffer)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return nil, unreachable(err)
			}
			answer, err := x.decode(buffer[:n])
			if err != nil {
				strange = err
				continue
			}
			// A report has 0 where the receiver could not read the number of the request.
			if answer.RequestID == id || answer.PDUType == gosnmp.Report && answer.MsgID == id {
				return answer, nil
			}
		}
	}
	if strange != nil {
		return nil, fmt.Errorf("no answer that can be used came within %v, %d times: %w", x.timeout, 1+x.retries, strange)
	}
	hint := ""
	if x.receiver != nil && x.keys.privPassword != "" {
		hint = "; a wrong priv_password looks the same"
	}
	return nil, fmt.Errorf("no answer came within %v, %d times%s", x.timeout, 1+x.retries, hint)
}

// decode reads an answer. What a report says need not be authentic: a receiver that does
// not know the user cannot sign. Everything else must be.
func (x *exchange) decode(datagram []byte) (packet *gosnmp.SnmpPacket, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			packet, err = nil, fmt.Errorf("decoding panics: %v", caught)
		}
	}()
	if x.keys.community != "" {
		packet, err = (&gosnmp.GoSNMP{Version: gosnmp.Version2c}).SnmpDecodePacket(datagram)
		if err == nil && (packet.Version != gosnmp.Version2c || packet.Community != x.keys.community) {
			err = errors.New("an answer of another version or community")
		}
		if err != nil {
			return nil, err
		}
		return packet, nil
	}
	codec := gosnmp.GoSNMP{Version: gosnmp.Version3, SecurityModel: gosnmp.UserSecurityModel, MsgFlags: x.keys.flags}
	if x.receiver != nil {
		signed, err := x.keys.security(x.receiver.AuthoritativeEngineID, 0, 0)
		if err != nil {
			return nil, err
		}
		codec.SecurityParameters = signed
		if packet, err := codec.UnmarshalTrap(append([]byte(nil), datagram...), true); err == nil {
			return packet, nil
		}
	}
	for _, user := range []string{x.keys.user, ""} {
		codec.SecurityParameters = &gosnmp.UsmSecurityParameters{UserName: user}
		if packet, err = codec.UnmarshalTrap(append([]byte(nil), datagram...), true); err == nil {
			break
		}
	}
	switch {
	case err != nil:
		return nil, err
	case packet.Version != gosnmp.Version3 || packet.PDUType != gosnmp.Report:
		return nil, errors.New("an answer that is not authentic")
	}
	return packet, nil
}

// encode has gosnmp write a message.
func encode(packet *gosnmp.SnmpPacket) (message []byte, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			message, err = nil, fmt.Errorf("encoding panics: %v", caught)
		}
	}()
	return packet.MarshalMsg()
}

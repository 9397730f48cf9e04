package usm

import (
	"crypto/rand"
	"fmt"
	"math"
	"time"

	"github.com/gosnmp/gosnmp"
)

// Reply is the answer to an inform that was taken; the packet is the inform.
func (e *Engine) Reply(packet *gosnmp.SnmpPacket, now time.Time) ([]byte, error) {
	packet.PDUType = gosnmp.GetResponse
	packet.MsgFlags &^= gosnmp.Reportable
	p, ok := packet.SecurityParameters.(*gosnmp.UsmSecurityParameters)
	if !ok {
		return nil, fmt.Errorf("security parameters are a %T", packet.SecurityParameters)
	}
	e.stamp(p, now)
	if packet.MsgFlags&flagPriv != 0 {
		// Not from gosnmp, whose counter begins anew with each copy: two answers within
		// a second would be encrypted alike.
		salt := make([]byte, 8)
		_, _ = rand.Read(salt) // It never fails.
		p.PrivacyParameters = salt
	}
	return encode(packet)
}

// Report tells the sender of an inform why it was not taken. The packet is the inform when
// it was found authentic, and nil otherwise. Count is how often that has happened.
func (e *Engine) Report(s *Secured, packet *gosnmp.SnmpPacket, object string, count uint64, now time.Time) ([]byte, error) {
	out := &gosnmp.SnmpPacket{
		Version: gosnmp.Version3, MsgID: uint32(s.id), SecurityModel: gosnmp.UserSecurityModel, //nolint:gosec // It is not negative.
		ContextEngineID: e.id, PDUType: gosnmp.Report,
		Variables: []gosnmp.SnmpPDU{{Name: object, Type: gosnmp.Counter32, Value: uint32(count & math.MaxUint32)}},
	}
	p := &gosnmp.UsmSecurityParameters{UserName: s.User, AuthoritativeEngineID: e.id}
	if packet != nil {
		out.RequestID = packet.RequestID
		if known, ok := packet.SecurityParameters.(*gosnmp.UsmSecurityParameters); ok {
			p, out.MsgFlags = known, gosnmp.AuthNoPriv // RFC 3414 section 3.2 point 7a
		}
	}
	e.stamp(p, now)
	out.SecurityParameters = p
	return encode(out)
}

// stamp puts the engine's time on what it says.
func (e *Engine) stamp(p *gosnmp.UsmSecurityParameters, now time.Time) {
	p.AuthoritativeEngineID, p.AuthoritativeEngineBoots, p.AuthoritativeEngineTime = e.id, e.boots, e.time(now)
}

// encode has gosnmp write a message.
func encode(packet *gosnmp.SnmpPacket) (out []byte, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			out, err = nil, fmt.Errorf("encoding panics: %v", caught)
		}
	}()
	return packet.MarshalMsg()
}

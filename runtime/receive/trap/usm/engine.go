// Package usm opens SNMP messages of version 3 by the User-based Security Model (RFC 3412
// and RFC 3414): their shape is checked first, then gosnmp authenticates and decrypts them,
// and what they hold is brought into the form of package message. It also answers them.
package usm

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/gosnmp/gosnmp"

	"grove/runtime/receive/trap/message"
)

// Engine is this receiver as RFC 3414 sees it: the authority on the time of informs, with
// an identity that senders find out. Of traps the sender is the authority; what is known
// of its clock keeps old messages from being played again.
type Engine struct {
	id      string
	boots   uint32
	started time.Time
	clocks  map[string]*clock // of other engines, by identity
}

// clock is the latest time of an engine that an authentic message told.
type clock struct {
	boots, time uint32
	heard       time.Time
}

const (
	// window is how far clocks may differ, in seconds: RFC 3414 section 2.2.3.
	window = 150
	// maxClocks bounds the engines whose clock is known; then all are forgotten.
	maxClocks = 10_000
	// MaxID bounds an engine's identity, in bytes: RFC 3411 section 5.
	MaxID    = 32
	maxInt31 = math.MaxInt32
)

// epoch is from when on the seconds are counted that number the starts of an engine whose
// identity stays: they rise with each start without a file that says how many there were.
var epoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// NewEngine makes an engine. Without an identity it makes one up, so that messages that
// were meant for an earlier start are not taken.
func NewEngine(id []byte, now time.Time) *Engine {
	e := &Engine{id: string(id), started: now, clocks: map[string]*clock{}}
	e.boots = uint32(min(max(1, int64(now.Sub(epoch)/time.Second)), maxInt31-1)) //nolint:gosec // It is within the bounds.
	if e.id == "" {
		// RFC 3411 section 5: an enterprise number with the highest bit set (8072 is
		// net-snmp's, as grove has none), and format 5, octets that the maker chooses.
		b := []byte{0x80, 0, 0x1f, 0x88, 5, 0, 0, 0, 0, 0, 0, 0, 0}
		_, _ = rand.Read(b[5:]) // It never fails.
		e.id = string(b)
	}
	return e
}

// time is how long ago the engine started, in seconds.
func (e *Engine) time(now time.Time) uint32 {
	return uint32(min(max(0, int64(now.Sub(e.started)/time.Second)), maxInt31)) //nolint:gosec // It is within the bounds.
}

// timely says whether an authentic message is not too old: RFC 3414 section 3.2 point 7.
func (e *Engine) timely(s *Secured, now time.Time) bool {
	if s.engine == e.id {
		difference := int64(s.time) - int64(e.time(now))
		return s.boots == e.boots && e.boots < maxInt31 && difference <= window && difference >= -window
	}
	c := e.clocks[s.engine]
	if c == nil {
		if len(e.clocks) >= maxClocks {
			clear(e.clocks)
		}
		c = &clock{}
		e.clocks[s.engine] = c
	} else {
		passed := int64(now.Sub(c.heard) / time.Second)
		if s.boots < c.boots || s.boots == c.boots && int64(s.time) < int64(c.time)+passed-window {
			return false
		}
	}
	if s.boots > c.boots || s.boots == c.boots && s.time > c.time || c.heard.IsZero() {
		*c = clock{boots: s.boots, time: s.time, heard: now}
	}
	return s.boots < maxInt31
}

// Secured is what stands around the data of a message of version 3: RFC 3412 section 6
// and RFC 3414 section 2.4.
type Secured struct {
	id          int32
	maxSize     int32
	level       message.Level
	Reportable  bool // the sender waits for an answer: it is an inform, or looks for the engine
	engine      string
	boots, time uint32
	User        string
	data        []byte // the rest, encrypted or not
}

// flags of a message: RFC 3412 section 6.4.
const (
	flagAuth       = 1
	flagPriv       = 2
	flagReportable = 4
)

const userModel = 3 // the User-based Security Model: RFC 3411 section 6.1

// ReadSecured reads what stands behind the version, and checks the shape of all of it.
func ReadSecured(in message.Reader) (*Secured, error) {
	var s Secured
	header, err := in.Expect(message.TagSequence, "header")
	if err != nil {
		return nil, err
	}
	head := message.Reader(header)
	if s.id, err = head.Integer("message id"); err != nil {
		return nil, err
	}
	if s.maxSize, err = head.Integer("maximum size"); err != nil {
		return nil, err
	}
	flags, err := head.Expect(message.TagOctets, "flags")
	if err != nil {
		return nil, err
	}
	model, err := head.Integer("security model")
	switch {
	case err != nil:
		return nil, err
	case len(head) > 0:
		return nil, message.ErrBehind
	case s.id < 0 || len(flags) != 1 || flags[0]&(flagAuth|flagPriv) == flagPriv:
		return nil, errors.New("flags or a message id that RFC 3412 does not have")
	case model != userModel:
		return nil, fmt.Errorf("security model %d is not the User-based one", model)
	}
	s.Reportable = flags[0]&flagReportable != 0
	switch {
	case flags[0]&flagPriv != 0:
		s.level = message.AuthPriv
	case flags[0]&flagAuth != 0:
		s.level = message.AuthNoPriv
	}
	if err := s.parameters(&in); err != nil {
		return nil, err
	}
	s.data = in
	tag, content, err := in.Element()
	switch {
	case err != nil:
		return nil, err
	case len(in) > 0:
		return nil, message.ErrBehind
	case s.level == message.AuthPriv && tag != message.TagOctets, s.level != message.AuthPriv && tag != message.TagSequence:
		return nil, fmt.Errorf("data with the tag %#x", tag)
	case s.level == message.AuthPriv:
		return &s, nil
	}
	return &s, checkScoped(content)
}

// parameters reads the security parameters.
func (s *Secured) parameters(in *message.Reader) error {
	octets, err := in.Expect(message.TagOctets, "security parameters")
	if err != nil {
		return err
	}
	outer := message.Reader(octets)
	content, err := outer.Expect(message.TagSequence, "security parameters")
	switch {
	case err != nil:
		return err
	case len(outer) > 0:
		return message.ErrBehind
	}
	p := message.Reader(content)
	engine, err := p.Expect(message.TagOctets, "engine")
	if err != nil {
		return err
	}
	boots, err := p.Integer("engine boots")
	if err != nil {
		return err
	}
	clock, err := p.Integer("engine time")
	if err != nil {
		return err
	}
	user, err := p.Expect(message.TagOctets, "user")
	if err != nil {
		return err
	}
	auth, err := p.Expect(message.TagOctets, "authentication parameters")
	if err != nil {
		return err
	}
	priv, err := p.Expect(message.TagOctets, "privacy parameters")
	if err != nil {
		return err
	}
	const longestMAC, salt = 48, 8
	switch {
	case len(p) > 0:
		return message.ErrBehind
	case boots < 0 || clock < 0 || len(engine) > MaxID || len(user) > maxUser || len(auth) > longestMAC || len(priv) > salt:
		return errors.New("security parameters beyond the bounds of RFC 3414")
	}
	s.engine, s.User = string(engine), string(user)
	s.boots, s.time = uint32(boots), uint32(clock)
	return nil
}

// checkScoped checks the shape of data that is not encrypted.
func checkScoped(content []byte) error {
	in := message.Reader(content)
	for _, what := range []string{"context engine", "context name"} {
		if _, err := in.Expect(message.TagOctets, what); err != nil {
			return err
		}
	}
	tag, body, err := in.Element()
	switch {
	case err != nil:
		return err
	case len(in) > 0:
		return message.ErrBehind
	case tag == message.TagGet: // what looks for the engine has it
		return nil
	}
	m := message.Message{Version: 2}
	pdu := message.Reader(body)
	if tag != message.TagTrapV2 && tag != message.TagInform {
		return fmt.Errorf("data of kind %#x are neither trap nor inform", tag)
	}
	return m.TrapV2(&pdu)
}

// The counters that reports tell: RFC 3414 section 5.
const (
	usmLevel      = "1.3.6.1.6.3.15.1.1.1.0"
	usmWindow     = "1.3.6.1.6.3.15.1.1.2.0"
	usmUser       = "1.3.6.1.6.3.15.1.1.3.0"
	usmEngine     = "1.3.6.1.6.3.15.1.1.4.0"
	usmDigest     = "1.3.6.1.6.3.15.1.1.5.0"
	usmDecryption = "1.3.6.1.6.3.15.1.1.6.0"
)

// Open authenticates and decrypts a message and reads it into m. The accounts are those
// of the user's name; prover is the one whose passwords it was made with, and packet what an
// inform is answered with.
func (e *Engine) Open(datagram []byte, s *Secured, accounts []*Account, now time.Time, m *message.Message) (packet *gosnmp.SnmpPacket, prover User, err error) {
	if s.Reportable && s.engine != e.id {
		return nil, User{}, &Error{UnknownEngine, usmEngine, errors.New("it is for another engine, or looks for one")}
	}
	if len(accounts) == 0 {
		return nil, User{}, &Error{UnknownUser, usmUser, fmt.Errorf("nobody may send as user %q", s.User)}
	}
	var last error
	for _, a := range accounts {
		if s.level < a.level() {
			last = &Error{WeakSecurity, usmLevel, fmt.Errorf("user %q protects messages better", s.User)}
			continue
		}
		p := a.at(s.engine)
		packet, err := decode(datagram, p)
		if err != nil {
			last = e.blame(err, s)
			continue
		}
		if s.level >= message.AuthNoPriv {
			if p.SecretKey != nil {
				a.keep(s.engine, p)
			}
			if !e.timely(s, now) {
				return packet, User{}, &Error{NotInTime, usmWindow, errors.New("its time is not that of its engine")}
			}
		}
		m.Version, m.User, m.Level = 3, s.User, s.level
		return packet, a.User, fill(m, packet)
	}
	return nil, User{}, last
}

// blame sorts the errors of gosnmp, which have no names.
func (e *Engine) blame(err error, s *Secured) error {
	switch {
	case strings.Contains(err.Error(), "not authentic"), strings.Contains(err.Error(), "msgAuthenticationParameters"):
		return &Error{WrongDigest, usmDigest, fmt.Errorf("it is not authentic: user %q has another password or another auth", s.User)}
	case s.level == message.AuthPriv:
		return &Error{NotDecrypted, usmDecryption, fmt.Errorf("it cannot be decrypted: user %q has another priv_password or another priv", s.User)}
	}
	return &Error{Malformed, "", err}
}

// decode has gosnmp check and decrypt a message. The shape of what is not encrypted was
// checked before; what is may hold anything, so a panic is an error.
func decode(datagram []byte, p *gosnmp.UsmSecurityParameters) (packet *gosnmp.SnmpPacket, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			packet, err = nil, fmt.Errorf("decoding panics: %v", caught)
		}
	}()
	g := &gosnmp.GoSNMP{Version: gosnmp.Version3, SecurityModel: gosnmp.UserSecurityModel, SecurityParameters: p}
	// It decrypts in place and blanks the digest, and the next user may have to try.
	return g.UnmarshalTrap(append([]byte(nil), datagram...), true)
}

// fill takes what gosnmp has read.
func fill(m *message.Message, packet *gosnmp.SnmpPacket) error {
	malformed := func(err error) error { return &Error{Malformed, "", err} }
	switch packet.PDUType {
	case gosnmp.SNMPv2Trap:
	case gosnmp.InformRequest:
		m.Inform = true
	default:
		return malformed(fmt.Errorf("data of kind %#x are neither trap nor inform", byte(packet.PDUType)))
	}
	if len(packet.Variables) > message.MaxVarbinds {
		return malformed(fmt.Errorf("more than %d varbinds", message.MaxVarbinds))
	}
	m.Request = int32(packet.RequestID) //nolint:gosec // It is the same 32 bits.
	for i := range packet.Variables {
		v, err := fromPDU(&packet.Variables[i])
		if err != nil {
			return malformed(err)
		}
		m.All = append(m.All, v)
	}
	if err := m.Head(); err != nil {
		return malformed(err)
	}
	return nil
}

// fromPDU brings a varbind that gosnmp has decoded into the form of this package.
func fromPDU(p *gosnmp.SnmpPDU) (v message.Varbind, err error) {
	if v.OID, err = message.EncodeOID(strings.TrimPrefix(p.Name, ".")); err != nil {
		return v, err
	}
	v.Tag = byte(p.Type)
	switch x := p.Value.(type) {
	case nil:
	case []byte:
		v.Value = x
	case string:
		switch p.Type {
		case gosnmp.ObjectIdentifier:
			v.Value, err = message.EncodeOID(strings.TrimPrefix(x, "."))
		case gosnmp.IPAddress:
			v.Value, err = address(x)
		default:
			v.Value = []byte(x)
		}
	case int:
		v.Value = message.AppendNumber(nil, int64(x))
	case uint:
		v.Value = message.AppendUnsigned(nil, uint64(x))
	case uint32:
		v.Value = message.AppendUnsigned(nil, uint64(x))
	case uint64:
		v.Value = message.AppendUnsigned(nil, x)
	case float32:
		v.Tag, v.Value = message.TagOctets, strconv.AppendFloat(nil, float64(x), 'f', -1, 32)
	case float64:
		v.Tag, v.Value = message.TagOctets, strconv.AppendFloat(nil, x, 'f', -1, 64)
	default:
		err = fmt.Errorf("a value of type %T", p.Value)
	}
	if err != nil {
		return v, err
	}
	return v, v.Check()
}

// address is the content of an IpAddress.
func address(text string) ([]byte, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is4() {
		return nil, fmt.Errorf("%q is no IPv4 address", text)
	}
	four := a.As4()
	return four[:], nil
}

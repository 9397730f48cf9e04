// Package message reads SNMP traps and informs of version 1 and 2c, and their varbinds: a
// reader of BER that goes no deeper than SNMP does, the one form that the messages of all
// versions are brought into, and what a varbind's value is as a number or for people.
// Version 3 is opened elsewhere, and brought into the same form.
package message

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
)

// MaxVarbinds bounds the varbinds of a message.
const MaxVarbinds = 256

// Varbind is one name and value, in BER: what nobody asks for is never decoded further.
type Varbind struct {
	OID   []byte // content of its object identifier
	Tag   byte
	Value []byte // content of its value
}

// Message is one trap or inform, as RFC 3416 has it: what comes in version 1 is brought
// into this form. Its slices are those of the datagram.
type Message struct {
	Version   int    // 1, 2 for 2c, 3
	Community []byte // of version 1 and 2c
	User      string // of version 3
	Level     Level  // of version 3
	Inform    bool
	Request   int32
	Uptime    uint32 // hundredths of a second
	Trap      []byte // content of the object identifier that snmpTrapOID has
	Agent     netip.Addr
	Varbinds  []Varbind // without sysUpTime and snmpTrapOID; a part of all

	Peer   netip.AddrPort
	Source netip.Addr // the peer, or for a trusted relay the agent

	All  []Varbind // as they came
	oids []byte    // room for object identifiers that the datagram does not hold
}

// Level is how a message of version 3 was protected.
type Level uint8

// The levels, the weakest first.
const (
	NoAuth Level = iota
	AuthNoPriv
	AuthPriv
)

// Reset makes room for another message.
func (m *Message) Reset(peer netip.AddrPort) {
	*m = Message{All: m.All[:0], oids: m.oids[:0], Peer: peer, Source: peer.Addr()}
}

// The objects that say what kind of trap it is: RFC 3416 section 4.2.6, RFC 3584
// section 3.1 and SNMP-COMMUNITY-MIB of RFC 3584 section 5.
var (
	oidUptime     = MustOID("1.3.6.1.2.1.1.3.0")
	oidTrap       = MustOID("1.3.6.1.6.3.1.1.4.1.0")
	oidEnterprise = MustOID("1.3.6.1.6.3.1.1.4.3.0")
	oidAgent      = MustOID("1.3.6.1.6.3.18.1.3.0")
	oidGeneric    = MustOID("1.3.6.1.6.3.1.1.5") // the generic traps of version 1 lie below it
)

// MustOID is EncodeOID of a constant; a malformed one is a mistake in the program and
// panics.
func MustOID(text string) []byte {
	b, err := EncodeOID(text)
	if err != nil {
		panic(err) // a constant of this package
	}
	return b
}

// Parse reads a message of version 1 or 2c. For version 3 it returns errSecure with the
// Reader behind the version.
func (m *Message) Parse(datagram []byte) (rest Reader, err error) {
	whole := Reader(datagram)
	content, err := whole.Expect(TagSequence, "message")
	if err != nil {
		return nil, err
	}
	if len(whole) > 0 {
		return nil, ErrBehind
	}
	in := Reader(content)
	version, err := in.Integer("version")
	if err != nil {
		return nil, err
	}
	switch version {
	case 0, 1:
		m.Version = int(version) + 1
	case 3:
		m.Version = 3
		return in, ErrSecure
	default:
		return nil, fmt.Errorf("version %d is not 1, 2c or 3", version)
	}
	if m.Community, err = in.Expect(TagOctets, "community"); err != nil {
		return nil, err
	}
	if err := m.pdu(&in); err != nil {
		return nil, err
	}
	return nil, nil
}

// ErrSecure says that a message is of version 3.
var ErrSecure = errors.New("version 3")

// pdu reads what a message is about.
func (m *Message) pdu(in *Reader) error {
	tag, content, err := in.Element()
	switch {
	case err != nil:
		return err
	case len(*in) > 0:
		return ErrBehind
	}
	body := Reader(content)
	switch {
	case tag == tagTrapV1 && m.Version == 1:
		return m.trapV1(&body)
	case tag == TagTrapV2 && m.Version > 1, tag == TagInform && m.Version > 1:
		m.Inform = tag == TagInform
		return m.TrapV2(&body)
	}
	return fmt.Errorf("a message of kind %#x is neither trap nor inform of its version", tag)
}

// TrapV2 reads a trap or inform: RFC 3416 section 4.2.6.
func (m *Message) TrapV2(in *Reader) (err error) {
	if m.Request, err = in.Integer("request id"); err != nil {
		return err
	}
	status, err := in.Integer("error status")
	if err != nil {
		return err
	}
	index, err := in.Integer("error index")
	if err != nil {
		return err
	}
	if status != 0 || index != 0 {
		return errors.New("a trap with an error status")
	}
	if err := m.list(in); err != nil {
		return err
	}
	return m.Head()
}

// Head takes the first two varbinds, sysUpTime and snmpTrapOID, off the list.
func (m *Message) Head() error {
	if len(m.All) < 2 {
		return errors.New("there is no snmpTrapOID")
	}
	uptime, trap := m.All[0], m.All[1]
	if !bytes.Equal(uptime.OID, oidUptime) || uptime.Tag != tagTicks {
		return errors.New("the first varbind is not sysUpTime")
	}
	if !bytes.Equal(trap.OID, oidTrap) || trap.Tag != TagOID {
		return errors.New("the second varbind is not snmpTrapOID")
	}
	ticks, err := unsigned(uptime.Value)
	if err != nil {
		return err
	}
	m.Uptime, m.Trap = uint32(ticks), trap.Value //nolint:gosec // A clock that wraps.
	m.Varbinds = m.All[2:]
	for _, v := range m.Varbinds {
		if v.Tag == tagAddress && bytes.Equal(v.OID, oidAgent) {
			m.Agent, _ = netip.AddrFromSlice(v.Value)
		}
	}
	return nil
}

// trapV1 reads a trap of version 1 (RFC 1157 section 4.1.6) and maps it as RFC 3584
// section 3.1 says.
func (m *Message) trapV1(in *Reader) error {
	enterprise, err := in.Expect(TagOID, "enterprise")
	if err != nil {
		return err
	}
	if err := checkOID(enterprise); err != nil {
		return err
	}
	agent, err := in.Expect(tagAddress, "agent address")
	if err != nil {
		return err
	}
	m.Agent, _ = netip.AddrFromSlice(agent)
	if len(agent) != 4 {
		return fmt.Errorf("an agent address of %d octets", len(agent))
	}
	generic, err := in.Integer("generic trap")
	if err != nil {
		return err
	}
	specific, err := in.Integer("specific trap")
	if err != nil {
		return err
	}
	ticks, err := in.Expect(tagTicks, "time stamp")
	if err != nil {
		return err
	}
	uptime, err := unsigned(ticks)
	if err != nil {
		return err
	}
	m.Uptime = uint32(uptime) //nolint:gosec // A clock that wraps.
	if err := m.list(in); err != nil {
		return err
	}
	const enterpriseSpecific = 6
	switch {
	case generic >= 0 && generic < enterpriseSpecific:
		m.oids = append(append(m.oids, oidGeneric...), byte(generic)+1)
	case generic == enterpriseSpecific && specific >= 0:
		m.oids = append(append(m.oids, enterprise...), 0)
		m.oids = appendArc(m.oids, uint64(specific))
	default:
		return fmt.Errorf("a generic trap %d with the specific one %d", generic, specific)
	}
	m.Trap = m.oids
	if err := checkOID(m.Trap); err != nil {
		return err
	}
	if !m.Agent.IsUnspecified() {
		m.All = append(m.All, Varbind{OID: oidAgent, Tag: tagAddress, Value: agent})
	}
	m.All = append(m.All, Varbind{OID: oidEnterprise, Tag: TagOID, Value: enterprise})
	m.Varbinds = m.All
	return nil
}

// list reads the list of varbinds at the end of a message.
func (m *Message) list(in *Reader) error {
	content, err := in.Expect(TagSequence, "varbinds")
	switch {
	case err != nil:
		return err
	case len(*in) > 0:
		return ErrBehind
	}
	for rest := Reader(content); len(rest) > 0; {
		if len(m.All) == MaxVarbinds {
			return fmt.Errorf("more than %d varbinds", MaxVarbinds)
		}
		pair, err := rest.Expect(TagSequence, "varbind")
		if err != nil {
			return err
		}
		v, err := readVarbind(pair)
		if err != nil {
			return err
		}
		m.All = append(m.All, v)
	}
	return nil
}

// readVarbind reads a name and its value, and checks that the value is one.
func readVarbind(pair Reader) (v Varbind, err error) {
	if v.OID, err = pair.Expect(TagOID, "name of a varbind"); err != nil {
		return v, err
	}
	if err := checkOID(v.OID); err != nil {
		return v, err
	}
	if v.Tag, v.Value, err = pair.Element(); err != nil {
		return v, err
	}
	if len(pair) > 0 {
		return v, ErrBehind
	}
	return v, v.Check()
}

// Check says whether the value of a varbind is one of its kind.
func (v *Varbind) Check() error {
	var err error
	switch v.Tag {
	case tagInteger:
		_, err = signed(v.Value)
	case tagCounter32, tagGauge32, tagTicks, tagCounter64, tagUnsigned32:
		_, err = unsigned(v.Value)
	case TagOID:
		err = checkOID(v.Value)
	case tagAddress:
		if len(v.Value) != 4 {
			err = fmt.Errorf("an address of %d octets", len(v.Value))
		}
	case tagNull, tagNoObject, tagNoInstance, tagEndOfView:
		if len(v.Value) > 0 {
			err = errors.New("a value where there is none")
		}
	case TagOctets, tagOpaque:
	default:
		err = fmt.Errorf("a value with the tag %#x", v.Tag)
	}
	return err
}

// Find returns the varbind of an object: of the object itself or of an instance of it.
func (m *Message) Find(oid []byte) *Varbind {
	for i := range m.Varbinds {
		if bytes.HasPrefix(m.Varbinds[i].OID, oid) {
			return &m.Varbinds[i]
		}
	}
	return nil
}

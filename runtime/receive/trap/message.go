package trap

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
)

// maxVarbinds bounds the varbinds of a message.
const maxVarbinds = 256

// varbind is one name and value, in BER: what nobody asks for is never decoded further.
type varbind struct {
	oid   []byte // content of its object identifier
	tag   byte
	value []byte // content of its value
}

// message is one trap or inform, as RFC 3416 has it: what comes in version 1 is brought
// into this form. Its slices are those of the datagram.
type message struct {
	version   int    // 1, 2 for 2c, 3
	community []byte // of version 1 and 2c
	user      string // of version 3
	level     level  // of version 3
	prover    User   // of version 3: whose passwords it was made with
	inform    bool
	request   int32
	uptime    uint32 // hundredths of a second
	trap      []byte // content of the object identifier that snmpTrapOID has
	agent     netip.Addr
	varbinds  []varbind // without sysUpTime and snmpTrapOID; a part of all

	peer   netip.AddrPort
	source netip.Addr // the peer, or for a trusted relay the agent

	all  []varbind // as they came
	oids []byte    // room for object identifiers that the datagram does not hold
}

// level is how a message of version 3 was protected.
type level uint8

const (
	noAuth level = iota
	authNoPriv
	authPriv
)

// reset makes room for another message.
func (m *message) reset(peer netip.AddrPort) {
	*m = message{all: m.all[:0], oids: m.oids[:0], peer: peer, source: peer.Addr()}
}

// The objects that say what kind of trap it is: RFC 3416 section 4.2.6, RFC 3584
// section 3.1 and SNMP-COMMUNITY-MIB of RFC 3584 section 5.
var (
	oidUptime     = mustOID("1.3.6.1.2.1.1.3.0")
	oidTrap       = mustOID("1.3.6.1.6.3.1.1.4.1.0")
	oidEnterprise = mustOID("1.3.6.1.6.3.1.1.4.3.0")
	oidAgent      = mustOID("1.3.6.1.6.3.18.1.3.0")
	oidGeneric    = mustOID("1.3.6.1.6.3.1.1.5") // the generic traps of version 1 lie below it
)

func mustOID(text string) []byte {
	b, err := encodeOID(text)
	if err != nil {
		panic(err) // a constant of this package
	}
	return b
}

// parse reads a message of version 1 or 2c. For version 3 it returns errSecure with the
// reader behind the version.
func (m *message) parse(datagram []byte) (rest reader, err error) {
	whole := reader(datagram)
	content, err := whole.expect(tagSequence, "message")
	if err != nil {
		return nil, err
	}
	if len(whole) > 0 {
		return nil, errBehind
	}
	in := reader(content)
	version, err := in.integer("version")
	if err != nil {
		return nil, err
	}
	switch version {
	case 0, 1:
		m.version = int(version) + 1
	case 3:
		m.version = 3
		return in, errSecure
	default:
		return nil, fmt.Errorf("version %d is not 1, 2c or 3", version)
	}
	if m.community, err = in.expect(tagOctets, "community"); err != nil {
		return nil, err
	}
	if err := m.pdu(&in); err != nil {
		return nil, err
	}
	return nil, nil
}

// errSecure says that a message is of version 3.
var errSecure = errors.New("version 3")

// pdu reads what a message is about.
func (m *message) pdu(in *reader) error {
	tag, content, err := in.element()
	switch {
	case err != nil:
		return err
	case len(*in) > 0:
		return errBehind
	}
	body := reader(content)
	switch {
	case tag == tagTrapV1 && m.version == 1:
		return m.trapV1(&body)
	case tag == tagTrapV2 && m.version > 1, tag == tagInform && m.version > 1:
		m.inform = tag == tagInform
		return m.trapV2(&body)
	}
	return fmt.Errorf("a message of kind %#x is neither trap nor inform of its version", tag)
}

// trapV2 reads a trap or inform: RFC 3416 section 4.2.6.
func (m *message) trapV2(in *reader) (err error) {
	if m.request, err = in.integer("request id"); err != nil {
		return err
	}
	status, err := in.integer("error status")
	if err != nil {
		return err
	}
	index, err := in.integer("error index")
	if err != nil {
		return err
	}
	if status != 0 || index != 0 {
		return errors.New("a trap with an error status")
	}
	if err := m.list(in); err != nil {
		return err
	}
	return m.head()
}

// head takes the first two varbinds, sysUpTime and snmpTrapOID, off the list.
func (m *message) head() error {
	if len(m.all) < 2 {
		return errors.New("there is no snmpTrapOID")
	}
	uptime, trap := m.all[0], m.all[1]
	if !bytes.Equal(uptime.oid, oidUptime) || uptime.tag != tagTicks {
		return errors.New("the first varbind is not sysUpTime")
	}
	if !bytes.Equal(trap.oid, oidTrap) || trap.tag != tagOID {
		return errors.New("the second varbind is not snmpTrapOID")
	}
	ticks, err := unsigned(uptime.value)
	if err != nil {
		return err
	}
	m.uptime, m.trap = uint32(ticks), trap.value //nolint:gosec // A clock that wraps.
	m.varbinds = m.all[2:]
	for _, v := range m.varbinds {
		if v.tag == tagAddress && bytes.Equal(v.oid, oidAgent) {
			m.agent, _ = netip.AddrFromSlice(v.value)
		}
	}
	return nil
}

// trapV1 reads a trap of version 1 (RFC 1157 section 4.1.6) and maps it as RFC 3584
// section 3.1 says.
func (m *message) trapV1(in *reader) error {
	enterprise, err := in.expect(tagOID, "enterprise")
	if err != nil {
		return err
	}
	if err := checkOID(enterprise); err != nil {
		return err
	}
	agent, err := in.expect(tagAddress, "agent address")
	if err != nil {
		return err
	}
	m.agent, _ = netip.AddrFromSlice(agent)
	if len(agent) != 4 {
		return fmt.Errorf("an agent address of %d octets", len(agent))
	}
	generic, err := in.integer("generic trap")
	if err != nil {
		return err
	}
	specific, err := in.integer("specific trap")
	if err != nil {
		return err
	}
	ticks, err := in.expect(tagTicks, "time stamp")
	if err != nil {
		return err
	}
	uptime, err := unsigned(ticks)
	if err != nil {
		return err
	}
	m.uptime = uint32(uptime) //nolint:gosec // A clock that wraps.
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
	m.trap = m.oids
	if err := checkOID(m.trap); err != nil {
		return err
	}
	if !m.agent.IsUnspecified() {
		m.all = append(m.all, varbind{oid: oidAgent, tag: tagAddress, value: agent})
	}
	m.all = append(m.all, varbind{oid: oidEnterprise, tag: tagOID, value: enterprise})
	m.varbinds = m.all
	return nil
}

// list reads the list of varbinds at the end of a message.
func (m *message) list(in *reader) error {
	content, err := in.expect(tagSequence, "varbinds")
	switch {
	case err != nil:
		return err
	case len(*in) > 0:
		return errBehind
	}
	for rest := reader(content); len(rest) > 0; {
		if len(m.all) == maxVarbinds {
			return fmt.Errorf("more than %d varbinds", maxVarbinds)
		}
		pair, err := rest.expect(tagSequence, "varbind")
		if err != nil {
			return err
		}
		v, err := readVarbind(pair)
		if err != nil {
			return err
		}
		m.all = append(m.all, v)
	}
	return nil
}

// readVarbind reads a name and its value, and checks that the value is one.
func readVarbind(pair reader) (v varbind, err error) {
	if v.oid, err = pair.expect(tagOID, "name of a varbind"); err != nil {
		return v, err
	}
	if err := checkOID(v.oid); err != nil {
		return v, err
	}
	if v.tag, v.value, err = pair.element(); err != nil {
		return v, err
	}
	if len(pair) > 0 {
		return v, errBehind
	}
	return v, v.check()
}

func (v *varbind) check() error {
	var err error
	switch v.tag {
	case tagInteger:
		_, err = signed(v.value)
	case tagCounter32, tagGauge32, tagTicks, tagCounter64, tagUnsigned32:
		_, err = unsigned(v.value)
	case tagOID:
		err = checkOID(v.value)
	case tagAddress:
		if len(v.value) != 4 {
			err = fmt.Errorf("an address of %d octets", len(v.value))
		}
	case tagNull, tagNoObject, tagNoInstance, tagEndOfView:
		if len(v.value) > 0 {
			err = errors.New("a value where there is none")
		}
	case tagOctets, tagOpaque:
	default:
		err = fmt.Errorf("a value with the tag %#x", v.tag)
	}
	return err
}

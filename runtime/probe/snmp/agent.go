package snmp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/gosnmp/gosnmp"

	"grove/runtime/probe/dial"
	"grove/runtime/probe/snmp/ber"
)

// request is one packet to an agent, and what came back.
type request struct {
	pdu                       byte // ber.Get, ber.GetNext or ber.GetBulk
	names                     []ber.Name
	nonRepeaters, repetitions int // of a GetBulk

	// err says why there is no answer; then the rest has no meaning.
	err      error
	status   gosnmp.SNMPError
	index    int // which of the names the status is about, from 1; 0: none
	bindings ber.Bindings
	message  []byte // the whole answer, if there is more to it than bindings
}

// agent is a device that can be asked. One goroutine uses it.
type agent interface {
	// ask sends requests, several at once where it can, and fills in what came back,
	// which is valid until the next ask. An error means that the run is over.
	ask(ctx context.Context, requests []request) error
	// fits is how many bytes of a request the agent takes; 0 when it does not say.
	fits() int
	close()
}

// downError says that the device did not answer, or refused: a finding, not a
// failure of the probe.
type downError struct {
	text   string
	silent bool // nothing came at all
}

// Error implements error.
func (e *downError) Error() string { return e.text }

// dialError tells a device that is not there from an address that must not be asked.
func dialError(address string, err error) error {
	var dns *net.DNSError
	switch {
	case errors.Is(err, dial.ErrDenied), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &dns):
		return &downError{text: fmt.Sprintf("%s: %v", address, dns)}
	}
	return &downError{text: err.Error()}
}

func silent(address string, timeout time.Duration, retries int, hint string) error {
	sent := "1 packet"
	if retries > 0 {
		sent = fmt.Sprintf("%d packets", retries+1)
	}
	return &downError{text: fmt.Sprintf("no answer from %s to %s in %v%s", address, sent, timeout*time.Duration(retries+1), hint), silent: true}
}

// contextError is the error of a run whose context ended: running out of time is what a
// silent device does, being cancelled is not.
func contextError(ctx context.Context, address string) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &downError{text: fmt.Sprintf("no answer from %s when the time of the run was over", address)}
	}
	return ctx.Err()
}

// networkError makes a finding of what the network says about the other side.
func networkError(address string, err error) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return &downError{text: "nothing listens at " + address}
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return &downError{text: address + " is unreachable"}
	}
	return nil
}

type decodeError struct {
	address string
	err     error
}

// Error implements error.
func (e *decodeError) Error() string {
	return fmt.Sprintf("%s sends what cannot be read: %v", e.address, e.err)
}

// Unwrap returns the cause.
func (e *decodeError) Unwrap() error { return e.err }

// isDown says whether an error is a finding about the device.
func isDown(err error) bool {
	var down *downError
	var unreadable *decodeError
	return errors.As(err, &down) || errors.As(err, &unreadable)
}

// cursor goes through the values of an answer. Where package ber cannot read on, gosnmp
// may, which knows some faults of devices: what it reads takes the place of the rest.
type cursor struct {
	rest     ber.Bindings
	message  []byte
	n        int // values so far
	repaired bool
}

// next returns the next value; ok is false behind the last.
func (c *cursor) next(v *ber.Value) (name []byte, ok bool, err error) {
	name, ok, err = c.rest.Next(v)
	if err == nil {
		if ok {
			c.n++
		}
		return name, ok, nil
	}
	if c.repaired || c.message == nil {
		return nil, false, err
	}
	c.repaired = true
	packet, second := decode(c.message)
	if second != nil {
		return nil, false, second
	}
	c.rest = encode(packet.Variables)
	for range c.n {
		if _, _, err := c.rest.Next(v); err != nil {
			return nil, false, err
		}
	}
	return c.next(v)
}

// decode reads a packet of version 1 or 2c by gosnmp. It has panicked on packets from
// outside before, so that a panic is a packet that cannot be read.
func decode(b []byte) (packet *gosnmp.SnmpPacket, err error) {
	defer func() {
		if r := recover(); r != nil {
			packet, err = nil, fmt.Errorf("decoding panics: %v", r)
		}
	}()
	if err := checkShape(b); err != nil {
		return nil, err
	}
	packet, err = (&gosnmp.GoSNMP{Version: gosnmp.Version2c}).SnmpDecodePacket(b)
	if err != nil {
		return nil, errors.New(clip(err.Error()))
	}
	return packet, nil
}

// checkShape looks at the lengths of a packet before it is decoded: no part may
// reach beyond what it is in, nor be nested deeper than SNMP's messages are.
func checkShape(b []byte) error {
	const maxNesting = 8
	var walk func(b []byte, depth int) error
	walk = func(b []byte, depth int) error {
		if depth > maxNesting {
			return fmt.Errorf("nested deeper than %d", maxNesting)
		}
		for len(b) > 0 {
			if len(b) < 2 {
				return errors.New("cut off")
			}
			tag, size, head := b[0], int(b[1]), 2
			if size >= 0x80 {
				octets := size & 0x7f
				if octets == 0 || octets > 4 || len(b) < 2+octets {
					return errors.New("a length that cannot be read")
				}
				size, head = 0, 2+octets
				for _, c := range b[2:head] {
					size = size<<8 | int(c)
				}
			}
			if size > len(b)-head {
				// One octet of text that is missing at the end of a binding is a known fault
				// of some devices; gosnmp allows for it.
				if tag == ber.OctetString && size == len(b)-head+1 && depth >= 3 {
					return nil
				}
				return fmt.Errorf("a part of %d bytes where %d are left", size, len(b)-head)
			}
			if tag == 0x30 || tag&0xe0 == 0xa0 {
				if err := walk(b[head:head+size], depth+1); err != nil {
					return err
				}
			}
			b = b[head+size:]
		}
		return nil
	}
	return walk(b, 0)
}

// encode writes what gosnmp read as an answer has it, so that there is one way to read
// answers. What gosnmp cannot make sense of has no value.
func encode(variables []gosnmp.SnmpPDU) ber.Bindings {
	var b []byte
	for i := range variables {
		g := &variables[i]
		name, _ := ber.ParseOID(strings.TrimPrefix(g.Name, "."))
		v := ber.Value{Type: byte(g.Type)}
		switch x := g.Value.(type) {
		case int:
			v.Bits = uint64(x)
		case uint:
			v.Bits = uint64(x)
		case uint32:
			v.Bits = uint64(x)
		case uint64:
			v.Bits = x
		case float32:
			v = ber.Fraction(float64(x))
		case float64:
			v = ber.Fraction(x)
		case []byte:
			v.Octets = x
		case string:
			if g.Type == gosnmp.IPAddress {
				ip := net.ParseIP(x)
				if four := ip.To4(); four != nil {
					ip = four
				}
				v.Octets = ip
			} else {
				oid, _ := ber.ParseOID(strings.TrimPrefix(x, "."))
				v.Octets = []byte(oid)
			}
		default:
			if !v.IsMissing() {
				v.Type = ber.Null
			}
		}
		b = ber.AppendBinding(b, name, &v)
	}
	return b
}

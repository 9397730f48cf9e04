package snmp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gosnmp/gosnmp"

	"grove/runtime/probe/dial"
)

// request is one packet to an agent.
type request struct {
	kind        gosnmp.PDUType // GetRequest, GetNextRequest or GetBulkRequest
	oids        []string       // dotted, without a leading dot
	repetitions uint32         // of a GetBulkRequest
}

// answer is what came back.
type answer struct {
	status    gosnmp.SNMPError
	index     int // which of the oids the status is about, from 1; 0: none
	variables []gosnmp.SnmpPDU
}

// agent is a device that can be asked. One goroutine uses it.
type agent interface {
	ask(ctx context.Context, r request) (answer, error)
	close()
}

// downError says that the device did not answer, or refused: a finding, not a
// failure of the probe.
type downError struct{ text string }

// Error implements error.
func (e *downError) Error() string { return e.text }

// maxPacket is the largest datagram.
const maxPacket = 1 << 16

var packets = sync.Pool{New: func() any { return new([maxPacket]byte) }}

// client speaks version 1 and 2c on a socket of its own. It uses gosnmp to encode
// and decode only: gosnmp's own client formats a line of debugging text for every
// request, also when nobody logs, which is a quarter of its CPU time.
type client struct {
	conn    net.Conn
	codec   *gosnmp.GoSNMP
	address string
	timeout time.Duration
	retries int
	id      uint32
}

// open makes a client. The socket is connected, so that a closed port is noticed at
// once, and lives for one run: a name is resolved and checked by the policy each
// time, and an idle device costs no file descriptor.
func open(ctx context.Context, policy *dial.Policy, p *plan, o *Options, community string) (*client, error) {
	address := net.JoinHostPort(p.host, strconv.Itoa(int(p.port)))
	conn, err := policy.Dialer(0).DialContext(ctx, "udp", address)
	if err != nil {
		return nil, dialError(address, err)
	}
	return &client{
		conn:    conn,
		codec:   &gosnmp.GoSNMP{Version: p.version, Community: community},
		address: address, timeout: o.RequestTimeout, retries: o.Retries,
		// RFC 3416 section 3: an Integer32; it stays positive as some agents want it.
		id: rand.Uint32() & 0x3fffffff,
	}, nil
}

// dialError tells a device that is not there from an address that must not be asked.
func dialError(address string, err error) error {
	var dns *net.DNSError
	switch {
	case errors.Is(err, dial.ErrDenied), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &dns):
		return &downError{fmt.Sprintf("%s: %v", address, dns)}
	}
	return &downError{err.Error()}
}

func (c *client) close() { _ = c.conn.Close() }

func (c *client) ask(ctx context.Context, r request) (answer, error) {
	c.id = (c.id + 1) & 0x7fffffff
	packet, err := c.encode(r)
	if err != nil {
		return answer{}, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var unreadable error
	for range c.retries + 1 {
		if err := c.deadline(ctx); err != nil {
			return answer{}, err
		}
		if _, err := c.conn.Write(packet); err != nil {
			if down := c.refused(err); down != nil {
				return answer{}, down
			}
			return answer{}, err
		}
		a, err := c.await()
		switch {
		case err == nil:
			return a, nil
		case ctx.Err() != nil:
			return answer{}, c.ended(ctx)
		case errors.Is(err, os.ErrDeadlineExceeded):
			continue
		case errors.As(err, new(*decodeError)):
			unreadable = err // a good answer may still come to the next try
			continue
		}
		if down := c.refused(err); down != nil {
			return answer{}, down
		}
		return answer{}, err
	}
	if unreadable != nil {
		return answer{}, &downError{unreadable.Error()}
	}
	return answer{}, silent(c.address, c.timeout, c.retries, "; a wrong community looks the same")
}

func silent(address string, timeout time.Duration, retries int, hint string) error {
	sent := "1 packet"
	if retries > 0 {
		sent = fmt.Sprintf("%d packets", retries+1)
	}
	return &downError{fmt.Sprintf("no answer from %s to %s in %v%s", address, sent, timeout*time.Duration(retries+1), hint)}
}

// ended is the error of a run whose context ended: running out of time is what a
// silent device does, being cancelled is not.
func (c *client) ended(ctx context.Context) error { return contextError(ctx, c.address) }

func contextError(ctx context.Context, address string) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &downError{fmt.Sprintf("no answer from %s when the time of the run was over", address)}
	}
	return ctx.Err()
}

func (c *client) deadline(ctx context.Context) error {
	until := time.Now().Add(c.timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(until) {
		until = d
	}
	if err := c.conn.SetDeadline(until); err != nil {
		return err
	}
	// Only after the deadline is set: the context's own, set meanwhile, may be gone.
	if ctx.Err() != nil {
		return c.ended(ctx)
	}
	return nil
}

// refused makes a finding of what the network says about the other side.
func (c *client) refused(err error) error { return networkError(c.address, err) }

func networkError(address string, err error) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return &downError{fmt.Sprintf("nothing listens at %s", address)}
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return &downError{fmt.Sprintf("%s is unreachable", address)}
	}
	return nil
}

func (c *client) encode(r request) ([]byte, error) {
	pdus := make([]gosnmp.SnmpPDU, len(r.oids))
	for i, oid := range r.oids {
		pdus[i] = gosnmp.SnmpPDU{Name: oid, Type: gosnmp.Null}
	}
	c.codec.SetRequestID(c.id - 1) // the codec counts on before it encodes
	return c.codec.SnmpEncodePacket(r.kind, pdus, 0, r.repetitions)
}

// maxStrays is how many datagrams that are no answer are passed over before a try
// is given up: late answers to earlier requests, and what others send.
const maxStrays = 64

// await reads until the answer to the present request comes.
func (c *client) await() (answer, error) {
	buffer := packets.Get().(*[maxPacket]byte)
	defer packets.Put(buffer)
	var last error
	for range maxStrays {
		n, err := c.conn.Read(buffer[:])
		if err != nil {
			if last != nil && errors.Is(err, os.ErrDeadlineExceeded) {
				return answer{}, last
			}
			return answer{}, err
		}
		packet, err := decode(c.codec, buffer[:n])
		if err != nil {
			last = &decodeError{c.address, err}
			continue
		}
		if packet.RequestID != c.id || packet.PDUType != gosnmp.GetResponse || packet.Version != c.codec.Version {
			continue
		}
		return newAnswer(packet), nil
	}
	return answer{}, &decodeError{c.address, fmt.Errorf("%d datagrams in a row that answer nothing", maxStrays)}
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

// decode reads a packet. The codec has panicked on packets from outside before, so
// that a panic is a packet that cannot be read.
func decode(codec *gosnmp.GoSNMP, b []byte) (packet *gosnmp.SnmpPacket, err error) {
	defer func() {
		if r := recover(); r != nil {
			packet, err = nil, fmt.Errorf("decoding panics: %v", r)
		}
	}()
	if err := checkShape(b); err != nil {
		return nil, err
	}
	packet, err = codec.SnmpDecodePacket(b)
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
				// of some devices; the codec allows for it.
				if tag == 0x04 && size == len(b)-head+1 && depth >= 3 {
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

// newAnswer takes what outlives the buffer.
func newAnswer(p *gosnmp.SnmpPacket) answer {
	a := answer{status: p.Error, index: int(p.ErrorIndex), variables: p.Variables}
	for i := range a.variables {
		v := &a.variables[i]
		v.Name = strings.TrimPrefix(v.Name, ".")
		switch x := v.Value.(type) {
		case []byte:
			v.Value = append([]byte(nil), x...)
		case string:
			v.Value = strings.TrimPrefix(x, ".")
		}
	}
	return a
}

package snmp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/gosnmp/gosnmp"

	"grove/runtime/probe/snmp/ber"
	"grove/runtime/probe/snmp/exchange"
)

// maxWindow is how many packets go to one device at once: more than its network stack
// keeps would be lost.
const maxWindow = 4

// client speaks version 1 and 2c over the sockets that all probes share.
type client struct {
	exchange  *exchange.Exchange
	to        netip.AddrPort
	address   string // for people
	version   byte
	community string
	timeout   time.Duration
	retries   int

	calls    []exchange.Call
	messages []byte
}

var clients = sync.Pool{New: func() any { return new(client) }}

func (c *client) fits() int { return 0 }

// close gives the client back.
func (c *client) close() {
	c.free()
	*c = client{calls: c.calls[:0], messages: c.messages[:0]}
	clients.Put(c)
}

func (c *client) free() {
	for i := range c.calls {
		c.calls[i].Free()
	}
	clear(c.calls)
	c.calls = c.calls[:0]
}

// ask implements agent.
func (c *client) ask(ctx context.Context, requests []request) error {
	c.free()
	c.messages = c.messages[:0]
	var ends [maxWindow]int
	for i := range requests {
		q := &requests[i]
		m := ber.Request{
			Version: c.version, Community: c.community, PDU: q.pdu,
			NonRepeaters: q.nonRepeaters, Repetitions: q.repetitions, Names: q.names,
		}
		var id int
		begin := len(c.messages)
		c.messages, id = m.Append(c.messages)
		ends[i] = len(c.messages)
		c.calls = append(c.calls, exchange.Call{ID: id - begin, Version: c.version, Community: c.community})
	}
	// Only now: the bytes may have moved while they grew.
	begin := 0
	for i := range c.calls {
		c.calls[i].Message = c.messages[begin:ends[i]:ends[i]]
		begin = ends[i]
	}
	err := c.exchange.Ask(ctx, c.to, c.calls, c.timeout, c.retries)
	for i := range requests {
		c.take(&requests[i], &c.calls[i])
	}
	if err != nil && ctx.Err() != nil {
		return contextError(ctx, c.address)
	}
	return err
}

// take makes of what came what the request has.
func (c *client) take(q *request, call *exchange.Call) {
	var unreadable *exchange.UnreadableError
	q.err, q.status, q.index, q.bindings, q.message = nil, gosnmp.NoError, 0, nil, nil
	switch {
	case call.Err == nil:
		h, err := ber.ReadHead(call.Answer)
		if err != nil { // it was read before
			q.err = &decodeError{c.address, err}
			return
		}
		q.status, q.index, q.bindings, q.message = gosnmp.SNMPError(h.Status), h.Index, h.Bindings, call.Answer
	case errors.Is(call.Err, exchange.ErrTooLong):
		q.status = gosnmp.TooBig
	case errors.Is(call.Err, exchange.ErrSilent):
		q.err = silent(c.address, c.timeout, c.retries, "; a wrong community looks the same")
	case errors.As(call.Err, &unreadable):
		_, err := decode(unreadable.Datagram)
		if err == nil {
			err = errors.New("what is no answer to version 1 or 2c")
		}
		q.err = &decodeError{c.address, err}
	default:
		if q.err = networkError(c.address, call.Err); q.err == nil {
			q.err = &downError{text: fmt.Sprintf("%s cannot be asked: %v", c.address, call.Err)}
		}
	}
}

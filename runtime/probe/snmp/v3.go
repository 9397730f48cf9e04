package snmp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/gosnmp/gosnmp"

	"grove/runtime/probe/dial"
	"grove/runtime/probe/snmp/ber"
)

// engine speaks version 3 with gosnmp's own client, which finds the agent's engine
// out, keeps its clock and checks what is authentic. It is kept between runs, so that
// the engine is found once; its socket is not.
type engine struct {
	snmp    *gosnmp.GoSNMP
	address string
	options *Options
	ctx     context.Context // of the present run; gosnmp wants it in a field
	most    int             // bytes of a message, of what the agent takes; 0: it did not say
}

func newEngine(policy *dial.Policy, p *plan, o *Options, authPassword, privPassword string) *engine {
	flags := gosnmp.NoAuthNoPriv
	user := &gosnmp.UsmSecurityParameters{
		UserName:               o.V3.User,
		AuthenticationProtocol: gosnmp.NoAuth,
		PrivacyProtocol:        gosnmp.NoPriv,
	}
	if o.V3.Auth != "" {
		flags = gosnmp.AuthNoPriv
		user.AuthenticationProtocol, user.AuthenticationPassphrase = authProtocols[o.V3.Auth], authPassword
	}
	if o.V3.Priv != "" {
		flags = gosnmp.AuthPriv
		user.PrivacyProtocol, user.PrivacyPassphrase = privProtocols[o.V3.Priv], privPassword
	}
	return &engine{
		address: net.JoinHostPort(p.host, strconv.Itoa(int(p.port))),
		options: o,
		snmp: &gosnmp.GoSNMP{
			Target: p.host, Port: p.port, Version: gosnmp.Version3,
			Timeout: o.RequestTimeout, Retries: o.Retries,
			SecurityModel: gosnmp.UserSecurityModel, MsgFlags: flags, SecurityParameters: user,
			ContextName: o.V3.Context, MaxOids: 2 * maxPerPacket, Control: policy.Control,
		},
	}
}

// connect opens the socket for one run.
func (e *engine) connect(ctx context.Context) error {
	e.ctx, e.snmp.Context = ctx, ctx
	e.snmp.Transport = "udp"
	if err := e.snmp.Connect(); err != nil {
		return dialError(e.address, err)
	}
	return nil
}

func (e *engine) close() { _ = e.snmp.Close() }

// ask implements agent, one request after the other.
func (e *engine) ask(ctx context.Context, requests []request) error {
	for i := range requests {
		q := &requests[i]
		q.err, q.status, q.index, q.bindings, q.message = nil, gosnmp.NoError, 0, nil, nil
		packet, err := e.exchange(ctx, q)
		switch {
		case err != nil && !isDown(err):
			return err
		case err != nil:
			q.err = err
			for k := range requests[i+1:] {
				requests[i+1+k].err = err
			}
			return nil
		}
		q.status, q.index, q.bindings = packet.Error, int(packet.ErrorIndex), encode(packet.Variables)
		if n := int(packet.MsgMaxSize); n > 0 {
			e.most = n
		}
	}
	return nil
}

// fits implements agent: what the agent said last of the size of messages that it takes,
// less what a message has beside its names at most.
func (e *engine) fits() int {
	const head = 200
	if e.most == 0 {
		return 0
	}
	return max(e.most-head, 100)
}

func (e *engine) exchange(ctx context.Context, r *request) (packet *gosnmp.SnmpPacket, err error) {
	conn := e.snmp.Conn
	// gosnmp looks at the context between tries only: closing the socket wakes it.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() {
		if p := recover(); p != nil {
			packet, err = nil, &decodeError{e.address, fmt.Errorf("decoding panics: %v", p)}
		}
	}()
	oids := make([]string, len(r.names))
	for i, n := range r.names {
		oids[i] = (n.Column + ber.OID(n.Row)).String()
	}
	switch r.pdu {
	case ber.GetBulk:
		packet, err = e.snmp.GetBulk(oids, uint8(r.nonRepeaters), uint32(r.repetitions))
	case ber.GetNext:
		packet, err = e.snmp.GetNext(oids)
	default:
		packet, err = e.snmp.Get(oids)
	}
	switch {
	case err != nil:
		return nil, e.finding(ctx, err)
	case packet.PDUType != gosnmp.GetResponse:
		return nil, &downError{text: fmt.Sprintf("%s answers with a %v", e.address, packet.PDUType)}
	}
	return packet, nil
}

// finding makes of an error what it says about the device.
func (e *engine) finding(ctx context.Context, err error) error {
	var network net.Error
	user := e.options.V3.User
	if down := networkError(e.address, err); down != nil {
		return down
	}
	switch {
	case ctx.Err() != nil:
		return contextError(ctx, e.address)
	case errors.Is(err, gosnmp.ErrUnknownUsername):
		return &downError{text: fmt.Sprintf("%s knows no user %q", e.address, user)}
	case errors.Is(err, gosnmp.ErrWrongDigest), strings.Contains(err.Error(), "not authentic"):
		// The agent says so in a message that it cannot authenticate either, which
		// gosnmp discards with an error that has no name.
		return &downError{text: fmt.Sprintf("the authentication of user %q fails at %s: wrong auth_password, or another auth", user, e.address)}
	case errors.Is(err, gosnmp.ErrDecryption):
		return &downError{text: fmt.Sprintf("%s cannot decrypt what user %q sends: wrong priv_password, or another priv", e.address, user)}
	case errors.Is(err, gosnmp.ErrUnknownSecurityLevel):
		return &downError{text: fmt.Sprintf("%s does not let user %q ask at this level: auth and priv", e.address, user)}
	case errors.Is(err, gosnmp.ErrMaxRetriesExceeded), errors.As(err, &network) && network.Timeout(), errors.Is(err, context.DeadlineExceeded):
		hint := ""
		if e.options.V3.Priv != "" {
			hint = "; a wrong priv_password looks the same"
		}
		return silent(e.address, e.options.RequestTimeout, e.options.Retries, hint)
	}
	text, _, _ := strings.Cut(err.Error(), " Stack:") // of a panic that gosnmp caught
	return &downError{text: fmt.Sprintf("%s: %s", e.address, clip(text))}
}

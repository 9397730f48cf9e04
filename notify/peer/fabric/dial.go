package fabric

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

// dialWithin bounds the making of a connection, from the name to the first answer.
const dialWithin = 10 * time.Second

// maxConnectAnswer bounds the answer of a proxy, bytes.
const maxConnectAnswer = 16 << 10

// dialer makes the network connection under a NATS client, through a proxy if there is one.
type dialer struct {
	ctx    context.Context // cuts the connection when it is over
	proxy  *url.URL
	stall  time.Duration // see steady
	failed func(error)   // likewise
	err    error         // of the last call; the client does not tell all of them
}

// SkipTLSHandshake is asked by the NATS client.
func (d *dialer) SkipTLSHandshake() bool { return false }

// Dial implements nats.CustomDialer.
func (d *dialer) Dial(network, address string) (c net.Conn, err error) {
	defer func() { d.err = err }()
	ctx, cancel := context.WithTimeout(d.ctx, dialWithin)
	defer cancel()
	to := address
	if d.proxy != nil {
		to = d.proxy.Host
	}
	c, err = (&net.Dialer{}).DialContext(ctx, network, to)
	if err != nil {
		if d.proxy != nil {
			return nil, fmt.Errorf("proxy %s: %w", d.proxy.Host, err)
		}
		return nil, err
	}
	// The client sets deadlines of its own once it has the connection, but not for all.
	_ = c.SetDeadline(time.Now().Add(dialWithin))
	unhook := context.AfterFunc(d.ctx, func() { _ = c.Close() })
	if d.proxy != nil {
		if err := connect(c, d.proxy, address); err != nil {
			unhook()
			_ = c.Close()
			return nil, fmt.Errorf("proxy %s: %w", d.proxy.Host, err)
		}
	}
	return &steady{Conn: c, stall: d.stall, failed: d.failed, unhook: unhook}, nil
}

// connect has a proxy connect to an address, RFC 9110 section 9.3.6.
func connect(c net.Conn, proxy *url.URL, address string) error {
	request := "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\n"
	if proxy.User != nil {
		password, _ := proxy.User.Password()
		request += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(proxy.User.Username()+":"+password)) + "\r\n"
	}
	if _, err := io.WriteString(c, request+"\r\n"); err != nil {
		return err
	}
	// What comes after the answer is of the other manager: not a byte of it may be read
	// here, so a buffer that reads ahead is of no use.
	var answer []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(answer, []byte("\r\n\r\n")) {
		if len(answer) >= maxConnectAnswer {
			return fmt.Errorf("its answer has more than %d bytes", maxConnectAnswer)
		}
		if _, err := io.ReadFull(c, one); err != nil {
			return fmt.Errorf("its answer: %w", err)
		}
		answer = append(answer, one[0])
	}
	return parseConnect(answer)
}

// parseConnect says whether the answer of a proxy is yes.
func parseConnect(answer []byte) error {
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), &http.Request{Method: http.MethodConnect})
	if err != nil {
		return errors.New("its answer is not HTTP")
	}
	_ = r.Body.Close()
	switch {
	case r.StatusCode == http.StatusProxyAuthRequired:
		return errors.New("it wants a user and a password (407), which belong into the address of the proxy")
	case r.StatusCode/100 != 2:
		return fmt.Errorf("it does not connect: %d %s", r.StatusCode, http.StatusText(r.StatusCode))
	}
	return nil
}

// steady is a connection whose writes fail when the network takes not a byte for a while.
// The NATS client looks for pings under the same lock under which it writes, so that a
// writer that waits would keep it from seeing that the link is lost.
type steady struct {
	net.Conn
	stall  time.Duration
	failed func(error) // is told why nothing can be written any more
	unhook func() bool
}

// Write implements net.Conn.
func (s *steady) Write(b []byte) (n int, err error) {
	moved := time.Now()
	for {
		now := time.Now()
		_ = s.SetWriteDeadline(now.Add(s.stall / 8))
		m, err := s.Conn.Write(b[n:])
		n += m
		if m > 0 {
			moved = now
		}
		switch {
		case err == nil:
			return n, nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return n, err
		case now.Sub(moved) < s.stall:
			continue
		}
		// The client says goodbye in several ways, each of which would wait as long again.
		_ = s.Close()
		s.failed(fmt.Errorf("the network took nothing for %v", s.stall))
		return n, err
	}
}

// Close implements net.Conn.
func (s *steady) Close() error {
	s.unhook()
	return s.Conn.Close()
}

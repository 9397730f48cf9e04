// Package client follows the live feed of a grove server: what `grove tree --watch`
// and other Go programs use.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"grove/tree"
	"grove/viewer/live/frame"
)

const (
	protocol  = "grove.live.v2.binary"
	handshake = 10 * time.Second
	// silence is how long the server may say nothing: it pings every 20 s.
	silence = 60 * time.Second
	// maxMessage bounds a message of the server, on the wire.
	maxMessage = 256 << 20
	// id is the number of the one subscription of a client: the page's, so that both
	// share prepared frames.
	id = 1
)

// ErrNoNode is returned when the server has no node at the path, or not any more.
var ErrNoNode = tree.ErrNoNode

// Client is a subscription to one subtree. One goroutine at a time calls Next.
type Client struct {
	// Mirror is the subtree as of the last Next. It is read between calls of Next.
	Mirror frame.Mirror

	ws   *websocket.Conn
	path tree.Path
	stop func() bool
}

// Dial connects to a server, "http://127.0.0.1:7440", and subscribes to the subtree
// at a path. The client ends with ctx, or with Close.
func Dial(ctx context.Context, server string, path tree.Path) (*Client, error) {
	u, err := url.Parse(server)
	if err != nil {
		return nil, fmt.Errorf("address of the server: %w", err)
	}
	switch u.Scheme {
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	default:
		return nil, fmt.Errorf("address of the server: %.80q does not begin with http:// or https://", server)
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + "/api/v1/live"
	d := websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: handshake, Subprotocols: []string{protocol}, EnableCompression: true}
	ws, res, err := d.DialContext(ctx, u.String(), nil)
	if err != nil {
		if res != nil {
			return nil, fmt.Errorf("connect to %s: %w: the server answers %s", u, err, res.Status)
		}
		return nil, fmt.Errorf("connect to %s: %w", u, err)
	}
	if ws.Subprotocol() != protocol {
		_ = ws.Close()
		return nil, fmt.Errorf("connect to %s: the server does not speak %s", u, protocol)
	}
	c := &Client{ws: ws, path: path}
	c.stop = context.AfterFunc(ctx, func() { _ = ws.Close() })
	ws.SetReadLimit(maxMessage)
	ping := ws.PingHandler()
	ws.SetPingHandler(func(data string) error {
		_ = ws.SetReadDeadline(time.Now().Add(silence))
		return ping(data)
	})
	if err := c.subscribe(); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// Close ends the client; a Next under way returns an error.
func (c *Client) Close() error {
	c.stop()
	return c.ws.Close()
}

func (c *Client) send(message any) error {
	_ = c.ws.SetWriteDeadline(time.Now().Add(handshake))
	return c.ws.WriteJSON(message)
}

func (c *Client) subscribe() error {
	return c.send(struct {
		Type string    `json:"type"`
		ID   uint32    `json:"id"`
		Path tree.Path `json:"path"`
	}{"subscribe", id, c.path})
}

// Next waits for the next frame, applies it to Mirror and acknowledges it. The
// first frame is a snapshot; a gap is mended with a fresh one. An error that wraps
// ErrNoNode says that there is nothing at the path; after any error the client is
// over.
func (c *Client) Next() (*frame.Frame, error) {
	for {
		_ = c.ws.SetReadDeadline(time.Now().Add(silence))
		kind, data, err := c.ws.ReadMessage()
		if err != nil {
			return nil, fmt.Errorf("live feed: %w", err)
		}
		if kind == websocket.TextMessage {
			if err := c.control(data); err != nil {
				return nil, err
			}
			continue
		}
		f, err := frame.Decode(data)
		if err != nil {
			return nil, fmt.Errorf("live feed: %w", err)
		}
		if err := c.Mirror.Apply(f); errors.Is(err, frame.ErrGap) {
			if err := c.subscribe(); err != nil {
				return nil, fmt.Errorf("live feed: %w", err)
			}
			continue
		} else if err != nil {
			return nil, fmt.Errorf("live feed: %w", err)
		}
		ack := struct {
			Type string `json:"type"`
			ID   uint32 `json:"id"`
			Seq  uint64 `json:"seq"`
		}{"ack", id, f.Seq}
		if err := c.send(ack); err != nil {
			return nil, fmt.Errorf("live feed: %w", err)
		}
		return f, nil
	}
}

// control reads a message of the server that is not data.
func (c *Client) control(data []byte) error {
	var m struct {
		Type, Code, Message string
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("live feed: %w", err)
	}
	switch {
	case m.Type != "error":
		return nil
	case m.Code == "no_such_node":
		return fmt.Errorf("%s: %w", c.path, ErrNoNode)
	}
	return fmt.Errorf("live feed: the server says %s: %s", m.Code, m.Message)
}

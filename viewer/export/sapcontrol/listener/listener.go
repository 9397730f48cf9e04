// Package listener listens where clients of SAPControl look for the start service of an
// instance: at a port that its number gives, on loopback addresses only, and at a socket
// for the user of the manager.
package listener

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Bounds of a Server.
const (
	DefaultConnections = 64
	MaxHeaderBytes     = 16 << 10
	readHeaderTimeout  = 5 * time.Second
	readTimeout        = 15 * time.Second
	writeTimeout       = time.Minute
	idleTimeout        = time.Minute
)

// Port is the one at which clients look for the service of an instance: 5<NN>13.
func Port(instance int) int { return 50013 + 100*instance }

// Socket is the one at which clients on the same machine look for it.
func Socket(instance int) string { return fmt.Sprintf("/tmp/.sapstream%d", Port(instance)) }

// Options say where a Server listens. It listens nowhere that is not asked for.
type Options struct {
	// Address is a loopback address with a port, "127.0.0.1:50013"; empty is none.
	Address string
	// Socket is the absolute path of a unix socket; empty is none. A socket that is left
	// from before is replaced, one at which somebody listens is not.
	Socket string
	// Connections bounds the open connections of each; zero is DefaultConnections.
	Connections int
	// Log receives what operators want to know; nil discards it.
	Log *slog.Logger
}

// Server listens for a handler, beside the manager's own web server. New, then
// Start, then Close.
type Server struct {
	http      http.Server
	listeners []net.Listener
	socket    string
	inode     uint64
	serving   sync.WaitGroup
	closing   sync.Once
	closeErr  error

	mu  sync.Mutex // guards err
	err error      // of a listener that ended by itself
}

// New binds what is asked for, so that Addrs is true; nothing is served yet. After
// an error nothing is left.
func New(h http.Handler, l Options) (*Server, error) {
	if l.Address == "" && l.Socket == "" {
		return nil, errors.New("sapcontrol: neither an address nor a socket is given")
	}
	if l.Connections <= 0 {
		l.Connections = DefaultConnections
	}
	if l.Log == nil {
		l.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{http: http.Server{
		Handler: h, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: MaxHeaderBytes, ErrorLog: slog.NewLogLogger(l.Log.Handler(), slog.LevelDebug),
	}}
	var address, socket net.Listener
	var err error
	if l.Address != "" {
		if address, err = listenLoopback(l.Address); err != nil {
			return nil, fmt.Errorf("sapcontrol: %w", err)
		}
		s.listeners = append(s.listeners, bounded(address, l.Connections))
	}
	if l.Socket != "" {
		if socket, s.inode, err = listenSocket(l.Socket); err != nil {
			if address != nil {
				_ = address.Close()
			}
			return nil, fmt.Errorf("sapcontrol: %w", err)
		}
		s.socket = l.Socket
		s.listeners = append(s.listeners, bounded(socket, l.Connections))
	}
	return s, nil
}

// listenLoopback refuses every other address: the service has no access control.
func listenLoopback(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("%s is not a loopback address: the service has no access control", address)
	}
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%w: another program listens there, perhaps a SAP instance of the same number: choose another", err)
	}
	return l, err
}

// listenSocket makes a socket that only this user may connect to. It is made in a
// directory of its own and moved into place, so that there is no moment at which
// others could.
func listenSocket(path string) (net.Listener, uint64, error) {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path {
		return nil, 0, fmt.Errorf("socket %q is not an absolute path without detours", path)
	}
	if err := checkStale(path); err != nil {
		return nil, 0, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".grove-")
	if err != nil {
		return nil, 0, fmt.Errorf("socket: %w", err)
	}
	defer func() { _ = os.Remove(dir) }() // Empty by then; what cannot be removed harms nobody.
	made := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, 0, fmt.Errorf("socket: %w", err)
	}
	l.SetUnlinkOnClose(false)
	if err = os.Chmod(made, 0o600); err == nil {
		err = os.Rename(made, path)
	}
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("socket: %w", err), l.Close(), os.Remove(made))
	}
	return l, inodeOf(path), nil
}

// checkStale says why what is at a path may not be replaced.
func checkStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there and is no socket: it is not replaced", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		_ = conn.Close()
		return fmt.Errorf("another program listens at %s, perhaps a SAP instance of the same number: choose another", path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil // left by a program that has ended
	}
	return fmt.Errorf("socket: whether somebody listens at %s cannot be told: %w", path, err)
}

// inodeOf tells a file from another that took its place.
func inodeOf(path string) uint64 {
	info, err := os.Lstat(path)
	if err != nil {
		return 0
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return stat.Ino
}

// Access is one place where a server can be reached.
type Access struct {
	Address  string // "127.0.0.1", or the path of a socket
	Port     int    // 0 for a socket
	Protocol string // "HTTP"
}

// Access tells where the server can be reached.
func (s *Server) Access() (all []Access) {
	for _, l := range s.listeners {
		switch a := l.Addr().(type) {
		case *net.TCPAddr:
			all = append(all, Access{Address: a.IP.String(), Port: a.Port, Protocol: "HTTP"})
		default:
			all = append(all, Access{Address: s.socket, Protocol: "HTTP"})
		}
	}
	return all
}

// Addr is the address with its port, empty when the server has only a socket.
func (s *Server) Addr() string {
	for _, a := range s.Access() {
		if a.Port != 0 {
			return net.JoinHostPort(a.Address, strconv.Itoa(a.Port))
		}
	}
	return ""
}

// Start serves until Close. It is called once.
func (s *Server) Start() {
	for _, l := range s.listeners {
		s.serving.Go(func() {
			if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				s.mu.Lock()
				s.err = errors.Join(s.err, err)
				s.mu.Unlock()
			}
		})
	}
}

// Close refuses new requests and waits for those under way, at most until ctx ends; then
// it cuts them. It takes the socket away if it is still its own. It may be called more
// than once, and without Start.
func (s *Server) Close(ctx context.Context) error {
	s.closing.Do(func() {
		err := s.http.Shutdown(ctx)
		if err != nil {
			err = errors.Join(fmt.Errorf("sapcontrol: requests were cut: %w", err), s.http.Close())
		}
		for _, l := range s.listeners {
			_ = l.Close() // Those that were never served; the others are closed already.
		}
		s.serving.Wait()
		if s.socket != "" && inodeOf(s.socket) == s.inode {
			err = errors.Join(err, os.Remove(s.socket))
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.closeErr = errors.Join(err, s.err)
	})
	return s.closeErr
}

// bounded lets so many connections be open; more wait until one ends.
func bounded(l net.Listener, most int) net.Listener {
	return &boundedListener{Listener: l, slots: make(chan struct{}, most), closed: make(chan struct{})}
}

type boundedListener struct {
	net.Listener
	slots   chan struct{}
	closed  chan struct{}
	closing sync.Once
}

// Accept implements net.Listener.
func (l *boundedListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &boundedConn{Conn: c, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

// Close implements net.Listener.
func (l *boundedListener) Close() (err error) {
	l.closing.Do(func() {
		close(l.closed)
		err = l.Listener.Close()
	})
	return err
}

type boundedConn struct {
	net.Conn
	release func()
}

// Close implements net.Conn.
func (c *boundedConn) Close() error {
	err := c.Conn.Close()
	c.release()
	return err
}

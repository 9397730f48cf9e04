package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// space is a network namespace of a test's own, with loopback and one interface, whose other
// end is in the test: what processes in it send to others is read from there. It is gone
// when the test and all processes in it are.
type space struct {
	address netip.Addr
	packets *os.File
	work    chan func() // done by the thread that is in it
	ended   chan struct{}
}

// errNoSpace is that this machine does not let tests make network namespaces.
var errNoSpace = errors.New("tests cannot make network namespaces: they need root and /dev/net/tun")

// newSpace makes a namespace whose interface has an address in 198.18.0.0/24, which is for
// tests between networks (RFC 2544, appendix C.2.2).
func newSpace(t testing.TB, number byte) *space {
	t.Helper()
	s := &space{address: netip.AddrFrom4([4]byte{198, 18, 0, number}), work: make(chan func()), ended: make(chan struct{})}
	made := make(chan error)
	go func() {
		defer close(s.ended)
		// The thread is not given back: it ends with the goroutine, and the namespace with it.
		runtime.LockOSThread()
		err := s.make()
		made <- err
		if err != nil {
			return
		}
		for do := range s.work {
			do()
		}
	}()
	if err := <-made; err != nil {
		if errors.Is(err, errNoSpace) {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(s.work)
		<-s.ended
	})
	return s
}

// make is done by the thread that goes into the new namespace.
func (s *space) make() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("%w: unshare: %w", errNoSpace, err)
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("%w: /dev/net/tun: %w", errNoSpace, err)
	}
	const name = "peers"
	if err := configure(fd, name, s.address); err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("%w: %w", errNoSpace, err)
	}
	s.packets = os.NewFile(uintptr(fd), name) // now that it is one that can be waited for
	return nil
}

// configure makes the interface and brings it and loopback up; see tun(4) and netdevice(7).
func configure(fd int, name string, address netip.Addr) error {
	tun, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	tun.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, tun); err != nil {
		return fmt.Errorf("make %s: %w", name, err)
	}
	control, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(control)
	set := func(name string, request uint, fill func(*unix.Ifreq) error) error {
		r, err := unix.NewIfreq(name)
		if err == nil {
			err = fill(r)
		}
		if err == nil {
			err = unix.IoctlIfreq(control, request, r)
		}
		if err != nil {
			return fmt.Errorf("configure %s: %w", name, err)
		}
		return nil
	}
	ip := address.As4()
	up := func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil }
	return errors.Join(
		set("lo", unix.SIOCSIFFLAGS, up),
		set(name, unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(ip[:]) }),
		set(name, unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr([]byte{255, 255, 255, 0}) }),
		set(name, unix.SIOCSIFFLAGS, up),
	)
}

// in does something in the namespace: sockets that it opens and processes that it starts
// belong there.
func (s *space) in(do func() error) (err error) {
	done := make(chan struct{})
	s.work <- func() {
		defer close(done)
		err = do()
	}
	<-done
	return err
}

// dial connects to a numeric address in the namespace, such as one of its loopback.
func (s *space) dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	err = s.in(func() (err error) {
		c, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return c, err
}

package exchange

import (
	"net"
	"syscall"
	"testing"

	"golang.org/x/net/ipv4"
)

// told is a socket that says so often what is of another request, as a busy one does.
type told struct {
	batch
	news  error
	times int
	sent  int
}

func (o *told) WriteBatch(ms []ipv4.Message, _ int) (int, error) {
	if o.times > 0 {
		o.times--
		return 0, o.news
	}
	o.sent += len(ms)
	return len(ms), nil
}

// However often the socket tells of other devices meanwhile, a request goes out; what the
// machine itself says again and again ends it.
func TestNewsOfOthers(t *testing.T) {
	conn, err := net.ListenUDP("udp4", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	to := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	for _, c := range []struct {
		news        error
		times, sent int
	}{{syscall.ECONNREFUSED, 20, 1}, {syscall.EHOSTUNREACH, 20, 1}, {syscall.EPERM, 2, 1}, {syscall.EPERM, 3, 0}} {
		o := &told{news: c.news, times: c.times}
		l := &line{raw: raw, batch: o, counts: new(counts), pending: map[uint32]*Call{}}
		all := calls(1)
		l.expect(all, to, &wait{ready: make(chan struct{}, 1)})
		l.send(all, to)
		if o.sent != c.sent || (all[0].Err == nil) != (c.sent == 1) {
			t.Errorf("%v %d times: %d sent, %v", c.news, c.times, o.sent, all[0].Err)
		}
	}
}

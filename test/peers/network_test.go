package peers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"
)

// network carries the packets between the namespaces of a test, and does to them what real
// networks do.
type network struct {
	mu     sync.Mutex
	spaces map[netip.Addr]*space
	ways   map[[2]netip.Addr]way
	random *rand.Rand
	lost   int
	// carriers are what carries the messages of managers, if anything does: then what is
	// between two of them is between the one that is not berlin and the carriers.
	carriers []*space
	late     sync.WaitGroup // packets that are delayed
}

// way is what happens to packets from one to another.
type way struct {
	cut   bool
	loss  float64 // share of the packets
	delay time.Duration
}

// mtu bounds a packet, bytes.
const mtu = 65535

// newNetwork makes a network; with GROVE_SEED it loses the same packets again, as far as the
// order is the same in which they come.
func newNetwork(t testing.TB) *network {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("GROVE_SEED"); text != "" {
		if _, err := fmt.Sscan(text, &seed); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("GROVE_SEED=%d", seed)
	return &network{spaces: map[netip.Addr]*space{}, ways: map[[2]netip.Addr]way{}, random: rand.New(rand.NewPCG(seed, seed))}
}

// add makes a namespace that is connected to all others.
func (n *network) add(t testing.TB) *space {
	t.Helper()
	s := newSpace(t, byte(len(n.spaces)+1))
	n.mu.Lock()
	n.spaces[s.address] = s
	n.mu.Unlock()
	ended := make(chan error)
	go func() { ended <- n.carry(s) }()
	t.Cleanup(func() {
		n.mu.Lock()
		delete(n.spaces, s.address)
		n.mu.Unlock()
		n.late.Wait()
		_ = s.packets.Close() // which ends carry
		if err := <-ended; err != nil {
			t.Errorf("packets of %s: %v", s.address, err)
		}
	})
	return s
}

// carry brings what one space sends to where it belongs, until the space is closed.
func (n *network) carry(from *space) error {
	packet := make([]byte, mtu)
	for {
		size, err := from.packets.Read(packet)
		if err != nil {
			if errors.Is(err, os.ErrClosed) {
				return nil
			}
			return err
		}
		// The header of IPv4 has the destination at byte 16 (RFC 791, section 3.1).
		if size < 20 || packet[0]>>4 != 4 {
			continue
		}
		n.bring(from, netip.AddrFrom4([4]byte(packet[16:20])), packet[:size])
	}
}

func (n *network) bring(from *space, address netip.Addr, packet []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	to, w := n.spaces[address], n.ways[[2]netip.Addr{from.address, address}]
	if to == nil || w.cut || w.loss > 0 && n.random.Float64() < w.loss {
		n.lost++
		return
	}
	if w.delay == 0 {
		// What its kernel does not take is lost, as it is in every network.
		_, _ = to.packets.Write(packet)
		return
	}
	copied := append([]byte(nil), packet...)
	n.late.Add(1)
	time.AfterFunc(w.delay, func() {
		defer n.late.Done()
		_, _ = to.packets.Write(copied)
	})
}

// oneWay sets what happens to packets from one manager to another.
func (n *network) oneWay(from, to *manager, w way) {
	if len(n.carriers) == 0 {
		n.set(from.space, to.space, w)
	}
	for _, c := range n.carriers {
		if from.Name == "berlin" {
			n.set(c, to.space, w)
		} else {
			n.set(from.space, c, w)
		}
	}
}

// between sets what happens to packets of two managers, both ways.
func (n *network) between(a, b *manager, w way) {
	n.oneWay(a, b, w)
	n.oneWay(b, a, w)
}

// set sets what happens to packets from one space to another.
func (n *network) set(from, to *space, w way) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ways[[2]netip.Addr{from.address, to.address}] = w
}

// heal makes all ways whole.
func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.ways)
}

// drops is how many packets were not brought anywhere.
func (n *network) drops() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lost
}

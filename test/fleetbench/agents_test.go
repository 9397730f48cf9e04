package fleetbench

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"
	"golang.org/x/net/ipv4"

	"grove/runtime/probe/snmp/ber"
	"grove/test/grovetest"
)

// The devices of the fleet: 127.16.0.0/12 at one port, each with 24 ports. One process
// answers for all of them, GET and GETBULK of version 2c, and cuts its answers at 1,472
// bytes, as many devices do. What counts rises with the time.
const (
	fleetPorts = 24
	fleetFrame = 1472
)

// fleetAddress is the n-th device; every deadEvery-th is one that never answers. The
// second octet says so to the process that answers.
func fleetAddress(n, port, deadEvery int) string {
	second := 16
	if deadEvery > 0 && n%deadEvery == 0 {
		second = 31
	}
	return fmt.Sprintf("127.%d.%d.%d:%d", second, n/250, n%250+1, port)
}

// startFleet starts the process that answers for the devices, and returns its port.
func startFleet(b *testing.B) int {
	b.Helper()
	line := aside(b, "TestServeFleet", "SERVE_FLEET=yes")
	var port int
	if _, err := fmt.Sscanf(line, "fleet %d", &port); err != nil {
		b.Fatal(line, err)
	}
	return port
}

// aside runs a test of this package as a process of its own until a benchmark ends, and
// returns the first line that it prints.
func aside(b *testing.B, test, env string) (line string) {
	b.Helper()
	p, err := grovetest.Program{Path: os.Args[0], Env: []string{env}}.Start("-test.run", "^"+test+"$")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = p.End(os.Kill) })
	if line, err = p.First(); err != nil {
		b.Fatal(err)
	}
	return line
}

// TestServeFleet is the process of startFleet.
func TestServeFleet(t *testing.T) {
	if os.Getenv("SERVE_FLEET") == "" {
		t.Skip("it is what startFleet runs")
	}
	socket, err := net.ListenUDP("udp4", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = socket.SetReadBuffer(8 << 20)
	raw, err := socket.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, 8<<20)
	})
	conn := ipv4.NewPacketConn(socket)
	if err := conn.SetControlMessage(ipv4.FlagDst, true); err != nil {
		t.Fatal(err)
	}
	fmt.Println("fleet", socket.LocalAddr().(*net.UDPAddr).Port)
	serveFleet(t, conn)
}

// serveFleet answers until the process is killed.
func serveFleet(t *testing.T, conn *ipv4.PacketConn) {
	const batch = 64
	in, out := make([]ipv4.Message, batch), make([]ipv4.Message, 0, batch)
	for i := range in {
		in[i].Buffers = [][]byte{make([]byte, 2048)}
		in[i].OOB = ipv4.NewControlMessage(ipv4.FlagDst)
	}
	answers := &fleetAnswers{}
	var c ipv4.ControlMessage
	for {
		n, err := conn.ReadBatch(in, 0)
		if err != nil {
			t.Fatal(err)
		}
		out = out[:0]
		for i := range in[:n] {
			m := &in[i]
			if err := c.Parse(m.OOB[:m.NN]); err != nil {
				continue
			}
			dst := c.Dst.To4()
			if dst[1] == 31 {
				continue // one of the dead
			}
			if b := answers.to(m.Buffers[0][:m.N]); b != nil {
				from := ipv4.ControlMessage{Src: dst}
				out = append(out, ipv4.Message{Buffers: [][]byte{b}, Addr: m.Addr, OOB: from.Marshal()})
			}
		}
		for rest := out; len(rest) > 0; {
			n, err := conn.WriteBatch(rest, 0)
			if err != nil {
				n = 1 // somebody has gone
			}
			rest = rest[n:]
		}
	}
}

// fleetAnswers are the answers to what is asked, made anew each second.
type fleetAnswers struct {
	objects []fleetObject
	second  int64
	made    map[string][]byte // by the request without its id
}

type fleetObject struct {
	name  ber.OID
	value ber.Value
}

// to returns the answer to a request.
func (f *fleetAnswers) to(request []byte) []byte {
	id, ok := ber.PeekID(request)
	at := fleetID(request)
	if now := time.Now().Unix(); now != f.second {
		f.second, f.objects, f.made = now, fleetObjects(now), map[string][]byte{}
	}
	if !ok || at < 0 {
		return f.answer(request) // its id is shorter
	}
	binary.BigEndian.PutUint32(request[at:], 0)
	made := f.made[string(request)]
	if made == nil {
		binary.BigEndian.PutUint32(request[at:], id)
		if made = f.answer(request); made == nil {
			return nil
		}
		binary.BigEndian.PutUint32(request[at:], 0)
		f.made[string(request)] = made
	}
	b := slices.Clone(made)
	binary.BigEndian.PutUint32(b[fleetID(b):], id)
	return b
}

// fleetID is where the request-id of a message is whose id has four octets.
func fleetID(b []byte) int {
	head := func(at int) int {
		if at+1 >= len(b) {
			return 0
		}
		if b[at+1] < 0x80 {
			return 2
		}
		return 2 + int(b[at+1]&0x7f)
	}
	at := head(0) + 3
	if at+1 >= len(b) {
		return -1
	}
	at += 2 + int(b[at+1])
	at += head(at) + 2
	if at+4 > len(b) {
		return -1
	}
	return at
}

func (f *fleetAnswers) answer(request []byte) []byte {
	q, err := (&gosnmp.GoSNMP{Version: gosnmp.Version2c, Community: "public"}).SnmpDecodePacket(request)
	if err != nil {
		return nil
	}
	head, _ := (&ber.Request{Version: ber.Version2c, Community: q.Community, PDU: ber.Response}).Append(nil)
	room := fleetFrame - len(head) - 8
	var bindings []byte
	add := func(name ber.OID, v ber.Value) bool {
		size := len(bindings)
		if bindings = fleetBinding(bindings, name, v); len(bindings) > room {
			bindings = bindings[:size]
			return false
		}
		return true
	}
	next := func(name ber.OID) (ber.OID, ber.Value) {
		i, found := slices.BinarySearchFunc(f.objects, name, func(o fleetObject, n ber.OID) int { return ber.Compare(o.name, n) })
		if found {
			i++
		}
		if i == len(f.objects) {
			return name, ber.Value{Type: ber.EndOfMibView}
		}
		return f.objects[i].name, f.objects[i].value
	}
	names := make([]ber.OID, len(q.Variables))
	for i, v := range q.Variables {
		if names[i], err = ber.ParseOID(strings.TrimPrefix(v.Name, ".")); err != nil {
			return nil
		}
	}
	switch q.PDUType {
	case gosnmp.GetRequest:
		for _, n := range names {
			i, found := slices.BinarySearchFunc(f.objects, n, func(o fleetObject, n ber.OID) int { return ber.Compare(o.name, n) })
			v := ber.Value{Type: ber.NoSuchInstance}
			if found {
				v = f.objects[i].value
			}
			if !add(n, v) {
				return nil // nobody asks for so much
			}
		}
	case gosnmp.GetNextRequest, gosnmp.GetBulkRequest:
		single, times := len(names), 0
		if q.PDUType == gosnmp.GetBulkRequest {
			single, times = int(q.NonRepeaters), int(q.MaxRepetitions)
		}
		for _, n := range names[:single] {
			add(next(n))
		}
		for full := false; times > 0 && !full; times-- {
			for i := range names[single:] {
				n, v := next(names[single+i])
				if full = !add(n, v); full {
					break
				}
				names[single+i] = n
			}
		}
	}
	return fleetMessage(q.Community, q.RequestID, bindings)
}

// fleetBinding appends a value in the fewest octets.
func fleetBinding(b []byte, name ber.OID, v ber.Value) []byte {
	value := []byte{v.Type, byte(len(v.Octets))}
	switch v.Type {
	case ber.Integer, ber.Counter32, ber.Gauge32, ber.TimeTicks, ber.Counter64:
		octets := binary.BigEndian.AppendUint64([]byte{0}, v.Bits)
		for len(octets) > 1 && octets[0] == 0 && octets[1] < 0x80 {
			octets = octets[1:]
		}
		value = append(append(value[:1], byte(len(octets))), octets...)
	default:
		value = append(value, v.Octets...)
	}
	b = append(b, 0x30, byte(2+len(name)+len(value)), ber.ObjectID, byte(len(name)))
	return append(append(b, name...), value...)
}

func fleetMessage(community string, id uint32, bindings []byte) []byte {
	wrap := func(tag byte, in []byte) []byte {
		return append([]byte{tag, 0x82, byte(len(in) >> 8), byte(len(in))}, in...)
	}
	pdu := binary.BigEndian.AppendUint32([]byte{ber.Integer, 4}, id)
	pdu = append(pdu, ber.Integer, 1, 0, ber.Integer, 1, 0)
	pdu = wrap(ber.Response, append(pdu, wrap(0x30, bindings)...))
	body := append([]byte{ber.Integer, 1, ber.Version2c, ber.OctetString, byte(len(community))}, community...)
	return wrap(0x30, append(body, pdu...))
}

// fleetObjects is what each device has at a second: the system group, ifTable and
// ifXTable.
func fleetObjects(second int64) []fleetObject {
	var all []fleetObject
	add := func(name string, v ber.Value) {
		oid, err := ber.ParseOID(name)
		if err != nil {
			panic(err)
		}
		all = append(all, fleetObject{oid, v})
	}
	text := func(s string) ber.Value { return ber.Value{Type: ber.OctetString, Octets: []byte(s)} }
	number := func(tag byte, n int64) ber.Value { return ber.Value{Type: tag, Bits: uint64(n)} }
	up := second % (1 << 24)
	add("1.3.6.1.2.1.1.1.0", text("A switch of 24 ports"))
	add("1.3.6.1.2.1.1.3.0", number(ber.TimeTicks, 100*up))
	add("1.3.6.1.2.1.1.5.0", text("switch"))
	for port := int64(1); port <= fleetPorts; port++ {
		one := func(table string, column int, v ber.Value) {
			add(table+"."+strconv.Itoa(column)+"."+strconv.FormatInt(port, 10), v)
		}
		const ifEntry, ifXEntry = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1"
		one(ifEntry, 1, number(ber.Integer, port))
		one(ifEntry, 2, text(fmt.Sprintf("GigabitEthernet0/%d", port)))
		one(ifEntry, 3, number(ber.Integer, 6))
		one(ifEntry, 4, number(ber.Integer, 1500))
		one(ifEntry, 5, number(ber.Gauge32, 1e9))
		one(ifEntry, 7, number(ber.Integer, 1))
		one(ifEntry, 8, number(ber.Integer, 1))
		for column := 10; column <= 20; column++ {
			one(ifEntry, column, number(ber.Counter32, (up*port*int64(column)*1000)%(1<<32)))
		}
		one(ifXEntry, 1, text(fmt.Sprintf("Gi0/%d", port)))
		for column := 6; column <= 13; column++ {
			one(ifXEntry, column, number(ber.Counter64, up*port*int64(column)*1_000_000))
		}
		one(ifXEntry, 15, number(ber.Gauge32, 1000))
		one(ifXEntry, 18, text(""))
	}
	slices.SortFunc(all, func(a, b fleetObject) int { return ber.Compare(a.name, b.name) })
	return all
}

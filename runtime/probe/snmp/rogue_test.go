package snmp

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gosnmp/gosnmp"

	"grove/runtime/probe"
	"grove/runtime/probe/snmp/ber"
)

// rogueAgent stands in for devices that answer wrongly. It gives each datagram to
// answer, which returns what to send back.
func rogueAgent(t *testing.T, answer func(q *gosnmp.SnmpPacket) [][]byte) string {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		codec := &gosnmp.GoSNMP{Version: gosnmp.Version2c, Community: "public"}
		buffer := make([]byte, 1<<16)
		for {
			n, from, err := socket.ReadFrom(buffer)
			if err != nil {
				return
			}
			q, err := codec.SnmpDecodePacket(buffer[:n])
			if err != nil {
				t.Errorf("the probe sends what cannot be read: %v", err)
				continue
			}
			for _, packet := range answer(q) {
				_, _ = socket.WriteTo(packet, from)
			}
		}
	})
	t.Cleanup(func() { socket.Close(); done.Wait() })
	return socket.LocalAddr().String()
}

// reply encodes an answer to a question.
func reply(t *testing.T, q *gosnmp.SnmpPacket, status gosnmp.SNMPError, index uint8, variables ...gosnmp.SnmpPDU) []byte {
	t.Helper()
	p := &gosnmp.SnmpPacket{
		Version: q.Version, Community: q.Community, PDUType: gosnmp.GetResponse, RequestID: q.RequestID,
		Error: status, ErrorIndex: index, Variables: variables,
	}
	b, err := p.MarshalMsg()
	if err != nil {
		t.Errorf("encode: %v", err)
	}
	return b
}

func integer(oid string, n int) gosnmp.SnmpPDU {
	return gosnmp.SnmpPDU{Name: oid, Type: gosnmp.Integer, Value: n}
}

func TestRogueAgents(t *testing.T) {
	const name = ".1.3.6.1.2.1.1.7.0"
	good := func(q *gosnmp.SnmpPacket) []byte { return reply(t, q, gosnmp.NoError, 0, integer(name, 72)) }
	tests := []struct {
		name   string
		answer func(q *gosnmp.SnmpPacket) [][]byte
		up     float64
		value  string // of the one value asked for
		err    string // with ADDRESS for the agent's address
	}{
		{"another request's answer first", func(q *gosnmp.SnmpPacket) [][]byte {
			wrong := *q
			wrong.RequestID++
			return [][]byte{reply(t, &wrong, gosnmp.NoError, 0, integer(name, 1)), good(q)}
		}, 1, "72", ""},
		{"rubbish first", func(q *gosnmp.SnmpPacket) [][]byte { return [][]byte{{0x30}, []byte("hello"), good(q)} }, 1, "72", ""},
		{"only rubbish", func(*gosnmp.SnmpPacket) [][]byte { return [][]byte{{0x30, 0x82, 0xff, 0xff, 1}} }, 0, "",
			"ADDRESS sends what cannot be read: a part of 65535 bytes where 1 are left"},
		{"cut off", func(q *gosnmp.SnmpPacket) [][]byte { b := good(q); return [][]byte{b[:len(b)-4]} }, 0, "",
			"ADDRESS sends what cannot be read: a part of N bytes where N-4 are left"},
		{"a flood of late answers", func(q *gosnmp.SnmpPacket) [][]byte {
			wrong := *q
			wrong.RequestID++
			return slicesRepeat(reply(t, &wrong, gosnmp.NoError, 0, integer(name, 1)), 64)
		}, 0, "", "no answer from ADDRESS to 1 packet in 500ms; a wrong community looks the same"},
		{"another object", func(q *gosnmp.SnmpPacket) [][]byte {
			return [][]byte{reply(t, q, gosnmp.NoError, 0, integer(".1.3.6.1.2.1.1.8.0", 1))}
		}, 1, "", "sysServices.0: the answer is about something else"},
		{"nothing in the answer", func(q *gosnmp.SnmpPacket) [][]byte { return [][]byte{reply(t, q, gosnmp.NoError, 0)} }, 1, "",
			"sysServices.0: the answer is about something else"},
		{"an error without a place", func(q *gosnmp.SnmpPacket) [][]byte { return [][]byte{reply(t, q, gosnmp.GenErr, 0)} }, 1, "",
			"sysServices.0: the agent reports a general error"},
		{"an error at a place that is not there", func(q *gosnmp.SnmpPacket) [][]byte { return [][]byte{reply(t, q, gosnmp.GenErr, 99)} }, 1, "",
			"sysServices.0: the agent reports a general error"},
		{"always too big", func(q *gosnmp.SnmpPacket) [][]byte { return [][]byte{reply(t, q, gosnmp.TooBig, 0)} }, 1, "",
			"sysServices.0: the answer is too big for a packet"},
		{"a question for an answer", func(q *gosnmp.SnmpPacket) [][]byte {
			p := *q
			b, _ := p.MarshalMsg()
			return [][]byte{b}
		}, 0, "", "no answer from ADDRESS to 1 packet in 500ms; a wrong community looks the same"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			address := rogueAgent(t, tt.answer)
			r := run(t, start(t, options(address, func(o *Options) {
				o.Values = map[string]string{"x": "sysServices"}
				o.Retries, o.RequestTimeout = 0, 500*time.Millisecond
			})))
			up, _ := value(r, "up").Number()
			if got := value(r, "x").String(); got != tt.value || up != tt.up {
				t.Errorf("value %q, up %v; want %q, %v", got, up, tt.value, tt.up)
			}
			want := strings.ReplaceAll(tt.err, "ADDRESS", address)
			if strings.Contains(want, "N bytes") { // the length depends on the number of the request
				var n, left int
				_, part, _ := strings.Cut(text(r, "error"), "a part of ")
				if _, err := fmt.Sscanf(part, "%d bytes where %d are left", &n, &left); err != nil || left != n-4 {
					t.Errorf("error %q", text(r, "error"))
				}
				want = strings.NewReplacer("N-4", fmt.Sprint(left), "N bytes", fmt.Sprint(n, " bytes")).Replace(want)
			}
			if diff := cmp.Diff(want, text(r, "error")); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func slicesRepeat(b []byte, n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = b
	}
	return out
}

// A table walk ends on any agent, and what it read before counts.
func TestRogueTables(t *testing.T) {
	const descr, mtu = ".1.3.6.1.2.1.2.2.1.2.", ".1.3.6.1.2.1.2.2.1.4."
	text3 := func(oid string) gosnmp.SnmpPDU {
		return gosnmp.SnmpPDU{Name: oid, Type: gosnmp.OctetString, Value: "port"}
	}
	last := func(oid string) int {
		n, _ := strconv.Atoi(oid[strings.LastIndexByte(oid, '.')+1:])
		return n
	}
	tests := []struct {
		name   string
		answer func(q *gosnmp.SnmpPacket) [][]byte
		rows   [][]string
		err    string
	}{
		{"an endless walk in a circle", func(q *gosnmp.SnmpPacket) [][]byte {
			return [][]byte{reply(t, q, gosnmp.NoError, 0, text3(descr+"1"), integer(mtu+"1", 1500), text3(descr+"1"), integer(mtu+"1", 1500))}
		}, [][]string{{"1", "port", "1500"}}, "ports.descr: the agent goes back from 1.3.6.1.2.1.2.2.1.2.1 to 1.3.6.1.2.1.2.2.1.2.1; ports.mtu: the agent goes back from 1.3.6.1.2.1.2.2.1.4.1 to 1.3.6.1.2.1.2.2.1.4.1"},
		{"rows without an end", func(q *gosnmp.SnmpPacket) [][]byte {
			var v []gosnmp.SnmpPDU
			for i := range q.Variables {
				n := 1
				if strings.Count(q.Variables[i].Name, ".") == 11 {
					n = last(q.Variables[i].Name) + 1
				}
				if strings.HasPrefix(q.Variables[i].Name+".", descr) {
					v = append(v, text3(descr+strconv.Itoa(n)))
				} else {
					v = append(v, integer(mtu+strconv.Itoa(n), 1500))
				}
			}
			return [][]byte{reply(t, q, gosnmp.NoError, 0, v...)}
		}, [][]string{{"1", "port", "1500"}, {"2", "port (2)", "1500"}, {"3", "port (3)", "1500"}}, "ports: more than 3 rows, which is max_rows; ports: more than 3 rows, which is max_rows"},
		{"nothing in the answer", func(q *gosnmp.SnmpPacket) [][]byte { return [][]byte{reply(t, q, gosnmp.NoError, 0)} }, nil,
			"ports: the agent sends an empty answer"},
		{"one row goes while the table is read", func(q *gosnmp.SnmpPacket) [][]byte {
			end := integer(".1.3.6.1.2.1.2.2.1.5.1", 0)
			return [][]byte{reply(t, q, gosnmp.NoError, 0, text3(descr+"1"), integer(mtu+"2", 1400), text3(descr+"2"), end, end, end)}
		}, [][]string{{"1", "port", ""}, {"2", "port (2)", "1400"}}, ""},
		{"too big until one column alone fits", func(q *gosnmp.SnmpPacket) [][]byte {
			if len(q.Variables) > 1 || q.MaxRepetitions > 1 {
				return [][]byte{reply(t, q, gosnmp.TooBig, 0)}
			}
			name := q.Variables[0].Name
			switch {
			case name+"." == descr:
				return [][]byte{reply(t, q, gosnmp.NoError, 0, text3(descr+"7"))}
			case name+"." == mtu:
				return [][]byte{reply(t, q, gosnmp.NoError, 0, integer(mtu+"7", 9000))}
			}
			return [][]byte{reply(t, q, gosnmp.NoError, 0, gosnmp.SnmpPDU{Name: name, Type: gosnmp.EndOfMibView})}
		}, [][]string{{"7", "port", "9000"}}, ""},
		{"an error for one column", func(q *gosnmp.SnmpPacket) [][]byte {
			if len(q.Variables) == 2 {
				return [][]byte{reply(t, q, gosnmp.AuthorizationError, 2)}
			}
			if q.Variables[0].Name+"." == descr {
				return [][]byte{reply(t, q, gosnmp.NoError, 0, text3(descr+"1"))}
			}
			return [][]byte{reply(t, q, gosnmp.NoError, 0, gosnmp.SnmpPDU{Name: ".1.3.6.1.2.1.2.2.1.3.1", Type: gosnmp.EndOfMibView})}
		}, [][]string{{"1", "port", ""}}, "ports.mtu: the agent allows no access"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, start(t, options(rogueAgent(t, tt.answer), func(o *Options) {
				o.Tables = map[string]Table{"ports": {Columns: map[string]string{"descr": "ifDescr", "mtu": "ifMtu"}, Key: "descr", MaxRows: 3}}
				o.Retries = 0
			})))
			if len(r.Tables) != 1 {
				t.Fatalf("tables: %+v, error %q", r.Tables, text(r, "error"))
			}
			var rows [][]string
			for _, row := range r.Tables[0].Rows {
				var cells []string
				for _, cell := range row {
					cells = append(cells, cell.String())
				}
				rows = append(rows, cells)
			}
			if diff := cmp.Diff(tt.rows, rows); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.err, text(r, "error")); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLargeValuesAreHalvedUntilTheyFit(t *testing.T) {
	sizes := make(chan int, 1000)
	address := rogueAgent(t, func(q *gosnmp.SnmpPacket) [][]byte {
		sizes <- len(q.Variables)
		if len(q.Variables) > 13 {
			return [][]byte{reply(t, q, gosnmp.TooBig, 0)}
		}
		var v []gosnmp.SnmpPDU
		for _, x := range q.Variables {
			v = append(v, integer(x.Name, 1))
		}
		return [][]byte{reply(t, q, gosnmp.NoError, 0, v...)}
	})
	o := options(address)
	o.Values = map[string]string{}
	for i := range 60 {
		o.Values["v"+strconv.Itoa(i)] = "1.3.6.1.4.1.99999.1." + strconv.Itoa(i+1)
	}
	p := start(t, o)
	r := run(t, p)
	// The first wave is 50 and 10; what is too big is halved, 25 and then 12 at a time.
	var got []int
	for len(sizes) > 0 {
		got = append(got, <-sizes)
	}
	small := 0
	for _, n := range got {
		if n <= 13 {
			small += n
		}
	}
	if got[0] != 50 || got[1] != 10 || small != 60 || len(got) > 12 || text(r, "error") != "" || len(r.Values) != 63 {
		t.Errorf("%d values, error %q, sizes of packets %v", len(r.Values), text(r, "error"), got)
	}
	run(t, p) // it has learnt
	for len(sizes) > 0 {
		if n := <-sizes; n > 13 {
			t.Errorf("it asks for %d again", n)
		}
	}
}

// FuzzPoll gives anything for answers to a probe that knows the device already, and to
// one that does not.
func FuzzPoll(f *testing.F) {
	answer := func(variables ...gosnmp.SnmpPDU) []byte {
		q := &gosnmp.SnmpPacket{Version: gosnmp.Version2c, Community: "public", PDUType: gosnmp.GetResponse, RequestID: 7, Variables: variables}
		b, err := q.MarshalMsg()
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	known := answer(
		integer(".1.3.6.1.2.1.2.2.1.4.1", 1500), gosnmp.SnmpPDU{Name: ".1.3.6.1.2.1.31.1.1.1.1.1", Type: gosnmp.OctetString, Value: "eth0"},
		integer(".1.3.6.1.2.1.2.2.1.4.2", 1500), gosnmp.SnmpPDU{Name: ".1.3.6.1.2.1.31.1.1.1.1.2", Type: gosnmp.OctetString, Value: "eth1"},
	)
	f.Add(known, []byte{3, 1})
	f.Add(answer(
		integer(".1.3.6.1.2.1.2.2.1.8.1", 2), gosnmp.SnmpPDU{Name: ".1.3.6.1.2.1.1.5.0", Type: gosnmp.OctetString, Value: "name"},
		gosnmp.SnmpPDU{Name: ".1.3.6.1.2.1.1.2.0", Type: gosnmp.ObjectIdentifier, Value: ".1.3.6.1.2.1.25.2.1.4"},
		gosnmp.SnmpPDU{Name: ".1.3.6.1.2.1.31.1.1.1.6.1", Type: gosnmp.Counter64, Value: uint64(1) << 60},
		gosnmp.SnmpPDU{Name: ".1.3.6.1.2.1.1.3.0", Type: gosnmp.TimeTicks, Value: uint32(12345)},
		gosnmp.SnmpPDU{Name: ".1.3.6.1.2.1.1.9.0", Type: gosnmp.EndOfMibView},
	), []byte{0})
	f.Add([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff}, []byte{1, 2, 3})
	o := options("192.0.2.1", func(o *Options) {
		o.Values = map[string]string{"sysname": "sysName", "in": "ifInOctets.1"}
		o.Tables = map[string]Table{"ports": {Columns: map[string]string{"name": "ifName", "in": "ifInOctets", "mtu": "ifMtu"}, Key: "name", MaxRows: 5, Discontinuity: "ifCounterDiscontinuityTime"}}
	})
	f.Fuzz(func(t *testing.T, message, order []byte) {
		p, err := newProbe(new(shared), o)
		if err != nil {
			t.Fatal(err)
		}
		for run := range 3 {
			a := &scripted{messages: [][]byte{message, known}, order: order}
			result := probe.Result{Time: time.Unix(int64(1000*run), 0)}
			q := newPoll(poll{agent: a, plan: p.plan, memory: &p.memory, bulk: true, most: 25, names: p.names, into: &result, now: result.Time, layouts: &p.shared.layouts, lent: new(lent)})
			_ = q.run(t.Context())
			q.release()
			if a.asked > 2000 {
				t.Fatalf("%d packets", a.asked)
			}
			for _, table := range result.Tables {
				if len(table.Rows) > 5 {
					t.Fatalf("%d rows", len(table.Rows))
				}
				seen := map[string]bool{}
				for _, row := range table.Rows {
					if len(row) != len(table.Columns) || seen[row[3].String()] {
						t.Fatalf("row %v of %v", row, table.Columns)
					}
					seen[row[3].String()] = true
				}
			}
		}
	})
}

// scripted answers with messages in an order, and then with the end of everything.
type scripted struct {
	messages [][]byte
	order    []byte
	asked    int
}

func (s *scripted) ask(_ context.Context, requests []request) error {
	for i := range requests {
		q := &requests[i]
		q.err, q.status, q.bindings = nil, gosnmp.NoError, nil
		k := s.asked
		s.asked++
		if k >= 4*len(s.order) || k > 200 {
			q.status, q.index = gosnmp.GenErr, 0
			continue
		}
		b := s.messages[int(s.order[k%len(s.order)])%len(s.messages)]
		if h, err := ber.ReadHead(b); err == nil {
			q.status, q.index, q.bindings, q.message = gosnmp.SNMPError(h.Status), h.Index, h.Bindings, b
		} else {
			q.err = &downError{text: err.Error()}
		}
	}
	return nil
}

func (s *scripted) fits() int { return 0 }
func (s *scripted) close()    {}

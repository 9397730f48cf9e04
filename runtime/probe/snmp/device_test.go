package snmp

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gosnmp/gosnmp"

	"grove/runtime/probe"
	"grove/runtime/probe/snmp/ber"
)

// device stands in for an agent that has whatever a test gives it, and that may be
// changed between runs and while one is under way.
type device struct {
	objects map[string]ber.Value // by the dotted number
	room    int                  // bytes of an answer, which GETBULK fills and GET must not exceed; 0: 1,400
	most    int                  // packets at once; what is more is lost; 0: any number
	taken   int                  // bytes of a request that it takes, as version 3 says them
	packets int
	asked   int            // values
	before  func(k int)    // called before the k-th packet of all is answered
	pdus    map[byte]int   // packets by what they are
	lost    int            // packets
	widest  map[byte][]int // names of each packet by what it is
}

func (d *device) set(name string, tag byte, n uint64) {
	if d.objects == nil {
		d.objects = map[string]ber.Value{}
	}
	d.objects[name] = ber.Value{Type: tag, Bits: n}
}

func (d *device) text(name, s string) {
	d.set(name, 0, 0)
	d.objects[name] = ber.Value{Type: ber.OctetString, Octets: []byte(s)}
}

func (d *device) fits() int { return d.taken }
func (d *device) close()    {}

func (d *device) ask(_ context.Context, requests []request) error {
	for i := range requests {
		q := &requests[i]
		*q = request{pdu: q.pdu, names: q.names, nonRepeaters: q.nonRepeaters, repetitions: q.repetitions}
		if d.most > 0 && i >= d.most {
			d.lost++
			q.err = &downError{text: "lost", silent: true}
			continue
		}
		if d.before != nil {
			d.before(d.packets)
		}
		d.packets++
		if d.pdus == nil {
			d.pdus, d.widest = map[byte]int{}, map[byte][]int{}
		}
		d.pdus[q.pdu]++
		d.widest[q.pdu] = append(d.widest[q.pdu], len(q.names))
		d.answer(q)
	}
	return nil
}

func (d *device) answer(q *request) {
	type object struct {
		name  ber.OID
		value ber.Value
	}
	var all []object
	for name, v := range d.objects {
		oid, err := ber.ParseOID(name)
		if err != nil {
			panic(err)
		}
		all = append(all, object{oid, v})
	}
	slices.SortFunc(all, func(a, b object) int { return ber.Compare(a.name, b.name) })
	at := func(n ber.OID) (int, bool) {
		return slices.BinarySearchFunc(all, n, func(o object, n ber.OID) int { return ber.Compare(o.name, n) })
	}
	room := d.room
	if room == 0 {
		room = 1400
	}
	full := false
	add := func(n ber.OID, v ber.Value) {
		size := len(q.bindings)
		if q.bindings = ber.AppendBinding(q.bindings, n, &v); len(q.bindings) > room {
			q.bindings, full = q.bindings[:size], true
			return
		}
		d.asked++
	}
	next := func(n ber.OID) (ber.OID, ber.Value) {
		i, found := at(n)
		if found {
			i++
		}
		if i == len(all) {
			return n, ber.Value{Type: ber.EndOfMibView}
		}
		return all[i].name, all[i].value
	}
	names := make([]ber.OID, len(q.names))
	for i, n := range q.names {
		names[i] = n.Column + ber.OID(n.Row)
	}
	switch q.pdu {
	case ber.Get:
		for _, n := range names {
			if i, found := at(n); found {
				add(n, all[i].value)
			} else {
				add(n, ber.Value{Type: ber.NoSuchInstance})
			}
		}
	case ber.GetNext:
		for i, n := range names {
			name, v := next(n)
			if v.Type == ber.EndOfMibView {
				*q = request{pdu: q.pdu, names: q.names, status: gosnmp.NoSuchName, index: i + 1}
				return
			}
			add(name, v)
		}
	default:
		for _, n := range names[:q.nonRepeaters] {
			add(next(n))
		}
		rest := names[q.nonRepeaters:]
		for range q.repetitions {
			for i := range rest {
				n, v := next(rest[i])
				if add(n, v); full {
					break
				}
				rest[i] = n
			}
			if full {
				break
			}
		}
		full = full && len(q.bindings) == 0
	}
	if full {
		*q = request{pdu: q.pdu, names: q.names, status: gosnmp.TooBig}
	}
}

// bench is a probe with a device under its hands.
type bench struct {
	*testing.T
	p    *snmpProbe
	d    *device
	now  time.Time
	lent *lent // of the next poll; nil: a new one
}

func newBench(t *testing.T, d *device, change func(*Options)) *bench {
	t.Helper()
	p, err := newProbe(new(shared), options("192.0.2.1", change))
	if err != nil {
		t.Fatal(err)
	}
	return &bench{T: t, p: p, d: d, now: time.Unix(1_000_000, 0)}
}

// poll runs the probe after some time, and returns the result and what went wrong.
func (b *bench) poll(after time.Duration) (probe.Result, string) {
	b.Helper()
	b.now = b.now.Add(after)
	r := probe.Result{Time: b.now}
	b.d.packets, b.d.asked, b.d.pdus, b.d.widest, b.d.lost = 0, 0, nil, nil, 0
	l := b.lent
	if b.lent = nil; l == nil {
		l = new(lent)
	}
	q := newPoll(poll{
		agent: b.d, plan: b.p.plan, memory: &b.p.memory, bulk: b.p.plan.version != gosnmp.Version1, most: b.p.options.MaxRepetitions,
		names: b.p.names, into: &r, now: b.now, layouts: &b.p.shared.layouts, lent: l,
	})
	defer q.release()
	if err := q.run(b.Context()); err != nil {
		q.problem("%s", err)
	}
	return r, q.text()
}

// rows writes a table down, a row a line.
func rows(r probe.Result) []string {
	var lines []string
	for _, t := range r.Tables {
		for _, row := range t.Rows {
			line := ""
			for i, cell := range row {
				if i > 0 {
					line += " "
				}
				line += cell.String()
			}
			lines = append(lines, line)
		}
	}
	return lines
}

const (
	ifDescr       = "1.3.6.1.2.1.2.2.1.2."
	ifMtu         = "1.3.6.1.2.1.2.2.1.4."
	ifInOctets    = "1.3.6.1.2.1.2.2.1.10."
	ifInErrors    = "1.3.6.1.2.1.2.2.1.14."
	ifHCInOctets  = "1.3.6.1.2.1.31.1.1.1.6."
	discontinuity = "1.3.6.1.2.1.31.1.1.1.19."
)

// twoColumns reads a table of names and sizes.
func twoColumns(o *Options) {
	o.Tables = map[string]Table{"ports": {Columns: map[string]string{"descr": "ifDescr", "mtu": "ifMtu"}, Key: "descr"}}
}

// port gives the device a port, whose size tells its number.
func (d *device) port(n int) {
	d.text(ifDescr+strconv.Itoa(n), fmt.Sprint("port", n))
	d.set(ifMtu+strconv.Itoa(n), ber.Integer, uint64(n%1000))
}

func (d *device) unplug(n int) {
	delete(d.objects, ifDescr+strconv.Itoa(n))
	delete(d.objects, ifMtu+strconv.Itoa(n))
}

// ports is what rows says of ports.
func ports(numbers ...int) []string {
	var lines []string
	for _, n := range numbers {
		lines = append(lines, fmt.Sprintf("%d port%d %d", n, n, n%1000))
	}
	return lines
}

func span(from, to int) []int {
	var s []int
	for n := from; n <= to; n++ {
		s = append(s, n)
	}
	return s
}

// Tables change between runs in every way; what is told is always what is there.
func TestTablesThatChange(t *testing.T) {
	for _, version := range []string{"1", "2c"} {
		for _, room := range []int{200, 1400} {
			t.Run(fmt.Sprintf("version %s, %d bytes", version, room), func(t *testing.T) {
				d := &device{room: room}
				have := map[int]bool{}
				b := newBench(t, d, func(o *Options) { twoColumns(o); o.Version = version })
				steps := []struct {
					name      string
					add, drop []int
				}{
					{"nothing", nil, nil}, {"the first", []int{5}, nil}, {"many", span(10, 120), nil}, {"the same", nil, nil},
					{"one before all", []int{1}, nil}, {"one behind all", []int{500}, nil}, {"one in the middle", []int{7}, nil},
					{"the first goes", nil, []int{1}}, {"the last goes", nil, []int{500}}, {"some in the middle go", nil, span(40, 70)},
					{"one comes where one went", []int{45}, nil}, {"others for all", span(1000, 1030), slices.Concat(span(1, 39), span(45, 45), span(71, 200))},
					{"large numbers", []int{127, 128, 16383, 16384, 2000000000}, nil}, {"all go", nil, slices.Concat(span(1, 2000), []int{16383, 16384, 2000000000})}, {"again", span(3, 4), nil},
				}
				for _, s := range steps {
					for _, n := range s.add {
						d.port(n)
						have[n] = true
					}
					for _, n := range s.drop {
						d.unplug(n)
						delete(have, n)
					}
					for range 2 { // as it finds it, and as it knows it
						r, problem := b.poll(10 * time.Second)
						if diff := cmp.Diff(ports(slices.Sorted(maps.Keys(have))...), rows(r)); diff != "" || problem != "" {
							t.Fatalf("%s: %q (-want +got):\n%s", s.name, problem, diff)
						}
					}
				}
			})
		}
	}
}

// Columns with holes, and rows that come while a table is read.
func TestTablesWithHoles(t *testing.T) {
	d := &device{room: 300}
	for n := range 60 {
		d.port(n + 1)
		if n%3 == 0 {
			delete(d.objects, ifMtu+strconv.Itoa(n+1))
		}
	}
	b := newBench(t, d, twoColumns)
	var want []string
	for n := range 60 {
		line := ports(n + 1)[0]
		if n%3 == 0 {
			line = fmt.Sprintf("%d port%d ", n+1, n+1)
		}
		want = append(want, line)
	}
	for range 3 {
		r, problem := b.poll(time.Second)
		if diff := cmp.Diff(want, rows(r)); diff != "" || problem != "" {
			t.Fatalf("%q (-want +got):\n%s", problem, diff)
		}
	}
	d.before = func(k int) {
		if k == 3 {
			d.port(61)
			d.unplug(60)
		}
	}
	if _, problem := b.poll(time.Second); problem != "" {
		t.Error(problem)
	}
	d.before = nil
	r, problem := b.poll(time.Second)
	if got := rows(r); problem != "" || len(got) != 60 || got[59] != ports(61)[0] {
		t.Errorf("%q, %v", problem, got[55:])
	}
}

// What is known is asked for in few packets at once, and little more than is there.
func TestAKnownTableTakesFewPackets(t *testing.T) {
	d := &device{}
	for n := range 24 {
		d.port(n + 1)
	}
	d.set(sysUpTime, ber.TimeTicks, 100)
	b := newBench(t, d, func(o *Options) { twoColumns(o); o.Values = map[string]string{"uptime": "sysUpTime"} })
	b.poll(time.Second)
	r, problem := b.poll(time.Second)
	if len(rows(r)) != 24 || problem != "" || value(r, "uptime").String() != "1" {
		t.Fatalf("%q, %+v", problem, r)
	}
	if d.packets != 1 || d.asked != 1+2*25 || d.pdus[ber.GetBulk] != 1 {
		t.Errorf("%d packets with %d values, %v", d.packets, d.asked, d.pdus)
	}
}

func TestAnAgentThatTakesOnePacketAtATime(t *testing.T) {
	d := &device{most: 1, room: 400}
	for n := range 200 {
		d.port(n + 1)
	}
	b := newBench(t, d, twoColumns)
	for k := range 3 {
		r, problem := b.poll(time.Second)
		if diff := cmp.Diff(ports(span(1, 200)...), rows(r)); diff != "" || problem != "" {
			t.Fatalf("%q (-want +got):\n%s", problem, diff)
		}
		if k == 2 && d.lost > 0 {
			t.Errorf("%d packets are lost still", d.lost)
		}
	}
}

// An agent of version 3 says how large a message may be that it takes.
func TestRequestsFitTheAgent(t *testing.T) {
	d := &device{taken: 284}
	o := map[string]string{}
	for n := range 40 {
		d.set(fmt.Sprintf("1.3.6.1.4.1.99999.1.%d", n+1), ber.Integer, 1)
		o[fmt.Sprint("v", n)] = fmt.Sprintf("1.3.6.1.4.1.99999.1.%d", n+1)
	}
	b := newBench(t, d, func(opt *Options) { opt.Values = o })
	r, problem := b.poll(time.Second)
	if len(r.Values) != 40 || problem != "" || slices.Max(d.widest[ber.Get]) != 284/(10+8) {
		t.Errorf("%d values, %q, packets of %v", len(r.Values), problem, d.widest)
	}
}

func TestSingleValuesThatAreNotThereDoNotSpoilRows(t *testing.T) {
	d := &device{}
	d.port(1)
	d.text("1.3.6.1.2.1.1.5.0", "a name")
	b := newBench(t, d, func(o *Options) {
		twoColumns(o)
		o.Values = map[string]string{"name": "sysName", "location": "sysLocation", "contact": "sysContact"}
	})
	for range 2 {
		r, problem := b.poll(time.Second)
		if want := "sysContact.0: the agent has no such object; sysLocation.0: the agent has no such object"; problem != want {
			t.Errorf("got  %s\nwant %s", problem, want)
		}
		if diff := cmp.Diff(ports(1), rows(r)); diff != "" || text(r, "name") != "a name" {
			t.Errorf("name %q, rows (-want +got):\n%s", text(r, "name"), diff)
		}
	}
}

package snmp

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gosnmp/gosnmp"

	"grove/runtime/probe"
	"grove/runtime/probe/snmp/ber"
	"grove/runtime/probe/snmp/mib"
	"grove/tree"
)

// Bounds of what one packet asks for.
const (
	// maxPerPacket is how many values one packet asks for as long as nothing is known of
	// their size: as many as an answer mostly holds that is not cut into fragments on an
	// Ethernet.
	maxPerPacket = 50
	// maxKnown bounds them when their size is known to be small.
	maxKnown = 100
	// answerBytes is how large an answer shall be: an Ethernet frame less the heads of IPv6,
	// UDP and SNMP.
	answerBytes = 1370
	// maxRiders bounds the single values that are asked for together with rows.
	maxRiders = 10
)

// memory is what a probe keeps from run to run.
type memory struct {
	address resolved
	up      upSince
	tables  []tableMemory
	counts  []counted // of the values; only for counters
	twins   []twin    // of the values
	// most is how many values the agent lets one packet ask for; 0: as many as one likes.
	most int
	// alone says that several packets at once are too many for the agent.
	alone bool
	// apart says that single values are not asked for together with rows.
	apart bool
	// silent says that the last run had no answer: one packet finds out whether that is so.
	silent bool
}

// counted is what is known of a counter.
type counted struct {
	count, offset float64
	had           bool
}

// twin says whether an agent counts something in 64 bits, too.
type twin uint8

const (
	unknownTwin twin = iota
	hasTwin
	noTwin
)

// poll is one run.
type poll struct {
	agent    agent
	plan     *plan
	memory   *memory
	bulk     bool // version 2c and 3 have GETBULK
	most     int  // repetitions of a GETBULK
	names    *mib.Set
	into     *probe.Result
	lent     *lent // where the room of the result comes from
	now      time.Time
	anew     bool // the agent has begun anew since the last run
	answered bool
	problems []string
	left     int // problems beyond maxProblems

	jobs     []job // that wait to be sent
	base     []job // where those of the first wave are, to be used again
	walks    []*walk
	spare    []*walk
	requests []request
	at       []int  // of the values: 1 more than its place in into.Values; 0: it is not there
	tags     []byte // of the values
	layouts  *alike[layout]
	list     []wanted   // what jobs ask for
	room     []ber.Name // what requests ask for
}

// job is one packet to be sent. Either values or walk is set; riders go with a walk.
type job struct {
	values   []wanted
	riders   []wanted
	walk     *walk
	segments []segmentID
	repeat   int
	again    bool // it was lost among others before
}

// wanted is one value to ask for.
type wanted struct {
	item int // of plan.values
	twin bool
}

// maxProblems bounds the text of the error attribute.
const maxProblems = 8

func (p *poll) problem(format string, args ...any) {
	if len(p.problems) >= maxProblems {
		p.left++
		return
	}
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
}

// text joins the problems for people.
func (p *poll) text() string {
	s := strings.Join(p.problems, "; ")
	if p.left > 0 {
		s += fmt.Sprintf("; and %d more", p.left)
	}
	return s
}

var polls = sync.Pool{New: func() any { return new(poll) }}

// newPoll returns a poll for one run; release gives it back.
func newPoll(set poll) *poll {
	p := polls.Get().(*poll)
	set.spare, set.jobs, set.walks, set.requests = p.spare, p.base[:0], p.walks[:0], p.requests[:0]
	set.at, set.tags, set.list, set.room = p.at[:0], p.tags[:0], p.list[:0], p.room[:0]
	*p = set
	return p
}

func (p *poll) release() {
	for _, w := range p.walks {
		clear(w.rows)
		*w = walk{columns: w.columns[:0], segments: w.segments[:0], ids: w.ids[:0], counts: w.counts[:0], rows: w.rows[:0], tags: w.tags[:0]}
	}
	p.spare = append(p.spare, p.walks...)
	clear(p.requests[:cap(p.requests)])
	clear(p.base[:cap(p.base)])
	polls.Put(p)
}

// walk returns a walk that is not in use.
func (p *poll) walk() *walk {
	n := len(p.spare)
	if n == 0 {
		p.spare, n = append(p.spare, new(walk)), 1
	}
	w := p.spare[n-1]
	p.spare = p.spare[:n-1]
	p.walks = append(p.walks, w)
	return w
}

// run asks for everything. Packets go out in waves: what follows from the answers to one
// is asked in the next.
func (p *poll) run(ctx context.Context) error {
	if len(p.plan.values) == 0 && len(p.plan.tables) == 0 {
		return p.ping(ctx)
	}
	p.begin()
	p.base = p.jobs
	for len(p.jobs) > 0 {
		n := min(p.window(), len(p.jobs))
		wave := p.jobs[:n]
		p.jobs = p.jobs[n:]
		if err := p.wave(ctx, wave); err != nil {
			return err
		}
		if len(p.jobs) == 0 {
			for _, w := range p.walks {
				p.jobs = w.rest(p, p.jobs)
			}
		}
	}
	p.finish()
	return nil
}

// window is how many packets are sent at once.
func (p *poll) window() int {
	if p.memory.alone || p.memory.silent && !p.answered {
		return 1
	}
	return maxWindow
}

// wave asks and takes the answers.
func (p *poll) wave(ctx context.Context, jobs []job) error {
	p.requests, p.room = p.requests[:0], p.room[:0]
	for i := range jobs {
		p.requests = append(p.requests, jobs[i].request(p))
	}
	if err := p.agent.ask(ctx, p.requests); err != nil {
		return err
	}
	var failed error
	answers := 0
	for i := range jobs {
		if p.requests[i].err == nil {
			answers++
			p.answered = true
		}
	}
	for i := range jobs {
		q, j := &p.requests[i], &jobs[i]
		switch {
		case q.err == nil:
			j.take(p, q)
		case answers > 0 && !j.again:
			// Others came through: this one was perhaps one too many at a time.
			p.memory.alone = true
			again := *j
			again.again = true
			p.jobs = append(p.jobs, again)
		case failed == nil:
			failed = q.err
		}
	}
	return failed
}

// begin lists the packets of the first wave.
func (p *poll) begin() {
	m := p.memory
	if m.tables == nil {
		m.tables = make([]tableMemory, len(p.plan.tables))
		m.counts = make([]counted, len(p.plan.values))
		m.twins = make([]twin, len(p.plan.values))
	}
	p.at, p.tags = append(p.at, make([]int, len(p.plan.values))...), append(p.tags, make([]byte, len(p.plan.values))...)
	riders := p.riders()
	if riders == nil {
		p.jobs = p.ask(p.all(), p.jobs)
	}
	for i := range p.plan.tables {
		w := p.walk()
		w.begin(p, &p.plan.tables[i], &m.tables[i])
		p.jobs = w.first(p, p.jobs)
	}
	if riders != nil {
		p.jobs[0].riders = riders
	}
}

// all lists all values that are asked for one by one, and their twins where it is not
// known whether they are there.
func (p *poll) all() []wanted {
	begin := len(p.list)
	for i := range p.plan.values {
		known := p.memory.twins[i]
		hasOne := p.bulk && p.plan.values[i].twin != ""
		if !hasOne || known != hasTwin {
			p.list = append(p.list, wanted{item: i})
		}
		if hasOne && known != noTwin {
			p.list = append(p.list, wanted{item: i, twin: true})
		}
	}
	return p.list[begin:len(p.list):len(p.list)]
}

// riders lists the values when they can go with the first packet of a table, as what does
// not repeat: scalars, each of which is what comes next after its object's number.
func (p *poll) riders() []wanted {
	values := p.plan.values
	if !p.bulk || p.memory.apart || len(values) == 0 || len(values) > maxRiders || len(p.plan.tables) == 0 {
		return nil
	}
	begin := len(p.list)
	for i := range values {
		if !strings.HasSuffix(values[i].oid, ".0") || values[i].twin != "" {
			return nil
		}
		p.list = append(p.list, wanted{item: i})
	}
	return p.list[begin:len(p.list):len(p.list)]
}

// ask appends the packets that ask for values.
func (p *poll) ask(values []wanted, jobs []job) []job {
	for part := range slices.Chunk(values, p.fits(values)) {
		jobs = append(jobs, job{values: part})
	}
	return jobs
}

// fits is how many of the values go into one packet.
func (p *poll) fits(values []wanted) int {
	n := maxPerPacket
	if m := p.memory.most; m > 0 {
		n = min(n, m)
	}
	if most := p.agent.fits(); most > 0 {
		longest := 0
		for _, v := range values {
			longest = max(longest, len(p.name(v)))
		}
		n = min(n, most/(longest+8))
	}
	return max(n, 1)
}

func (p *poll) name(v wanted) ber.OID {
	if it := &p.plan.values[v.item]; !v.twin {
		return it.name
	}
	return p.plan.values[v.item].twin
}

// request is the packet of a job.
func (j *job) request(p *poll) request {
	begin := len(p.room)
	if j.walk == nil {
		q := request{pdu: ber.Get}
		for _, v := range j.values {
			p.room = append(p.room, ber.Name{Column: p.name(v)})
		}
		q.names = p.room[begin:len(p.room):len(p.room)]
		return q
	}
	q := request{pdu: ber.GetNext}
	if p.bulk {
		q.pdu, q.nonRepeaters, q.repetitions = ber.GetBulk, len(j.riders), j.repeat
	}
	for _, v := range j.riders {
		name := p.name(v)
		p.room = append(p.room, ber.Name{Column: name[:len(name)-1]}) // without the 0
	}
	for _, id := range j.segments {
		p.room = append(p.room, j.walk.from(id))
	}
	q.names = p.room[begin:len(p.room):len(p.room)]
	return q
}

// take takes the answer to a job.
func (j *job) take(p *poll, q *request) {
	if j.walk == nil {
		p.takeValues(j, q)
		return
	}
	if len(j.riders) > 0 && q.status != gosnmp.NoError {
		// Something is wrong with the mixture.
		p.memory.apart = true
		p.jobs = p.ask(p.all(), p.jobs)
		if q.index > 0 && q.index <= len(j.riders) || q.status == gosnmp.TooBig {
			again := *j
			again.riders = nil
			p.jobs = append(p.jobs, again)
			return
		}
		q.index = max(0, q.index-len(j.riders))
	}
	c := cursor{rest: q.bindings, message: q.message}
	if q.status == gosnmp.NoError {
		for _, r := range j.riders {
			p.takeValue(r, &c, true)
		}
	}
	j.walk.take(p, j, q, &c)
}

// takeValues takes the answer to a GET.
func (p *poll) takeValues(j *job, q *request) {
	n := len(j.values)
	switch {
	case q.status == gosnmp.NoError:
		c := cursor{rest: q.bindings, message: q.message}
		for _, v := range j.values {
			p.takeValue(v, &c, false)
		}
	case q.status == gosnmp.TooBig && n > 1:
		p.memory.most = n / 2
		p.jobs = p.askAgain(j)
	case q.index >= 1 && q.index <= n:
		// One instance spoils the packet, as a missing one does in version 1.
		bad := j.values[q.index-1]
		p.missing(bad, statusText(q.status))
		if n > 1 {
			p.jobs = append(p.jobs, job{values: slices.Delete(slices.Clone(j.values), q.index-1, q.index)})
		}
	case n > 1:
		half := n / 2 // to find the one
		p.jobs = append(p.jobs, job{values: j.values[:half]}, job{values: j.values[half:]})
	default:
		p.missing(j.values[0], statusText(q.status))
	}
}

// askAgain asks for the values of a job, and of those that wait, in smaller packets.
func (p *poll) askAgain(j *job) []job {
	values := slices.Clone(j.values)
	rest := make([]job, 0, len(p.jobs))
	for i := range p.jobs {
		if w := &p.jobs[i]; w.walk == nil && !w.again {
			values = append(values, w.values...)
		} else {
			rest = append(rest, *w)
		}
	}
	return p.ask(values, rest)
}

// missing says that there is no value, once what counts the same was asked for, too.
func (p *poll) missing(v wanted, why string) {
	it := &p.plan.values[v.item]
	switch {
	case v.twin && p.memory.twins[v.item] == hasTwin:
		p.memory.twins[v.item] = unknownTwin
	case v.twin:
		p.memory.twins[v.item] = noTwin
		return
	}
	if it.attribute != "" {
		p.problem("%s: %s", label(it), why)
	}
}

// takeValue takes the next value of an answer. They come in the order of the questions;
// an agent that sends something else is not believed. A rider was asked for as what comes
// next, which is another object when it is not there.
func (p *poll) takeValue(want wanted, c *cursor, rider bool) {
	it := &p.plan.values[want.item]
	var v ber.Value
	name, ok, err := c.next(&v)
	asked := p.name(want)
	switch {
	case err != nil:
		p.missing(want, "what cannot be read: "+clip(err.Error()))
		c.rest = nil
		return
	case !ok || string(name) != string(asked):
		if rider && ok && ber.Compare(name, asked) > 0 {
			p.missing(want, "the agent has no such object")
			return
		}
		p.missing(want, "the answer is about something else")
		return
	case v.IsMissing():
		p.missing(want, "the agent has no such object")
		return
	}
	if want.item == p.plan.uptime && v.Type == ber.TimeTicks {
		p.anew = p.memory.up.restarted(v.Bits, p.now) || p.anew
	}
	if want.twin {
		p.memory.twins[want.item] = hasTwin
	}
	if it.attribute == "" {
		return
	}
	value := it.convert(p.names, &v)
	if value.IsNone() {
		p.problem("%s: %s", label(it), unfit(it, &v))
		return
	}
	p.found(want, v.Type, value)
}

// found keeps a value; one of 64 bits takes the place of one of 32.
func (p *poll) found(want wanted, tag byte, value tree.Value) {
	if at := p.at[want.item]; at > 0 {
		if want.twin {
			p.into.Values[at-1].Value, p.tags[want.item] = value, tag
		}
		return
	}
	p.into.Add(p.plan.values[want.item].attribute, value)
	p.at[want.item], p.tags[want.item] = len(p.into.Values), tag
}

// finish makes the result of what was read.
func (p *poll) finish() {
	for i, at := range p.at {
		tag := p.tags[i]
		if at == 0 || !p.plan.values[i].counter || tag != ber.Counter32 && tag != ber.Counter64 {
			continue
		}
		c, v := &p.memory.counts[i], &p.into.Values[at-1]
		raw, _ := v.Value.Number()
		c.count, c.offset = rise(c.count, c.had, uint64(raw), tag, p.anew, c.offset)
		c.had = true
		v.Value = tree.Number(c.count)
	}
	for _, w := range p.walks {
		p.into.Tables = append(p.into.Tables, w.finish(p))
	}
}

// unfit says why a value could not be used.
func unfit(it *item, v *ber.Value) string {
	if v.Type == ber.OctetString && it.form == asNumber {
		return fmt.Sprintf("the agent sends text, not a number: write %q behind its name", "text")
	}
	return fmt.Sprintf("the agent sends a value of type %v, which does not fit", gosnmp.Asn1BER(v.Type))
}

func label(it *item) string {
	if it.object != nil {
		return it.object.Name + strings.TrimPrefix(it.oid, it.object.OID)
	}
	return it.oid
}

// statusText says what an error-status of RFC 3416 means for somebody who reads.
func statusText(s gosnmp.SNMPError) string {
	switch s {
	case gosnmp.NoSuchName:
		return "the agent has no such object"
	case gosnmp.TooBig:
		return "the answer is too big for a packet"
	case gosnmp.GenErr:
		return "the agent reports a general error"
	case gosnmp.AuthorizationError, gosnmp.NoAccess:
		return "the agent allows no access"
	}
	return fmt.Sprintf("the agent reports the error %v", s)
}

// ping finds out whether the agent answers, when nothing else is asked: with
// sysUpTime, which every agent has.
func (p *poll) ping(ctx context.Context) error {
	name, err := ber.ParseOID(sysUpTime)
	if err != nil {
		return err
	}
	q := []request{{pdu: ber.Get, names: []ber.Name{{Column: name}}}}
	if err := p.agent.ask(ctx, q); err != nil {
		return err
	}
	p.answered = q[0].err == nil
	return q[0].err
}

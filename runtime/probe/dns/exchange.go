package dns

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"grove/runtime/probe/answer"
)

const (
	// bufferSize is how long an answer by UDP may be, in bytes: what fits into one packet
	// everywhere, as DNS flag day 2020 recommends.
	bufferSize = 1232
	// firstTry is how long the first of two questions by UDP waits: packets get lost.
	firstTry = 2 * time.Second
	// maxRecords bounds the records of one answer that are shown.
	maxRecords = 500
	maxData    = 1024 // bytes of one record that are shown
)

// record is one answer of a server.
type record struct {
	name, kind, data string
	ttl              float64
}

// reply is what came of asking one server.
type reply struct {
	server  string
	err     error // nil: the server answered as it should
	got     bool  // it answered
	took    time.Duration
	rcode   int
	message *dns.Msg
	records []record // of the type that was asked for
	serial  uint32
	soa     *dns.SOA
}

// ask asks one server and judges its answer.
func (p *dnsProbe) ask(ctx context.Context, server string) reply {
	r := reply{server: server}
	start := time.Now()
	network := p.plan.Protocol
	m, err := p.exchange(ctx, network, server)
	if err == nil && m.Truncated && network == "udp" {
		m, err = p.exchange(ctx, "tcp", server)
	}
	r.took = time.Since(start)
	if err != nil {
		r.err = err
		return r
	}
	r.got, r.message, r.rcode = true, m, m.Rcode
	r.read()
	r.err = p.judge(&r)
	return r
}

// exchange sends the question and returns the answer to it.
func (p *dnsProbe) exchange(ctx context.Context, network, server string) (*dns.Msg, error) {
	if network != "udp" {
		return p.try(ctx, network, server)
	}
	first, cancel := context.WithTimeout(ctx, firstTry)
	if deadline, ok := ctx.Deadline(); ok {
		cancel()
		first, cancel = context.WithTimeout(ctx, min(firstTry, time.Until(deadline)/2))
	}
	m, err := p.try(first, network, server)
	cancel()
	if err != nil && first.Err() != nil && ctx.Err() == nil {
		return p.try(ctx, network, server)
	}
	return m, err
}

func (p *dnsProbe) try(ctx context.Context, network, server string) (*dns.Msg, error) {
	q := new(dns.Msg)
	q.Id, q.RecursionDesired, q.AuthenticatedData = dns.Id(), p.plan.Recursion, true
	q.Question = []dns.Question{p.plan.question}
	q.SetEdns0(bufferSize, false)
	conn, err := p.dial(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	client := dns.Client{ReadTimeout: time.Hour, WriteTimeout: time.Hour} // the context ends it
	m, _, err := client.ExchangeWithConnContext(ctx, q, &dns.Conn{Conn: conn})
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("no answer: %w", ctx.Err())
	case err != nil:
		return nil, err
	case !m.Response || len(m.Question) != 1 || !strings.EqualFold(m.Question[0].Name, p.plan.question.Name) || m.Question[0].Qtype != p.plan.question.Qtype:
		if len(m.Question) == 0 && m.Rcode != dns.RcodeSuccess {
			return m, nil // some servers refuse without repeating the question
		}
		return nil, errors.New("the answer is about another question")
	}
	return m, nil
}

func (p *dnsProbe) dial(ctx context.Context, network, server string) (net.Conn, error) {
	if network != "tls" {
		return p.dialer.DialContext(ctx, network, server)
	}
	host, _, err := net.SplitHostPort(server)
	if err != nil {
		return nil, err
	}
	config, err := p.files.Config(p.plan.TLS, p.secrets, host)
	if err != nil {
		return nil, &configError{err}
	}
	conn, err := p.dialer.DialContext(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	session := tls.Client(conn, config)
	if err := session.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		if ctx.Err() == nil {
			err = &answer.Fault{State: "tls", Err: err}
		}
		return nil, err
	}
	return session, nil
}

// configError is the manager's fault, not the server's.
type configError struct{ error }

// read takes the answer apart.
func (r *reply) read() {
	kind := uint16(0)
	if len(r.message.Question) == 1 {
		kind = r.message.Question[0].Qtype
	}
	for _, rr := range r.message.Answer {
		h := rr.Header()
		if soa, ok := rr.(*dns.SOA); ok {
			r.soa, r.serial = soa, soa.Serial
		}
		if h.Rrtype != kind && kind != dns.TypeANY || len(r.records) == maxRecords {
			continue // a CNAME on the way, or the signature of what was asked for
		}
		data := normal(strings.TrimPrefix(rr.String(), h.String()))
		if len(data) > maxData {
			data = strings.ToValidUTF8(data[:maxData], "")
		}
		r.records = append(r.records, record{name: h.Name, kind: dns.TypeToString[h.Rrtype], data: data, ttl: float64(h.Ttl)})
	}
	slices.SortFunc(r.records, func(a, b record) int { return cmp.Or(cmp.Compare(a.data, b.data), cmp.Compare(a.name, b.name)) })
}

// normal is the data of a record as it is compared: with single spaces, names in small
// letters and without the dot at their ends.
func normal(data string) string {
	if strings.HasPrefix(data, `"`) {
		return data
	}
	words := strings.Fields(data)
	for i, w := range words {
		if len(w) > 1 {
			words[i] = strings.TrimSuffix(strings.ToLower(w), ".")
		}
	}
	return strings.Join(words, " ")
}

// judge says what is wrong with an answer.
func (p *dnsProbe) judge(r *reply) error {
	fault := func(format string, args ...any) error {
		return &answer.Fault{State: "mismatch", Err: fmt.Errorf(format, args...)}
	}
	m := r.message
	switch {
	case m.Rcode != p.plan.rcode:
		return &answer.Fault{State: "rcode", Err: fmt.Errorf("the response code is %s, want %s", rcodeText(m.Rcode), rcodeText(p.plan.rcode))}
	case p.plan.Authoritative && !m.Authoritative:
		return fault("the answer is not authoritative")
	case p.plan.Authenticated && !m.AuthenticatedData:
		return fault("the answer was not validated by DNSSEC")
	case m.Rcode == dns.RcodeSuccess && len(r.records) == 0:
		return fault("there is no record of type %s", dns.TypeToString[p.plan.question.Qtype])
	}
	for _, want := range p.plan.expect {
		if !slices.ContainsFunc(r.records, func(rec record) bool { return rec.data == want || strings.Trim(rec.data, `"`) == want }) {
			return fault("%q is not among the answers", want)
		}
	}
	return nil
}

func rcodeText(code int) string {
	if text, ok := dns.RcodeToString[code]; ok {
		return text
	}
	return fmt.Sprintf("RCODE%d", code)
}

// differ says which servers gave other answers than the first that answered.
func differ(replies []reply) error {
	first := -1
	for i := range replies {
		r := &replies[i]
		if !r.got {
			continue
		}
		if first < 0 {
			first = i
			continue
		}
		f := &replies[first]
		if f.soa != nil && r.soa != nil {
			if f.serial != r.serial {
				return fmt.Errorf("%s has the serial %d, %s has %d", f.server, f.serial, r.server, r.serial)
			}
			continue
		}
		if f.rcode != r.rcode || !slices.EqualFunc(f.records, r.records, func(a, b record) bool { return a.data == b.data && a.name == b.name }) {
			return fmt.Errorf("%s and %s give different answers", f.server, r.server)
		}
	}
	return nil
}

// leastTTL is how long the answer may be kept, in seconds.
func (r *reply) leastTTL() (float64, bool) {
	least := math.Inf(1)
	for _, rec := range r.records {
		least = min(least, rec.ttl)
	}
	return least, len(r.records) > 0
}

package mail

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/secret"
)

//go:embed delivery.md
var deliveryDoc string

//go:embed delivery.yaml
var deliveryExample string

const (
	// header marks the messages of this kind. Only those are ever deleted.
	header = "X-Grove-Delivery"
	// firstLook and longestLook bound how often the mailbox is looked into.
	firstLook, longestLook = 100 * time.Millisecond, 5 * time.Second
	// margin is what is left of the time of a run for taking back what came late.
	margin = 2 * time.Second
)

// DeliveryOptions are the options of the kind "mail_delivery".
type DeliveryOptions struct {
	From    string `yaml:"from" jsonschema:"required,description=Sender of the message."`
	To      string `yaml:"to" jsonschema:"required,description=Recipient of the message\\, whose mailbox is looked into."`
	Hello   string `yaml:"hello" jsonschema:"default=grove,description=Name by which grove greets (EHLO)."`
	SMTP    Server `yaml:"smtp" jsonschema:"required,description=Server that takes the message."`
	IMAP    Server `yaml:"imap" jsonschema:"required,description=Server of the mailbox; it needs user and password."`
	Mailbox string `yaml:"mailbox" jsonschema:"default=INBOX,description=Mailbox in which the message arrives."`
}

// Delivery returns the kind "mail_delivery". Its probes connect where the first policy
// allows, and read the secrets that the second does; nil is the default of each.
func Delivery(policy *dial.Policy, secrets *secret.Policy) probe.Kind {
	waiting := new(marks)
	return probe.Kind{
		Name:       "mail_delivery",
		Title:      "Delivery of mail, from SMTP to the mailbox",
		Doc:        deliveryDoc,
		Example:    deliveryExample,
		NewOptions: func() any { return &DeliveryOptions{Hello: "grove", Mailbox: "INBOX"} },
		New: func(options any) (probe.Probe, error) {
			given, ok := options.(*DeliveryOptions)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, given)
			}
			o := *given
			out, err := o.SMTP.check("smtp.")
			if err != nil {
				return nil, err
			}
			in, err := o.IMAP.check("imap.")
			if err != nil {
				return nil, err
			}
			switch {
			case !isMailbox(o.From):
				return nil, probe.BadOption("from", "%q is not a mail address", o.From)
			case !isMailbox(o.To):
				return nil, probe.BadOption("to", "%q is not a mail address", o.To)
			case !isAtom(o.Hello):
				return nil, probe.BadOption("hello", "%q is not the name of a host", o.Hello)
			case o.IMAP.User == "":
				return nil, probe.BadOption("imap.user", "is missing")
			case o.Mailbox == "" || !isText(o.Mailbox):
				return nil, probe.BadOption("mailbox", "%q is not the name of a mailbox", o.Mailbox)
			}
			dialer := func() *net.Dialer { return policy.Dialer(0) }
			return &deliveryProbe{
				options: o,
				smtp:    reach{Server: o.SMTP, host: out, dialer: dialer(), secrets: secrets},
				imap:    reach{Server: o.IMAP, host: in, dialer: dialer(), secrets: secrets},
				waiting: waiting,
			}, nil
		},
	}
}

type deliveryProbe struct {
	options    DeliveryOptions
	smtp, imap reach
	waiting    *marks
}

// Target implements probe.Probe.
func (p *deliveryProbe) Target() string { return strings.ToLower(p.smtp.host) }

// Close implements probe.Probe.
func (p *deliveryProbe) Close() error { return nil }

// Attributes implements probe.Probe.
func (p *deliveryProbe) Attributes() []beans.AttributeInfo {
	return append(answer.Attributes("protocol", "busy", "denied", "rejected", "missing", "lost"), readable(
		beans.AttributeInfo{Name: "accept_time", Type: beans.TypeFloat, Unit: "s", Description: "From the beginning until the server had taken the message."},
		beans.AttributeInfo{Name: "delivery_time", Type: beans.TypeFloat, Unit: "s", Description: "From then until it was seen in the mailbox."},
		beans.AttributeInfo{Name: "late", Type: beans.TypeInt, Unit: "messages", Description: "Messages of earlier runs that came too late for them; they were deleted."},
	)...)
}

// Run implements probe.Probe.
func (p *deliveryProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	out, err := p.smtp.prepare()
	if err != nil {
		return r, fmt.Errorf("smtp: %w", err)
	}
	in, err := p.imap.prepare()
	if err != nil {
		return r, fmt.Errorf("imap: %w", err)
	}
	err = answer.Add(ctx, &r, start, timely(ctx, p.deliver(ctx, out, in, start, &r)))
	return r, err
}

// series marks the messages of one probe: others may use the same mailbox.
func (p *deliveryProbe) series() string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\n%s\n%s\n%s", p.options.SMTP.Address, p.options.From, p.options.To, p.options.Mailbox)
	return fmt.Sprintf("%016x", h.Sum64())
}

// deliver looks into the mailbox first: a message is not sent that could not be found.
func (p *deliveryProbe) deliver(ctx context.Context, out, in prepared, start time.Time, r *probe.Result) error {
	mark := p.series() + "-" + rand.Text()
	defer p.waiting.begin(mark)()
	box, err := p.imap.open(ctx, in)
	if err != nil {
		return fmt.Errorf("imap: %w", err)
	}
	defer box.Close()
	if err := logIn(box, p.options.IMAP.User, in.password); err != nil {
		return fmt.Errorf("imap: %w", err)
	}
	if _, err := box.Select(p.options.Mailbox, nil).Wait(); err != nil {
		var said *imap.Error
		if errors.As(err, &said) {
			return &answer.Fault{State: "missing", Err: fmt.Errorf("the mailbox %q: %s", p.options.Mailbox, clean(said.Text))}
		}
		return fmt.Errorf("imap: %w", err)
	}
	late, err := p.takeBack(box, p.series(), p.waiting.of(p.series())...)
	if err != nil {
		return fmt.Errorf("imap: %w", err)
	}
	r.Number("late", float64(late))
	if err := p.send(ctx, out, mark); err != nil {
		return fmt.Errorf("smtp: %w", err)
	}
	sent := time.Now()
	r.Number("accept_time", sent.Sub(start).Seconds())
	if err := p.await(ctx, box, mark, sent); err != nil {
		return err
	}
	r.Number("delivery_time", time.Since(sent).Seconds())
	return no("LOGOUT", box.Logout().Wait())
}

// send sends the message.
func (p *deliveryProbe) send(ctx context.Context, ready prepared, mark string) error {
	s, err := p.smtp.greet(ctx, ready, p.options.Hello)
	if s != nil {
		defer s.close()
	}
	if err != nil {
		return err
	}
	if p.options.SMTP.User != "" {
		if err := s.login(p.options.SMTP.User, ready.password); err != nil {
			return err
		}
	}
	if err := s.address(p.options.From, p.options.To); err != nil {
		return err
	}
	w, err := s.client.Data()
	if err != nil {
		return said("DATA", err)
	}
	_, domain, _ := strings.Cut(p.options.From, "@")
	text := fmt.Sprintf("From: <%s>\r\nTo: <%s>\r\nSubject: grove looks whether mail is delivered\r\nDate: %s\r\nMessage-ID: <%s@%s>\r\n%s: %s\r\n"+
		"Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nThis message is deleted when it is found.\r\n",
		p.options.From, p.options.To, time.Now().Format(time.RFC1123Z), mark, domain, header, mark)
	if _, err := w.Write([]byte(text)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return said("DATA", err)
	}
	return said("QUIT", s.client.Quit())
}

// await looks into the mailbox until the message is there, and deletes it.
func (p *deliveryProbe) await(ctx context.Context, box *imapclient.Client, mark string, sent time.Time) error {
	until := time.Now().Add(time.Minute)
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		until = deadline.Add(-min(margin, left/10))
	}
	for pause := firstLook; ; pause = min(pause*2, longestLook) {
		n, err := p.takeBack(box, mark)
		if err != nil {
			return fmt.Errorf("imap: %w", err)
		}
		if n > 0 {
			return nil
		}
		if time.Until(until) <= 0 {
			return &answer.Fault{State: "lost", Err: fmt.Errorf("the message is not in the mailbox after %s", time.Since(sent).Round(100*time.Millisecond))}
		}
		timer := time.NewTimer(min(pause, max(time.Until(until), time.Millisecond)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		// A server tells of new messages when it is asked for something.
		if err := box.Noop().Wait(); err != nil {
			return fmt.Errorf("imap: %w", err)
		}
	}
}

// takeBack deletes the messages of this kind whose mark contains a text but none of some
// others, and counts them.
func (p *deliveryProbe) takeBack(box *imapclient.Client, mark string, others ...string) (int, error) {
	criteria := marked(mark)
	for _, other := range others {
		criteria.Not = append(criteria.Not, marked(other))
	}
	found, err := box.UIDSearch(&criteria, nil).Wait()
	if err != nil {
		return 0, no("SEARCH", err)
	}
	list := found.AllUIDs()
	if len(list) == 0 {
		return 0, nil
	}
	set := imap.UIDSetNum(list...)
	if err := box.Store(set, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		return 0, no("STORE", err)
	}
	if !box.Caps().Has(imap.CapUIDPlus) && !box.Caps().Has(imap.CapIMAP4rev2) {
		return len(list), nil // EXPUNGE would delete what others have marked, too
	}
	return len(list), no("EXPUNGE", box.UIDExpunge(set).Close())
}

func marked(mark string) imap.SearchCriteria {
	return imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: header, Value: mark}}}
}

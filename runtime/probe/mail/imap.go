package mail

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
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

//go:embed imap.md
var imapDoc string

//go:embed imap.yaml
var imapExample string

// IMAPOptions are the options of the kind "imap".
type IMAPOptions struct {
	Server  `yaml:",inline"`
	Mailbox string `yaml:"mailbox" jsonschema:"default=INBOX,description=Mailbox whose messages are counted; it is not changed."`
}

// IMAP returns the kind "imap". Its probes connect where the first policy allows, and read
// the secrets that the second does; nil is the default of each.
func IMAP(policy *dial.Policy, secrets *secret.Policy) probe.Kind {
	return probe.Kind{
		Name:       "imap",
		Title:      "Mailboxes by IMAP",
		Doc:        imapDoc,
		Example:    imapExample,
		NewOptions: func() any { return &IMAPOptions{Mailbox: "INBOX"} },
		New: func(options any) (probe.Probe, error) {
			given, ok := options.(*IMAPOptions)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, given)
			}
			o := *given
			host, err := o.check("")
			if err != nil {
				return nil, err
			}
			if o.Mailbox == "" || !isText(o.Mailbox) {
				return nil, probe.BadOption("mailbox", "%q is not the name of a mailbox", o.Mailbox)
			}
			return &imapProbe{options: o, reach: reach{Server: o.Server, host: host, dialer: policy.Dialer(0), secrets: secrets}}, nil
		},
	}
}

type imapProbe struct {
	options IMAPOptions
	reach   reach
}

// Target implements probe.Probe.
func (p *imapProbe) Target() string { return strings.ToLower(p.reach.host) }

// Close implements probe.Probe.
func (p *imapProbe) Close() error { return nil }

// Attributes implements probe.Probe.
func (p *imapProbe) Attributes() []beans.AttributeInfo {
	list := append(answer.Attributes("protocol", "denied", "missing"), readable(
		beans.AttributeInfo{Name: "greeting_time", Type: beans.TypeFloat, Unit: "s", Description: "From the beginning until the server could be asked, with TLS."},
		beans.AttributeInfo{Name: "capabilities", Type: beans.TypeString, Description: "What the server says that it can, with spaces between them."},
	)...)
	if p.options.User == "" {
		return list
	}
	return append(list, readable(
		beans.AttributeInfo{Name: "login_time", Type: beans.TypeFloat, Unit: "s", Description: "Time of logging in."},
		beans.AttributeInfo{Name: "messages", Type: beans.TypeInt, Unit: "messages", Description: "Messages in the mailbox."},
		beans.AttributeInfo{Name: "unseen", Type: beans.TypeInt, Unit: "messages", Description: "Those that nobody has read."},
		beans.AttributeInfo{Name: "size", Type: beans.TypeInt, Unit: "bytes", Description: "Size of the mailbox, where the server says it (STATUS=SIZE)."},
		beans.AttributeInfo{Name: "quota_used", Type: beans.TypeInt, Unit: "bytes", Description: "What the user's mail takes, where there is a quota."},
		beans.AttributeInfo{Name: "quota_limit", Type: beans.TypeInt, Unit: "bytes", Description: "What it may take."},
		beans.AttributeInfo{Name: "quota_share", Type: beans.TypeFloat, Unit: "%", Description: "How much of it is taken."},
	)...)
}

// Run implements probe.Probe.
func (p *imapProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	ready, err := p.reach.prepare()
	if err != nil {
		return r, err
	}
	err = answer.Add(ctx, &r, start, timely(ctx, p.talk(ctx, ready, start, &r)))
	return r, err
}

func (p *imapProbe) talk(ctx context.Context, ready prepared, start time.Time, r *probe.Result) error {
	c, err := p.reach.open(ctx, ready)
	if err != nil {
		return err
	}
	defer c.Close()
	capabilities, err := c.Capability().Wait()
	if err != nil {
		return no("CAPABILITY", err)
	}
	r.Number("greeting_time", time.Since(start).Seconds())
	r.Text("capabilities", clean(strings.Join(sorted(capabilities), " ")))
	if p.options.User != "" {
		if err := p.look(c, ready, r); err != nil {
			return err
		}
	}
	return no("LOGOUT", c.Logout().Wait())
}

func sorted(set imap.CapSet) []string {
	var list []string
	for c := range set {
		list = append(list, string(c))
	}
	slices.Sort(list)
	return list
}

// open connects, with TLS as the options say, and waits for the greeting.
func (s *reach) open(ctx context.Context, ready prepared) (*imapclient.Client, error) {
	conn, err := s.dial(ctx, ready)
	if err != nil {
		return nil, err
	}
	if s.Encryption != "starttls" {
		c := imapclient.New(conn, nil)
		if err := c.WaitGreeting(); err != nil {
			_ = c.Close()
			return nil, no("greeting", err)
		}
		return c, nil
	}
	c, err := imapclient.NewStartTLS(conn, &imapclient.Options{TLSConfig: ready.tls})
	if err != nil {
		_ = conn.Close()
		return nil, no("STARTTLS", err)
	}
	return c, nil
}

// look logs in and counts.
func (p *imapProbe) look(c *imapclient.Client, ready prepared, r *probe.Result) error {
	start := time.Now()
	if err := logIn(c, p.options.User, ready.password); err != nil {
		return err
	}
	r.Number("login_time", time.Since(start).Seconds())
	has := c.Caps()
	status, err := c.Status(p.options.Mailbox, &imap.StatusOptions{
		NumMessages: true, NumUnseen: true, Size: has.Has(imap.CapStatusSize) || has.Has(imap.CapIMAP4rev2),
	}).Wait()
	if err != nil {
		var said *imap.Error
		if errors.As(err, &said) {
			return &answer.Fault{State: "missing", Err: fmt.Errorf("the mailbox %q: %s", p.options.Mailbox, clean(said.Text))}
		}
		return err
	}
	if status.NumMessages != nil {
		r.Number("messages", float64(*status.NumMessages))
	}
	if status.NumUnseen != nil {
		r.Number("unseen", float64(*status.NumUnseen))
	}
	if status.Size != nil {
		r.Number("size", float64(*status.Size))
	}
	if has.Has(imap.CapQuota) {
		return p.quota(c, r)
	}
	return nil
}

// quota adds the quota on storage that is nearest to its limit. Its unit is 1,024 bytes,
// RFC 9208 section 5.1.
func (p *imapProbe) quota(c *imapclient.Client, r *probe.Result) error {
	roots, err := c.GetQuotaRoot(p.options.Mailbox).Wait()
	if err != nil {
		return no("GETQUOTAROOT", err)
	}
	var used, limit, worst float64
	for _, root := range roots {
		q, ok := root.Resources[imap.QuotaResourceStorage]
		if !ok || q.Limit <= 0 {
			continue
		}
		if share := float64(q.Usage) / float64(q.Limit); limit == 0 || share > worst {
			used, limit, worst = float64(q.Usage)*1024, float64(q.Limit)*1024, share
		}
	}
	if limit > 0 {
		r.Number("quota_used", used)
		r.Number("quota_limit", limit)
		r.Number("quota_share", worst*100)
	}
	return nil
}

func logIn(c *imapclient.Client, user, password string) error {
	err := c.Login(user, password).Wait()
	var said *imap.Error
	if errors.As(err, &said) {
		return denied(err)
	}
	return err
}

// no puts the refusal of a command into words; other errors stay as they are.
func no(command string, err error) error {
	var said *imap.Error
	if errors.As(err, &said) {
		return &answer.Fault{State: "protocol", Err: fmt.Errorf("%s: the server answers %s %s", command, said.Type, clean(said.Text))}
	}
	return err
}

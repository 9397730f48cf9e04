// Package sql is the probe kind "sql": queries of PostgreSQL, and of MySQL and MariaDB,
// whose rows become attributes and tables. It only reads.
package sql

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/extract"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/session"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

var errVersion = errors.New("is not a version such as 17 or 10.5.2")

// own are the attributes that every probe of the kind has, beside the version.
var own = answer.Attributes("denied")

var versionAttribute = beans.AttributeInfo{Name: "version", Type: beans.TypeString, Readable: true, Description: "What the server says of its version."}

// longestRun bounds a run whose context has no deadline.
const longestRun = 30 * time.Second

// Kind returns the kind "sql". Its probes connect only where the policy allows, and read
// secrets only as far as theirs does; nil is the default of either.
func Kind(policy *dial.Policy, secrets *secret.Policy) probe.Kind {
	return probe.Kind{
		Name:       "sql",
		Title:      "Queries of PostgreSQL, MySQL and MariaDB",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return &Options{} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			p, err := o.check()
			if err != nil {
				return nil, err
			}
			return &sqlProbe{plan: p, dialer: session.NewDialer(p.server, policy, secrets)}, nil
		},
	}
}

// sqlProbe keeps one connection between runs, which the pool makes anew when it broke.
type sqlProbe struct {
	plan   *plan
	dialer *session.Dialer
	pool   *sql.DB // nil before the first run
	link   link
	text   string // what the server says of its version
	known  version
	limit  time.Duration // that the server holds statements to
}

// Target implements probe.Probe.
func (p *sqlProbe) Target() string { return strings.ToLower(p.plan.server.Host) }

// Attributes implements probe.Probe.
func (p *sqlProbe) Attributes() []beans.AttributeInfo { return p.plan.infos }

// Close implements probe.Probe.
func (p *sqlProbe) Close() error {
	if p.pool == nil {
		return nil
	}
	return p.pool.Close()
}

// Run implements probe.Probe. A server that does not answer or lets nobody in is a
// reading. A query that it refuses is an error, beside what the others found.
func (p *sqlProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, longestRun)
		defer cancel()
	}
	var refused []error
	err := p.ask(ctx, &r, &refused)
	if more := p.link.exceeded(); err != nil && more != nil {
		err = more
	}
	if err := p.dialer.Finish(ctx, &r, start, fault(err)); err != nil {
		return r, err
	}
	if err != nil || len(refused) == 0 {
		return r, nil
	}
	return r, p.dialer.HideError(errors.Join(refused...))
}

// ask does all queries of a run. Its error is that the server is down.
func (p *sqlProbe) ask(ctx context.Context, r *probe.Result, refused *[]error) error {
	if p.pool == nil {
		connector, err := p.connector()
		if err != nil {
			return err
		}
		p.pool = sql.OpenDB(connector)
		p.pool.SetMaxOpenConns(1)
		p.pool.SetMaxIdleConns(1)
	}
	p.link.renew()
	conn, err := p.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := p.prepare(ctx, conn); err != nil {
		return err
	}
	r.Text(versionAttribute.Name, extract.Clean(p.text, 200))
	have := map[string]bool{}
	for i := range p.plan.queries {
		q := &p.plan.queries[i]
		if !q.of(p.known) {
			continue
		}
		found, err := p.query(ctx, conn, q)
		if err != nil && isDown(err) {
			return fmt.Errorf("queries.%s: %w", q.name, err)
		}
		if err != nil && !q.optional {
			*refused = append(*refused, fmt.Errorf("queries.%s: %w", q.name, err))
		}
		for _, v := range found.Values {
			if !have[v.Attribute] {
				have[v.Attribute] = true
				r.Values = append(r.Values, v)
			}
		}
		r.Tables = append(r.Tables, found.Tables...)
	}
	return nil
}

// prepare learns the version of a server that was connected to just now, and tells it how
// long a statement may take: it would go on for nobody after the run's end.
func (p *sqlProbe) prepare(ctx context.Context, conn *sql.Conn) error {
	if p.link.isNew() {
		p.limit = 0
		statement := "SHOW server_version"
		if p.plan.system == mysql {
			statement = "SELECT VERSION()"
		}
		if err := conn.QueryRowContext(ctx, statement).Scan(&p.text); err != nil {
			return err
		}
		p.known = serverVersion(p.text)
	}
	limit := longestRun
	if deadline, ok := ctx.Deadline(); ok {
		const step = 100 * time.Millisecond
		limit = max(step, (time.Until(deadline) + step - 1).Truncate(step))
	}
	if limit == p.limit {
		return nil
	}
	statement := fmt.Sprintf("SET statement_timeout = %d", limit.Milliseconds())
	switch {
	case p.plan.system == mysql && strings.Contains(strings.ToLower(p.text), "mariadb"):
		statement = fmt.Sprintf("SET SESSION max_statement_time = %g", math.Ceil(limit.Seconds()*10)/10)
	case p.plan.system == mysql:
		statement = fmt.Sprintf("SET SESSION max_execution_time = %d", limit.Milliseconds())
	}
	if _, err := conn.ExecContext(ctx, statement); err != nil {
		return err
	}
	p.limit = limit
	p.link.seen()
	return nil
}

// query asks one query in a transaction of its own, so that one that fails spoils no
// other. It is rolled back in any case: nothing of it is to stay.
func (p *sqlProbe) query(ctx context.Context, conn *sql.Conn, q *query) (probe.Result, error) {
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return probe.Result{}, err
	}
	found, err := read(ctx, tx, q)
	if end := tx.Rollback(); end != nil && err == nil && !errors.Is(end, sql.ErrTxDone) {
		err = end
	}
	return found, err
}

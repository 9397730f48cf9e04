package sql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"

	drivermysql "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/stdlib"

	"grove/runtime/probe/answer"
	"grove/runtime/probe/session"
)

// link is the connection of a probe below its driver.
type link struct {
	mu    sync.Mutex
	conn  *session.Conn
	fresh bool // nothing was asked of it yet
}

func (l *link) set(c *session.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn, l.fresh = c, true
}

// renew lets the connection read as much as one run may.
func (l *link) renew() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		l.conn.Renew()
	}
}

// exceeded says that the server sent more than one run may read.
func (l *link) exceeded() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return nil
	}
	return l.conn.Exceeded()
}

// isNew says whether the connection was made since seen.
func (l *link) isNew() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fresh
}

func (l *link) seen() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fresh = false
}

func (p *sqlProbe) dial(ctx context.Context) (net.Conn, error) {
	conn, err := p.dialer.Dial(ctx, maxRun)
	if err != nil {
		return nil, err
	}
	p.link.set(conn)
	return conn, nil
}

func (p *sqlProbe) connector() (driver.Connector, error) {
	if p.plan.system == mysql {
		return p.mysqlConnector()
	}
	return p.postgresConnector()
}

// postgresConnector leaves nothing to the environment of the manager: its variables and
// files are those of other connections.
func (p *sqlProbe) postgresConnector() (driver.Connector, error) {
	config, err := pgx.ParseConfig("host=127.0.0.1 port=1 user=nobody dbname=none sslmode=disable passfile=/dev/null target_session_attrs=any")
	if err != nil {
		return nil, errors.New("the settings of PostgreSQL in the environment of the manager (PGSERVICE and the like) cannot be read")
	}
	server := p.plan.server
	port, err := strconv.ParseUint(server.Port, 10, 16)
	if err != nil {
		return nil, err
	}
	config.Host, config.Port, config.User, config.Database = server.Host, uint16(port), server.User, p.plan.database
	config.Fallbacks, config.ValidateConnect = nil, nil
	config.RuntimeParams = map[string]string{
		"application_name": "grove", "default_transaction_read_only": "on", "idle_in_transaction_session_timeout": "60s", "client_encoding": "UTF8",
	}
	config.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	config.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return p.dial(ctx) }
	config.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		f := pgproto3.NewFrontend(r, w)
		f.SetMaxBodyLen(maxMessage)
		return f
	}
	// No statement is prepared: the server may be a pooler, which would lose it.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	return stdlib.GetConnector(*config, stdlib.OptionBeforeConnect(func(_ context.Context, c *pgx.ConnConfig) error {
		password, err := p.dialer.Password()
		if err != nil {
			return err
		}
		c.Password = password
		if server.Encryption != session.Plain {
			c.TLSConfig, err = p.dialer.Config()
		}
		return err
	})), nil
}

func (p *sqlProbe) mysqlConnector() (driver.Connector, error) {
	server := p.plan.server
	config := drivermysql.NewConfig()
	config.User, config.DBName = server.User, p.plan.database
	config.Net, config.Addr = "tcp", server.Address
	config.ParseTime = true
	config.ConnectionAttributes = "program_name:grove"
	config.Logger = &drivermysql.NopLogger{} // What fails is told by the errors.
	config.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return p.dial(ctx) }
	err := config.Apply(drivermysql.BeforeConnect(func(_ context.Context, c *drivermysql.Config) error {
		password, err := p.dialer.Password()
		if err != nil {
			return err
		}
		c.Passwd = password
		if server.Encryption != session.Plain {
			c.TLS, err = p.dialer.Config()
		}
		return err
	}))
	if err != nil {
		return nil, err
	}
	return drivermysql.NewConnector(config)
}

// isDown says whether an error of a query is one of the connection or of the server, and
// not an answer to the query.
func isDown(err error) bool {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return down[refused.Code] || refused.SeverityUnlocalized == "FATAL"
	}
	var denied *drivermysql.MySQLError
	if errors.As(err, &denied) {
		return downMySQL[denied.Number]
	}
	var network net.Error
	var long *pgproto3.ExceededMaxBodyLenErr
	return errors.As(err, &long) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, drivermysql.ErrInvalidConn) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, session.ErrTooMuch) || errors.As(err, &network)
}

var (
	// down are codes of PostgreSQL's Appendix A: query_canceled by statement_timeout, and
	// the shutdowns.
	down = map[string]bool{"57014": true, "57P01": true, "57P02": true, "57P03": true}
	// downMySQL are numbers of MySQL's and MariaDB's error references: a shutdown, a
	// connection or a query that was killed, and the two systems' statement timeouts.
	downMySQL = map[uint16]bool{1053: true, 1152: true, 1317: true, 1927: true, 1969: true, 3024: true}
	// deniedMySQL refuse a user: a password, a database, a host, a plugin.
	deniedMySQL = map[uint16]bool{1044: true, 1045: true, 1129: true, 1130: true, 1698: true}
)

// fault gives an error of the server the state that it means.
func fault(err error) error {
	var pg *pgconn.PgError
	var my *drivermysql.MySQLError
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &pg):
		text := fmt.Errorf("%s (SQLSTATE %s)", pg.Message, pg.Code)
		switch {
		case len(pg.Code) == 5 && pg.Code[:2] == "28":
			return &answer.Fault{State: "denied", Err: text}
		case pg.Code == "57014":
			return &answer.Fault{State: "timeout", Err: text}
		}
		return text
	case errors.As(err, &my):
		switch {
		case deniedMySQL[my.Number]:
			return &answer.Fault{State: "denied", Err: err}
		case my.Number == 1969 || my.Number == 3024:
			return &answer.Fault{State: "timeout", Err: err}
		}
	case errors.As(err, &connect) && strings.Contains(err.Error(), "server refused TLS connection"), errors.Is(err, drivermysql.ErrNoTLS):
		return &answer.Fault{State: "tls", Err: errors.New("the server does not offer TLS; encryption: none does without")}
	case errors.Is(err, drivermysql.ErrInvalidConn), errors.Is(err, driver.ErrBadConn):
		return &answer.Fault{State: "closed", Err: err}
	case connect != nil && connect.Unwrap() != nil:
		return connect.Unwrap() // without the user and the database, which the reader knows
	}
	return err
}

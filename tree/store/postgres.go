package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// openPostgres makes the pools; nothing is connected yet.
func (s *Store) openPostgres() error {
	u, err := postgresAddress(s.options.Address)
	if err != nil {
		return err
	}
	config, err := pgx.ParseConfig(u.String())
	if err != nil {
		return fmt.Errorf("%w: the address: %w", ErrOptions, errors.Unwrap(err))
	}
	config.ConnectTimeout = min(max(config.ConnectTimeout, 0), groupTime)
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = groupTime / 3
	}
	if config.RuntimeParams == nil {
		config.RuntimeParams = map[string]string{}
	}
	for name, value := range map[string]string{
		"application_name": "grove",
		// A manager that hangs must not keep the others from writing.
		"idle_in_transaction_session_timeout": "60s",
		// The server's own times of silence are hours.
		"tcp_keepalives_idle": "30",
	} {
		if _, ok := config.RuntimeParams[name]; !ok {
			config.RuntimeParams[name] = value
		}
	}
	s.postgres = config
	password := stdlib.OptionBeforeConnect(s.setPassword)
	writing := config.Copy()
	s.writer = stdlib.OpenDB(*writing, password, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		// An acknowledgement means that it is on disk, whatever the server's default is.
		_, err := c.Exec(ctx, "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'")
		return err
	}))
	reading := config.Copy()
	if _, ok := reading.RuntimeParams["statement_timeout"]; !ok {
		reading.RuntimeParams["statement_timeout"] = "300s"
	}
	s.readers = stdlib.OpenDB(*reading, password)
	s.writer.SetMaxOpenConns(2) // one for the writer, one for migrations
	s.writer.SetMaxIdleConns(1)
	s.readers.SetMaxOpenConns(s.options.Readers)
	s.readers.SetMaxIdleConns(s.options.Readers)
	return nil
}

// setPassword asks for the password, just before it is used.
func (s *Store) setPassword(ctx context.Context, config *pgx.ConnConfig) error {
	if s.options.Password == nil {
		return nil
	}
	password, err := s.options.Password(ctx)
	if err != nil {
		return fmt.Errorf("%w: its password: %w", ErrUnavailable, err)
	}
	config.Password = password
	return nil
}

package ssh

import (
	"context"
	"errors"
	"io"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Quote makes a command line of a program and its arguments for the shell of a server's
// user, which takes each of them as it is.
func Quote(command []string) string {
	parts := make([]string, len(command))
	for i, c := range command {
		parts[i] = "'" + strings.ReplaceAll(c, "'", `'\''`) + "'"
	}
	return strings.Join(parts, " ")
}

// Exec runs a command line on the server. The status is 128 and more when a signal ended
// the program, as shells count it.
func (c *Client) Exec(ctx context.Context, line string, output, errs io.Writer) (status int, err error) {
	err = c.Use(ctx, func(conn *ssh.Client) error {
		session, err := conn.NewSession()
		if err != nil {
			return &Broken{err}
		}
		defer session.Close()
		session.Stdout, session.Stderr = output, errs
		err = session.Run(line)
		var exit *ssh.ExitError
		var missing *ssh.ExitMissingError
		switch {
		case errors.As(err, &exit):
			status = exit.ExitStatus()
			if exit.Signal() != "" {
				status = 128 + signals[exit.Signal()]
			}
			return nil
		case errors.As(err, &missing):
			return &Broken{errors.New("the server closed the connection before the program ended")}
		}
		return err
	})
	return status, err
}

// signals are the numbers of the signals that RFC 4254 section 6.10 names, on Linux.
var signals = map[string]int{
	"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "ABRT": 6, "FPE": 8, "KILL": 9, "USR1": 10, "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15,
}

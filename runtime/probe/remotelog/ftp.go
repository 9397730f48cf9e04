package remotelog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/textproto"
	"time"

	"github.com/jlaffaye/ftp"

	"grove/runtime/probe/answer"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
)

// ftpServer connects anew for each visit.
type ftpServer struct {
	recipe  *recipe
	dialer  *net.Dialer
	secrets *secret.Policy
	files   secure.Files
}

// visit connects, logs in, and ends.
func (s *ftpServer) visit(ctx context.Context, look func(files) error) error {
	v := &ftpVisit{server: s, ctx: ctx}
	defer v.end()
	options := []ftp.DialOption{ftp.DialWithDialFunc(v.dial), ftp.DialWithDisabledMLSD(true)}
	if s.recipe.Protocol != ftpProtocol {
		config, err := s.files.Config(s.recipe.TLS, s.secrets, s.recipe.host)
		if err != nil {
			return err
		}
		// Servers want a data connection to go on with the session of the other one, so
		// that nobody else can take it.
		config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
		v.config = config
		if s.recipe.Protocol == ftpsProtocol {
			options = append(options, ftp.DialWithExplicitTLS(config))
		} else {
			options = append(options, ftp.DialWithTLS(config))
		}
	}
	conn, err := ftp.Dial(s.recipe.Address, options...)
	if err != nil {
		return v.because(err)
	}
	v.conn = conn
	if err := s.login(conn); err != nil {
		return v.because(err)
	}
	return v.because(look(v))
}

func (s *ftpServer) login(conn *ftp.ServerConn) error {
	user, password := s.recipe.User, "anonymous@"
	if user == "" {
		user = "anonymous"
	}
	if s.recipe.Password != "" {
		var err error
		if password, err = s.secrets.Read(s.recipe.Password); err != nil {
			return fmt.Errorf("password: %w", err)
		}
	}
	err := conn.Login(user, password)
	var refused *textproto.Error
	if errors.As(err, &refused) && refused.Code == ftp.StatusNotLoggedIn {
		// Without what the server says of it, which may repeat what it was sent.
		return &answer.Fault{State: "login", Err: fmt.Errorf("the server refuses the login: code %d", refused.Code)}
	}
	return err
}

// ftpVisit is one connection to a server with its data connections.
type ftpVisit struct {
	server *ftpServer
	ctx    context.Context // of the run; the library's methods take none
	config *tls.Config
	conn   *ftp.ServerConn
	ends   []func()
}

// dial connects for commands the first time, and for data afterwards. The library asks for
// data at the address that the commands go to, whatever address the server names.
func (v *ftpVisit) dial(network, address string) (net.Conn, error) {
	raw, err := v.server.dialer.DialContext(v.ctx, network, address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(v.ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	v.ends = append(v.ends, func() { stop(); _ = raw.Close() })
	first := len(v.ends) == 1
	conn := raw
	if first {
		conn = &bounded{Conn: raw, left: maxControl}
	}
	if v.config == nil || first && v.server.recipe.Protocol == ftpsProtocol {
		return conn, nil
	}
	return tls.Client(conn, v.config), nil
}

// end says good-bye, without waiting for an answer, and closes everything.
func (v *ftpVisit) end() {
	for _, end := range v.ends {
		end()
	}
}

// because gives an error its cause when the time was over.
func (v *ftpVisit) because(err error) error {
	if err != nil && v.ctx.Err() != nil {
		return errors.Join(v.ctx.Err(), err)
	}
	return err
}

func (v *ftpVisit) size(path string) (int64, error) {
	n, err := v.conn.FileSize(path)
	return n, missing(err)
}

func (v *ftpVisit) open(path string, offset int64) (io.ReadCloser, error) {
	r, err := v.conn.RetrFrom(path, uint64(offset))
	if err != nil {
		return nil, missing(err)
	}
	return r, nil
}

// missing makes fs.ErrNotExist of the answer for a file that is not there, or not to be
// seen, which FTP does not tell apart: RFC 959 section 4.2.
func missing(err error) error {
	var refused *textproto.Error
	if errors.As(err, &refused) && refused.Code == ftp.StatusFileUnavailable {
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return err
}

// bounded is a connection of which only so much is read: the library keeps whole lines.
type bounded struct {
	net.Conn
	left int
}

// Read implements net.Conn.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the server answered more than %d bytes", maxControl)
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

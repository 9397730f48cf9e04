package fabric

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/nats-io/nats.go"
)

// Cluster is an external NATS cluster. Its operator says who may say what: for each manager,
// publish grove.m.*.<id>.>, grove.b.*.<id>.>, grove.a.<id>.>, grove.s.<id>.> and one answer
// to what it was asked; subscribe grove.m.<id>.>, grove.b.<id>.>, grove.a.>, grove.s.>,
// grove.inbox.<id>.>.
type Cluster struct {
	Servers []string // "tls://nats1:4222", "wss://…"; "nats://…" is without TLS
	// Files, which are read for each connection; empty is the roots of this machine, and no
	// certificate.
	CA, Certificate, Key string
	User                 string
	Password             func() (string, error) // asked for each connection; nil is none
}

func (c *Cluster) check() error {
	if len(c.Servers) == 0 {
		return errors.New("cluster: the address of a server is needed, such as tls://nats1:4222")
	}
	if (c.Certificate == "") != (c.Key == "") {
		return errors.New("cluster: a certificate and its key are given both or not at all")
	}
	return nil
}

func (c *Cluster) name() string { return strings.Join(c.Servers, ",") }

// options are those of a client.
func (c *Cluster) options() (options []nats.Option, err error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("cluster: ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("cluster: ca: %s has no certificate in it", c.CA)
		}
	}
	if c.Certificate != "" {
		own, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
		if err != nil {
			return nil, fmt.Errorf("cluster: certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{own}
	}
	if c.CA != "" || c.Certificate != "" {
		options = append(options, nats.Secure(config))
	}
	if c.User != "" {
		password := ""
		if c.Password != nil {
			if password, err = c.Password(); err != nil {
				return nil, fmt.Errorf("cluster: password: %w", err)
			}
		}
		options = append(options, nats.UserInfo(c.User, password))
	}
	return options, nil
}

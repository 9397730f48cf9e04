// Package grpchealth is the probe kind "grpc_health": the health of a gRPC server or of
// one of its services, by the protocol grpc.health.v1.
package grpchealth

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

const (
	// maxAnswer bounds an answer, in bytes: it is a number.
	maxAnswer = 4096
	// maxText bounds what a server says of an error, in bytes.
	maxText = 300
)

// Kind returns the kind "grpc_health". Its probes connect where the first policy allows,
// and read the secrets that the second does; nil is the default of each.
func Kind(policy *dial.Policy, secrets *secret.Policy) probe.Kind {
	return probe.Kind{
		Name:       "grpc_health",
		Title:      "Health of gRPC servers and services",
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
			return &healthProbe{plan: p, dialer: policy.Dialer(0), secrets: secrets}, nil
		},
	}
}

// healthProbe keeps no connection between runs: each sees whether a new one can be had.
type healthProbe struct {
	plan    *plan
	dialer  *net.Dialer
	secrets *secret.Policy
	files   secure.Files
}

// Target implements probe.Probe.
func (p *healthProbe) Target() string { return strings.ToLower(p.plan.host) }

// Close implements probe.Probe.
func (p *healthProbe) Close() error { return nil }

// Attributes implements probe.Probe.
func (p *healthProbe) Attributes() []beans.AttributeInfo {
	return append(answer.Attributes("not_serving", "unknown_service", "unimplemented", "denied"),
		beans.AttributeInfo{Name: "health", Type: beans.TypeString, Readable: true, Description: "What the server says: SERVING, NOT_SERVING, UNKNOWN or SERVICE_UNKNOWN."},
		beans.AttributeInfo{Name: "code", Type: beans.TypeString, Readable: true, Description: "Status of the call: OK, NotFound, Unimplemented, Unavailable and so on."},
	)
}

// Run implements probe.Probe.
func (p *healthProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	if err := ctx.Err(); err != nil {
		return r, err
	}
	pairs, transport, err := p.prepare()
	if err != nil {
		return r, err
	}
	err = answer.Add(ctx, &r, start, p.ask(ctx, pairs, transport, &r))
	return r, err
}

// prepare reads the files and secrets of the options.
func (p *healthProbe) prepare() (pairs []string, transport credentials.TransportCredentials, err error) {
	for key, value := range p.plan.Metadata {
		if secret.Looks(value) {
			if value, err = p.secrets.Read(secret.Ref(value)); err != nil {
				return nil, nil, fmt.Errorf("metadata.%s: %w", key, err)
			}
			if !isValue(value) {
				return nil, nil, fmt.Errorf("metadata.%s: the secret has a character that metadata may not have", key)
			}
		}
		pairs = append(pairs, key, value)
	}
	if p.plan.Plaintext {
		return pairs, insecure.NewCredentials(), nil
	}
	config, err := p.files.Config(p.plan.TLS, p.secrets, p.plan.host)
	if err != nil {
		return nil, nil, err
	}
	return pairs, credentials.NewTLS(config), nil
}

// refusal is why no connection could be had, which the library tells as a text only.
type refusal struct {
	mu  sync.Mutex
	err error
}

func (f *refusal) set(err error) {
	f.mu.Lock()
	f.err = err
	f.mu.Unlock()
}

func (f *refusal) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (p *healthProbe) ask(ctx context.Context, pairs []string, transport credentials.TransportCredentials, r *probe.Result) error {
	var refused refusal
	conn, err := grpc.NewClient("passthrough:///"+p.plan.Address,
		grpc.WithTransportCredentials(transport),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			conn, err := p.dialer.DialContext(ctx, "tcp", address)
			refused.set(err)
			return conn, err
		}),
		grpc.WithNoProxy(), grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(), grpc.WithDisableHealthCheck(),
		grpc.WithUserAgent("grove"), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)))
	if err != nil {
		return err
	}
	defer conn.Close()
	said, err := grpc_health_v1.NewHealthClient(conn).Check(metadata.AppendToOutgoingContext(ctx, pairs...),
		&grpc_health_v1.HealthCheckRequest{Service: p.plan.Service})
	r.Text("code", status.Code(err).String())
	if err == nil {
		r.Text("health", said.GetStatus().String())
		if s := said.GetStatus(); s != grpc_health_v1.HealthCheckResponse_SERVING {
			return &answer.Fault{State: "not_serving", Err: fmt.Errorf("the server says %s", s)}
		}
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("no answer: %w", ctx.Err())
	}
	if err := refused.get(); err != nil {
		return err
	}
	return p.judge(err)
}

// judge sorts the statuses of a call that failed.
func (p *healthProbe) judge(err error) error {
	text := status.Convert(err).Message()
	fault := func(state, format string, args ...any) error {
		return &answer.Fault{State: state, Err: fmt.Errorf(format, args...)}
	}
	switch code := status.Code(err); code {
	case codes.NotFound:
		return fault("unknown_service", "the server does not know the service %q", p.plan.Service)
	case codes.Unimplemented:
		return fault("unimplemented", "the server does not have the service grpc.health.v1.Health")
	case codes.Unauthenticated, codes.PermissionDenied:
		return fault("denied", "the server refuses the call: %s", code)
	case codes.DeadlineExceeded:
		return context.DeadlineExceeded
	case codes.Unavailable:
		if strings.Contains(text, "authentication handshake failed") {
			_, reason, _ := strings.Cut(text, "authentication handshake failed: ")
			return &answer.Fault{State: "tls", Err: errors.New(clean(reason))}
		}
		return fault("closed", "the connection broke off: %s", clean(text))
	default:
		// What the server says of it may repeat what it was sent.
		return fmt.Errorf("the call failed: %s", code)
	}
}

func clean(text string) string {
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	return strings.ToValidUTF8(strings.Trim(text, `"`), "�")
}

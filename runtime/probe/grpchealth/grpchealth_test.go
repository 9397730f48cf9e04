package grpchealth

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/probetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(change func(*Options)) *Options {
	o := Kind(nil, nil).NewOptions().(*Options)
	o.Plaintext = true
	change(o)
	return o
}

func ask(t *testing.T, kind probe.Kind, o *Options) (map[string]string, error) {
	t.Helper()
	p, err := kind.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	r, err := p.Run(ctx)
	got := map[string]string{}
	for _, v := range r.Values {
		got[v.Attribute] = v.Value.String()
	}
	return got, err
}

// serve runs grpc-go's server, with its own health service unless it is nil.
func serve(t *testing.T, h *health.Server, o ...grpc.ServerOption) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(o...)
	if h != nil {
		grpc_health_v1.RegisterHealthServer(s, h)
	}
	var running sync.WaitGroup
	running.Go(func() { _ = s.Serve(ln) })
	t.Cleanup(func() { s.Stop(); running.Wait() })
	return ln.Addr().String()
}

func TestHealth(t *testing.T) {
	h := health.NewServer()
	h.SetServingStatus("shop.v1.Orders", grpc_health_v1.HealthCheckResponse_SERVING)
	h.SetServingStatus("shop.v1.Prices", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	plain := serve(t, h)
	without := serve(t, nil)
	guarded := serve(t, h, grpc.UnaryInterceptor(func(ctx context.Context, r any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		if strings.Join(md.Get("authorization"), "") != "Bearer open-sesame" || strings.Join(md.Get("tenant"), "") != "shop" {
			return nil, status.Error(codes.Unauthenticated, "who are you")
		}
		return next(ctx, r)
	}))
	web := httptest.NewTLSServer(nil) // for its certificate
	defer web.Close()
	overTLS := serve(t, h, grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12})))
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SHOP_TOKEN", "Bearer open-sesame")
	probetest.Run(t, Kind(nil, nil), options(func(o *Options) { o.Address = plain }), options(func(o *Options) { o.Address, o.Plaintext, o.TLS.CA = overTLS, false, ca }))
	for _, tt := range []struct {
		name   string
		change func(*Options)
		want   map[string]string
	}{
		{"the server", func(*Options) {}, map[string]string{"up": "1", "state": "up", "error": "", "health": "SERVING", "code": "OK"}},
		{"a service", func(o *Options) { o.Service = "shop.v1.Orders" }, map[string]string{"up": "1", "health": "SERVING"}},
		{"a service that is down", func(o *Options) { o.Service = "shop.v1.Prices" }, map[string]string{"up": "0", "state": "not_serving", "health": "NOT_SERVING", "error": "the server says NOT_SERVING"}},
		{"a service that is not there", func(o *Options) { o.Service = "shop.v1.Nothing" }, map[string]string{"up": "0", "state": "unknown_service", "code": "NotFound",
			"error": `the server does not know the service "shop.v1.Nothing"`}},
		{"no health service", func(o *Options) { o.Address = without }, map[string]string{"up": "0", "state": "unimplemented", "code": "Unimplemented"}},
		{"over TLS", func(o *Options) { o.Address, o.Plaintext, o.TLS.CA = overTLS, false, ca }, map[string]string{"up": "1"}},
		{"over TLS, from a stranger", func(o *Options) { o.Address, o.Plaintext = overTLS, false }, map[string]string{"up": "0", "state": "tls"}},
		{"a token", func(o *Options) {
			o.Address, o.Metadata = guarded, map[string]string{"authorization": "env:SHOP_TOKEN", "tenant": "shop"}
		}, map[string]string{"up": "1"}},
		{"no token", func(o *Options) { o.Address = guarded }, map[string]string{"up": "0", "state": "denied", "code": "Unauthenticated", "error": "the server refuses the call: Unauthenticated"}},
		{"nobody", func(o *Options) { o.Address = "127.0.0.1:1" }, map[string]string{"up": "0", "state": "refused", "code": "Unavailable"}},
		{"another protocol", func(o *Options) { o.Address = strings.TrimPrefix(web.URL, "https://") }, map[string]string{"up": "0", "state": "closed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ask(t, Kind(nil, nil), options(func(o *Options) { o.Address = plain; tt.change(o) }))
			if err != nil {
				t.Fatal(err)
			}
			for attribute, want := range tt.want {
				if got[attribute] != want {
					t.Errorf("%s is %q, want %q (error: %s)", attribute, got[attribute], want, got["error"])
				}
			}
		})
	}
	policy, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t, Kind(policy, nil), options(func(o *Options) { o.Address = plain })); err == nil || !strings.Contains(err.Error(), `the rule "!loopback" refuses it`) {
		t.Errorf("got %v", err)
	}
	if _, err := ask(t, Kind(nil, nil), options(func(o *Options) {
		o.Address, o.Metadata = plain, map[string]string{"authorization": "env:NO_SUCH_TOKEN"}
	})); err == nil ||
		err.Error() != "metadata.authorization: environment variable NO_SUCH_TOKEN is not set, or empty" {
		t.Errorf("got %v", err)
	}
}

func TestStopsAndRefuses(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	probetest.Stops(t, Kind(nil, nil), options(func(o *Options) { o.Address = ln.Addr().String() }))
	probetest.Stops(t, Kind(nil, nil), options(func(o *Options) { o.Address, o.Plaintext = ln.Addr().String(), false }))
	bad := func(name, option, want string, change func(*Options)) probetest.Bad {
		return probetest.Bad{Name: name, Option: option, Want: want, Options: options(func(o *Options) { o.Address = "a:1"; change(o) })}
	}
	probetest.Refuses(t, Kind(nil, nil),
		bad("no address", "address", `address: "": is needed: host and port, such as db1:5432`, func(o *Options) { o.Address = "" }),
		bad("a long service", "service", "service: has 257 bytes, more than 256", func(o *Options) { o.Service = strings.Repeat("x", 257) }),
		bad("TLS without TLS", "tls", "tls: only without plaintext", func(o *Options) { o.TLS.Insecure = true }),
		bad("a secret in the open", "metadata.authorization", "metadata.authorization: a secret is given by reference, such as file:/path, env:NAME or credential:NAME",
			func(o *Options) { o.Metadata = map[string]string{"authorization": "x"} }),
		bad("a wrong key", "metadata", `metadata: "Tenant" is no key: small letters, digits, dots, - and _, and not beginning with grpc-`,
			func(o *Options) { o.Metadata = map[string]string{"Tenant": "x"} }),
	)
}

package otlp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/gzip" // SDKs compress by it
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
)

// Bounds of gRPC.
const (
	maxConnections = 1000
	maxStreams     = 100 // of a connection
	maxHeader      = 16 << 10
	idle           = 10 * time.Minute
	// grace is how long requests under way may take when the server ends.
	grace = 2 * time.Second
)

// Serve takes requests by gRPC until the context ends, then closes the listener.
func (h *Hub) Serve(ctx context.Context, listener net.Listener) error {
	server := grpc.NewServer(
		grpc.MaxRecvMsgSize(h.options.MaxBody), grpc.MaxConcurrentStreams(maxStreams), grpc.MaxHeaderListSize(maxHeader),
		grpc.ConnectionTimeout(patience), grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idle}),
		grpc.InTapHandle(h.admit), grpc.UnaryInterceptor(h.turn), grpc.WaitForHandlers(true),
		grpc.ForceServerCodecV2(codec{encoding.GetCodecV2("proto")}),
	)
	pmetricotlp.RegisterGRPCServer(server, &metricService{hub: h})
	plogotlp.RegisterGRPCServer(server, &logService{hub: h})
	ended := make(chan struct{})
	stopped := context.AfterFunc(ctx, func() {
		defer close(ended)
		hurry := time.AfterFunc(grace, server.Stop)
		defer hurry.Stop()
		server.GracefulStop()
	})
	err := server.Serve(netutil.LimitListener(listener, maxConnections))
	if stopped() {
		server.Stop()
		return err
	}
	<-ended
	if errors.Is(err, grpc.ErrServerStopped) {
		err = nil
	}
	return err
}

// admit lets in those whose address may send, before anything that they send is read.
func (h *Hub) admit(ctx context.Context, _ *tap.Info) (context.Context, error) {
	if !h.allows(ctx) {
		h.requests.Add(1)
		h.bad.Add(1)
		return nil, status.Error(codes.PermissionDenied, "this address may not send")
	}
	return ctx, nil
}

// turn lets a request wait for a place among those that are worked on.
func (h *Hub) turn(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	h.requests.Add(1)
	leave, err := h.enter(ctx)
	if err != nil {
		h.bad.Add(1)
		return nil, status.Error(codes.Unavailable, err.Error()) // It may come again.
	}
	defer leave()
	if h.options.Admitted != nil {
		ctx = h.options.Admitted(ctx)
	}
	return handle(ctx, request)
}

func (h *Hub) allows(ctx context.Context) bool {
	if h.options.Sources == nil {
		return true
	}
	p, ok := peer.FromContext(ctx)
	if !ok {
		return false
	}
	source, err := netip.ParseAddrPort(p.Addr.String())
	if err != nil {
		return false
	}
	for _, prefix := range h.options.Sources {
		if prefix.Contains(source.Addr().Unmap().WithZone("")) {
			return true
		}
	}
	return false
}

type metricService struct {
	pmetricotlp.UnimplementedGRPCServer
	hub *Hub
}

// Export implements pmetricotlp.GRPCServer.
func (s *metricService) Export(ctx context.Context, r pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	return s.hub.metrics(ctx, r), nil
}

type logService struct {
	plogotlp.UnimplementedGRPCServer
	hub *Hub
}

// Export implements plogotlp.GRPCServer.
func (s *logService) Export(ctx context.Context, r plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	return s.hub.takeLogs(ctx, r), nil
}

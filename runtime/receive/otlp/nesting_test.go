package otlp_test

import (
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"grove/runtime/receive/otlp"
	"grove/runtime/receive/record"
)

// bytesCodec sends what is encoded already.
type bytesCodec struct{}

func (bytesCodec) Name() string { return "proto" }

func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (bytesCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// nested is a request of one log record whose body is lists within lists, so many deep,
// with other fields before it.
func nested(levels int, before ...byte) []byte {
	b := make([]byte, 12*levels+100)
	at := len(b)
	wrap := func(tag byte) {
		var size [binary.MaxVarintLen64]byte
		n := binary.PutUvarint(size[:], uint64(len(b)-at))
		at -= n
		copy(b[at:], size[:n])
		at--
		b[at] = tag
	}
	for range levels {
		wrap(0x0a) // ArrayValue.values
		wrap(0x2a) // AnyValue.array_value
	}
	wrap(0x2a) // LogRecord.body
	at -= len(before)
	copy(b[at:], before)
	wrap(0x12) // ScopeLogs.log_records
	wrap(0x12) // ResourceLogs.scope_logs
	wrap(0x0a) // resource_logs
	return b[at:]
}

// TestNesting: what has a million levels would exhaust the stack, and end the manager.
func TestNesting(t *testing.T) {
	hub, web, address := serve(t, otlp.Options{})
	got := attach(t, otlp.LogKind(hub), "shop", &otlp.LogOptions{Options: record.Options{}})
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, tt := range []struct {
		name string
		body []byte
		want string
	}{
		{"a few", nested(60), ""},
		{"more than enough", nested(100), "more than 64 deep"},
		{"a million", nested(1_000_000), "more than 64 deep"},
		{"behind a group", nested(1_000_000, 0xfb, 0x07, 0xfc, 0x07), "broken"},
		{"behind a number that is cut short by some", nested(1_000_000, slices.Concat([]byte{0xf8, 0x07}, slices.Repeat([]byte{0xff}, 9), []byte{0x7f})...), "broken"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, err := http.Post("http://"+web+"/otlp/v1/logs", "application/x-protobuf", strings.NewReader(string(tt.body)))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			w := httptest.NewRecorder()
			if _, err := w.Body.ReadFrom(res.Body); err != nil {
				t.Fatal(err)
			}
			if tt.want == "" && res.StatusCode != 200 || tt.want != "" && (res.StatusCode != 400 || !strings.Contains(w.Body.String(), tt.want)) {
				t.Errorf("HTTP: %d %q, want %q", res.StatusCode, w.Body, tt.want)
			}
			raw := grpc.ForceCodecV2(bytesCodec{})
			var answer []byte
			err = conn.Invoke(t.Context(), "/opentelemetry.proto.collector.logs.v1.LogsService/Export", tt.body, &answer, raw)
			if tt.want == "" && err != nil || tt.want != "" && (status.Code(err) != codes.Internal || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("gRPC: %v, want %q", err, tt.want)
			}
		})
	}
	got.mu.Lock()
	defer got.mu.Unlock()
	if len(got.events) != 2 {
		t.Errorf("%d records were taken, want two", len(got.events))
	}
}

// TestSlowSender: who sends slowly keeps nobody else from being served.
func TestSlowSender(t *testing.T) {
	hub := otlp.NewHub(otlp.Options{AtOnce: 1})
	post := func(body io.Reader) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/otlp/v1/logs", body)
		r.Header.Set("Content-Type", "application/x-protobuf")
		w := httptest.NewRecorder()
		hub.Handler().ServeHTTP(w, r)
		return w
	}
	body, slowly := io.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		post(body)
	}()
	if _, err := slowly.Write([]byte{0x0a}); err != nil { // It is being read.
		t.Fatal(err)
	}
	if w := post(strings.NewReader("")); w.Code != 200 {
		t.Errorf("another sender is answered %d %s", w.Code, w.Body)
	}
	slowly.Close()
	<-ended
}

// FuzzNesting sees that what is let through is what the library reads without harm, and
// that nothing that the library writes is refused.
func FuzzNesting(f *testing.F) {
	f.Add("a", 3, nested(3))
	f.Fuzz(func(t *testing.T, text string, depth int, raw []byte) {
		hub := otlp.NewHub(otlp.Options{})
		post := func(body []byte) int {
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/otlp/v1/logs", strings.NewReader(string(body)))
			r.Header.Set("Content-Type", "application/x-protobuf")
			w := httptest.NewRecorder()
			hub.Handler().ServeHTTP(w, r)
			return w.Code
		}
		post(raw)
		logs := plog.NewLogs()
		v := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body()
		for range min(max(depth, 0), 40) {
			v = v.SetEmptyMap().PutEmpty(text)
		}
		v.SetStr(text)
		body, err := plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
		if err != nil {
			t.Fatal(err)
		}
		if code := post(body); code != 200 {
			t.Errorf("status %d", code)
		}
	})
}

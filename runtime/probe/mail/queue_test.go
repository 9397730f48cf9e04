package mail

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/runtime/probe/files"
	"grove/runtime/probe/probetest"
)

func queueOf(directory string) *QueueOptions {
	return fresh(Queue(nil), func(o *QueueOptions) { o.Directory = directory })
}

func TestCount(t *testing.T) {
	now := time.Unix(1000, 0)
	record := func(pairs ...string) string { return strings.Join(pairs, "\x00") + "\x00\x00" }
	for _, tt := range []struct {
		name, listing string
		want          map[string]queue
		err           string
	}{
		{"nothing waits", "\x00", map[string]queue{}, ""},
		{"two queues", record("queue_name", "deferred", "queue_id", "A", "time", "400", "size", "100", "sender", "", "recipient", "a@b", "reason", "") +
			record("queue_name", "deferred", "time", "700", "size", "50") + record("queue_name", "active", "time", "990", "size", "7") + "\x00",
			map[string]queue{"deferred": {2, 150, 600 * time.Second}, "active": {1, 7, 10 * time.Second}}, ""},
		{"an unknown queue", record("queue_name", "corrupt", "size", "1"), map[string]queue{}, ""},
		{"silence", "", nil, "unexpected EOF"},
		{"cut off", "queue_name\x00defer", nil, "unexpected EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := count(strings.NewReader(tt.listing), now)
			if text := ""; err != nil {
				if text = err.Error(); text != tt.err {
					t.Fatalf("got %v, want %s", err, tt.err)
				}
			} else if d := cmp.Diff(tt.want, got, cmp.AllowUnexported(queue{})); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestQueueStopsAndRefuses(t *testing.T) {
	dir := t.TempDir()
	probetest.Refuses(t, Queue(nil), probetest.Bad{Name: "a relative directory", Option: "directory", Want: `directory: "spool" is not an absolute path without detours`, Options: queueOf("spool")})
	policy, err := files.NewPolicy([]string{"/etc"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t, Queue(policy), queueOf(dir), time.Second); err == nil || err.Error() != dir+": not allowed to definitions" {
		t.Errorf("got %v", err)
	}
	got, err := ask(t, Queue(nil), queueOf(dir), time.Second)
	if err != nil || got["up"] != "0" || !strings.Contains(got["error"], "no such file") {
		t.Errorf("got %v, %v", got, err)
	}
	silent := filepath.Join(dir, "public", "showq")
	if err := os.Mkdir(filepath.Dir(silent), 0o700); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", silent)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	probetest.Stops(t, Queue(nil), queueOf(dir))
}

// FuzzCount holds that a listing is either refused or counted, whatever it says.
func FuzzCount(f *testing.F) {
	f.Add([]byte("queue_name\x00deferred\x00size\x0010\x00time\x0099\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, listing []byte) {
		got, err := count(bytes.NewReader(listing), time.Unix(1000, 0))
		if (got == nil) == (err == nil) {
			t.Errorf("%v and %v", got, err)
		}
		for name, q := range got {
			if q.messages < 1 || q.size < 0 || q.oldest < 0 {
				t.Errorf("%s: %+v", name, q)
			}
		}
	})
}

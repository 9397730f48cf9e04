package alertmanager

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/runtime/probe"
)

// again is the probe of a hub after a restart: it is given what another remembered.
func again(t testing.TB, text []byte, edit func(*ProbeOptions)) (h *Hub, k *keeper, shown func() string, leave func()) {
	t.Helper()
	h = NewHub(Options{})
	o := Kind(h).NewOptions().(*ProbeOptions)
	edit(o)
	made, err := Kind(h).New(o)
	if err != nil {
		t.Fatal(err)
	}
	k = made.(*keeper)
	k.Recall(text)
	var latest []string
	leave, err = k.Attach("shop", "it", func(r probe.Result) {
		latest = nil
		for _, v := range r.Values {
			if v.Attribute == "firing" || v.Attribute == "left_out" {
				latest = append(latest, v.Attribute+"="+v.Value.String())
			}
		}
		for _, row := range r.Tables[0].Rows {
			latest = append(latest, row[1].String()+" "+row[3].String()+" "+row[6].String())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return h, k, func() string {
		k.mu.Lock()
		defer k.mu.Unlock()
		return strings.Join(latest, "\n")
	}, leave
}

func send(t testing.TB, h *Hub, alerts ...string) {
	t.Helper()
	w := httptest.NewRecorder()
	body := `{"version":"4","alerts":[` + strings.Join(alerts, ",") + `]}`
	h.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, Path, strings.NewReader(body)))
	if w.Code != http.StatusOK {
		t.Fatal(w.Body)
	}
}

func alertNamed(name, status, severity, since string) string {
	return fmt.Sprintf(`{"status":%q,"labels":{"alertname":%q,"severity":%q},"annotations":{"summary":%q},"startsAt":%q}`, status, name, severity, strings.Repeat("long ", 20), since)
}

// TestRestart: what fired is shown as soon as the successor of a probe is attached, ends
// when Alertmanager says so, and else by being forgotten, also when nothing more comes.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forget := func(o *ProbeOptions) { o.Forget = time.Hour }
		h, k, shown, leave := again(t, nil, forget)
		is := func(when, want string) {
			t.Helper()
			synctest.Wait()
			if diff := cmp.Diff(want, shown()); diff != "" {
				t.Errorf("%s: -want +got:\n%s", when, diff)
			}
		}
		is("nothing is remembered", "")
		send(t, h, alertNamed("A", "firing", "critical", "1999-12-31T00:00:00Z"), alertNamed("B", "firing", "warning", "1999-12-31T01:00:00Z"), alertNamed("C", "firing", "", "1999-12-31T02:00:00Z"))
		time.Sleep(10 * time.Minute)
		send(t, h, alertNamed("C", "resolved", "", "1999-12-31T02:00:00Z"))
		text := k.Memory()
		leave()

		time.Sleep(10 * time.Minute)
		const a, b = "\nA red 1999-12-31T00:00:00Z", "\nB yellow 1999-12-31T01:00:00Z"
		h, k, shown, leave = again(t, text, forget)
		is("at once", "firing=2\nleft_out=0"+a+b)
		send(t, h, alertNamed("A", "resolved", "critical", "1999-12-31T00:00:00Z"))
		is("one ended", "firing=1\nleft_out=0"+b)
		text = k.Memory()
		time.Sleep(39 * time.Minute)
		is("not repeated for 59 minutes", "firing=1\nleft_out=0"+b)
		time.Sleep(2 * time.Minute)
		is("not repeated for 61 minutes", "firing=0\nleft_out=0")
		leave()

		_, _, shown, leave = again(t, text, forget)
		is("down for longer than that", "firing=0\nleft_out=0")
		leave()
		_, _, shown, leave = again(t, text, func(o *ProbeOptions) { o.Severity, o.Forget = "alertname", 2*time.Hour })
		is("other options", "firing=1\nleft_out=0"+b)
		leave()
		_, _, shown, leave = again(t, text, func(o *ProbeOptions) { o.Match = map[string]string{"alertname": "X"} })
		is("others are wanted", "firing=0\nleft_out=0")
		leave()
		_, _, shown, leave = again(t, []byte("nonsense"), forget)
		is("nonsense is remembered", "")
		leave()
	})
}

// TestMemoryIsBounded: of more than there is room for the red and newest are remembered,
// and how many are not.
func TestMemoryIsBounded(t *testing.T) {
	h, k, _, leave := again(t, nil, func(*ProbeOptions) {})
	defer leave()
	list := []string{alertNamed("red", "firing", "critical", "2020-01-01T00:00:00Z")}
	for i := range 300 {
		list = append(list, alertNamed(fmt.Sprint("y", i), "firing", "warning", fmt.Sprintf("2021-01-01T%02d:%02d:00Z", i/60, i%60)))
	}
	send(t, h, list...)
	text := k.Memory()
	if len(text) > probe.MaxMemory || len(text) < probe.MaxMemory/2 {
		t.Fatalf("%d bytes are remembered, of at most %d", len(text), probe.MaxMemory)
	}
	_, k, _, leave = again(t, text, func(*ProbeOptions) {})
	defer leave()
	names := map[string]bool{}
	for _, f := range k.firing {
		names[f.Labels["alertname"]] = true
	}
	if n := len(names); n < 50 || uint64(n)+k.left != 301 || !names["red"] || !names["y299"] || !names[fmt.Sprint("y", 301-n)] || names["y0"] {
		t.Errorf("%d are remembered, %d left out: %v", n, k.left, names)
	}
}

// FuzzRecall gives a probe what nobody wrote.
func FuzzRecall(f *testing.F) {
	f.Add([]byte(`{"alerts":[{"alert":{"Status":"firing","Labels":{"alertname":"A"}},"seen":"2020-01-01T00:00:00Z"},{}],"left":-1}`))
	f.Add([]byte(`{"alerts":[{"alert":null}],"left":3}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, k, _, leave := again(t, text, func(*ProbeOptions) {})
		defer leave()
		if out := k.Memory(); len(out) > probe.MaxMemory {
			t.Errorf("%d bytes", len(out))
		}
	})
}

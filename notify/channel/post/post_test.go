package post_test

import (
	"context"
	"embed"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/channel/post"
	"grove/notify/channel/post/posttest"
	"grove/notify/template"
	"grove/tree"
	"grove/tree/alert"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func client(t *testing.T, now time.Time) *post.Client {
	t.Helper()
	w := channeltest.NewWorld(t, channeltest.Subject{Secrets: map[string]string{
		"env:LINES": "a\nb", "env:EMPTY": " \n", "env:URL": " https://x.example/secret \n", "env:NONE": "secret-text",
	}})
	w.Now = func() time.Time { return now }
	c, err := post.New(w, post.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestAnswers(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	after := func(value string) http.Header { return http.Header{"Retry-After": {value}} }
	for name, c := range map[string]struct {
		answer channeltest.Answer
		want   string // empty: all is well
		final  bool
		wait   time.Duration // -1: none
	}{
		"well":               {channeltest.Answer{Status: 204}, "", false, -1},
		"made":               {channeltest.Answer{Status: 201, Body: "made"}, "", false, -1},
		"bad":                {channeltest.Answer{Status: 400, Body: "no\r\n\x1b[31m such  field"}, "answers 400 Bad Request: no [31m such field", true, -1},
		"forbidden":          {channeltest.Answer{Status: 403}, "answers 403 Forbidden", true, -1},
		"gone":               {channeltest.Answer{Status: 410, Body: "/hooks/very-secret is no more, nor is Bearer very-secret-too"}, "answers 410 Gone: <secret> is no more, nor is <secret>", true, -1},
		"a part of a path":   {channeltest.Answer{Status: 404, Body: "no hook very-secret with hidden-sig"}, "answers 404 Not Found: no hook <secret> with <secret>", true, -1},
		"a redirect":         {channeltest.Answer{Status: 302, Header: http.Header{"Location": {"https://elsewhere.example/"}}}, "answers 302 Found: redirects are not followed, so the address must be that of the service itself", true, -1},
		"a slow request":     {channeltest.Answer{Status: 408}, "answers 408 Request Timeout", false, -1},
		"too early":          {channeltest.Answer{Status: 425}, "answers 425 Too Early", false, -1},
		"too many":           {channeltest.Answer{Status: 429, Header: after("12")}, "answers 429 Too Many Requests", false, 12 * time.Second},
		"in a moment":        {channeltest.Answer{Status: 429, Header: after("0.25")}, "answers 429 Too Many Requests", false, 250 * time.Millisecond},
		"until then":         {channeltest.Answer{Status: 503, Header: after("Sun, 01 Mar 2026 12:01:00 GMT")}, "answers 503 Service Unavailable", false, time.Minute},
		"until yesterday":    {channeltest.Answer{Status: 503, Header: after("Sat, 28 Feb 2026 12:01:00 GMT")}, "answers 503 Service Unavailable", false, 0},
		"for ever":           {channeltest.Answer{Status: 503, Header: after("1e99")}, "answers 503 Service Unavailable", false, 24 * time.Hour},
		"less than no time":  {channeltest.Answer{Status: 503, Header: after("-5")}, "answers 503 Service Unavailable", false, 0},
		"nobody knows":       {channeltest.Answer{Status: 503, Header: after("soon")}, "answers 503 Service Unavailable", false, -1},
		"of its own":         {channeltest.Answer{Status: 599}, "answers 599", false, -1},
		"much":               {channeltest.Answer{Status: 400, Body: strings.Repeat("x", 1<<20)}, "answers 400 Bad Request: " + strings.Repeat("x", 297) + "...", true, -1},
		"something unknown":  {channeltest.Answer{Status: 418, Body: "\xff\xfe"}, "answers 418 I'm a teapot: ", true, -1},
		"a broken line":      {channeltest.Answer{Reset: true}, "", false, -1},
		"and one that waits": {channeltest.Answer{Silent: true}, "", false, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := channeltest.NewServer(t, func(channeltest.Request) channeltest.Answer { return c.answer })
			ctx := t.Context()
			if c.answer.Silent {
				short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
				ctx = short
			}
			err := client(t, now).Do(ctx, post.Request{
				URL: s.URL + "/hooks/very-secret?sig=hidden-sig", Header: map[string]string{"Authorization": "Bearer very-secret-too"}, Body: map[string]string{"a": "<&>"},
			})
			wait, later := channel.Wait(err)
			switch {
			case c.answer.Reset || c.answer.Silent:
				if err == nil || channel.IsPermanent(err) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "hidden-sig") {
					t.Error(err)
				}
			case c.want == "":
				if err != nil {
					t.Error(err)
				}
			case err == nil || !strings.Contains(err.Error(), c.want) || channel.IsPermanent(err) != c.final || later != (c.wait >= 0) || later && wait != c.wait:
				t.Errorf("%v, permanent %v, wait %v", err, channel.IsPermanent(err), wait)
			case post.Status(err) != c.answer.Status || len(err.Error()) > 600 || !utf8.ValidString(err.Error()):
				t.Errorf("%d, %q", post.Status(err), err)
			}
			if r := s.Requests(); string(r[0].Body) != "{\"a\":\"<&>\"}\n" || r[0].Header.Get("User-Agent") != "grove/1.0" || !strings.HasPrefix(r[0].Header.Get("Content-Type"), "application/json") {
				t.Errorf("%+v", r[0])
			}
		})
	}
}

func TestNobodyListensAndNoSecretIsTold(t *testing.T) {
	c := client(t, time.Now())
	for _, address := range []string{"http://127.0.0.1:1/hooks/very-secret", "http://127.0.0.1:1/\x7fvery-secret", "https://127.0.0.1:1/hooks/very-secret"} {
		err := c.Do(t.Context(), post.Request{URL: address, Body: 1})
		if err == nil || channel.IsPermanent(err) || strings.Contains(err.Error(), "very-secret") {
			t.Errorf("%v", err)
		}
	}
	if err := c.Do(t.Context(), post.Request{URL: "http://127.0.0.1:1/", Body: func() {}}); !channel.IsPermanent(err) {
		t.Errorf("%v: what cannot be written is sent again", err)
	}
}

// An answer that breaks off says by its first line whether the message was accepted; what
// it should have said besides is missed only by who needs it.
func TestAnswersThatBreakOff(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"half":`)
	}))
	t.Cleanup(s.Close)
	c := client(t, time.Now())
	if err := c.Do(t.Context(), post.Request{URL: s.URL, Body: 1}); err != nil {
		t.Error(err)
	}
	var into map[string]int
	if err := c.Do(t.Context(), post.Request{URL: s.URL, Body: 1, Into: &into}); err == nil || !strings.Contains(err.Error(), "the answer breaks off") || channel.IsPermanent(err) {
		t.Error(err)
	}
}

func TestServersAreVerified(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo) // it complains of the client that does not trust it
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, trusts := range map[string]bool{ca: true, "": false} {
		o := post.Defaults()
		o.TLS.CA = file
		c, err := post.New(channeltest.NewWorld(t, channeltest.Subject{}), o)
		if err != nil {
			t.Fatal(err)
		}
		err = c.Do(t.Context(), post.Request{URL: s.URL, Body: 1})
		if (err == nil) != trusts || err != nil && !strings.Contains(err.Error(), "certificate") || channel.IsPermanent(err) {
			t.Errorf("with the authority %q: %v", file, err)
		}
		_ = c.Close()
	}
}

func TestSecrets(t *testing.T) {
	c := client(t, time.Now())
	if a, err := c.Address("webhook", "env:URL"); err != nil || a != "https://x.example/secret" {
		t.Errorf("%q, %v", a, err)
	}
	for ref, want := range map[string]string{
		"env:LINES": "webhook: what it refers to is not one line of text", "env:EMPTY": "webhook: what it refers to is not one line of text",
		"env:NONE": "webhook: what it refers to is no address of the form https://host/path",
	} {
		if _, err := c.Address("webhook", ref); err == nil || err.Error() != want || channel.IsPermanent(err) {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	for address, good := range map[string]bool{
		"https://api.example": true, "http://127.0.0.1:80/x/": true, "": false, "api.example": false, "ftp://x": false, "https://": false,
		"https://u:p@x": false, "https://x?a=b": false, "https://x#a": false, "https://x\n": false,
	} {
		err := post.CheckURL("api", address)
		var option *channel.OptionError
		if (err == nil) != good || err != nil && !errors.As(err, &option) {
			t.Errorf("%q: %v", address, err)
		}
	}
	if got := post.Join("https://x/api/", "/v2"); got != "https://x/api/v2" {
		t.Error(got)
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		text string
		most int
		want string
	}{
		{"all of it\n", 20, "all of it"},
		{"one\ntwo\nthree\nfour\nfive", 23, "one\ntwo\nthree\nfour\nfive"},
		{"one\ntwo\nthree\nfour\nfive", 22, "one\n…and 4 more lines"},
		{"one line that is too long", 12, "one line ..."},
		{"a\n" + strings.Repeat("b", 100), 20, "a\n…and 1 more lines"},
		{"", 5, ""},
	} {
		if got := post.Fit(c.text, c.most, post.Runes, nil); got != c.want {
			t.Errorf("%q", got)
		}
	}
	if got := post.Fit("<<<<<<<<<<", 24, post.Runes, template.EscapeHTML); got != "&lt;&lt;&lt;&lt;&lt;..." {
		t.Errorf("an entity is cut: %q", got)
	}
	if post.Units("ä🔥") != 3 || post.Runes("ä🔥") != 2 || post.Bytes("ä🔥") != 6 {
		t.Error("sizes")
	}
}

func FuzzFit(f *testing.F) {
	f.Add("one\ntwo <b>\nthree", 12)
	f.Add("🔥🔥🔥🔥\n", 7)
	f.Fuzz(func(t *testing.T, text string, most int) {
		most = max(30, min(most, 5000))
		for _, size := range []func(string) int{post.Bytes, post.Runes, post.Units} {
			if got := post.Fit(text, most, size, template.EscapeHTML); size(got) > most {
				t.Errorf("%d of %d", size(got), most)
			}
		}
	})
}

func TestNames(t *testing.T) {
	if a, b := post.Name("grove/a/1"), post.Name("grove/a/2"); a == b || len(a) != 38 || a != post.Name("grove/a/1") {
		t.Errorf("%s and %s", a, b)
	}
	for group, want := range map[string]string{"grove/a/1": "grove/a/1", strings.Repeat("g", 65): post.Name(strings.Repeat("g", 65)), "a\nb": post.Name("a\nb")} {
		if got := post.ID(group, 64); got != want {
			t.Error(got)
		}
	}
}

func TestColoursAndAcknowledgements(t *testing.T) {
	for sample, want := range map[string]string{"firing": "#b00020", "resolved": "#2a9d8f", "test": "#8a8a8a"} {
		if got := post.Web(post.Colour(posttest.Sample(sample, nil))); got != want {
			t.Errorf("%s: %s", sample, got)
		}
	}
	yellow := posttest.Sample("firing", func(m *channel.Message) { m.Status = tree.Yellow })
	if got := post.Web(post.Colour(yellow)); got != "#ffcc33" {
		t.Error(got)
	}
	m := posttest.Sample("firing", nil)
	if post.Acknowledged(m) {
		t.Error("an open alert counts as acknowledged")
	}
	m.Alerts[0].State = alert.Acknowledged
	if !post.Acknowledged(m) {
		t.Error("an acknowledged one does not")
	}
	if m.Firing = 2; post.Acknowledged(m) {
		t.Error("nobody knows of one that was left out")
	}
	if post.Acknowledged(posttest.Sample("resolved", nil)) {
		t.Error("what is over is not acknowledged")
	}
}

func TestRecent(t *testing.T) {
	var r post.Recent
	r.Put("a", "1")
	if r.Get("a") != "1" || r.Get("b") != "" {
		t.Error("it does not remember")
	}
	r.Put("a", "")
	if r.Get("a") != "" {
		t.Error("it does not forget")
	}
	for i := range 3000 {
		r.Put(strings.Repeat("x", i), "1")
	}
	if r.Get("x") != "" || r.Get(strings.Repeat("x", 2999)) != "1" {
		t.Error("it remembers without bound, or forgets the last")
	}
}

func TestOptions(t *testing.T) {
	w := channeltest.NewWorld(t, channeltest.Subject{})
	for option, change := range map[string]func(*post.Options){
		"timeout": func(o *post.Options) { o.Timeout = time.Hour },
		"tls.key": func(o *post.Options) { o.TLS.Certificate = "/c" },
		"title":   func(o *post.Options) { o.Title = "{{.Nothing}}" },
	} {
		o := post.Defaults()
		change(&o)
		_, err := post.New(w, o)
		var bad *channel.OptionError
		if !errors.As(err, &bad) || bad.Option != option {
			t.Errorf("%s: %v", option, err)
		}
	}
	if _, err := post.KindOf("x", embed.FS{}, func() *int { return new(int) }, nil).New(w, "no options"); err == nil {
		t.Error("options of another kind are taken")
	}
}

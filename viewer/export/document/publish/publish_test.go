package publish

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/document"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source makes numbered texts.
type source struct {
	made atomic.Int64
	tag  atomic.Pointer[string] // of all; nil: each has its own
	err  error
}

func (s *source) Make(context.Context, *Options) (*Made, error) {
	n := s.made.Add(1)
	m := &Made{Type: "text/plain", Tag: fmt.Sprint(n), Write: func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "text %d", n)
		return err
	}}
	if tag := s.tag.Load(); tag != nil {
		m.Tag = *tag
	}
	return m, s.err
}

func publisher(t *testing.T, s Source, directories []string, list ...Options) *Publisher {
	t.Helper()
	p, err := New(Config{
		Publications: list, Sources: map[string]Source{"document": s}, Directories: directories, Version: "1.2.3",
		Secret: func(reference string) (string, error) {
			if reference == "env:BAD" {
				return "a\nb", nil
			}
			if name, ok := strings.CutPrefix(reference, "env:"); ok {
				return "secret " + name, nil
			}
			return "", errors.New("no such file")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func entry(to Target) Options {
	return Options{Name: "all", What: "document", Format: "xml", Every: time.Hour, To: to}
}

func TestCheck(t *testing.T) {
	file := Target{File: "/srv/status.xml"}
	address := Target{URL: "https://att.example/inbox"}
	for _, tc := range []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"nothing wrong", func(*Options) {}, ""},
		{"a report", func(o *Options) { o.What, o.Format, o.Period, o.Zone = "report", "csv", "week", "Europe/Berlin" }, ""},
		{"at", func(o *Options) { o.Every, o.At = 0, "monday 06:30" }, ""},
		{"on change", func(o *Options) { o.Every, o.On, o.Settle, o.Pause = 0, "change", time.Second, time.Minute }, ""},
		{"all of an address", func(o *Options) {
			o.To = Target{
				URL: "https://att.example/", Method: "POST", Headers: map[string]string{"X-From": "grove"}, Timeout: time.Minute, Tries: 3,
				SecretHeaders: map[string]string{"X-Key": "env:KEY"}, Basic: &Basic{"grove", "file:/etc/grove/att"},
			}
		}, ""},
		{"name", func(o *Options) { o.Name = "../x" }, `name: "../x": small letters, digits, dots, - and _, at most 64, a letter or digit first`},
		{"what", func(o *Options) { o.What = "poem" }, `what: "poem": document or report`},
		{"format", func(o *Options) { o.Format = "csv" }, `format: "csv": a document is had as xml, json, html`},
		{"path", func(o *Options) { o.Path = "/a//b" }, `path: malformed path "/a//b": empty name`},
		{"period of a document", func(o *Options) { o.Period = "day" }, "period: is for reports"},
		{"period", func(o *Options) { o.What, o.Format, o.Period = "report", "csv", "year" }, `period: the time of the report: there is no period "year": today, day, week, month, last24h, last7d, last30d`},
		{"zone", func(o *Options) { o.Zone = "Mars" }, `zone: the time of the report: there is no time zone "Mars"`},
		{"never", func(o *Options) { o.Every = 0 }, "every: one of every, at and on says when"},
		{"twice", func(o *Options) { o.At = "06:30" }, "every: one of every, at and on says when"},
		{"too often", func(o *Options) { o.Every = time.Second }, "every: 1s is not from 10s to 744h0m0s"},
		{"at", func(o *Options) { o.Every, o.At = 0, "noon" }, `at: "noon" is no time of day such as "06:30", "monday 06:30" or "day 1 06:30"; days of a month are 1 to 28`},
		{"on", func(o *Options) { o.Every, o.On = 0, "fire" }, `on: "fire": only change`},
		{"settle", func(o *Options) { o.Settle = time.Second }, "settle: settle and pause are for on: change"},
		{"pause", func(o *Options) { o.Every, o.On, o.Pause = 0, "change", time.Millisecond }, "pause: 1ms is not from 1s to 24h"},
		{"nowhere", func(o *Options) { o.To = Target{} }, "to: one of file, directory and url says where to"},
		{"two places", func(o *Options) { o.To.URL = "https://x.example/" }, "to: one of file, directory and url says where to"},
		{"a detour", func(o *Options) { o.To.File = "/srv/../etc/passwd" }, `to.file: "/srv/../etc/passwd" is not an absolute path without detours`},
		{"keep of a file", func(o *Options) { o.To.Keep = 5 }, "to.keep: is for a directory, 1 to 10000"},
		{"method of a file", func(o *Options) { o.To.Method = "PUT" }, "to.method: is for a url"},
		{"ftp", func(o *Options) { o.To = Target{URL: "ftp://x.example/"} }, "to.url: is not an address of http or https"},
		{"malformed", func(o *Options) { o.To = Target{URL: "https://x.example/\x7fsecret"} }, "to.url: is malformed"},
		{"a user", func(o *Options) { o.To = Target{URL: "https://u:p@x.example/"} }, "to.url: has a user in it; say to.basic, with the password by reference"},
		{"plain credentials", func(o *Options) { o.To = Target{URL: "http://x.example/", Bearer: "env:T"} }, "to.url: would send credentials without encryption; use https"},
		{"method", func(o *Options) { o.To, o.To.Method = address, "DELETE" }, `to.method: "DELETE": PUT or POST`},
		{"header", func(o *Options) { o.To, o.To.Headers = address, map[string]string{"Host": "x"} }, `to.headers: "Host" is no header that can be given`},
		{"header's name", func(o *Options) { o.To, o.To.Headers = address, map[string]string{"A b": "x"} }, `to.headers: "A b" is no header that can be given`},
		{"header's value", func(o *Options) { o.To, o.To.Headers = address, map[string]string{"A": "x\r\nB: y"} }, `to.headers: the value of "A" has a control character`},
		{"a secret header", func(o *Options) { o.To, o.To.Headers = address, map[string]string{"authorization": "Bearer hunter2"} }, "to.headers: authorization is secret; say to.secret_headers, to.basic or to.bearer, by reference"},
		{"a secret", func(o *Options) { o.To, o.To.Bearer = address, "hunter2" }, "to.bearer: a secret is given by reference: file:/path, env:NAME or credential:NAME"},
		{"a password", func(o *Options) { o.To, o.To.Basic = address, &Basic{"grove", "hunter2"} }, "to.basic.password: a secret is given by reference: file:/path, env:NAME or credential:NAME"},
		{"tries", func(o *Options) { o.To, o.To.Tries = address, 99 }, "to.tries: 99 is not 1 to 20"},
		{"timeout", func(o *Options) { o.To, o.To.Timeout = address, time.Hour }, "to.timeout: 1h0m0s is not up to 10m0s"},
		{"several", func(o *Options) { o.Name, o.What = "", "" }, "name: \"\": small letters, digits, dots, - and _, at most 64, a letter or digit first\nwhat: \"\": document or report"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := entry(file)
			tc.change(&o)
			got := ""
			if err := o.Check(); err != nil {
				got = err.Error()
				var key *KeyError
				if !errors.As(err, &key) || key.Key == "" {
					t.Errorf("%v names no key", err)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	dir := t.TempDir()
	bad := entry(Target{URL: "x"})
	for _, tc := range []struct {
		list []Options
		want string
	}{
		{[]Options{entry(Target{File: dir + "/a"}), entry(Target{File: dir + "/b"})}, `publish[1].name: publish[0] has it already`},
		{[]Options{bad}, `publish[0].to.url: is not an address of http or https`},
		{[]Options{entry(Target{File: "/etc/passwd"})}, `publish[0].to.file: /etc/passwd is in none of the directories that publications may write to`},
		{[]Options{entry(Target{File: dir + "x/a"})}, `publish[0].to.file: ` + dir + `x/a is in none of the directories that publications may write to`},
		{[]Options{entry(Target{File: dir})}, `publish[0].to.file: is a directory`},
		{[]Options{{Name: "r", What: "report", Format: "csv", At: "06:00", To: Target{File: dir + "/a"}}}, `publish[0].what: no report can be had here`},
	} {
		_, err := New(Config{Publications: tc.list, Sources: map[string]Source{"document": &source{}}, Directories: []string{dir}})
		if err == nil || err.Error() != tc.want {
			t.Errorf("got  %v\nwant %s", err, tc.want)
		}
	}
}

func TestMoments(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 3, 28, 6, 30, 0, 0, berlin) // a Saturday; summer time begins the night after at 2 o'clock
	for _, tc := range []struct{ text, want string }{
		{"06:31", "2026-03-28T06:31:00+01:00"}, {"06:30", "2026-03-29T06:30:00+02:00"}, {"02:30", "2026-03-29T03:30:00+02:00"},
		{"monday 00:05", "2026-03-30T00:05:00+02:00"}, {"sat 06:30", "2026-04-04T06:30:00+02:00"}, {"day 1 00:10", "2026-04-01T00:10:00+02:00"},
		{"day 28 06:30", "2026-04-28T06:30:00+02:00"},
	} {
		m, err := parseMoment(tc.text, berlin)
		if err != nil {
			t.Error(tc.text, err)
			continue
		}
		if got := m.after(from).Format(time.RFC3339); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.text, got, tc.want)
		}
	}
	for _, bad := range []string{"", "25:00", "6", "friday", "day 31 06:00", "day 06:00", "someday 06:00", "monday 6:00 pm x"} {
		if _, err := parseMoment(bad, time.UTC); err == nil {
			t.Errorf("%q is a moment", bad)
		}
	}
}

// runs runs a publisher in a bubble for a while, and returns when it delivered.
func runs(t *testing.T, p *Publisher, deliver func(n int) error, during func()) (at []string) {
	t.Helper()
	begin := time.Now()
	var mu sync.Mutex
	p.deliver = func(context.Context, *Options, *Made) error {
		mu.Lock()
		at = append(at, time.Since(begin).String())
		n := len(at)
		mu.Unlock()
		if deliver == nil {
			return nil
		}
		return deliver(n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if err := p.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	synctest.Wait()
	during()
	cancel()
	all.Wait()
	mu.Lock()
	defer mu.Unlock()
	return at
}

var place = Target{URL: "https://x.example/"}

func TestTimes(t *testing.T) {
	refused := &refusal{status: http.StatusServiceUnavailable}
	for _, tc := range []struct {
		name    string
		change  func(*Options)
		deliver func(int) error
		during  func(*Publisher, *source)
		want    []string
		status  Status
	}{
		{
			"every", func(o *Options) { o.Every = 40 * time.Second }, nil,
			func(*Publisher, *source) { time.Sleep(2 * time.Minute) },
			// Bubbles begin at midnight.
			[]string{"0s", "40s", "1m20s", "2m0s"}, Status{Published: 4},
		},
		{
			"at", func(o *Options) { o.Every, o.At = 0, "06:30" }, nil,
			func(*Publisher, *source) { time.Sleep(48 * time.Hour) }, []string{"6h30m0s", "30h30m0s"}, Status{Published: 2},
		},
		{
			"tries", func(*Options) {},
			func(n int) error {
				if n < 4 {
					return refused
				}
				return nil
			},
			func(*Publisher, *source) { time.Sleep(time.Minute) }, []string{"0s", "1s", "3s", "7s"}, Status{Published: 1, Failure: at(3 * time.Second)},
		},
		{
			"gives up", func(o *Options) { o.To.Tries = 3 }, func(int) error { return refused },
			func(*Publisher, *source) { time.Sleep(time.Minute) }, []string{"0s", "1s", "3s"},
			Status{Failed: 1, Failure: at(3 * time.Second), Error: "it answers 503 Service Unavailable (try 3 of 3)"},
		},
		{
			"the next is due", func(o *Options) { o.Every = 10 * time.Second }, func(int) error { return refused },
			func(*Publisher, *source) { time.Sleep(9 * time.Second) }, []string{"0s", "1s", "3s", "7s"},
			Status{Failed: 1, Failure: at(7 * time.Second), Error: "it answers 503 Service Unavailable (try 4; the next publication is due)"},
		},
		{
			"not again", func(*Options) {}, func(int) error { return &refusal{status: http.StatusForbidden} },
			func(*Publisher, *source) { time.Sleep(time.Minute) }, []string{"0s"}, Status{Failed: 1, Failure: at(0), Error: "it answers 403 Forbidden"},
		},
		{
			"the receiver says when", func(*Options) {},
			func(n int) error {
				if n == 1 {
					return &refusal{status: http.StatusTooManyRequests, after: 30 * time.Second}
				}
				return nil
			},
			func(*Publisher, *source) { time.Sleep(time.Minute) }, []string{"0s", "30s"}, Status{Published: 1, Failure: at(0)},
		},
		{
			"one change", func(o *Options) { o.Every, o.On = 0, "change" }, nil,
			func(p *Publisher, _ *source) {
				time.Sleep(5 * time.Minute) // The first is the beginning.
				p.Changed()
				time.Sleep(5 * time.Minute)
			}, []string{"5s", "5m5s"}, Status{Published: 2},
		},
		{
			"many changes", func(o *Options) { o.Every, o.On = 0, "change" }, nil,
			func(p *Publisher, _ *source) {
				for range 150 {
					p.Changed()
					p.Changed()
					time.Sleep(time.Second)
				}
				time.Sleep(5 * time.Minute)
			}, []string{"1m0s", "2m0s", "3m0s"}, Status{Published: 3},
		},
		{
			"soon after another", func(o *Options) { o.Every, o.On, o.Pause = 0, "change", 30*time.Second }, nil,
			func(p *Publisher, _ *source) {
				time.Sleep(10 * time.Second)
				p.Changed()
				time.Sleep(5 * time.Minute)
			}, []string{"5s", "35s"}, Status{Published: 2},
		},
		{
			"nothing new", func(o *Options) { o.Every, o.On = 0, "change" }, nil,
			func(p *Publisher, s *source) {
				same := "same"
				s.tag.Store(&same)
				for range 3 {
					time.Sleep(5 * time.Minute)
					p.Changed()
				}
				time.Sleep(5 * time.Minute)
			}, []string{"5s"}, Status{Published: 1, Unchanged: 3},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := entry(place)
				tc.change(&o)
				s := &source{}
				p := publisher(t, s, nil, o)
				got := runs(t, p, tc.deliver, func() { tc.during(p, s); synctest.Wait() })
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Error(diff)
				}
				status := p.Status()[0]
				tc.status.Name, tc.status.What, tc.status.To = "all", "document as xml", "https://x.example/"
				tc.status.Next, tc.status.Success = status.Next, status.Success
				if diff := cmp.Diff(tc.status, status); diff != "" || (status.Published > 0) == status.Success.IsZero() || status.Next.IsZero() != (o.On != "" || len(got) == 0 && o.At == "") {
					t.Error(diff, status)
				}
			})
		})
	}
}

// at is a time in a bubble, which begins at midnight (testing/synctest).
func at(d time.Duration) time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(d) }

func TestFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "web"), 0o700); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(dir, "web", "status.xml")
	s := &source{}
	o := entry(Target{File: target})
	p := publisher(t, s, []string{dir}, o)
	for i := 1; i <= 2; i++ {
		if tag := p.publish(t.Context(), &o, time.Time{}, ""); tag != fmt.Sprint(i) {
			t.Fatal(tag, p.Status())
		}
		if text, err := os.ReadFile(target); err != nil || string(text) != fmt.Sprintf("text %d", i) {
			t.Error(string(text), err)
		}
	}
	if n := names(t, filepath.Join(dir, "web")); len(n) != 1 {
		t.Error(n)
	}
	readable(t, target, 0o444)

	// What cannot be made leaves the one before, and nothing beside it.
	broken := &Made{Write: func(w io.Writer) error { _, _ = io.WriteString(w, "half"); return io.ErrUnexpectedEOF }}
	if err := p.to(t.Context(), &o, broken); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if text, err := os.ReadFile(target); err != nil || string(text) != "text 2" || len(names(t, filepath.Join(dir, "web"))) != 1 {
		t.Error(string(text), err)
	}

	// A link out of the directory is not followed.
	outside := t.TempDir()
	if err := os.RemoveAll(filepath.Join(dir, "web")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "web")); err != nil {
		t.Fatal(err)
	}
	if err := p.to(t.Context(), &o, &Made{Write: func(io.Writer) error { return nil }}); err == nil || len(names(t, outside)) > 0 {
		t.Error("it was written outside", err)
	}
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	o := entry(Target{Directory: filepath.Join(dir, "a", "b"), Keep: 2})
	p := publisher(t, &source{}, []string{dir}, o)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p.config.Now = func() time.Time { return now }
	for _, other := range []string{"all-notes.xml", "all-20260101T000000Z.json", "other-20260101T000000Z.xml"} {
		if err := os.MkdirAll(o.To.Directory, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(o.To.Directory, other), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		if p.publish(t.Context(), &o, time.Time{}, "") == "" {
			t.Fatal(p.Status())
		}
		now = now.Add(time.Minute)
	}
	want := []string{"all-20260101T000000Z.json", "all-20260301T120200Z.xml", "all-20260301T120300Z.xml", "all-notes.xml", "other-20260101T000000Z.xml"}
	if diff := cmp.Diff(want, names(t, o.To.Directory)); diff != "" {
		t.Error(diff)
	}
	readable(t, filepath.Join(o.To.Directory, want[1]), 0o444)

	o.To.Directory = filepath.Join(dir, "new", "one")
	if publisher(t, &source{}, []string{dir}, o).publish(t.Context(), &o, time.Time{}, "") == "" {
		t.Error("nothing is published to a directory that was not there")
	}
	readable(t, filepath.Join(dir, "new"), 0o555)
	readable(t, o.To.Directory, 0o555)
}

// readable holds that everyone may read what is published, a web server that runs as
// another user among them, as far as the umask of the test lets them.
func readable(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	probe := filepath.Join(t.TempDir(), "probe")
	if err := os.Mkdir(probe, 0o777); err != nil {
		t.Fatal(err)
	}
	allowed, err := os.Stat(probe)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if want &= allowed.Mode().Perm(); got.Mode().Perm()&want != want {
		t.Errorf("%s has the mode %s", path, got.Mode())
	}
}

func TestSend(t *testing.T) {
	type seen struct{ Method, Path, Type, Auth, Key, From, Agent, Body string }
	var last seen
	answer := http.StatusCreated
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.ContentLength != int64(len(body)) {
			t.Error(err, r.ContentLength)
		}
		h := r.Header
		last = seen{r.Method, r.URL.String(), h.Get("Content-Type"), h.Get("Authorization"), h.Get("X-Key"), h.Get("X-From"), h.Get("User-Agent"), string(body)}
		if answer == http.StatusFound {
			w.Header().Set("Location", "http://elsewhere.example/x?token=1")
		}
		w.WriteHeader(answer)
		_, _ = io.WriteString(w, last.Auth) // A receiver may tell what it was told.
	}))
	defer s.Close()
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("grove:secret P"))
	for _, tc := range []struct {
		name   string
		to     Target
		answer int
		want   seen
		err    string
	}{
		{"put", Target{}, 201, seen{"PUT", "/x?a=b", "text/plain", "", "", "", "grove/1.2.3", "text 1"}, ""},
		{
			"post", Target{Method: "POST", Basic: &Basic{"grove", "env:P"}, Headers: map[string]string{"X-From": "em1"}, SecretHeaders: map[string]string{"X-Key": "env:K"}}, 200,
			seen{"POST", "/x?a=b", "text/plain", basic, "secret K", "em1", "grove/1.2.3", "text 1"}, "",
		},
		{"bearer", Target{Bearer: "env:T"}, 204, seen{"PUT", "/x?a=b", "text/plain", "Bearer secret T", "", "", "grove/1.2.3", "text 1"}, ""},
		{
			"a redirect", Target{Bearer: "env:T"}, 302, seen{"PUT", "/x?a=b", "text/plain", "Bearer secret T", "", "", "grove/1.2.3", "text 1"},
			"it answers 302 Found, a redirect to http://elsewhere.example, which is not followed: name that address",
		},
		{"no such secret", Target{Bearer: "file:/x"}, 200, seen{}, "to.bearer: no such file"},
		{"a secret of two lines", Target{Bearer: "env:BAD"}, 200, seen{}, "a secret has a control character or a line end in it"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			last, answer = seen{}, tc.answer
			tc.to.URL = s.URL + "/x?a=b"
			o := entry(tc.to)
			p := publisher(t, &source{}, nil, o)
			defer p.client.CloseIdleConnections()
			m, _ := (&source{}).Make(t.Context(), &o)
			err := p.send(t.Context(), &o, m)
			if (err == nil) != (tc.err == "") || err != nil && err.Error() != tc.err {
				t.Errorf("got  %v\nwant %s", err, tc.err)
			}
			if diff := cmp.Diff(tc.want, last); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestErrorsTellNoSecret(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	o := entry(Target{URL: "http://" + gone + "/x?token=hunter2", Tries: 1})
	p := publisher(t, &source{}, nil, o)
	if p.publish(t.Context(), &o, time.Time{}, "") != "" {
		t.Error("nobody was there")
	}
	s := p.Status()[0]
	if strings.Contains(fmt.Sprint(s), "hunter2") || !strings.Contains(s.Error, "refused") || s.To != "http://"+gone+"/x" {
		t.Errorf("%+v", s)
	}
}

// TestAReceiverThatReadsNothing holds that a publication ends in time and leaves nothing
// running.
func TestAReceiverThatReadsNothing(t *testing.T) {
	stop := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	defer s.Close()
	defer close(stop)
	o := entry(Target{URL: s.URL, Timeout: 50 * time.Millisecond, Tries: 1})
	p := publisher(t, &source{}, nil, o)
	defer p.client.CloseIdleConnections()
	large := &Made{Type: "text/plain", Write: func(w io.Writer) error {
		for range 1000 {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return err
			}
		}
		return nil
	}}
	if err := p.send(t.Context(), &o, large); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// fixed is a list of managers.
type fixed []document.Manager

func (f fixed) Managers() []document.Manager { return f }

// TestNginxTakesDocuments publishes a real document to a real server by WebDAV.
func TestNginxTakesDocuments(t *testing.T) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		if program = "/usr/sbin/nginx"; !isFile(program) {
			t.Skip("nginx is not installed")
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, d := range []string{"inbox", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	config := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr;
events {}
http {
  access_log off; client_body_temp_path %[1]s/tmp; client_max_body_size 100m;
  proxy_temp_path %[1]s/tmp; fastcgi_temp_path %[1]s/tmp; uwsgi_temp_path %[1]s/tmp; scgi_temp_path %[1]s/tmp;
  server {
    listen %[2]s; root %[1]s;
    location /inbox/ { dav_methods PUT; create_full_put_path on; if ($http_authorization != "Bearer secret TOKEN") { return 403; } }
  }
}
`, dir, address)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-p", dir, "-c", file)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = cmd.Wait() // It was sent away.
		if t.Failed() {
			t.Log(log.String())
		}
	}()

	tr := tree.New(tree.Options{})
	for i := range 5000 {
		if _, err := tr.Add(tree.MustPath(fmt.Sprintf("/a/x%d", i)), &tree.Spec{Kind: tree.Performance}); err != nil {
			t.Fatal(err)
		}
	}
	maker, err := document.NewMaker(document.Options{Tree: tr, Guard: grant.NewGuard(tr), Managers: fixed{{ID: "em1", Name: "ABC"}}})
	if err != nil {
		t.Fatal(err)
	}
	o := entry(Target{URL: "http://" + address + "/inbox/sub/status.xml", Bearer: "env:TOKEN"})
	p := publisher(t, Documents(maker, ""), nil, o)
	defer p.client.CloseIdleConnections()
	// The server may need a moment; trying again is what a publication does.
	if p.publish(ctx, &o, time.Time{}, "") == "" {
		t.Fatalf("%+v", p.Status())
	}
	text, err := os.ReadFile(filepath.Join(dir, "inbox", "sub", "status.xml"))
	if err != nil || !strings.Contains(string(text), "/a/x4999") || !strings.HasSuffix(string(text), "</document>\n") {
		t.Error(len(text), err)
	}
	o.To.Bearer = "env:OTHER"
	if p.publish(ctx, &o, time.Time{}, "") != "" || p.Status()[0].Error != "it answers 403 Forbidden" {
		t.Errorf("%+v", p.Status())
	}
}

func isFile(name string) bool {
	i, err := os.Stat(name)
	return err == nil && i.Mode().IsRegular()
}

package remote

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"go.yaml.in/yaml/v4"

	"grove/tree/history/fold"
)

func TestOptionsNameTheBadKey(t *testing.T) {
	for text, want := range map[string]string{
		`{name: a, url: "https://x/y"}`: "",
		`{name: a.b-c_1, url: "http://x:1/y?z=1", version: 2, headers: {X-Scope-OrgID: shop}, basic: {user: u, password: "env:P"}, tls: {ca: /etc/ca.pem}, labels: {zone: b}, paths: [/shop, "/"], metrics: ["a*", "*"], not_metrics: [b], timeout: 5s, batch: 10, parallel: 2}`: "",
		`{}`:                                          "name: must be 1 to 64 letters, digits, \"-\", \"_\" and \".\", and begin with a letter or digit\nurl: is missing",
		`{name: ../a, url: "ftp://x"}`:                "name: must be 1 to 64 letters, digits, \"-\", \"_\" and \".\", and begin with a letter or digit\nurl: must be an address that begins with http:// or https://",
		`{name: a, url: "https://u:secret@x/y"}`:      "url: must not hold a name or password: use basic, with the password by reference",
		`{name: a, url: "https://x/#y"}`:              "url: must not hold a #",
		`{name: a, url: "https://x", version: 3}`:     "version: must be 1 or 2, not 3",
		`{name: a, url: "https://x", bearer: secret}`: "bearer: a secret is given by reference: file:/path, env:NAME or credential:NAME",
		`{name: a, url: "https://x", basic: {user: "a:b", password: secret}}`:                  "basic.password: a secret is given by reference: file:/path, env:NAME or credential:NAME\nbasic.user: must not hold a colon",
		`{name: a, url: "https://x", basic: {user: u}, bearer: "env:X"}`:                       "bearer: cannot be used together with basic",
		`{name: a, url: "https://x", basic: {password: "env:X"}}`:                              "basic.user: is missing",
		`{name: a, url: "https://x", tls: {ca: ca.pem}}`:                                       "tls.ca: must be an absolute path",
		`{name: a, url: "https://x", headers: {authorization: x, "a b": y, c: "d\ne", "": f}}`: "headers.: is not the name of a header\nheaders.a b: is not the name of a header\nheaders.authorization: cannot be set here; credentials are given by basic or bearer\nheaders.c: has a value that cannot be sent",
		`{name: a, url: "https://x", labels: {path: x, __a: y}}`:                               "labels.__a: is not a label name, or one of grove's own\nlabels.path: is not a label name, or one of grove's own",
		`{name: a, url: "https://x", paths: [/a//b], metrics: ["a b"], not_metrics: [""]}`:     "metrics[0]: \"a b\" is not the name of a metric, with or without stars\nnot_metrics[0]: \"\" is not the name of a metric, with or without stars\npaths[0]: malformed path \"/a//b\": empty name",
		`{name: a, url: "https://x", timeout: -1s, batch: 50001, parallel: 65}`:                "batch: must be 1 to 50000, not 50001\nparallel: must be 1 to 64, not 65\ntimeout: must be 1 to 600000, not -1000",
	} {
		var target Target
		if err := yaml.Unmarshal([]byte(text), &target); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		err := target.Check()
		if d := cmp.Diff(want, strings.TrimPrefix(fmt.Sprint(err), "<nil>")); d != "" {
			t.Errorf("%s: -want +got\n%s", text, d)
		}
		var key *KeyError
		if err != nil && !errors.As(err, &key) {
			t.Errorf("%s: no *KeyError", text)
		}
	}
}

func TestSourcesNameTheBadKey(t *testing.T) {
	s := Source{URL: "x", Labels: map[string]string{"a b": ""}, Timeout: time.Hour, MaxBytes: -1, Access: Access{Bearer: "x"}}
	want := "bearer: a secret is given by reference: file:/path, env:NAME or credential:NAME\nlabels.a b: is not a label name, or one of grove's own\n" +
		"max_bytes: must not be negative\ntimeout: must be 1 to 300000, not 3600000\nurl: must be an address that begins with http:// or https://"
	if d := cmp.Diff(want, fmt.Sprint(s.Check())); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestNewRefuses(t *testing.T) {
	dir := t.TempDir()
	good := Target{Name: "a", URL: "https://x"}
	bad := filepath.Join(dir, "bad")
	for name, content := range map[string]string{"junk.json": "x", "negative.json": `{"segment":-1}`, "long.json": strings.Repeat(" ", 5000)} {
		if err := os.MkdirAll(bad, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(bad, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), []byte("no"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]Options{
		"remote write: no folder of the log, no folder of its own, or a negative bound":                                                     {},
		`remote_write[1]: name: a is the name of two targets`:                                                                               {WAL: dir, Dir: dir, Targets: []Target{good, good}},
		`remote_write[0]: url: is missing`:                                                                                                  {WAL: dir, Dir: dir, Targets: []Target{{Name: "a"}}},
		`remote write: "a b" is not the name of a label`:                                                                                    {WAL: dir, Dir: dir, Labels: map[string]string{"a b": ""}},
		`remote_write[0]: remote write to junk: ` + bad + `/junk.json is not a position: remove it to send what the log holds anew`:         {WAL: dir, Dir: bad, Targets: []Target{{Name: "junk", URL: "https://x"}}},
		`remote_write[0]: remote write to negative: ` + bad + `/negative.json is not a position: remove it to send what the log holds anew`: {WAL: dir, Dir: bad, Targets: []Target{{Name: "negative", URL: "https://x"}}},
		`remote_write[0]: remote write to long: ` + bad + `/long.json has 5000 bytes, and 4096 is the bound`:                                {WAL: dir, Dir: bad, Targets: []Target{{Name: "long", URL: "https://x"}}},
		`remote_write[0]: tls.ca: ` + dir + `/ca.pem holds no certificate`:                                                                  {WAL: dir, Dir: dir, Targets: []Target{{Name: "a", URL: "https://x", Access: Access{TLS: TLS{CA: dir + "/ca.pem"}}}}},
	} {
		if _, err := New(o); err == nil || err.Error() != want {
			t.Errorf("\n%v\nwant\n%s", err, want)
		}
	}
	if w, err := New(Options{WAL: filepath.Join(dir, "none"), Dir: dir, Targets: []Target{good}}); err != nil || len(w.Stats()) != 1 {
		t.Errorf("before the history is there: %v", err)
	}
}

func TestLabelsAreAddedWhereTheyAreNot(t *testing.T) {
	c, err := newChooser(&Target{Labels: map[string]string{"zone": "own", "b": "target"}}, map[string]string{"b": "common", "a": "common"})
	if err != nil {
		t.Fatal(err)
	}
	got, ok := c.choose(labels.FromStrings("__name__", "x", "path", "/p", "zone", "kept"))
	if want := labels.FromStrings("__name__", "x", "a", "common", "b", "target", "path", "/p", "zone", "kept"); !ok || !labels.Equal(got, want) {
		t.Errorf("%v %v, want %v", ok, got, want)
	}
}

// TestSeriesBesideAveragesStay holds that of readings that were merged the averages alone
// are sent: the others have the same name, and a sum there would count each node four times.
func TestSeriesBesideAveragesStay(t *testing.T) {
	c, err := newChooser(&Target{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	average := labels.FromStrings("__name__", "x", "path", "/p")
	if got, ok := c.choose(average); !ok || !labels.Equal(got, average) {
		t.Errorf("the average: %v %v", got, ok)
	}
	for _, which := range []string{fold.Min, fold.Max, fold.Count} {
		if got, ok := c.choose(fold.Of(average, which)); ok {
			t.Errorf("%s: %v", which, got)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, "-5": 0, "99999999999": maxRetryAfter, "x": 0,
		"Sun, 01 Mar 2026 12:00:30 GMT": 30 * time.Second, "Sun, 01 Mar 2026 11:00:00 GMT": 0, "Mon, 01 Mar 2027 12:00:00 GMT": maxRetryAfter,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// FuzzPosition holds that a file with a position is read as what was written, or refused.
func FuzzPosition(f *testing.F) {
	f.Add([]byte(`{"segment":3,"offset":77,"newest":1772366407000}`))
	f.Add([]byte(`{"segment":-1}`))
	f.Add([]byte(`{`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte) {
		file := filepath.Join(dir, "p.json")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		p, ok, err := readProgress(file)
		if err != nil {
			return
		}
		if !ok || p.Segment < 0 || p.Offset < 0 {
			t.Fatalf("%q: %+v %v", content, p, ok)
		}
		if err := p.write(file); err != nil {
			t.Fatal(err)
		}
		if again, _, err := readProgress(file); err != nil || again != p {
			t.Errorf("%q: %+v, then %+v, %v", content, p, again, err)
		}
	})
}

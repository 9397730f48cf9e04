package rolluptest_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"grove/tree/definition"
	"grove/tree/definition/kindstest"
	"grove/tree/definition/rolluptest"
)

const app = `grove: 1
application: app
parameters:
  limit: { type: int, default: 10 }
probes:
  web: { kind: http, url: "http://a/", every: 10s, extract: { regex: "(?P<hits>x)" } }
  disks: { kind: table }
  log: { kind: events }
tree:
  Speed: { from: web.duration, yellow: "> 1 for 30s", red: "> ${limit}", back: 50%, white: no reading for 60s }
  Hits: { from: web.hits, change: rate, scale: 60 }
  Up: { from: web.up }
  Load: { value: web.status / 100 + limit }
  Log: { from: log.lines }
  Disks:
    "${row.mount}":
      each: disks.filesystems
      where: row.type != "tmpfs"
      Used: { value: row.used / row.size * 100, red: "> 90" }
tests:
`

func run(t *testing.T, tests string) []string {
	t.Helper()
	l := &definition.Loader{Kinds: kindstest.Kinds{}}
	plan, errs := l.FS(fstest.MapFS{"app.yaml": {Data: []byte(app + tests)}}, "")
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range rolluptest.All(plan.Definitions[0]) {
		for _, f := range r.Failures {
			out = append(out, f.String())
		}
	}
	return out
}

func TestPass(t *testing.T) {
	tests := map[string]string{
		"given":              `{ name: t, given: { Speed: 20 }, expect: { Speed: red, "": red, Hits: white } }`,
		"hold":               `{ name: t, given: { Speed: 2 }, expect: { Speed: green }, steps: [ { after: 30s, expect: { Speed: yellow } } ] }`,
		"keep coming":        `{ name: t, readings: { web.duration: 2 }, for: 5m, expect: { Speed: { status: yellow, value: 2 } }, steps: [ { after: 61s, expect: { Speed: white } } ] }`,
		"given keeps coming": `{ name: t, given: { Speed: 2 }, for: 5m, expect: { Speed: yellow } }`,
		"stale":              `{ name: t, given: { Speed: 20, Log: started }, after: 61s, expect: { Speed: white, "": red } }`,
		"hysteresis":         `{ name: t, given: { Speed: 20 }, steps: [ { given: { Speed: 7 }, expect: { Speed: red } }, { given: { Speed: 4 }, after: 30s, expect: { Speed: yellow } } ] }`,
		"parameter":          `{ name: t, with: { limit: 30 }, given: { Speed: 20 }, expect: { Speed: green } }`,
		"reading":            `{ name: t, readings: { web.duration: 11, web.up: false, web.status: 200 }, expect: { Speed: red, Up: red, Load: { value: 12, status: green } } }`,
		"rate":               `{ name: t, readings: { web.hits: 5 }, after: 10s, expect: { Hits: white }, steps: [ { readings: { web.hits: 25 }, expect: { Hits: { value: 120 } } } ] }`,
		"rows":               `{ name: t, rows: { disks.filesystems: [ { mount: /, type: ext4, used: 95, size: 100 }, { mount: /run, type: tmpfs } ] }, expect: { Disks/~1/Used: { status: red, value: 95 }, Disks/~1run: absent }, steps: [ { rows: { disks.filesystems: [] }, expect: { Disks/~1: absent, Disks: white } } ] }`,
		"no value":           `{ name: t, given: { Up: true }, steps: [ { given: { Up: ~ }, expect: { Up: white } } ] }`,
		"log":                `{ name: t, given: { Log: "red: disk failed" }, expect: { Log: red } }`,
		"division by 0":      `{ name: t, rows: { disks.filesystems: [ { mount: /, type: ext4, used: 95, size: 0 } ] }, expect: { Disks/~1/Used: white } }`,
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			if got := run(t, "  - "+text+"\n"); got != nil {
				t.Error(strings.Join(got, "\n"))
			}
		})
	}
}

// TestFail shows what a person reads when a test fails.
func TestFail(t *testing.T) {
	got := run(t, `  - { name: a, given: { Speed: 20 }, expect: { "": green, Hits: red } }
  - { name: b, readings: { web.duration: 11 }, expect: { Speed: { status: green, value: 12 } } }
  - name: c
    rows: { disks.filesystems: [ { mount: /, type: ext4, used: 95, size: 100 } ] }
    expect: { Disks/~1: absent }
    steps:
      - rows: { disks.filesystems: [] }
      - expect: { Disks/~1/Used: red }
`)
	want := []string{
		`app.yaml:21:52: the top is red, expected green (because of "Speed": red, value 20)`,
		`app.yaml:21:65: "Hits" is white, expected red (no reading yet)`,
		`app.yaml:22:65: "Speed" is red, expected green (value 11)`,
		`app.yaml:22:65: "Speed" has the value 11, expected 12`,
		`app.yaml:25:25: "Disks/~1" is there, expected absent`,
		`app.yaml:28:34: there is no node "Disks/~1/Used" now`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

package follow

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"grove/runtime/probe"
	"grove/runtime/probe/pattern"
)

// reading is a log that is followed.
type reading struct {
	matcher *pattern.Matcher
	stream  *pattern.Stream
	at      Position
}

func begin(t testing.TB, o pattern.Options) *reading {
	t.Helper()
	o.Limit = 100_000
	s, err := o.Compile()
	if err != nil {
		t.Fatal(err)
	}
	m := s.NewMatcher()
	return &reading{matcher: m, stream: m.Stream(nil)}
}

// read reads what is new of a file and returns the events.
func (r *reading) read(t testing.TB, file string, end bool) ([]string, error) {
	t.Helper()
	from := min(r.at.Start(), int64(len(file)))
	_, more, err := r.at.Read(context.Background(), strings.NewReader(file[from:]), r.stream, 1<<40, end)
	if more {
		t.Error("more than there is")
	}
	var result probe.Result
	r.matcher.Add(&result)
	var events []string
	for _, v := range result.Values {
		for _, e := range v.Events {
			events = append(events, e.Text)
		}
	}
	return events, err
}

func TestLinesAreReadOnce(t *testing.T) {
	r := begin(t, pattern.Options{})
	for _, tt := range []struct {
		file string
		end  bool
		want string
	}{
		{"", false, ""},
		{"one\ntw", false, "one"},
		{"one\ntwo", false, ""},
		{"one\ntwo\nthree\n", false, "two three"},
		{"one\ntwo\nthree\n", false, ""},
		{"one\ntwo\nthree\nlast", true, "last"},
	} {
		events, err := r.read(t, tt.file, tt.end)
		if err != nil || strings.Join(events, " ") != tt.want {
			t.Errorf("%q: got %q, %v, want %q", tt.file, events, err, tt.want)
		}
	}
}

func TestAnotherFileIsNoticed(t *testing.T) {
	long := strings.Repeat("x", 300) + "\n"
	for _, tt := range []struct{ name, before, after, want string }{
		{"shorter", long + "1\n", "2\n", "the file is not the one that was read: it ends at byte 2, before byte 303"},
		{"as long", "abc\n", "abd\n", "the file is not the one that was read: the bytes before 4 are others"},
		{"longer, and others before", long + "1\n", long + "2\n3\n", "the file is not the one that was read: the bytes before 303 are others"},
		{"more of the same", long + "1\n", long + "1\n2\n", "<nil>"},
		{"nothing was read", "", "a\n", "<nil>"},
	} {
		r := begin(t, pattern.Options{})
		if _, err := r.read(t, tt.before, false); err != nil {
			t.Fatal(err)
		}
		before := r.at
		from := min(r.at.Start(), int64(len(tt.after)))
		_, _, err := r.at.Read(context.Background(), strings.NewReader(tt.after[from:]), r.stream, 1<<40, false)
		if tt.want == "<nil>" {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		want := tt.want
		if tt.name == "shorter" {
			want = "the file is not the one that was read: it ends at byte 47, before byte 303" // of what Start leaves
		}
		if !errors.Is(err, ErrChanged) || err.Error() != want || r.at != before {
			t.Errorf("%s: got %v, position %+v", tt.name, err, r.at)
		}
	}
}

func TestLongLinesAreCutOnce(t *testing.T) {
	r := begin(t, pattern.Options{Rules: []pattern.Rule{{Match: ".", Text: "{line}"}}})
	long := strings.Repeat("x", bufferSize+10)
	file := ""
	var all []string
	for _, part := range []string{long, "y", "z\nnext\n"} {
		file += part
		events, err := r.read(t, file, false)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, events...)
	}
	if len(all) != 2 || !strings.HasPrefix(all[0], "xxx") || all[1] != "next" {
		t.Errorf("got %d lines", len(all))
	}
}

func TestAtEnd(t *testing.T) {
	for _, tt := range []struct{ file, more, want string }{
		{"one\n", "two\n", "two"},
		{"one\ntw", "o\nthree\n", "three"},
		{"", "one\n", "one"},
	} {
		r := begin(t, pattern.Options{})
		var err error
		if r.at, err = AtEnd(int64(len(tt.file)), strings.NewReader(tt.file)); err != nil {
			t.Fatal(err)
		}
		events, err := r.read(t, tt.file+tt.more, false)
		if err != nil || strings.Join(events, " ") != tt.want {
			t.Errorf("%q: got %q, %v", tt.file, events, err)
		}
	}
}

func TestRecordThatIsNotWholeIsReadAgain(t *testing.T) {
	o := pattern.Options{Multiline: &pattern.Multiline{Start: "^a"}}
	r := begin(t, o)
	if events, _ := r.read(t, "a1\nb\na2\n", false); !cmp.Equal(events, []string{"a1\nb"}) {
		t.Fatalf("got %q", events)
	}
	again := begin(t, o) // after a restart
	again.at = r.at
	file := "a1\nb\na2\nb2\na3\n"
	if err := again.at.Check(strings.NewReader(file[again.at.Start():])); err != nil {
		t.Fatal(err)
	}
	again.at.Rewind()
	if events, err := again.read(t, file, false); err != nil || !cmp.Equal(events, []string{"a2\nb2"}) {
		t.Errorf("got %q, %v", events, err)
	}
}

func TestBrokenReader(t *testing.T) {
	r := begin(t, pattern.Options{})
	broken := errors.New("broken")
	_, _, err := r.at.Read(context.Background(), io.MultiReader(strings.NewReader("one\ntwo\nthr"), iotest.ErrReader(broken)), r.stream, 1<<40, false)
	if !errors.Is(err, broken) || r.at.Offset != 8 {
		t.Errorf("got %v at %+v", err, r.at)
	}
	if events, err := r.read(t, "one\ntwo\nthree\n", false); err != nil || len(events) != 3 {
		t.Errorf("got %q, %v", events, err)
	}
}

// FuzzRead wants every line once, however a file grows and however little is read at once.
func FuzzRead(f *testing.F) {
	f.Add([]byte("one\n\ntwo\r\nthree"), uint64(1))
	f.Add(bytes.Repeat([]byte("a line of some length\n"), 100), uint64(2))
	f.Fuzz(func(t *testing.T, file []byte, seed uint64) {
		r := begin(t, pattern.Options{Rules: []pattern.Rule{{Match: "."}}})
		whole := begin(t, pattern.Options{Rules: []pattern.Rule{{Match: "."}}})
		random := rand.New(rand.NewPCG(seed, 0))
		var got []string
		for size := 0; ; size = min(len(file), size+1+random.IntN(400)) {
			part := string(file[:size])
			events, err := r.read(t, part, false)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, events...)
			if size == len(file) {
				break
			}
		}
		want, err := whole.read(t, string(file), false)
		if err != nil {
			t.Fatal(err)
		}
		if len(want) < pattern.MaxPending {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		}
		if r.at != whole.at {
			t.Errorf("positions %+v and %+v", r.at, whole.at)
		}
	})
}

package block

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// entry is what a test adds.
type entry struct {
	number      int64
	word, value string
	isNumber    bool
}

func made(entries []entry) Parts {
	var b Builder
	for _, e := range entries {
		b.Add(Entry{Number: e.number, Mark: byte(e.number)})
		b.Word(e.word)
		if e.isNumber {
			b.Number(e.value)
		} else {
			b.Word(e.value)
		}
	}
	return b.Parts()
}

// numbers are those of the entries that a block says have a text.
func numbers(p Parts, text string) (all []int64, err error) {
	folded := Fold(text)
	found, err := Having(p.Entries, Find(p.Words, folded), Find(p.Numbers, folded))
	for _, e := range found {
		if e.Mark != byte(e.Number) {
			return nil, fmt.Errorf("entry %d has the mark %d", e.Number, e.Mark)
		}
		all = append(all, e.Number)
	}
	return all, err
}

var some = []entry{
	{1 << 40, "No Answer", "", false},
	{1<<40 + 1, "", "12.5", true},
	{1<<40 + 7, "no answer", "112", true},
	{1 << 41, "ÜBER a\nline", "über", false},
	{1<<41 + 1, "", "", false},
	{1<<41 + 2, "No Answer", "answer", false},
}

func TestBlock(t *testing.T) {
	p := made(some)
	for text, want := range map[string][]int64{
		"answer": {1 << 40, 1<<40 + 7, 1<<41 + 2}, "NO ANSWER": {1 << 40, 1<<40 + 7, 1<<41 + 2}, "12": {1<<40 + 1, 1<<40 + 7}, "12.5": {1<<40 + 1},
		"über": {1 << 41}, "a\nl": {1 << 41}, "answers": nil, "rn": nil, "r": {1 << 40, 1<<40 + 7, 1 << 41, 1<<41 + 2},
	} {
		got, err := numbers(p, text)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: -want +got\n%s", text, d)
		}
	}
	if got, err := numbers(made(nil), "x"); err != nil || got != nil {
		t.Errorf("of nothing: %v, %v", got, err)
	}
}

func TestIsNumeric(t *testing.T) {
	for text, want := range map[string]bool{"": false, "12": true, "1.5e+06": true, "nan": true, "-inf": true, "fan": true, "12 %": false, "no": false} {
		if got := IsNumeric(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestDamage(t *testing.T) {
	p := made(some)
	for n := range p.Entries {
		if _, err := Having(p.Entries[:n], nil, nil); !errors.Is(err, ErrDamaged) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
	if _, err := Having(p.Entries, []int{3}, nil); !errors.Is(err, ErrDamaged) {
		t.Errorf("a text that ends elsewhere: %v", err)
	}
	if _, err := Having(append(p.Entries, 0), nil, nil); !errors.Is(err, ErrDamaged) {
		t.Errorf("more than there is: %v", err)
	}
}

// FuzzBlock holds what a block says against looking at each entry.
func FuzzBlock(f *testing.F) {
	f.Add("No Answer\x001\x00no answer", "answer")
	f.Add("a\x00b\x00ab", "a\x00b")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, all, text string) {
		text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "")
		if text == "" {
			return
		}
		var entries []entry
		var want []int64
		for i, s := range strings.Split(strings.ToValidUTF8(all, ""), "\x00") {
			e := entry{number: int64(i + 1), word: s, value: s, isNumber: i%2 == 0}
			entries = append(entries, e)
			if strings.Contains(strings.ToLower(s), strings.ToLower(text)) {
				want = append(want, e.number)
			}
		}
		got, err := numbers(made(entries), text)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("%q in %q: -want +got\n%s", text, all, d)
		}
	})
}

// FuzzHaving holds that what was damaged is refused or read, and nothing else.
func FuzzHaving(f *testing.F) {
	f.Add(made(some).Entries, 10)
	f.Fuzz(func(t *testing.T, entries []byte, at int) {
		found, err := Having(entries, []int{at}, nil)
		if err != nil && found != nil {
			t.Fatal("a result and an error")
		}
	})
}

// BenchmarkBlock finds one line among 4,096 entries, most of which have texts of their own.
func BenchmarkBlock(b *testing.B) {
	var entries []entry
	for i := range 4096 {
		entries = append(entries, entry{int64(i+1) << 20, fmt.Sprintf("worker %d finished job %08x in %d ms", i%64, i*2654435761, i), fmt.Sprint(float64(i) / 10), true})
	}
	b.Run("make", func(b *testing.B) {
		for b.Loop() {
			made(entries)
		}
	})
	p := made(entries)
	needle := Fold("in 4000 ms")
	ends := Find(p.Words, needle)
	if len(ends) != 1 {
		b.Fatal(ends)
	}
	b.Run("find", func(b *testing.B) {
		for b.Loop() {
			Find(p.Words, needle)
		}
	})
	b.Run("having", func(b *testing.B) {
		for b.Loop() {
			if _, err := Having(p.Entries, ends, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

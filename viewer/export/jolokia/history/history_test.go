package history

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"grove/beans"
	"grove/viewer/export/jolokia/value"
)

func TestLimitsOfTheMemory(t *testing.T) {
	s := New()
	at := time.Unix(1000, 0)
	fan := Key{Name: beans.MustName("d:type=Fan,name=one"), Member: "Speed"}
	limit := func(k Key, l Limit) {
		t.Helper()
		if err := s.SetLimit(k, l); err != nil {
			t.Fatal(err)
		}
	}
	add := func(k Key, v any, want string) {
		t.Helper()
		past := s.Add(k, v, at)
		got := "none"
		if past != nil {
			got = ""
			for _, p := range past {
				o := p.(value.Object)
				got += fmt.Sprintf("%s@%d ", o[0].Value, o[1].Value)
			}
			got = strings.TrimSpace(got)
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		at = at.Add(time.Second)
	}
	add(fan, 1, "none")
	if s.Active() {
		t.Error("it is active without a limit")
	}
	limit(fan, Limit{Entries: 2})
	add(fan, 1, "")
	add(fan, 2, "1@1001")
	add(Key{Name: beans.MustName("d:name=one,type=Fan"), Member: "Speed"}, 3, "2@1002 1@1001") // the same name
	add(fan, 4, "3@1003 2@1002")
	add(Key{Name: fan.Name, Member: "Speed", Path: "x"}, 4, "none")
	add(Key{Name: fan.Name, Member: "Speed", Operation: true}, 4, "none")
	limit(fan, Limit{Age: time.Second})
	add(fan, 5, "4@1004 3@1003")
	add(fan, 6, "5@1007") // those before are too old beside it
	limit(Key{fan.Name, "Speed", false, ""}, Limit{})
	add(fan, 7, "none")
	if s.Size() != 0 {
		t.Errorf("%d bytes are left", s.Size())
	}

	pattern := Key{Name: beans.MustName("d:type=Fan,*"), Member: "Speed"}
	limit(pattern, Limit{Entries: 3})
	other := Key{Name: beans.MustName("d:type=Fan,name=two"), Member: "Speed"}
	add(fan, 1, "")
	add(other, "x", "")
	add(fan, 2, "1@1010")
	if err := s.SetMost(1); err != nil {
		t.Fatal(err)
	}
	add(fan, 3, "2@1012")
	add(fan, 4, "3@1013")
	limit(pattern, Limit{})
	add(fan, 5, "none")
	if s.Size() != 0 || s.Active() {
		t.Errorf("%d bytes are left, active %t", s.Size(), s.Active())
	}

	limit(fan, Limit{Entries: 1})
	add(fan, strings.Repeat("x", MaxValue), "")
	add(fan, 1, "") // it was too large to be remembered
	add(fan, 2, "1@1017")
	s.Reset()
	add(fan, 1, "none")
	for _, err := range []error{s.SetMost(-1), s.SetMost(MostEntries + 1), s.SetLimit(fan, Limit{Entries: -1})} {
		if err == nil {
			t.Error("a limit that is none is taken")
		}
	}
	for i := range MaxLimits {
		limit(Key{Name: fan.Name, Member: fmt.Sprint(i)}, Limit{Entries: 1})
	}
	if err := s.SetLimit(Key{Name: fan.Name, Member: "x"}, Limit{Entries: 1}); err == nil || err.Error() != "invalid value: there are as many limits as the bound of 1000 allows" {
		t.Error(err)
	}
}

package password

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
)

// cheap makes tests fast.
var cheap = Params{Memory: 64, Time: 1, Threads: 1}

func TestVerify(t *testing.T) {
	h := New(cheap, 2)
	ctx := t.Context()
	hash, err := h.Hash(ctx, "correct horse")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Fatal(hash, err)
	}
	if again, _ := h.Hash(ctx, "correct horse"); again == hash {
		t.Error("two hashes have one salt")
	}
	stronger, err := New(Params{Memory: 128, Time: 1, Threads: 1}, 1).Hash(ctx, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		hash, password string
		ok, weak       bool
	}{
		"right":            {hash, "correct horse", true, false},
		"wrong":            {hash, "correct horses", false, false},
		"none":             {hash, "", false, false},
		"another's":        {stronger, "correct horse", true, true},
		"nobody":           {"", "correct horse", false, false},
		"no hash":          {"correct horse", "correct horse", false, false},
		"a hash of before": {"$argon2id$v=19$m=32,t=1,p=1$c29tZXNhbHQ$bSJ6XFIUdvFiQxITcBVW+A", "correct horse", false, true},
		"huge costs":       {strings.Replace(hash, "m=64", "m=4294967295", 1), "correct horse", false, false},
		"a long password":  {hash, strings.Repeat("x", MaxBytes+1), false, false},
	} {
		ok, weak, err := h.Verify(ctx, c.hash, c.password)
		if err != nil || ok != c.ok || ok && weak != c.weak {
			t.Errorf("%s: %t, weak %t, %v", name, ok, weak, err)
		}
	}
	// What everybody may know of the hash of nobody opens nothing.
	if ok, _, _ := h.Verify(ctx, "", ""); ok {
		t.Error("nobody comes in")
	}
}

// TestOnlySoManyWait holds that hashes are made one after the other, and that who comes
// when too many wait is told so.
func TestOnlySoManyWait(t *testing.T) {
	h := New(cheap, 1)
	h.slots <- struct{}{} // one is being made
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error, 17)
	var all sync.WaitGroup
	for range 17 {
		all.Go(func() { _, _, err := h.Verify(ctx, "", "x"); errs <- err })
	}
	if err := <-errs; !errors.Is(err, ErrBusy) {
		t.Errorf("one of 17: %v", err)
	}
	cancel()
	all.Wait()
	for range 16 {
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("one of those who wait: %v", err)
		}
	}
	<-h.slots
	if _, err := h.Hash(t.Context(), "x"); err != nil {
		t.Error(err)
	}
}

func TestCheck(t *testing.T) {
	for password, want := range map[string]string{
		"":                                 "the password is too weak: 10 characters at least, such as a few words",
		"short":                            "the password is too weak: 10 characters at least, such as a few words",
		"Password123!":                     "the password is too weak: it is one of the first that anybody tries",
		"1234567890":                       "the password is too weak: it is one of the first that anybody tries",
		"ada.lovelace":                     "the password is too weak: it is the name of the user",
		"Ada.Lovelace1":                    "the password is too weak: it is the name of the user",
		"abababababababab":                 "the password is too weak: it has fewer than 5 different characters",
		"correct horse battery":            "",
		"verträglich":                      "",
		"four \xff words here":             "the password is too weak, or cannot be one: it is no text",
		strings.Repeat("abcdef", MaxBytes): "the password is too weak, or cannot be one: it is longer than 1024 bytes",
	} {
		err := Check("ada.lovelace", password)
		if (err == nil) != (want == "") || err != nil && (err.Error() != want || !errors.Is(err, ErrWeak)) {
			t.Errorf("%.20q: got %v, want %s", password, err, want)
		}
	}
}

func FuzzHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$bSJ6XFIUdvFiQxITcBVW+A")
	f.Add("$argon2id$v=19$m=064,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, text string) {
		p, salt, hash, err := decode(text)
		if err != nil {
			return
		}
		if again := encode(p, salt, hash); again != text {
			t.Errorf("%q is written again as %q", text, again)
		}
		if p.Memory > most.Memory || p.Time > most.Time || p.Threads > most.Threads {
			t.Errorf("%q costs too much", text)
		}
	})
}

func BenchmarkDefault(b *testing.B) {
	h := New(Params{}, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Hash(b.Context(), "correct horse battery"); err != nil {
			b.Fatal(err)
		}
	}
}

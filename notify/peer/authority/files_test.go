package authority

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"grove/notify/peer"
	"grove/tree/store"
	"grove/tree/store/audit"
	"grove/tree/store/storetest"
)

func TestFilesAreTheOwners(t *testing.T) {
	p := newPair(t)
	revoke(t, p.berlin, p.hamburg.ID())
	for _, a := range []*Authority{p.berlin, p.hamburg} {
		if info, err := os.Stat(a.o.Dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%v, %v", info, err)
		}
		entries, err := os.ReadDir(a.o.Dir)
		if err != nil || len(entries) != 2 {
			t.Errorf("%v, %v", entries, err)
		}
		for _, e := range entries {
			if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
			}
		}
	}
}

// TestStartsAsTheSame: a restart changes neither who it is nor whom it knows.
func TestStartsAsTheSame(t *testing.T) {
	p := newPair(t)
	if err := os.WriteFile(filepath.Join(p.berlin.o.Dir, unfinished+"1"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	again := openOn(t, p.berlin.o.Store, p.berlinTop, "berlin", p.berlins)
	if again.ID() != p.berlin.ID() || !again.keys.authority.Equal(p.berlin.keys.authority) {
		t.Error("it is another one")
	}
	if _, err := dial(t, p.hamburg, again); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(p.berlin.o.Dir, unfinished+"*")); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	// After 21 years the certificate of the authority is made again for the same key, and who
	// joined goes on.
	p.berlins.add(rootLife * 3 / 4)
	p.hamburgs.add(rootLife * 3 / 4)
	join(t, p.hamburg, again)
	old := openOn(t, p.berlin.o.Store, p.berlinTop, "berlin", p.berlins)
	if old.keys.authority.Equal(again.keys.authority) || !old.keys.root.Equal(again.keys.root) || old.keys.authority.NotAfter.Before(p.berlins.Now().Add(rootLife-time.Minute)) {
		t.Error("the certificate of the authority is the same")
	}
	if _, err := dial(t, p.hamburg, old); err != nil {
		t.Error(err)
	}
	if err := renewed(t, p.hamburg, old); err != nil {
		t.Error(err)
	}
}

// TestRefusesToStart says what to do about each file that it cannot read.
func TestRefusesToStart(t *testing.T) {
	for name, test := range map[string]struct {
		who  string
		harm func(t *testing.T, dir string)
		want []string
	}{
		"a key file that others read": {"hamburg", func(t *testing.T, dir string) { chmod(t, filepath.Join(dir, keysFile), 0o644) }, []string{"may be read or written by others", "chmod 600"}},
		"a directory that others use": {"hamburg", func(t *testing.T, dir string) { chmod(t, dir, 0o755) }, []string{"chmod 700"}},
		"no key file":                 {"hamburg", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, keysFile)) }, []string{"identity.pem is missing, beside upper-", "bring it back", "move"}},
		"a key file cut short": {"hamburg", func(t *testing.T, dir string) {
			harm(t, filepath.Join(dir, keysFile), func(b []byte) []byte { return b[:len(b)/2] })
		}, []string{"damaged", "bring it back"}},
		"a key file with more": {"hamburg", func(t *testing.T, dir string) {
			harm(t, filepath.Join(dir, keysFile), func(b []byte) []byte { return append(b, 'x') })
		}, []string{"something follows"}},
		"an empty key file": {"hamburg", func(t *testing.T, dir string) {
			harm(t, filepath.Join(dir, keysFile), func([]byte) []byte { return nil })
		}, []string{"two keys and a certificate"}},
		"the keys in another order": {"hamburg", func(t *testing.T, dir string) {
			harm(t, filepath.Join(dir, keysFile), func(b []byte) []byte {
				parts := bytes.SplitAfter(b, []byte("-----END PRIVATE KEY-----\n"))
				return bytes.Join([][]byte{parts[1], parts[0], parts[2]}, nil)
			})
		}, []string{"do not belong together"}},
		"a key file that is a link": {"hamburg", func(t *testing.T, dir string) {
			file := filepath.Join(dir, keysFile)
			if err := os.Rename(file, filepath.Join(dir, "elsewhere")); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("elsewhere", file); err != nil {
				t.Fatal(err)
			}
		}, []string{"no regular file"}},
		"the keys of another": {"hamburg", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, keysFile)); other(t, dir) }, []string{"not one of this manager", "join that manager again"}},
		"a joined manager, damaged": {"hamburg", func(t *testing.T, dir string) {
			harm(t, one(t, dir, "upper-*"), func(b []byte) []byte { return b[1:] })
		}, []string{"upper-", "damaged", "remove it and join that manager again"}},
		"a joined manager, changed": {"hamburg", func(t *testing.T, dir string) { harm(t, one(t, dir, "upper-*"), changeID) }, []string{"is not from manager"}},
		"a joined manager, renamed": {"hamburg", func(t *testing.T, dir string) { rename(t, one(t, dir, "upper-*"), "upper-0123456789abcdef.json") }, []string{"it is about manager"}},
		"revocations that are damaged": {"berlin", func(t *testing.T, dir string) {
			harm(t, filepath.Join(dir, "revoked.json"), func(b []byte) []byte { return b[:len(b)-3] })
		},
			[]string{"revoked.json is damaged", "bring it back", "grove peers"}},
		"revocations that are wrong": {"berlin", func(t *testing.T, dir string) { harm(t, filepath.Join(dir, "revoked.json"), changeID) }, []string{"not the ID of a manager"}},
		"nothing":                    {"berlin", func(*testing.T, string) {}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			revoke(t, p.berlin, p.hamburg.ID())
			a := p.berlin
			if test.who == "hamburg" {
				a = p.hamburg
			}
			test.harm(t, a.o.Dir)
			_, err := Open(t.Context(), a.o)
			for _, want := range test.want {
				if !has(err, want) || !has(err, a.o.Dir) {
					t.Errorf("%v; want %q", err, want)
				}
			}
			if test.want == nil && err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("settings", func(t *testing.T) {
		p := newPair(t)
		for _, change := range []func(*Options){
			func(o *Options) { o.Life = time.Minute }, func(o *Options) { o.Life = MaxLife + 1 }, func(o *Options) { o.Name = "" },
			func(o *Options) { o.Dir = filepath.Join(o.Dir, keysFile) },
		} {
			o := p.berlin.o
			change(&o)
			if _, err := Open(t.Context(), o); err == nil {
				t.Errorf("%+v is taken", o)
			}
		}
	})
}

func chmod(t *testing.T, file string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, file, to string) {
	t.Helper()
	if err := os.Rename(file, filepath.Join(filepath.Dir(file), to)); err != nil {
		t.Fatal(err)
	}
}

func harm(t *testing.T, file string, change func([]byte) []byte) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, change(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// one is the file of a pattern.
func one(t *testing.T, dir, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	return files[0]
}

// changeID changes the first digit of the first ID.
func changeID(b []byte) []byte {
	const before = `"id": "`
	i := bytes.Index(b, []byte(before)) + len(before)
	if b[0] == '{' && bytes.Contains(b, []byte(`"certificate"`)) {
		b[i] = map[bool]byte{true: '1', false: '0'}[b[i] == '0']
		return b
	}
	b[i] = 'x'
	return b
}

// other makes the keys of another manager.
func other(t *testing.T, dir string) {
	t.Helper()
	if _, err := makeKeys(filepath.Join(dir, keysFile), "other", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
}

// TestSecretsStaySecret: neither a token nor a key is in what is shown, logged, audited or
// stored.
func TestSecretsStaySecret(t *testing.T) {
	p := newPair(t)
	var shown bytes.Buffer
	text := invite(t, p.berlin, "bremen")
	k, err := parseToken(text)
	if err != nil {
		t.Fatal(err)
	}
	canaries := []string{text, strings.TrimPrefix(text, TokenPrefix)[:24], fmt.Sprintf("%x", k.secret[:]), encoding.EncodeToString(k.secret[:])[:40], fmt.Sprint(k.secret[:])}
	for _, a := range []*Authority{p.berlin, p.hamburg} {
		for _, key := range []*ecdsa.PrivateKey{a.keys.identity, a.keys.root} {
			d, err := key.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			canaries = append(canaries, fmt.Sprintf("%x", d), encoding.EncodeToString(d)[:40], new(big.Int).SetBytes(d).String())
		}
	}
	for _, form := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, value := range []any{k, &k, k.secret, p.berlin.keys} {
			fmt.Fprintf(&shown, form+"\n", value)
		}
	}
	for _, value := range []any{k.secret, k} {
		b, err := json.Marshal(value)
		shown.Write(b)
		if err != nil {
			t.Error(err)
		}
	}
	bremen := open(t, p.database, "bremen", p.hamburgs)
	for _, bad := range []string{text[:len(text)-1], text + "x", strings.Replace(text, TokenPrefix, "grvq_", 1), text[:40], strings.ToUpper(text)} {
		fmt.Fprintln(&shown, CheckToken(bad))
		_, err := bremen.Join(t.Context(), admin, "tls://berlin", bad, me(bremen), direct(p.berlin))
		fmt.Fprintln(&shown, err)
	}
	q := question(t, bremen, text)
	q.Manager.Name = ""
	fmt.Fprintln(&shown, q.ask(t, p.berlin, bremen.ID()))
	if _, err := bremen.Join(t.Context(), admin, "tls://berlin", text, me(bremen), direct(p.berlin)); err != nil {
		t.Fatal(err)
	}
	_, err = p.hamburg.Join(t.Context(), admin, "tls://berlin", text, me(p.hamburg), direct(p.berlin))
	fmt.Fprintln(&shown, err)
	keyFile := filepath.Join(p.berlin.o.Dir, keysFile)
	harm(t, keyFile, func(b []byte) []byte { return b[:len(b)-40] })
	_, err = Open(t.Context(), p.berlin.o)
	fmt.Fprintln(&shown, err)
	for _, s := range []*store.Store{p.berlin.o.Store, bremen.o.Store} {
		if err := s.Dump(t.Context(), &shown); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{p.hamburg.o.Dir, bremen.o.Dir} {
		files, err := filepath.Glob(filepath.Join(dir, "*.json"))
		if err != nil || len(files) == 0 {
			t.Error(files, err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			shown.Write(b)
			if err != nil {
				t.Error(err)
			}
		}
	}
	for i, canary := range canaries {
		if at := bytes.Index(shown.Bytes(), []byte(canary)); at >= 0 {
			t.Errorf("secret %d is shown: ...%s...", i, shown.Bytes()[max(0, at-80):at])
		}
	}
}

// TestEverythingIsAudited: who did what, in the transaction of it.
func TestEverythingIsAudited(t *testing.T) {
	p := newPair(t)
	_, made, err := p.berlin.Invite(t.Context(), admin, "kiel", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.berlin.Withdraw(t.Context(), admin, made.ID); err != nil {
		t.Fatal(err)
	}
	revoke(t, p.berlin, p.hamburg.ID())
	if err := p.hamburg.Leave(t.Context(), admin, p.berlin.ID()); err != nil {
		t.Fatal(err)
	}
	records, err := audit.New(p.berlin.o.Store, "berlin", nil).Read(t.Context(), audit.Query{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range records {
		got = append(got, r.Who+": "+r.Action+" "+r.Target)
	}
	id, home := p.hamburg.ID(), p.berlin.ID()
	want := []string{
		"anna: peer leave " + string(home), "anna: peer revoke " + string(id), "anna: peer withdraw kiel", "anna: peer invite kiel",
		"anna: peer join " + string(home), string(id) + ": peer join " + string(id), "anna: peer invite hamburg",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := p.berlin.Revoke(t.Context(), By{Who: strings.Repeat("x", 2000)}, id, ""); err != nil {
		t.Error(err)
	}
	if err := (&Revocation{ID: id, Entry: 1, UpTo: 1, By: strings.Repeat("x", 4*MaxNameBytes)}).check(); err != nil {
		t.Error(err)
	}
}

func FuzzToken(f *testing.F) {
	t := token{secret: newSecret(), authority: "0123456789abcdef"}
	f.Add(t.text())
	f.Add("grvp_")
	f.Add(" " + t.text() + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := parseToken(text)
		if (err == nil) != (CheckToken(text) == nil) {
			t.Error("two opinions")
		}
		if err != nil {
			if k != (token{}) {
				t.Error("an error and a token")
			}
			if len(text) > 8 && strings.Contains(err.Error(), text) {
				t.Error("the error repeats the token")
			}
			return
		}
		if k.text() != strings.TrimSpace(text) {
			t.Errorf("%q is read as %q", text, k.text())
		}
	})
}

// FuzzJoin hands what a joiner may send to the checks before the database.
func FuzzJoin(f *testing.F) {
	dir := f.TempDir()
	k, err := makeKeys(filepath.Join(dir, keysFile), "fuzz", time.Now())
	if err != nil {
		f.Fatal(err)
	}
	request, err := k.request()
	if err != nil {
		f.Fatal(err)
	}
	a := &Authority{keys: &keys{id: "0123456789abcdef"}}
	body, err := json.Marshal(joinQuestion{make([]byte, secretBytes), request, peer.Manager{ID: k.id, Name: "fuzz", Protocol: peer.Protocol}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte(`{"secret":"AA==","request":"MAA=","manager":{"id":"0123456789abcdef"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var q joinQuestion
		if decode(body, &q) != nil || a.checkJoin(k.id, &q) != nil {
			return
		}
		if q.Manager.ID != k.id || checkName(q.Manager.Name) != nil {
			t.Errorf("%+v is taken", q.Manager)
		}
		key, err := readRequest(q.Request, k.id)
		if err != nil {
			return
		}
		if id, err := IDOf(key); err != nil || id != k.id {
			t.Errorf("the key of %s is taken: %v", id, err)
		}
	})
}

// FuzzFiles reads what may be in the directory.
func FuzzFiles(f *testing.F) {
	dir := f.TempDir()
	k, err := makeKeys(filepath.Join(dir, keysFile), "fuzz", time.Now())
	if err != nil {
		f.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, keysFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"id":"0123456789abcdef","certificate":"MAA=","root":"MAA="}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if other, err := parseKeys(text); err == nil && other.id == "" {
			t.Error("keys of nobody")
		}
		if u, err := parseUpper(text, k); err == nil && u.ID.Check() != nil {
			t.Error("a manager without an ID")
		}
	})
}

// TestTokenNeedsNothingElse: what is in it, and how long it is.
func TestTokenNeedsNothingElse(t *testing.T) {
	a := open(t, storetest.SQLite(t), "berlin", newClock())
	text := invite(t, a, "hamburg")
	k, err := parseToken(text)
	if err != nil || k.authority != a.ID() || !strings.HasPrefix(text, TokenPrefix) || len(text) != 107 {
		t.Errorf("%v, %d bytes: %v", k.authority, len(text), err)
	}
	if sum, err := fingerprint(a.keys.root.Public()); err != nil || !k.pins(sum) {
		t.Errorf("the fingerprint is another one: %v", err)
	}
	for i := range text { // One letter that is wrong is known without asking.
		wrong := []byte(text)
		wrong[i] = map[bool]byte{true: 'A', false: 'B'}[wrong[i] == 'B']
		if string(wrong) != text && CheckToken(string(wrong)) == nil {
			t.Errorf("a wrong letter at %d is not seen", i)
		}
	}
}

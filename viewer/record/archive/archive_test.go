package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var head = Head{Version: "1.2.3", Manager: "north", Created: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}

// content is what the archives of the tests hold.
var content = [][2]string{
	{"database.jsonl", strings.Repeat(`["a line"]`+"\n", 1000)}, {"history/raw/01/index", "\x00\x01"}, {"definitions/shop.yaml", ""},
}

func pack(t testing.TB, files [][2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, head)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := w.Add(f[0], int64(len(f[1])), strings.NewReader(f[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestExtractGivesBackWhatWasAdded(t *testing.T) {
	packed := pack(t, content)
	dir := t.TempDir()
	m, err := Extract(t.Context(), bytes.NewReader(packed), dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range content {
		if got, err := os.ReadFile(filepath.Join(dir, f[0])); err != nil || string(got) != f[1] {
			t.Errorf("%s: %v, %.100q", f[0], err, got)
		}
	}
	want := head
	want.Format = Format
	if m.Head != want || len(m.Files) != 3 || m.Files[1].SHA256 != "b413f47d13ee2fe6c845b2ee141af81de858df4ec549a58b7970bb96645bc8d2" || m.Bytes() != 11002 {
		t.Errorf("%+v", m)
	}
	checked, err := Check(t.Context(), bytes.NewReader(packed))
	if diff := cmp.Diff(m, checked); err != nil || diff != "" {
		t.Errorf("Check: %v\n%s", err, diff)
	}
}

// raw packs files without a manifest of its own, with hdr changing each header.
func raw(t *testing.T, files [][2]string, change func(*tar.Header)) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for _, f := range files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: f[0], Size: int64(len(f[1])), Mode: 0o600}
		if change != nil {
			change(h)
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, f[1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWhatIsNotWholeIsRefused(t *testing.T) {
	const first = `{"grove_backup":1,"version":"1","manager":"m","created":"2026-03-01T12:00:00Z"}`
	manifest := func(files string) string { return strings.TrimSuffix(first, "}") + `,"files":[` + files + `]}` }
	const empty = `{"name":"a","size":0,"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}`
	one := func(name string) [][2]string {
		return [][2]string{{headName, first}, {name, ""}, {manifestName, manifest(empty)}}
	}
	for name, c := range map[string]struct {
		packed []byte
		is     error
		says   string
	}{
		"nothing":          {nil, ErrDamaged, "the backup is damaged: it ends before manifest.json: it is not whole"},
		"no zstd":          {[]byte("hello, this is no backup"), ErrDamaged, "the backup is damaged: invalid input: magic number mismatch"},
		"another tar":      {raw(t, [][2]string{{"a", "x"}}, nil), ErrDamaged, "the backup is damaged: it does not begin with grove-backup.json: it is no backup of grove"},
		"newer":            {raw(t, [][2]string{{headName, `{"grove_backup":2,"version":"9.0"}`}}, nil), ErrNewer, `the backup was made by a newer grove: it has format 2, made by grove "9.0", and this one reads up to 1`},
		"no format":        {raw(t, [][2]string{{headName, `{}`}}, nil), ErrDamaged, "the backup is damaged: grove-backup.json has no format"},
		"head is no JSON":  {raw(t, [][2]string{{headName, `x`}}, nil), ErrDamaged, "the backup is damaged: grove-backup.json: invalid character 'x' looking for beginning of value"},
		"no manifest":      {raw(t, [][2]string{{headName, first}, {"a", ""}}, nil), ErrDamaged, "the backup is damaged: it ends before manifest.json: it is not whole"},
		"as it should be":  {raw(t, one("a"), nil), nil, ""},
		"another file":     {raw(t, one("b"), nil), ErrDamaged, "the backup is damaged: b is not in the manifest at its place"},
		"another content":  {raw(t, [][2]string{{headName, first}, {"a", "x"}, {manifestName, manifest(empty)}}, nil), ErrDamaged, "the backup is damaged: a is not as the manifest says"},
		"a file less":      {raw(t, [][2]string{{headName, first}, {manifestName, manifest(empty)}}, nil), ErrDamaged, "the backup is damaged: a is missing"},
		"another head":     {raw(t, [][2]string{{headName, strings.Replace(first, `"m"`, `"n"`, 1)}, {manifestName, manifest("")}}, nil), ErrDamaged, "the backup is damaged: grove-backup.json and manifest.json differ"},
		"more at the end":  {raw(t, append(one("a"), [2]string{"b", ""}), nil), ErrDamaged, "the backup is damaged: something follows after manifest.json"},
		"twice":            {raw(t, [][2]string{{headName, first}, {"a", ""}, {"a", ""}}, nil), ErrDamaged, "the backup is damaged: a is in it twice"},
		"climbing":         {raw(t, one("../a"), nil), ErrDamaged, `the backup is damaged: "../a" is no name of a file in a backup`},
		"climbing deeper":  {raw(t, one("a/../../b"), nil), ErrDamaged, `the backup is damaged: "a/../../b" is no name of a file in a backup`},
		"from the root":    {raw(t, one("/etc/passwd"), nil), ErrDamaged, `the backup is damaged: "/etc/passwd" is no name of a file in a backup`},
		"control":          {raw(t, one("a\x1b[2J"), nil), ErrDamaged, `the backup is damaged: "a\x1b[2J" is no name of a file in a backup`},
		"a long name":      {raw(t, one(strings.Repeat("a/", 300)+"a"), nil), ErrDamaged, "the backup is damaged: a name has 601 bytes, more than 512"},
		"a link":           {raw(t, one("a"), func(h *tar.Header) { link(h, tar.TypeSymlink) }), ErrDamaged, `the backup is damaged: "a" is no regular file`},
		"a hard link":      {raw(t, one("a"), func(h *tar.Header) { link(h, tar.TypeLink) }), ErrDamaged, `the backup is damaged: "a" is no regular file`},
		"a large manifest": {raw(t, [][2]string{{headName, strings.Repeat(" ", maxHeadBytes+1)}}, nil), ErrTooLarge, "the backup is too large: grove-backup.json has 65537 bytes, more than 65536"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			_, err := Extract(t.Context(), bytes.NewReader(c.packed), dir)
			if !errors.Is(err, c.is) || err != nil && err.Error() != c.says {
				t.Errorf("got  %v\nwant %s", err, c.says)
			}
			if _, checked := Check(t.Context(), bytes.NewReader(c.packed)); fmt.Sprint(checked) != fmt.Sprint(err) {
				t.Errorf("Check says %v", checked)
			}
		})
	}
}

func link(h *tar.Header, kind byte) {
	if h.Name == "a" {
		h.Typeflag, h.Linkname = kind, "/etc/passwd"
	}
}

// TestEveryCutAndEveryFlipShows since disks and networks do both.
func TestEveryCutAndEveryFlipShows(t *testing.T) {
	packed := pack(t, content)
	for n := range packed {
		if _, err := Check(t.Context(), bytes.NewReader(packed[:n])); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut after %d of %d bytes: %v", n, len(packed), err)
		}
	}
	whole, err := Check(t.Context(), bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	for n := range packed {
		flipped := bytes.Clone(packed)
		flipped[n] ^= 0x10
		// A bit that nothing depends on may flip.
		if m, err := Check(t.Context(), bytes.NewReader(flipped)); err == nil && !cmp.Equal(m, whole) {
			t.Fatalf("byte %d is another, and nobody sees it", n)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	w, err := NewWriter(io.Discard, head)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"../a":          `"../a" is no name of a file in a backup`,
		"manifest.json": "manifest.json is in the backup already",
	} {
		if err := w.Add(name, 0, strings.NewReader("")); err == nil || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := w.Add("large", MaxBytes+1, strings.NewReader("")); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	w, err = NewWriter(io.Discard, head)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Add("a", 5, strings.NewReader("abc")); err == nil || err.Error() != "a has 3 bytes, not 5" {
		t.Error(err)
	}
}

func TestCheckEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Check(ctx, bytes.NewReader(pack(t, content))); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// FuzzExtract: whatever is read, nothing leaves the directory, and what is accepted is
// the whole of it.
func FuzzExtract(f *testing.F) {
	f.Add(pack(f, content))
	f.Add(pack(f, nil))
	f.Fuzz(func(t *testing.T, packed []byte) {
		outer := t.TempDir()
		dir := filepath.Join(outer, "in")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		m, err := Extract(t.Context(), bytes.NewReader(packed), dir)
		if (err == nil) != (m.Format == Format) {
			t.Errorf("both %+v and %v", m, err)
		}
		if entries, err := os.ReadDir(outer); err != nil || len(entries) != 1 {
			t.Errorf("%v, %v", entries, err)
		}
	})
}

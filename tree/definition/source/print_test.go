package source

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestPrint(t *testing.T) {
	texts := map[string]string{
		"tree.yaml":  "grove: 1\ntree:\n  Active:\n    yelow: \"> 500\"\n\tred: 1\n",
		"wide.yaml":  "日本語: { カ: x, é: y, 😀: [z] }\n",
		"evil.yaml":  "a: \x1b[31m\u202e\u200bgnirts\x00 b\xff: c\n",
		"long.yaml":  "a: " + strings.Repeat("0123456789", 30) + "\nb: " + strings.Repeat("日", 200) + "\n",
		"crlf.yaml":  "\ufeffa: 1\r\nbb: 2\rccc: 3\r\n",
		"bidi\u202e": "x\n",
	}
	tests := map[string]Errors{
		"simple": {Errorf(Pos{"tree.yaml", 4, 5}, "unknown key %q in node /Active", "yelow").WithHint("did you mean %q?", "yellow")},
		"range": {
			{Pos: Pos{"tree.yaml", 4, 5}, End: Pos{"tree.yaml", 4, 10}, Msg: "unknown key"},
			{Pos: Pos{"tree.yaml", 4, 12}, End: Pos{"tree.yaml", 5, 3}, Msg: "over two lines"},
			{Pos: Pos{"tree.yaml", 4, 12}, End: Pos{"tree.yaml", 4, 99}, Msg: "past the end"},
		},
		"tab":           {Errorf(Pos{"tree.yaml", 5, 2}, "behind a tab"), Errorf(Pos{"tree.yaml", 5, 1}, "on a tab")},
		"end of line":   {Errorf(Pos{"tree.yaml", 1, 9}, "behind the line"), Errorf(Pos{"tree.yaml", 1, 200}, "far behind")},
		"end of file":   {Errorf(Pos{"tree.yaml", 6, 1}, "at the end"), Errorf(Pos{"tree.yaml", 66, 7}, "no such line")},
		"line only":     {Errorf(Pos{"tree.yaml", 2, 0}, "somewhere here")},
		"file only":     {Errorf(Pos{File: "tree.yaml"}, "too large").WithHint("split it")},
		"no place":      {Errorf(Pos{}, "nothing to read")},
		"no text":       {Errorf(Pos{"other.yaml", 3, 1}, "not at hand")},
		"wide":          {Errorf(Pos{"wide.yaml", 1, 8}, "after wide ones"), Errorf(Pos{"wide.yaml", 1, 14}, "é"), Errorf(Pos{"wide.yaml", 1, 20}, "face"), Errorf(Pos{"wide.yaml", 1, 24}, "z")},
		"hostile":       {Errorf(Pos{"evil.yaml", 1, 18}, "a message with \x1b]0;title\x07, \u202e and\na line"), Errorf(Pos{"bidi\u202e", 1, 1}, "name of the file").WithHint("hint \x1b[0m")},
		"long":          {Errorf(Pos{"long.yaml", 1, 1}, "begin"), Errorf(Pos{"long.yaml", 1, 154}, "middle"), Errorf(Pos{"long.yaml", 1, 303}, "end"), Errorf(Pos{"long.yaml", 2, 100}, "wide")},
		"line ends":     {Errorf(Pos{"crlf.yaml", 1, 1}, "one"), Errorf(Pos{"crlf.yaml", 2, 5}, "two"), Errorf(Pos{"crlf.yaml", 3, 6}, "three")},
		"color":         {Errorf(Pos{"tree.yaml", 4, 5}, "unknown key").WithHint("did you mean this?")},
		"several files": {Errorf(Pos{"tree.yaml", 1, 1}, "a"), Errorf(Pos{"wide.yaml", 1, 1}, "b")},
	}
	for name, errs := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			lookup := func(file string) []byte {
				if text, ok := texts[file]; ok {
					return []byte(text)
				}
				return nil
			}
			if err := Print(&out, errs, lookup, name == "color"); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", "print", strings.ReplaceAll(name, " ", "_")+".golden")
			if *update {
				if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
	many := make(Errors, 102)
	for i := range many {
		many[i] = Errorf(Pos{"long.yaml", 1, i + 1}, "again")
	}
	var out bytes.Buffer
	if err := Print(&out, many, nil, false); err != nil || !strings.HasSuffix(out.String(), "long.yaml:1:100: again\nand 2 more errors\n") {
		t.Errorf("got %q, %v", out.String(), err)
	}
	out.Reset()
	if err := Print(&out, Errors{Errorf(Pos{"tree.yaml", 1, 1}, "no texts at all")}, nil, false); err != nil || out.String() != "tree.yaml:1:1: no texts at all\n" {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

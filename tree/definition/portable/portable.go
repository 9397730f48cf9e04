// Package portable writes one instance with its definition as files that another manager can
// load as they are: what a device takes along when it moves.
//
// The definition comes as one file of YAML, whatever it was written in, with the files that it
// includes beside it. It has a name of its own, made of its text, so that it stands beside
// another version of the same application; its roll-up tests, which were passed where it comes
// from, stay behind, and so does a place where it would hang itself.
package portable

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/definition"
	"grove/tree/definition/source"
)

// MaxBytes bounds the files of one definition.
const MaxBytes = 4 << 20

// ErrPortable is wrapped by every error of this package.
var ErrPortable = errors.New("the device cannot be packed")

// File is one file, by a name without directories.
type File struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Definition is a definition that can be loaded elsewhere.
type Definition struct {
	// Application is the name that it has here, Alias the one in the file: "nginx" and
	// "nginx-1f2e3d4c", which are the first digits of Sum.
	Application string `json:"application"`
	Alias       string `json:"alias"`
	// Sum is the SHA-256 of the files, in hexadecimal.
	Sum string `json:"sum"`
	// Files are the definition, and what it includes.
	Files []File `json:"files"`
}

// Pack makes a definition portable. Read returns the text of one of its files.
func Pack(d *definition.Definition, read func(file string) ([]byte, error)) (*Definition, error) {
	p := &Definition{Application: d.Application}
	sum, size := sha256.New(), 0
	files := append([]string{d.File}, slices.DeleteFunc(slices.Clone(d.Files), func(f string) bool { return f == d.File })...)
	var main *source.Value
	for k, name := range files {
		text, err := read(name)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrPortable, name, err)
		}
		if size += len(text); size > MaxBytes {
			return nil, fmt.Errorf("%w: the files of %s are longer than %d bytes", ErrPortable, d.Application, MaxBytes)
		}
		fmt.Fprintf(sum, "%s %d\n", path.Base(name), len(text))
		sum.Write(text)
		if k > 0 {
			p.Files = append(p.Files, File{path.Base(name), string(text)})
			continue
		}
		if main, err = find(name, text, d.Application); err != nil {
			return nil, err
		}
	}
	p.Sum = hex.EncodeToString(sum.Sum(nil))
	p.Alias = Alias(d.Application, p.Sum)
	out := source.Value{Kind: source.Map, Pos: main.Pos}
	for _, f := range main.Fields {
		switch f.Key {
		case "at", "tests":
		case "application":
			out.Set(f.Key, source.Text(f.Pos, p.Alias))
		default:
			out.Set(f.Key, f.Value)
		}
	}
	p.Files = append([]File{{p.Alias + ".yaml", Write(&out)}}, p.Files...)
	return p, nil
}

// find returns the document that defines an application.
func find(name string, text []byte, application string) (*source.Value, error) {
	documents, errs := source.Read(name, text)
	if len(errs) > 0 {
		return nil, fmt.Errorf("%w: %w", ErrPortable, errs)
	}
	for i := range documents {
		if v, ok := documents[i].Value.Field("application"); ok && v.Text == application {
			return &documents[i].Value, nil
		}
	}
	return nil, fmt.Errorf("%w: %s does not define %s any more", ErrPortable, name, application)
}

// Alias is the name of a definition elsewhere: as much of the application's as has room, and
// the first digits of the sum.
func Alias(application, sum string) string {
	return application[:min(len(application), 50)] + "-" + sum[:min(len(sum), 12)]
}

// Request asks for an instance of a definition.
type Request struct {
	Name, Application string
	At                tree.Path
	With              json.RawMessage // as Parameters makes it
	Properties        map[string]string
}

// Asked writes the document that asks for an instance.
func Asked(r Request) (string, error) {
	text := func(s string) source.Value { return source.Value{Text: s, Quoted: true} }
	v := source.Value{Kind: source.Map}
	v.Set("use", text(r.Application))
	v.Set("name", text(r.Name))
	v.Set("at", text(r.At.String()))
	if len(r.With) > 0 && string(r.With) != "null" {
		// JSON is YAML, and writes what parameters can be: texts, numbers, truths.
		documents, errs := source.ReadYAML("parameters", r.With)
		if len(errs) > 0 || len(documents) != 1 {
			return "", fmt.Errorf("%w: parameters of %s: %w", ErrPortable, r.Name, errs)
		}
		v.Set("with", documents[0].Value)
	}
	if len(r.Properties) > 0 {
		p := source.Value{Kind: source.Map}
		for _, key := range slices.Sorted(maps.Keys(r.Properties)) {
			p.Set(key, text(r.Properties[key]))
		}
		v.Set("properties", p)
	}
	return Write(&v), nil
}

// Parameters are those of an instance as they are in force, as a JSON object: secrets are
// references, durations have their units.
func Parameters(i *definition.Instance) (json.RawMessage, error) {
	text, err := json.Marshal(said(i.Parameters()))
	if err != nil {
		return nil, fmt.Errorf("%w: parameters of %s: %w", ErrPortable, i.Name, err)
	}
	return text, nil
}

// said is a value of a parameter as a file says it: a duration with its unit.
func said(v any) any {
	switch v := v.(type) {
	case time.Duration:
		return tree.FormatDuration(v)
	case []any:
		list := make([]any, len(v))
		for k := range v {
			list[k] = said(v[k])
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for k := range v {
			m[k] = said(v[k])
		}
		return m
	}
	return v
}

// plain is what needs no quotes to be read back as the same scalar.
var plain = regexp.MustCompile(`^[A-Za-z0-9+._-]+$`)

// Write writes a value as YAML that reads back as the same value.
func Write(v *source.Value) string {
	var b bytes.Buffer
	write(&b, v, 0)
	b.WriteByte('\n')
	return b.String()
}

func write(b *bytes.Buffer, v *source.Value, depth int) {
	indent := strings.Repeat("  ", depth)
	switch {
	case v.Kind == source.Map && len(v.Fields) == 0:
		b.WriteString("{}")
	case v.Kind == source.List && len(v.Items) == 0:
		b.WriteString("[]")
	case v.Kind == source.Map:
		for k := range v.Fields {
			if k > 0 || depth > 0 {
				b.WriteString("\n" + indent)
			}
			b.WriteString(quoted(v.Fields[k].Key) + ": ")
			write(b, &v.Fields[k].Value, depth+1)
		}
	case v.Kind == source.List:
		for k := range v.Items {
			b.WriteString("\n" + indent + "- ")
			write(b, &v.Items[k], depth+1)
		}
	case v.Null:
		b.WriteString("null")
	case !v.Quoted && plain.MatchString(v.Text):
		b.WriteString(v.Text)
	default:
		b.WriteString(quoted(v.Text))
	}
}

// quoted is a text in double quotes as YAML and JSON have them.
func quoted(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		return `""` // A text can always be encoded.
	}
	return strings.TrimSuffix(b.String(), "\n")
}

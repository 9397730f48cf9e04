package source

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// ReadYAML reads every document of a YAML file; documents without any content are
// left out. It yields documents or errors, never both.
//
// Of YAML's extras, aliases are followed (an error inside points at the anchor),
// merge keys and tags other than those of the core schema are refused. JSON is YAML.
func ReadYAML(file string, text []byte) ([]Document, Errors) {
	text, bad := checkText(file, text)
	if bad == nil {
		bad = checkSize(file, text)
	}
	if bad != nil {
		return nil, Errors{bad}
	}
	loader, err := yaml.NewLoader(bytes.NewReader(text), yaml.WithPlugin(yamlLimits{}), yaml.WithUniqueKeys(false))
	if err != nil {
		return nil, Errors{Errorf(Pos{File: file}, "cannot read YAML: %w", err)}
	}
	var docs []Document
	r := yamlReader{file: file, text: text, open: map[*yaml.Node]bool{}}
	for !r.full {
		var n yaml.Node
		if err := loader.Load(&n); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			r.syntax(err)
			break
		}
		if n.Kind != yaml.DocumentNode || len(n.Content) != 1 {
			continue
		}
		root := r.value(n.Content[0], 0)
		if root.Null && root.Text == "" {
			continue
		}
		docs = append(docs, Document{Pos: root.Pos, Value: root})
	}
	if len(r.errs) > 0 {
		r.errs.Sort()
		return nil, r.errs
	}
	return docs, nil
}

// checkText returns the text without a byte order mark, or what keeps it from being
// text at all.
func checkText(file string, text []byte) ([]byte, *Error) {
	if len(text) > MaxFileBytes {
		return nil, Errorf(Pos{File: file}, "the file has %d bytes, more than the limit of %d", len(text), MaxFileBytes).
			WithHint("split it, or let a template make what repeats")
	}
	if bytes.HasPrefix(text, []byte{0xfe, 0xff}) || bytes.HasPrefix(text, []byte{0xff, 0xfe}) {
		return nil, Errorf(Pos{File: file, Line: 1, Column: 1}, "the file is UTF-16, want UTF-8").
			WithHint("save it as UTF-8")
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	line, column := 1, 1
	for i := 0; i < len(text); {
		c, n := utf8.DecodeRune(text[i:])
		at := Pos{file, line, column}
		switch {
		case c == utf8.RuneError && n == 1:
			return nil, Errorf(at, "byte 0x%02x is not UTF-8", text[i]).WithHint("save the file as UTF-8")
		case forbidden(c):
			return nil, Errorf(at, "control character U+%04X is not allowed", c)
		}
		i += n
		column++
		if c == '\n' || c == '\r' && (i == len(text) || text[i] != '\n') {
			line, column = line+1, 1
		}
	}
	return text, nil
}

// forbidden tells whether a character may not stand in a file. The line breaks of
// Unicode are among them: parsers and editors disagree whether they count as lines.
func forbidden(c rune) bool {
	switch {
	case c == '\t' || c == '\n' || c == '\r':
		return false
	case c < 0x20, c >= 0x7f && c < 0xa0, c == 0x2028, c == 0x2029, c == 0xfeff, c == 0xfffe, c == 0xffff:
		return true
	}
	return false
}

// checkSize refuses a text that may hold too many values before any is made: each
// needs one of these characters, and a value of the parser takes 200 bytes.
func checkSize(file string, text []byte) *Error {
	count := 0
	for i, c := range text {
		switch c {
		case ',', '[', '{', ':':
			count++
		case '-', '?':
			if i+1 == len(text) || text[i+1] <= ' ' {
				count++
			}
		}
	}
	if count > MaxValues {
		return tooManyValues(Pos{File: file})
	}
	return nil
}

func tooManyValues(pos Pos) *Error {
	return Errorf(pos, "more than %d values", MaxValues).
		WithHint("split the file, or let a template make what repeats")
}

func tooDeep(pos Pos) *Error {
	return Errorf(pos, "lists and maps are nested more than %d deep", MaxDepth)
}

// yamlLimits stops the parser at nesting that no definition needs, long before its
// own limit.
type yamlLimits struct{}

var errDeep = errors.New("too deep")

// CheckDepth implements yaml.LoaderLimitsPlugin.
func (yamlLimits) CheckDepth(depth int, _ *yaml.DepthContext) error {
	if depth > MaxDepth {
		return errDeep
	}
	return nil
}

// CheckAlias implements yaml.LoaderLimitsPlugin; yamlReader counts what aliases
// expand to.
func (yamlLimits) CheckAlias(int, int) error { return nil }

// yamlReader turns nodes into values.
type yamlReader struct {
	file  string
	text  []byte
	errs  Errors
	count int                 // of values so far
	full  bool                // MaxValues was reached
	open  map[*yaml.Node]bool // anchored nodes that are being read, to find circles
	alias *yaml.Node          // the outermost alias that is being followed, or nil
}

func (r *yamlReader) pos(n *yaml.Node) Pos { return Pos{r.file, n.Line, n.Column} }

func (r *yamlReader) value(n *yaml.Node, depth int) Value {
	pos := r.pos(n)
	if r.count++; r.count > MaxValues && !r.full {
		r.full = true
		if r.alias != nil {
			pos = r.pos(r.alias)
		}
		r.errs.Append(tooManyValues(pos))
	}
	if r.full {
		return Value{Pos: pos, Null: true}
	}
	if n.Anchor != "" {
		if r.open[n] {
			r.errs.Add(pos, "the anchor &%s contains an alias of itself", n.Anchor)
			return Value{Pos: pos, Null: true}
		}
		r.open[n] = true
		defer delete(r.open, n)
	}
	if (n.Kind == yaml.SequenceNode || n.Kind == yaml.MappingNode) && depth >= MaxDepth {
		r.errs.Append(tooDeep(pos))
		return Value{Pos: pos, Null: true}
	}
	switch n.Kind {
	case yaml.AliasNode:
		if r.alias == nil {
			r.alias = n
			defer func() { r.alias = nil }()
		}
		return r.value(n.Alias, depth)
	case yaml.SequenceNode:
		r.checkTag(n, "!!seq")
		v := Value{Kind: List, Pos: pos, Items: make([]Value, 0, len(n.Content))}
		for _, item := range n.Content {
			v.Items = append(v.Items, r.value(item, depth+1))
		}
		return v
	case yaml.MappingNode:
		r.checkTag(n, "!!map")
		return r.mapping(n, depth)
	}
	return r.scalar(n)
}

func (r *yamlReader) mapping(n *yaml.Node, depth int) Value {
	v := Value{Kind: Map, Pos: r.pos(n), Fields: make([]Field, 0, len(n.Content)/2)}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, written := n.Content[i], n.Content[i]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		pos := r.pos(written)
		switch {
		case key.Kind != yaml.ScalarNode:
			r.errs.Add(pos, "a key must be a text, not a list or a map").
				WithHint("a value that begins with { or [ must be quoted")
			continue
		case key.Tag == "!!merge":
			r.errs.Add(pos, "merge keys (<<) are not supported").WithHint("use a template")
			continue
		case key.Value == "" && plain(key):
			r.errs.Add(pos, "a key is missing before the colon")
			continue
		}
		r.checkTag(key, "!!str")
		v.Fields = append(v.Fields, Field{Key: key.Value, Pos: pos, Value: r.value(n.Content[i+1], depth+1)})
	}
	checkKeys(v.Fields, &r.errs)
	return v
}

func (r *yamlReader) scalar(n *yaml.Node) Value {
	r.checkTag(n, "!!str", "!!int", "!!float", "!!bool", "!!null")
	v := Value{Kind: Scalar, Pos: r.pos(n), Text: n.Value}
	v.Quoted = !plain(n)
	v.Null = !v.Quoted && (n.Tag == "!!null" || v.Text == "")
	return v
}

// plain tells whether a scalar was written without quotes, block style or !!str.
func plain(n *yaml.Node) bool {
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	return n.Style&quoted == 0 && !(n.Style&yaml.TaggedStyle != 0 && n.Tag == "!!str")
}

// checkTag refuses a tag that was written and is not one of those that fit.
func (r *yamlReader) checkTag(n *yaml.Node, fit ...string) {
	if n.Style&yaml.TaggedStyle == 0 {
		return
	}
	for _, tag := range fit {
		if n.Tag == tag {
			return
		}
	}
	r.errs.Add(r.pos(n), "the tag %s is not supported here", n.Tag).WithHint("leave it out")
}

package request

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"

	"grove/beans"
	"grove/viewer/export/jolokia/value"
)

// Type is the type of a request.
type Type string

// The types of the protocol.
const (
	Read         Type = "read"
	Write        Type = "write"
	Exec         Type = "exec"
	Search       Type = "search"
	List         Type = "list"
	Version      Type = "version"
	Config       Type = "config"
	Notification Type = "notification"
)

// Types are all of them.
var Types = []Type{Read, Write, Exec, Search, List, Version, Config, Notification}

// Request is one request. What its type has not is zero.
type Request struct {
	Type   Type
	Get    bool // it came by GET
	Params Params
	Name   beans.Name // of read, write, exec, search and of the notification command add
	// Attribute is that of write, and of a read of one attribute. Several, or all if
	// there are none, are Attributes, and then Several is true.
	Attribute  string
	Attributes []string
	Several    bool
	Value      any // that write sets, as JSON with json.Number, or as text
	Operation  string
	Arguments  []any // in the manner of Value
	Path       []value.Step
	Command    Command // of notification
}

// Command is the command of a notification request.
type Command struct {
	Name             string // register, unregister, add, remove, ping, list, open
	Client           string
	Handle           string
	Mode             string
	Filter           []string
	Config, Handback any
}

// typeOf reads the name of a type, in any case.
func typeOf(name string) (Type, error) {
	for _, t := range Types {
		if strings.EqualFold(string(t), name) {
			return t, nil
		}
	}
	return "", bad("No type with name '%s' exists", clip(name))
}

func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}

// FromGet reads a request from a path below that of the agent, which is decoded, and a
// query.
func FromGet(path string, query url.Values) (*Request, error) {
	p, err := ParamsOf(query)
	if err != nil {
		return nil, err
	}
	if strings.Trim(path, "/") == "" {
		path = p.path
	}
	if len(path) > MaxPath {
		return nil, bad("The path has %d bytes, more than the bound of %d", len(path), MaxPath)
	}
	parts := split(strings.TrimPrefix(path, "/"))
	r := &Request{Type: Version, Get: true, Params: p}
	if len(parts) > 0 {
		if r.Type, err = typeOf(parts[0]); err != nil {
			return nil, err
		}
		parts = parts[1:]
	}
	switch r.Type {
	case Read:
		if len(parts) == 0 {
			return nil, bad("Read GET requests require at least 1 path element for ObjectName to read from")
		}
		attribute := "*"
		if len(parts) > 1 {
			attribute = parts[1]
		}
		r.readAttributes(value.SplitList(attribute), false)
		return r, errors.Join(r.readName(parts[0]), r.readSteps(parts[min(2, len(parts)):]))
	case Write:
		if len(parts) < 3 {
			return nil, bad("Write GET requests require at least three path elements")
		}
		r.Attribute, r.Value = parts[1], special(parts[2])
		return r, errors.Join(r.readName(parts[0]), r.readSteps(parts[3:]))
	case Exec:
		if len(parts) < 2 {
			return nil, bad("Exec GET requests require at least two path elements")
		}
		r.Operation = parts[1]
		for _, arg := range parts[2:] {
			r.Arguments = append(r.Arguments, special(arg))
		}
		return r, r.readName(parts[0])
	case Search:
		if len(parts) == 0 {
			return nil, bad("Search requests require an ObjectName pattern")
		}
		return r, r.readName(parts[0])
	case List:
		return r, r.readSteps(parts)
	case Config:
		if len(parts) > 0 {
			return nil, bad("Illegal path arguments for configuration endpoint")
		}
	case Notification:
		return r, r.readCommandParts(parts)
	}
	return r, nil
}

// FromPost reads the requests of a body; bulk is whether they stand in an array.
func FromPost(body []byte, query url.Values) (all []*Request, bulk bool, err error) {
	p, err := ParamsOf(query)
	if err != nil {
		return nil, false, err
	}
	v, err := decode(body)
	if err != nil {
		return nil, false, err
	}
	switch x := v.(type) {
	case map[string]any:
		r, err := fromMap(x, p)
		return []*Request{r}, false, err
	case []any:
		if len(x) > MaxBulk {
			return nil, true, bad("The array has %d requests, more than the bound of %d", len(x), MaxBulk)
		}
		all = make([]*Request, len(x))
		for i, e := range x {
			m, ok := e.(map[string]any)
			if !ok {
				return nil, true, &IllegalArgument{"Not a request within the list of requests: expected an object at index " +
					string(value.Append(nil, i))}
			}
			if all[i], err = fromMap(m, p); err != nil {
				return nil, true, err
			}
		}
		return all, true, nil
	}
	return nil, false, bad("Invalid JSON Request. Expected Object or Array")
}

// decode reads JSON within the bound of its depth.
func decode(body []byte) (any, error) {
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return nil, bad("Invalid JSON request: it nests deeper than the bound of %d", MaxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, bad("Invalid JSON request: it ends too early")
		}
		return nil, bad("Invalid JSON request: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, bad("Invalid JSON request: there is something after it")
	}
	return v, nil
}

// fromMap reads one request of a body.
func fromMap(m map[string]any, p Params) (*Request, error) {
	options, _ := m["options"].(map[string]any)
	if m["target"] != nil || options["target"] != nil {
		return nil, bad("This agent is no proxy: it answers for its own beans only, so leave target out and ask the target's own agent")
	}
	text := func(key string) (s string, err error) {
		if v, ok := m[key]; ok && v != nil {
			if s, ok = v.(string); !ok {
				return "", bad("%s must be a text", key)
			}
		}
		return s, nil
	}
	kind, err := text("type")
	if err != nil {
		return nil, err
	}
	if kind == "" {
		return nil, bad("No type given")
	}
	r := &Request{Params: p}
	if r.Type, err = typeOf(kind); err != nil {
		return nil, err
	}
	if r.Type != Notification { // of which config is a part of the command
		if r.Params, err = p.with(m["config"]); err != nil {
			return nil, err
		}
	}
	path, err := text("path")
	if err != nil {
		return nil, err
	}
	if len(path) > MaxPath {
		return nil, bad("The path has %d bytes, more than the bound of %d", len(path), MaxPath)
	}
	if path != "/" && r.Type != Search && r.Type != Notification {
		if err := r.readSteps(split(path)); err != nil {
			return nil, err
		}
	}
	if r.Type == Notification {
		return r, r.readCommand(m, text)
	}
	if r.Type == List || r.Type == Version || r.Type == Config {
		return r, nil
	}
	name, err := text("mbean")
	if err != nil {
		return nil, err
	}
	if _, ok := m["mbean"]; !ok {
		return nil, bad("%s POST requests require an ObjectName", title(r.Type))
	}
	if err := r.readName(name); err != nil {
		return nil, err
	}
	switch r.Type {
	case Read:
		switch a := m["attribute"].(type) {
		case nil:
			r.Several = true
		case string:
			r.readAttributes(value.SplitList(a), false)
		case []any:
			var names []string
			for _, v := range a {
				if name, ok := v.(string); ok {
					names = append(names, name)
				}
			}
			r.readAttributes(names, true)
		default:
			return nil, bad("Can't determine attribute names to read from %s: attribute must be a text or an array of texts", r.Name)
		}
	case Write:
		var given bool
		if r.Value, given = m["value"]; !given {
			return nil, bad("Write POST requests require a value to set (may be a null)")
		}
		if r.Attribute, err = text("attribute"); err != nil {
			return nil, err
		}
		if r.Attribute == "" {
			return nil, bad("Write POST requests require an attribute name to write to")
		}
	case Exec:
		if r.Operation, err = text("operation"); err != nil {
			return nil, err
		}
		if r.Operation == "" {
			return nil, bad("Exec POST requests require an operation name to invoke")
		}
		switch a := m["arguments"].(type) {
		case nil:
		case []any:
			r.Arguments = a
		default:
			return nil, bad("arguments must be an array")
		}
	}
	return r, nil
}

func title(t Type) string { return strings.ToUpper(string(t[:1])) + string(t[1:]) }

func (r *Request) readName(text string) (err error) {
	if r.Name, err = beans.ParseName(text); err != nil {
		return bad("%v", err)
	}
	return nil
}

func (r *Request) readSteps(parts []string) (err error) {
	r.Path, err = steps(parts)
	return err
}

// readAttributes takes one name, or several; a text of "*" and no names stand for all.
// Names that are blank do not count.
func (r *Request) readAttributes(names []string, list bool) {
	several := list || len(names) != 1
	names = slices.DeleteFunc(names, func(name string) bool { return strings.TrimSpace(name) == "" })
	switch {
	case several || len(names) == 0:
		r.Several, r.Attributes = true, names
	case names[0] == "*":
		r.Several = true
	default:
		r.Attribute = names[0]
	}
}

// Echo is the request as its answer repeats it.
func (r *Request) Echo() value.Object {
	o := value.Object{{Key: "type", Value: string(r.Type)}}
	add := func(key string, v any) { o = append(o, value.Member{Key: key, Value: v}) }
	if r.Type == Notification {
		return append(o, r.Command.echo(r.Name)...)
	}
	if !r.Name.IsZero() {
		add("mbean", NameText(r.Name, r.Params.CanonicalNaming))
	}
	switch r.Type {
	case Read:
		if r.Several {
			names := make([]any, len(r.Attributes))
			for i, a := range r.Attributes {
				names[i] = a
			}
			add("attribute", names)
		} else {
			add("attribute", r.Attribute)
		}
	case Write:
		add("attribute", r.Attribute)
		if r.Value != nil {
			add("value", r.Value)
		}
	case Exec:
		add("operation", r.Operation)
		if len(r.Arguments) > 0 {
			add("arguments", r.Arguments)
		}
	}
	if len(r.Path) > 0 {
		add("path", Join(r.Path))
	}
	return o
}

// NameText is the text of a name in answers: with the properties in the order of
// creation, or of patterns and where it is asked for in canonical order.
func NameText(n beans.Name, canonical bool) string {
	if canonical || n.IsPattern() {
		return n.Canonical()
	}
	return n.String()
}

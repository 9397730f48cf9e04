package request

import (
	"encoding/json"

	"grove/beans"
	"grove/viewer/export/jolokia/value"
)

// The bounds of a subscription.
const (
	MaxFilter   = 64      // prefixes
	MaxHandback = 4 << 10 // bytes of a handback as JSON
)

// needs are the members of each command, in the order of paths.
var needs = map[string][]string{
	"register":   nil,
	"unregister": {"client"},
	"add":        {"client", "mode", "mbean"},
	"remove":     {"client", "handle"},
	"ping":       {"client"},
	"list":       {"client"},
	"open":       {"client", "mode"},
}

// missing says what a command lacks, in the manner of the protocol's own agent.
func missing(member, command string) error {
	switch member {
	case "client":
		return &IllegalArgument{"No notification client given for '" + command + "'"}
	case "mode":
		return bad("No mode given for %s", command)
	case "mbean":
		return bad("No MBean name given for %s", command)
	}
	return bad("No notification handle given for %s", command)
}

// set gives the command one of the members that it needs.
func (r *Request) set(member, text string) error {
	switch member {
	case "client":
		r.Command.Client = text
	case "mode":
		r.Command.Mode = text
	case "handle":
		r.Command.Handle = text
	case "mbean":
		return r.readName(text)
	}
	return nil
}

func (r *Request) command(name string) ([]string, error) {
	members, known := needs[name]
	if !known {
		return nil, bad("Unknown notification command '%s'", clip(name))
	}
	r.Command.Name = name
	return members, nil
}

// readCommandParts reads a command from a path.
func (r *Request) readCommandParts(parts []string) error {
	if len(parts) == 0 {
		return bad("No notification command given")
	}
	members, err := r.command(parts[0])
	if err != nil {
		return err
	}
	parts = parts[1:]
	for _, member := range members {
		if len(parts) == 0 {
			return missing(member, r.Command.Name)
		}
		if err := r.set(member, parts[0]); err != nil {
			return err
		}
		parts = parts[1:]
	}
	if r.Command.Name != "add" {
		return nil
	}
	if len(parts) > 0 && parts[0] != "" {
		r.Command.Filter = value.SplitList(parts[0])
	}
	if len(parts) > 1 && parts[1] != "" {
		if err := r.readConfig(parts[1]); err != nil {
			return err
		}
	}
	if len(parts) > 2 {
		r.Command.Handback = parts[2]
	}
	return r.check()
}

// readCommand reads a command from a body.
func (r *Request) readCommand(m map[string]any, text func(string) (string, error)) error {
	name, err := text("command")
	if err != nil {
		return err
	}
	if name == "" {
		return bad("No notification command given")
	}
	members, err := r.command(name)
	if err != nil {
		return err
	}
	for _, member := range members {
		s, err := text(member)
		if err != nil {
			return err
		}
		if s == "" {
			return missing(member, name)
		}
		if err := r.set(member, s); err != nil {
			return err
		}
	}
	if name != "add" {
		return nil
	}
	switch f := m["filter"].(type) {
	case nil:
	case string:
		r.Command.Filter = []string{f}
	case []any:
		for _, v := range f {
			prefix, ok := v.(string)
			if !ok {
				return bad("filter must be an array of texts")
			}
			r.Command.Filter = append(r.Command.Filter, prefix)
		}
	default:
		return bad("filter must be an array of texts")
	}
	switch c := m["config"].(type) {
	case nil:
	case map[string]any:
		r.Command.Config = c
	case string:
		if err := r.readConfig(c); err != nil {
			return err
		}
	default:
		return bad("config must be an object")
	}
	r.Command.Handback = m["handback"]
	return r.check()
}

func (r *Request) readConfig(text string) error {
	v, err := decode([]byte(text))
	config, ok := v.(map[string]any)
	if err != nil || !ok {
		return bad("Cannot parse config '%s' as JSON Object", clip(text))
	}
	r.Command.Config = config
	return nil
}

func (r *Request) check() error {
	if n := len(r.Command.Filter); n > MaxFilter {
		return bad("The filter has %d prefixes, more than the bound of %d", n, MaxFilter)
	}
	if b, err := json.Marshal(r.Command.Handback); err != nil || len(b) > MaxHandback {
		return bad("The handback has more than the bound of %d bytes", MaxHandback)
	}
	return nil
}

// echo is the command as an answer repeats it.
func (c *Command) echo(name beans.Name) value.Object {
	o := value.Object{{Key: "command", Value: c.Name}}
	add := func(key, text string) {
		if text != "" {
			o = append(o, value.Member{Key: key, Value: text})
		}
	}
	add("client", c.Client)
	add("handle", c.Handle)
	add("mbean", name.String())
	add("mode", c.Mode)
	if len(c.Filter) > 0 {
		filter := make([]any, len(c.Filter))
		for i, f := range c.Filter {
			filter[i] = f
		}
		o = append(o, value.Member{Key: "filter", Value: filter})
	}
	if m, ok := c.Config.(map[string]any); ok && len(m) > 0 {
		o = append(o, value.Member{Key: "config", Value: m})
	}
	if c.Handback != nil {
		o = append(o, value.Member{Key: "handback", Value: c.Handback})
	}
	return o
}

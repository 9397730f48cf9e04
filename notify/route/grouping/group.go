// Package grouping says which alerts a route tells together: by what they have in common.
package grouping

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"grove/notify/channel"
	"grove/tree"
	"grove/tree/alert"
)

// MaxItems bounds what alerts of a group have in common.
const MaxItems = 8

// By says what the alerts of a group have in common. It is made by Parse.
type By struct {
	items []item
	alone bool // each alert is a group of its own
}

// item is one thing that they have in common.
type item struct {
	name string // "zone" of label:zone
	of   func(*alert.Alert) string
}

// Common is what the alerts of one group have in common, by the names of the items.
type Common map[string]string

// Default is what a route groups by that does not say it.
var Default = []string{"instance"}

// Parse reads a list of "instance", "path:N" (so many names of the path from the root on),
// "label:NAME", "property:NAME", "customer", "kind" and "severity"; or "all" alone, which is
// one group, or "alert" alone, which groups nothing. An empty list is Default. The errors
// are of package channel, with the path of the option below "group".
func Parse(list []string) (*By, error) {
	if len(list) == 0 {
		list = Default
	}
	if len(list) > MaxItems {
		return nil, channel.BadOption("by", "%d are more than the bound of %d", len(list), MaxItems)
	}
	b := &By{}
	for i, text := range list {
		option := "by"
		if len(list) > 1 {
			option = fmt.Sprintf("by[%d]", i)
		}
		if text == "all" || text == "alert" {
			if len(list) > 1 {
				return nil, channel.BadOption(option, "%q stands alone", text)
			}
			b.alone = text == "alert"
			return b, nil
		}
		it, err := parse(text)
		if err != nil {
			return nil, channel.BadOption(option, "%w", err)
		}
		if slices.ContainsFunc(b.items, func(other item) bool { return other.name == it.name }) {
			return nil, channel.BadOption(option, "%q stands there twice", it.name)
		}
		b.items = append(b.items, it)
	}
	return b, nil
}

func parse(text string) (item, error) {
	what, name, has := strings.Cut(text, ":")
	switch what {
	case "label", "property", "path":
		if !has || name == "" || len(name) > tree.MaxNameBytes {
			return item{}, fmt.Errorf("%q needs a name of 1 to %d bytes after the colon, as in label:zone and path:2", text, tree.MaxNameBytes)
		}
	default:
		if has {
			what = text // which is unknown
		}
	}
	switch what {
	case "instance":
		return item{what, func(a *alert.Alert) string { return a.Instance }}, nil
	case "customer":
		return item{what, func(a *alert.Alert) string { return strings.Join(slices.Sorted(slices.Values(a.Customers)), ", ") }}, nil
	case "kind":
		return item{what, func(a *alert.Alert) string { return string(a.Kind) }}, nil
	case "severity":
		return item{what, func(a *alert.Alert) string { return a.Severity.String() }}, nil
	case "label":
		return item{name, func(a *alert.Alert) string { return a.Labels[name] }}, nil
	case "property":
		return item{name, func(a *alert.Alert) string { return a.Properties[name] }}, nil
	case "path":
		depth, err := strconv.Atoi(name)
		if err != nil || depth < 1 || depth > tree.MaxDepth {
			return item{}, fmt.Errorf("%q: it is 1 to %d names of the path", text, tree.MaxDepth)
		}
		return item{what, func(a *alert.Alert) string { return upTo(a.Path, depth).String() }}, nil
	}
	return item{}, fmt.Errorf("alerts are not grouped by %q: instance, path:N, label:NAME, property:NAME, customer, kind, severity, all or alert", text)
}

// upTo is the first names of a path.
func upTo(p tree.Path, depth int) tree.Path {
	for p.Depth() > depth {
		p = p.Parent()
	}
	return p
}

// Of is what the alerts of the group have in common that an alert belongs to.
func (b *By) Of(a *alert.Alert) Common {
	if b.alone {
		return Common{"alert": a.ID.String()}
	}
	if len(b.items) == 0 {
		return nil
	}
	c := make(Common, len(b.items))
	for _, it := range b.items {
		c[it.name] = bounded(it.of(a))
	}
	return c
}

// maxValueBytes bounds what alerts have in common.
const maxValueBytes = 256

// bounded shortens a text from outside; two that differ at their ends stay apart.
func bounded(text string) string {
	if len(text) <= maxValueBytes {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return strings.ToValidUTF8(text[:maxValueBytes-20], "") + "…" + hex.EncodeToString(sum[:8])
}

// String names a group: "instance=shop-web1, zone=eu-1", or "all".
func (c Common) String() string {
	if len(c) == 0 {
		return "all"
	}
	var b strings.Builder
	for i, name := range slices.Sorted(maps.Keys(c)) {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name)
		b.WriteByte('=')
		value := c[name]
		if value == "" || strings.ContainsAny(value, ",=\"") {
			value = strconv.Quote(value)
		}
		b.WriteString(value)
	}
	return b.String()
}

package document

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"strings"
	"time"

	"grove/tree"
)

// Role is what an element is.
type Role uint8

// The roles, in the order in which documents list them.
const (
	Host Role = iota
	Device
	Service
	part   // belongs to what is above it
	noRole // not said
)

var roleNames = [...]string{"host", "device", "service", "part"}

// String returns "host", "device" or "service".
func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return fmt.Sprintf("Role(%d)", uint8(r))
}

// parseRole reads the property; ok is false for a text that is no role.
func parseRole(text string) (r Role, ok bool) {
	for i, n := range roleNames {
		if text == n {
			return Role(i), true
		}
	}
	return noRole, text == ""
}

var words = [...]string{tree.White: "unknown", tree.Green: "normal", tree.Yellow: "warning", tree.Red: "fault"}

// Word says in plain language what a status means.
func Word(s tree.Status) string { return words[s] }

// Status is the status of an element with what people ask next.
type Status struct {
	Status tree.Status
	Last   tree.Status // the last that was not white
	Since  time.Time
	Reason string
}

func statusOf(r *Record) Status { return Status{r.Status, r.Last, r.Since(), r.Reason} }

// known is the status that counts for a whole: while nothing is known, the last.
func (s *Status) known() tree.Status {
	if s.Status == tree.White {
		return s.Last
	}
	return s.Status
}

// with returns the status of a whole of which t is one more part; a nil whole has none
// so far.
func (s *Status) with(t Status) *Status {
	if s == nil || t.known() > s.known() || t.known() == s.known() && s.Status == tree.White && t.Status != tree.White {
		return &t
	}
	return s
}

// Element is one host, device or service.
type Element struct {
	ID     string // unique in the document, the same after a restart, an XML name
	Role   Role
	Name   string
	Label  string
	Type   string
	Places []tree.Path // where it is in the tree; the first gives it its properties
	Status Status
	Counts [4]int // its attributes by status

	Instance, Application string
	Description           string
	Address, DNSName      string
	Portal, Location      string
	Contacts, Customers   []string
	Host, Device, Service string // names of what it runs on and belongs to
	Parent                *Element
	Properties            [][2]string // the others, sorted by name
	Problems              []string

	HostElement, DeviceElement, ServiceElement *Element  // when the document tells of them
	Leaves                                     []*Record // attributes that are told
	Worst                                      []*Record // attributes that are yellow or red, those first that matter most

	wanted bool    // it is the customer's own
	shared bool    // not all in it is the customer's
	mine   *Status // of what is
	index  int     // of the record of its first place; -1: none
}

// Title is what people call the element.
func (e *Element) Title() string {
	if e.Label != "" {
		return e.Label
	}
	return e.Name
}

// maxAlerts bounds the alerts that are listed for an element or a manager.
const maxAlerts = 10

// addWorst keeps a record when it is among the worst: red before yellow, and the older
// before the younger, since it has waited longer.
func addWorst(worst []*Record, r *Record) []*Record {
	if r.Status < tree.Yellow {
		return worst
	}
	at := len(worst)
	for at > 0 {
		o := worst[at-1]
		if o.Status > r.Status || o.Status == r.Status && o.since <= r.since {
			break
		}
		at--
	}
	if at == maxAlerts {
		return worst
	}
	if len(worst) < maxAlerts {
		worst = append(worst, nil)
	}
	copy(worst[at+1:], worst[at:])
	worst[at] = r
	return worst
}

// idOf makes an ID: an XML name (it begins with a letter) that says the role.
func idOf(manager string, kind string, name string) string {
	sum := sha256.Sum256([]byte(manager + "\x00" + kind + "\x00" + name))
	return kind[:1] + "-" + hex.EncodeToString(sum[:8])
}

// Elements yields the hosts, devices and services of the document, manager by manager.
func (d *Document) Elements() iter.Seq[*Element] {
	return func(yield func(*Element) bool) {
		for _, m := range d.Managers {
			for _, list := range m.Elements {
				for _, e := range list {
					if !yield(e) {
						return
					}
				}
			}
		}
	}
}

// splitList reads a property that lists several.
func splitList(text string) []string {
	var list []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// Attributes yields the paths of the attributes that the document tells of.
func (d *Document) Attributes() iter.Seq[tree.Path] {
	return func(yield func(tree.Path) bool) {
		for _, m := range d.Managers {
			for _, r := range m.Leaves {
				if !yield(r.Path) {
					return
				}
			}
		}
		for e := range d.Elements() {
			for _, r := range e.Leaves {
				if !yield(r.Path) {
					return
				}
			}
		}
	}
}

// Whole says whether everything in the places of the element may be told: in a document
// for a customer, whether all of it is the customer's.
func (e *Element) Whole() bool { return e.wanted && !e.shared }

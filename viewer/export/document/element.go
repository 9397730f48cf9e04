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

// words say in plain language what a status means.
var words = [...]string{tree.White: "unknown", tree.Green: "normal", tree.Yellow: "warning", tree.Red: "fault"}

// Status is the status of an element with what people ask next.
type Status struct {
	Status tree.Status
	Last   tree.Status // the last that was not white
	Since  time.Time
	Reason string
}

func statusOf(r *record) Status { return Status{r.status, r.last, r.sinceTime(), r.reason} }

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

	hostElement, deviceElement, serviceElement *Element // when the document tells of them
	leaves                                     []int32  // records that are told
	alerts                                     alerts
	wanted                                     bool    // it is the customer's own
	shared                                     bool    // not all in it is the customer's
	mine                                       *Status // of what is
	index                                      int     // of the record of its first place; -1: none
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

// alerts are the attributes that are yellow or red, those that matter most first.
type alerts struct{ worst []int32 }

// add keeps the record when it is among the worst: red before yellow, and the older
// before the younger, since it has waited longer.
func (a *alerts) add(records []record, i int32) {
	r := &records[i]
	if r.status < tree.Yellow {
		return
	}
	at := len(a.worst)
	for at > 0 {
		o := &records[a.worst[at-1]]
		if o.status > r.status || o.status == r.status && o.since <= r.since {
			break
		}
		at--
	}
	if at == maxAlerts {
		return
	}
	if len(a.worst) < maxAlerts {
		a.worst = append(a.worst, 0)
	}
	copy(a.worst[at+1:], a.worst[at:])
	a.worst[at] = i
}

// idOf makes an ID: an XML name (it begins with a letter) that says the role.
func idOf(manager string, kind string, name string) string {
	sum := sha256.Sum256([]byte(manager + "\x00" + kind + "\x00" + name))
	return kind[:1] + "-" + hex.EncodeToString(sum[:8])
}

// Elements yields the hosts, devices and services of the document, manager by manager.
func (d *Document) Elements() iter.Seq[*Element] {
	return func(yield func(*Element) bool) {
		for _, m := range d.managers {
			for _, list := range m.elements {
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
		for _, m := range d.managers {
			for _, i := range m.leaves {
				if !yield(d.records[i].path) {
					return
				}
			}
		}
		for e := range d.Elements() {
			for _, i := range e.leaves {
				if !yield(d.records[i].path) {
					return
				}
			}
		}
	}
}

// Whole says whether everything in the places of the element may be told: in a document
// for a customer, whether all of it is the customer's.
func (e *Element) Whole() bool { return e.wanted && !e.shared }

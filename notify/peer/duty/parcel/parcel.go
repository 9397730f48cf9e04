// Package parcel is a device on its way from one manager to another: everything that the
// other one needs to go on watching it as if nothing had happened. That is its definition,
// the instance of it, what people have said about it (thresholds, acknowledgements,
// maintenance), and what was seen of it last. What is long, the samples and the journal,
// follows by itself once the device is watched.
//
// # Form
//
// A parcel travels and is kept as JSON under gzip, see [Encode]. Version says which
// meaning the fields have: what a later manager adds is left out by an earlier one, and a
// later meaning of what is there needs a higher version, which an earlier one refuses.
// Secrets are never in it: parameters hold references to them, which the receiver must be
// able to resolve itself.
//
// Paths are relative to the place of the device in the tree, of which "/" is the top.
package parcel

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"sync"
	"time"

	"grove/notify/peer"
	"grove/tree"
)

// Version is the one that Encode writes.
const Version = 1

// Bounds of a parcel. The one of the text keeps a small parcel from becoming a huge one
// where it is opened.
const (
	MaxBytes        = 2 << 20  // as it travels
	MaxTextBytes    = 32 << 20 // of the JSON
	MaxFiles        = 256      // of a definition
	MaxFileBytes    = 1 << 20  // of one, and of the parameters
	MaxNodes        = 50_000   // states, and thresholds
	MaxAlerts       = 10_000   // open ones, and those that were told
	MaxWindows      = 1_000
	MaxMemories     = 1_000
	MaxMemoryBytes  = 1 << 20
	MaxEvents       = 1_000 // of one log
	MaxNameBytes    = 64
	MaxTextOfDevice = 4096 // bytes of a short text
)

// ErrParcel is wrapped by every error about a parcel that is not right.
var ErrParcel = errors.New("parcel")

// Key tells devices apart: names are unique with their owner.
type Key struct {
	Owner peer.ID `json:"owner"`
	Name  string  `json:"name"`
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// Check says what is wrong with a key.
func (k Key) Check() error {
	if err := k.Owner.Check(); err != nil {
		return fmt.Errorf("owner of a device: %w", err)
	}
	if len(k.Name) > MaxNameBytes || !nameForm.MatchString(k.Name) {
		return fmt.Errorf("%.80q is not the name of a device: 1 to %d letters, digits, dots, - and _", k.Name, MaxNameBytes)
	}
	return nil
}

// String writes a key for people who look for it: "sw1 of 00112233aabbccdd".
func (k Key) String() string { return k.Name + " of " + string(k.Owner) }

// Parcel is one device.
type Parcel struct {
	Version int       `json:"version"`
	Key     Key       `json:"key"`
	Packed  time.Time `json:"packed"` // when, by the clock of the packer
	By      peer.ID   `json:"by"`     // who packed it
	Epoch   int64     `json:"epoch"`  // under which the packer watched it

	Instance   Instance    `json:"instance"`
	Definition Definition  `json:"definition"`
	Thresholds []Threshold `json:"thresholds,omitempty"` // that somebody tuned
	Alerts     []Alert     `json:"alerts,omitempty"`     // that are open
	Told       []Told      `json:"told,omitempty"`       // messages that went out while it was away from its owner
	// Windows are maintenance windows, each as package maintenance writes it, with the
	// paths that lie in the device.
	Windows  []json.RawMessage `json:"windows,omitempty"`
	States   []State           `json:"states,omitempty"`
	Memories []Memory          `json:"memories,omitempty"` // of its probes
}

// Instance is the instance of the definition. The receiver decides under which name and
// where it hangs in its own tree.
type Instance struct {
	Application string    `json:"application"`
	At          tree.Path `json:"at"` // at its owner
	// With are the values of parameters as a JSON object, secrets as references.
	With       json.RawMessage   `json:"with,omitempty"`
	Properties map[string]string `json:"properties,omitempty"`
	// Kinds are those of its probes.
	Kinds []string `json:"kinds,omitempty"`
	// Identity is by what other managers see that it is the same device.
	Identity map[string]string `json:"identity,omitempty"`
}

// Definition is the definition of an application with what it includes.
type Definition struct {
	Application string `json:"application"`
	// Alias is the name under which the receiver has it, beside its own of that name.
	Alias string `json:"alias"`
	// Sum is that of all files, as who packed it counts it.
	Sum   string `json:"sum"`
	Files []File `json:"files"`
}

// File is one file of a definition.
type File struct {
	Name string `json:"name"`
	Sum  string `json:"sha256"` // of the text, hexadecimal
	Text string `json:"text"`
}

// NewFile makes one with its sum.
func NewFile(name, text string) File { return File{name, sum(text), text} }

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}

// Threshold is one that was tuned, as package memory of the store writes it.
type Threshold struct {
	Path      tree.Path       `json:"path"`
	Threshold json.RawMessage `json:"threshold"`
}

// Alert is one that is open.
type Alert struct {
	Path   tree.Path   `json:"path"`
	Kind   string      `json:"kind"`
	Status tree.Status `json:"status"`
	Opened time.Time   `json:"opened"`
	// Document is the alert as package alert writes it, with its acknowledgement.
	Document json.RawMessage `json:"document"`
}

// Told is an alert that people were told of.
type Told struct {
	Path   tree.Path   `json:"path"`
	Kind   string      `json:"kind"`
	Status tree.Status `json:"status"`
	At     time.Time   `json:"at"`
}

// State is the last state of a node, see tree.Memory.
type State struct {
	Path   tree.Path    `json:"path"`
	Form   string       `json:"form,omitempty"` // number or text; empty: there is no value
	Value  string       `json:"value,omitempty"`
	Time   time.Time    `json:"time,omitzero"`
	Status tree.Status  `json:"status"`
	Since  time.Time    `json:"since,omitzero"`
	Events []tree.Event `json:"events,omitempty"`
}

// NewState makes one of what the tree remembers.
func NewState(path tree.Path, m *tree.Memory) State {
	s := State{Path: path, Value: m.Value.String(), Time: m.Time, Status: m.Status, Since: m.Since, Events: m.Events}
	if _, ok := m.Value.Number(); ok {
		s.Form = "number"
	} else if _, ok := m.Value.Text(); ok {
		s.Form = "text"
	}
	return s
}

// Memory is what the tree is to remember at a path.
func (s *State) Memory(path tree.Path) (tree.Memory, error) {
	m := tree.Memory{Path: path, Time: s.Time, Status: s.Status, Since: s.Since, Events: s.Events}
	switch s.Form {
	case "":
	case "text":
		m.Value = tree.Text(s.Value)
	case "number":
		n, err := strconv.ParseFloat(s.Value, 64)
		if err != nil && !math.IsInf(n, 0) {
			return m, fmt.Errorf("%w: state of %s: %.40q is no number", ErrParcel, s.Path, s.Value)
		}
		m.Value = tree.Number(n)
	default:
		return m, fmt.Errorf("%w: state of %s: unknown form %.40q: number or text", ErrParcel, s.Path, s.Form)
	}
	return m, nil
}

// Memory is what a probe remembers, under the name that it has.
type Memory struct {
	Name string `json:"name"`
	Data []byte `json:"data"`
}

// Check says what is wrong with a parcel: a bound, which it names, or what does not fit
// together.
func (p *Parcel) Check() error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("%w of %.80s: %w", ErrParcel, p.Key.Name, fmt.Errorf(format, args...))
	}
	if p.Version < 1 || p.Version > Version {
		return wrong("it has version %d, and this manager knows versions up to %d: give the device to a newer one, or update this one", p.Version, Version)
	}
	if err := p.Key.Check(); err != nil {
		return wrong("%w", err)
	}
	if err := p.By.Check(); err != nil {
		return wrong("who packed it: %w", err)
	}
	switch {
	case p.Epoch < 0:
		return wrong("epoch %d", p.Epoch)
	case p.Instance.Application == "" || len(p.Instance.Application) > MaxTextOfDevice:
		return wrong("the name of its application has %d bytes: 1 to %d are", len(p.Instance.Application), MaxTextOfDevice)
	case len(p.Instance.With) > MaxFileBytes:
		return wrong("its parameters have %d bytes, more than %d", len(p.Instance.With), MaxFileBytes)
	case len(p.Instance.With) > 0 && p.Instance.With[0] != '{' && string(p.Instance.With) != "null":
		return wrong("its parameters are no JSON object")
	}
	for _, b := range []struct {
		what       string
		have, most int
	}{
		{"files of the definition", len(p.Definition.Files), MaxFiles}, {"thresholds", len(p.Thresholds), MaxNodes}, {"alerts", len(p.Alerts), MaxAlerts},
		{"alerts that were told", len(p.Told), MaxAlerts}, {"maintenance windows", len(p.Windows), MaxWindows}, {"states", len(p.States), MaxNodes},
		{"memories of probes", len(p.Memories), MaxMemories}, {"kinds of probes", len(p.Instance.Kinds), MaxNodes},
	} {
		if b.have > b.most {
			return wrong("%d %s are more than %d", b.have, b.what, b.most)
		}
	}
	for i := range p.Definition.Files {
		f := &p.Definition.Files[i]
		if len(f.Text) > MaxFileBytes || len(f.Name) > MaxTextOfDevice || f.Name == "" {
			return wrong("file %.80q of the definition: %d bytes of name and %d of text are more than %d and %d, or there is no name", f.Name, len(f.Name), len(f.Text), MaxTextOfDevice, MaxFileBytes)
		}
		if sum(f.Text) != f.Sum {
			return wrong("file %.80q of the definition has arrived damaged: its SHA-256 is another one", f.Name)
		}
	}
	for i := range p.Memories {
		if m := &p.Memories[i]; len(m.Data) > MaxMemoryBytes || len(m.Name) > MaxTextOfDevice {
			return wrong("memory %.80q of a probe has %d bytes, more than %d", m.Name, len(m.Data), MaxMemoryBytes)
		}
	}
	for i := range p.States {
		s := &p.States[i]
		if len(s.Events) > MaxEvents {
			return wrong("%s has %d events, more than %d", s.Path, len(s.Events), MaxEvents)
		}
		if _, err := s.Memory(s.Path); err != nil {
			return wrong("%w", err)
		}
	}
	return nil
}

// writers are those of gzip, which take a megabyte each.
var writers = sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}

// Encode writes a parcel, which it checks first.
func Encode(p *Parcel) ([]byte, error) {
	p.Version = Version
	if err := p.Check(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("%w of %s: %w", ErrParcel, p.Key.Name, err)
	}
	if len(text) > MaxTextBytes {
		return nil, fmt.Errorf("%w of %s: %d bytes are more than %d: the device has too much to be watched by another manager", ErrParcel, p.Key.Name, len(text), MaxTextBytes)
	}
	var b bytes.Buffer
	w := writers.Get().(*gzip.Writer)
	defer writers.Put(w)
	w.Reset(&b) // without a time: the same parcel is the same bytes
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if b.Len() > MaxBytes {
		return nil, fmt.Errorf("%w of %s: %d bytes, compressed, are more than %d: the device has too much to be watched by another manager", ErrParcel, p.Key.Name, b.Len(), MaxBytes)
	}
	return b.Bytes(), nil
}

// Decode reads what Encode writes and checks it. Fields that it does not know are left
// out.
func Decode(data []byte) (*Parcel, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes are more than %d", ErrParcel, len(data), MaxBytes)
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrParcel, err)
	}
	text, err := io.ReadAll(io.LimitReader(r, MaxTextBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrParcel, err)
	}
	if len(text) > MaxTextBytes {
		return nil, fmt.Errorf("%w: opened it has more than %d bytes", ErrParcel, MaxTextBytes)
	}
	p := &Parcel{}
	if err := json.Unmarshal(text, p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrParcel, err)
	}
	if err := p.Check(); err != nil {
		return nil, err
	}
	return p, nil
}

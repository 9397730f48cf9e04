package logfile

import (
	"encoding/json"

	"grove/runtime/probe"
	"grove/runtime/probe/follow"
)

// place is a position in a file.
type place struct {
	Device uint64   `json:"device"`
	Inode  uint64   `json:"inode"`
	Base   identity `json:"base"`
	follow.Position
}

func (p *place) identity() identity { return identity{p.Device, p.Inode} }

// remembered is what is known of a path after a restart.
type remembered struct {
	place
	Old *place `json:"old,omitempty"`
}

// memory is what a probe remembers.
type memory struct {
	Began bool                  `json:"began"`
	Files map[string]remembered `json:"files"`
}

var _ probe.Rememberer = (*logProbe)(nil)

// Recall implements probe.Rememberer.
func (p *logProbe) Recall(text []byte) {
	var m memory
	if len(text) == 0 || json.Unmarshal(text, &m) != nil {
		return
	}
	p.began = m.Began
	for path, was := range m.Files {
		if len(p.tails) < maxFiles && p.recipe.wants(path) {
			t := p.newTail(path)
			t.resume = &was
			p.tails[path] = t
		}
	}
	if len(p.tails) == 0 && len(m.Files) > 0 {
		p.began = false // other files than before are asked for
	}
}

// Memory implements probe.Rememberer.
func (p *logProbe) Memory() []byte {
	m := memory{Began: p.began, Files: map[string]remembered{}}
	for path, t := range p.tails {
		switch {
		case t.now != nil:
			was := remembered{place: t.now.place()}
			if t.old != nil {
				old := t.old.place()
				was.Old = &old
			}
			m.Files[path] = was
		case t.resume != nil: // the file could not be opened yet
			m.Files[path] = *t.resume
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil // numbers and texts always become JSON
	}
	return text
}

func (r *reel) place() place { return place{r.Device, r.Inode, r.base, r.Position} }

package viewer

import (
	"grove/tree"
	"grove/tree/grant"
)

// Definitions tells of the instances that the manager has, or tried to have. It is
// called for each request, from many goroutines.
type Definitions interface {
	Definitions() DefinitionList
}

// DefinitionList is the answer of GET /api/v1/definitions.
type DefinitionList struct {
	Instances    []Instance    `json:"instances" nullable:"false" doc:"Uses of definitions, by name."`
	Applications []Application `json:"applications" nullable:"false" doc:"Known definitions, by name."`
	Errors       []Fault       `json:"errors,omitempty" doc:"What is wrong in files of which nothing could be told."`
}

// seenBy leaves out what somebody may not see: instances of which he does not see the
// place where they hang, definitions that none of the others uses, and what is wrong in
// files of which nobody knows whose they are.
func (l DefinitionList) seenBy(guard *grant.Guard, who *grant.Subject) DefinitionList {
	if who.Whole(grant.Viewer) {
		return l
	}
	var seen DefinitionList
	used := map[string]bool{}
	for _, i := range l.Instances {
		if at, err := tree.ParsePath(i.At); err == nil && i.At != "" && guard.May(who, grant.Viewer, at) {
			seen.Instances = append(seen.Instances, i)
			used[i.Application] = true
		}
	}
	for _, a := range l.Applications {
		if used[a.Name] {
			seen.Applications = append(seen.Applications, a)
		}
	}
	return seen
}

// Instance is one use of a definition.
type Instance struct {
	Name        string  `json:"name"`
	Application string  `json:"application,omitempty" doc:"Name of the definition."`
	Title       string  `json:"title,omitempty"`
	Description string  `json:"description,omitempty"`
	At          string  `json:"at,omitempty" doc:"Path where it hangs in the tree."`
	File        string  `json:"file,omitempty" doc:"File that asks for the instance."`
	Definition  string  `json:"definition,omitempty" doc:"File that defines the application."`
	Why         string  `json:"why,omitempty" doc:"Row of a discovery that it was made of, and how its definition was chosen." example:"row \"10.0.0.1\""`
	State       string  `json:"state" enum:"running,kept,failed,away" doc:"kept: the file is wrong now, what it said before still runs; failed: nothing of it runs; away: another manager watches it."`
	Nodes       int     `json:"nodes" doc:"How many nodes it grew."`
	Errors      []Fault `json:"errors,omitempty"`
}

// Application is one definition.
type Application struct {
	Name        string  `json:"name"`
	Title       string  `json:"title,omitempty"`
	Description string  `json:"description,omitempty"`
	File        string  `json:"file,omitempty"`
	Errors      []Fault `json:"errors,omitempty"`
}

// Fault is one error in a file.
type Fault struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty" doc:"Counted from 1; absent when not known."`
	Column  int    `json:"column,omitempty" doc:"In characters, counted from 1; absent when not known."`
	Message string `json:"message"`
}

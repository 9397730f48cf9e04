package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"grove/tree"
	"grove/tree/store/revision"
	"grove/viewer"
)

// site is the site of this manager.
func (a *App) site() string {
	if m := a.peers.member; m != nil {
		return m.Settings().Site
	}
	return ""
}

// resite has the definitions follow the site of this manager. Those of the one before stay
// until the database says what there is at the other.
func (a *App) resite() {
	if s := a.past.shared.State(); s.Like && s.Site != a.site() {
		a.past.shared.Resite()
	}
}

// What the node about shared definitions says.
const (
	sharedCurrent = "as in the database"
	sharedCopy    = "a copy of before, since the database does not answer"
)

// sharedState says whether the shared definitions here are those of the database. People
// are told of a database that does not answer by another node.
var sharedState = show{
	"/grove/Database/Shared definitions",
	tree.Spec{
		Kind: tree.State, Threshold: &tree.Threshold{States: map[string]tree.Status{sharedCurrent: tree.Green, "*": tree.Yellow}},
		Alerting: &tree.Alerting{Rule: tree.AlertNever}, Description: "whether definitions that managers share are those of the database",
	},
	func(c *condition) tree.Value {
		switch {
		case !c.facts.Ready:
			return tree.Text(sharedCopy)
		case c.shared.Since.IsZero():
			return tree.Value{} // They are about to be compared.
		case !c.shared.Like:
			return tree.Text("a copy of before: " + c.shared.Err.Error())
		}
		return tree.Text(sharedCurrent)
	},
}

// sharedFaults says what is wrong with a definition that managers would share, and
// where: it must load beside the others that they share.
func (a *App) sharedFaults(name, text string) ([]viewer.Fault, error) {
	root, err := os.OpenRoot(filepath.Join(a.config.Data, sharedDir))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	file := revision.FileName(name, text)
	files := map[string]string{file: text}
	_, errs := newLoader(a.registry).FS(overlay{FS: root.FS(), files: files}, "")
	var list []viewer.Fault
	for _, e := range errs.Sorted() {
		if e.Pos.File == file {
			list = append(list, viewer.Fault{File: e.Pos.File, Line: e.Pos.Line, Column: e.Pos.Column, Message: message(e)})
		}
	}
	return list, nil
}

// checkShared is sharedFaults for those who want one error.
func (a *App) checkShared(name, text string) error {
	list, err := a.sharedFaults(name, text)
	if err != nil {
		return err
	}
	var lines []string
	for _, f := range list {
		lines = append(lines, fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Message))
	}
	if len(lines) > 0 {
		return errors.New(strings.Join(lines, "\n"))
	}
	return nil
}

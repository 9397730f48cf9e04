package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"grove/tree/store/revision"
	"grove/viewer"
)

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

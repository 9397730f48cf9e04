package watch

import (
	"testing"

	"github.com/fsnotify/fsnotify"
)

// TestBackupsDoNotMatter keeps editors from causing reloads.
func TestBackupsDoNotMatter(t *testing.T) {
	for name, want := range map[string]bool{
		"/d/a.yaml": true, "/d/a.yml": true, "/d/a.xml": true, "/d/sub": true,
		"/d/.a.yaml.swp": false, "/d/a.yaml~": false, "/d/a.yaml.bak": false, "/d/notes.txt": false, "/d/.git": false,
	} {
		if got := matters(fsnotify.Event{Name: name, Op: fsnotify.Write}); got != want {
			t.Errorf("a write of %s: %v, want %v", name, got, want)
		}
	}
	if matters(fsnotify.Event{Name: "/d/a.yaml", Op: fsnotify.Chmod}) {
		t.Error("a change of rights matters")
	}
}

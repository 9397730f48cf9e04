package app

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
)

// TestTimeTravel looks at a manager as it is now, by what it has recorded of itself.
func TestTimeTravel(t *testing.T) {
	a, err := New(Config{Listen: "127.0.0.1:0", Data: t.TempDir(), Name: "north", Definitions: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	travel := a.openTimeTravel()
	a.Start()
	path := tree.MustPath("/trip/load")
	ref, err := a.Tree.Add(path, &tree.Spec{Kind: tree.Performance, Mode: tree.Push, Unit: "MB"})
	if err != nil {
		t.Fatal(err)
	}
	a.Tree.Apply([]tree.Reading{{Node: ref, Value: 42}})
	past, release, err := travel.At(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	n, err := past.Node(path)
	if v, _ := n.Value.Number(); err != nil || v != 42 || n.Status != tree.Green || n.Spec.Unit != "MB" {
		t.Errorf("%+v, %v", n, err)
	}
	release()
	var answer huma.StatusError
	if _, _, err := travel.At(t.Context(), time.Now().Add(time.Hour)); !errors.As(err, &answer) || answer.GetStatus() != http.StatusUnprocessableEntity {
		t.Errorf("the future: %v", err)
	}
}

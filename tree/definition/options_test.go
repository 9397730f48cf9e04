package definition

import (
	"reflect"
	"testing"
)

// TestShareOptions: maps that are equal are one; everything else stays a probe's own.
func TestShareOptions(t *testing.T) {
	type options struct {
		Address string
		Columns map[string]string
		Values  map[string]string
	}
	var a alike
	first := &options{"a", map[string]string{"in": "x"}, map[string]string{"up": "y"}}
	second := &options{"b", map[string]string{"in": "x"}, map[string]string{"up": "z"}}
	a.share("probe", first)
	a.share("probe", second)
	if reflect.ValueOf(first.Columns).Pointer() != reflect.ValueOf(second.Columns).Pointer() {
		t.Error("equal maps are two")
	}
	if second.Address != "b" || second.Values["up"] != "z" {
		t.Errorf("the second has %+v", second)
	}
	a.share("probe", &struct{ Columns map[string]string }{map[string]string{"in": "x"}}) // of another kind by now
	a.share("other", &options{})
}

package definition

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestColumnsIn(t *testing.T) {
	tests := []struct {
		text string
		want []string
		any  bool
	}{
		{"", nil, false},
		{"${row.name} of ${row.group}", []string{"group", "name"}, false},
		{`row.admin == "up" && row.in_errors > 0`, []string{"admin", "in_errors"}, false},
		{"rows and arrows of browsers, growing", nil, false},
		{"row", nil, true},
		{"len(row)", nil, true},
		{`row["name"]`, nil, true},
		{"row?.name", nil, true},
		{"row.", nil, true},
		{"${row.a}${row.b}", []string{"a", "b"}, false},
		{"\nrow.a", []string{"a"}, false},
	}
	for _, tt := range tests {
		used := map[string]bool{}
		ok := columnsIn(tt.text, used)
		if ok == tt.any {
			t.Errorf("%q: any column: %v", tt.text, !ok)
		}
		if diff := cmp.Diff(tt.want, slices.Sorted(maps.Keys(used))); !tt.any && diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.text, diff)
		}
	}
}

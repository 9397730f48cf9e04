package extract_test

import (
	"testing"

	"grove/runtime/probe/extract"
)

// TestDescents: three of them take hours over a document that is deep, and no context
// ends them.
func TestDescents(t *testing.T) {
	for text, want := range map[string]string{
		"$..a..b":                          "",
		"$.a[?(@.x == 'a..b..c..d')].y":    "",
		`$["a..b"]["c..d"]["\"..", "..z"]`: "",
		"$..a..b..c":                       `"$..a..b..c" descends by .. 3 times, more than 2`,
		"$..[?(@..[?(@..x == 1)])]":        `"$..[?(@..[?(@..x == 1)])]" descends by .. 3 times, more than 2`,
	} {
		_, err := extract.JSONPath(text)
		if got := ""; err != nil {
			if got = err.Error(); got != want {
				t.Errorf("%s: got %s, want %s", text, got, want)
			}
		} else if want != "" {
			t.Errorf("%s is taken", text)
		}
	}
}

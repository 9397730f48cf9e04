package peers

import (
	"os"
	"slices"
	"testing"
)

// TestVersions is everything else between managers of this version and of another one, whose
// program GROVE_TEST_OLD names. TestWordsOfOthers is what is tried of it every time.
func TestVersions(t *testing.T) {
	program := os.Getenv("GROVE_TEST_OLD")
	if program == "" {
		t.Skip("GROVE_TEST_OLD=PATH is a grove of another version")
	}
	for name, old := range map[string][]string{
		"the home is old":                {"berlin"},
		"the home is new":                {"hamburg", "bremen"},
		"the owner is old":               {"hamburg"},
		"the stand-in is old":            {"bremen"},
		"the home and the owner are old": {"berlin", "hamburg"},
	} {
		odd := twist{made: func(m *manager) {
			if slices.Contains(old, m.Name) {
				m.Program.Path = program
			}
		}}
		t.Run("links, "+name, func(t *testing.T) { t.Parallel(); links(t, odd) })
		t.Run("duty, "+name, func(t *testing.T) { t.Parallel(); duty(t, odd) })
	}
}

package source

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	keys := []string{"yellow", "red", "back", "clear", "white", "states", "flap", "metric", "labels", "mode", "every", "change", "scale", "keep", "from", "value", "kind", "unit", "description", "url", "method", "as", "at"}
	tests := map[string]string{
		"yelow":                     "yellow",
		"Yellow":                    "yellow",
		"yelolw":                    "yellow",
		"rde":                       "red",
		"URL":                       "url",
		"form":                      "from",
		"desc":                      "description",
		"label":                     "labels",
		"unitss":                    "unit",
		"evry":                      "every",
		"ass":                       "as",
		"threshold":                 "",
		"x":                         "",
		"":                          "",
		"hostname":                  "",
		"a":                         "as",
		strings.Repeat("x", 10_000): "",
	}
	for word, want := range tests {
		got, ok := Nearest(word, keys)
		if got != want || ok != (want != "") {
			t.Errorf("nearest of %.20q: got %q, want %q", word, got, want)
		}
	}
	if got, _ := Nearest("bat", []string{"cat", "bar"}); got != "bar" {
		t.Errorf("of equally near ones got %q, want the first of the alphabet", got)
	}
	if got := DidYouMean("yelow", keys); got != `did you mean "yellow"?` {
		t.Error(got)
	}
}

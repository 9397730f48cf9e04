package page

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"grove/tree"
)

// TestThePolicyLetsTheStylePass holds the digest to what stands in the page: a byte that
// differs, and a browser shows no style at all.
func TestThePolicyLetsTheStylePass(t *testing.T) {
	var b strings.Builder
	x := Begin(&b, "</title><script>")
	State(x, tree.Red, "fault")
	Count(x, tree.Yellow, "warning", 3)
	if err := x.Finish(); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(b.String(), "<style>")
	style, rest, ok := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	if !ok || !strings.Contains(Policy, "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
		t.Error(Policy)
	}
	if strings.Contains(b.String(), "<script") || strings.Contains(rest, "style=") {
		t.Error("the policy would stop something in the page")
	}
	want := `<span class="state"><svg class="mark red" aria-hidden="true"><use href="#mark-red"></use></svg><span class="word">fault</span></span>` +
		`<span class="count"><svg class="mark yellow" aria-hidden="true"><use href="#mark-yellow"></use></svg>3<span class="hidden"> warning</span></span>`
	if !strings.Contains(rest, want) {
		t.Error(rest)
	}
}

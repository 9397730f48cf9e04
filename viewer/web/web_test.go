package web

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

func TestAssetsAlwaysHaveAPage(t *testing.T) {
	assets, built := Assets()
	page, err := fs.ReadFile(assets, "index.html")
	if err != nil {
		t.Fatal(err)
	}
	if says := strings.Contains(string(page), "The page is not in this binary"); says == built {
		t.Errorf("built is %t, and that the page is missing is said: %t", built, says)
	}
	if inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son\w+=|<script>`).Find(page); inline != nil {
		t.Errorf("index.html has %q, which the content security policy forbids", inline)
	}
	for _, name := range regexp.MustCompile(`(?:src|href)="([^"/?]+\.(?:js|css|svg))"`).FindAllStringSubmatch(string(page), -1) {
		if _, err := fs.Stat(assets, name[1]); err != nil {
			t.Errorf("index.html names a file that is not embedded: %v", err)
		}
	}
}

func TestAnEmptyDistIsNoBundle(t *testing.T) {
	for name, tc := range map[string]struct {
		files fstest.MapFS
		want  bool
	}{
		"only the placeholder":  {fstest.MapFS{"dist/.gitkeep": {}}, false},
		"no folder":             {fstest.MapFS{}, false},
		"a page":                {fstest.MapFS{"dist/index.html": {Data: []byte("x")}}, true},
		"a folder in its place": {fstest.MapFS{"dist/index.html/x": {}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if _, got := bundle(tc.files, "dist"); got != tc.want {
				t.Errorf("bundle: %t, want %t", got, tc.want)
			}
		})
	}
}

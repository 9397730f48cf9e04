// Package web holds the page: the browser's side of the viewer, written in
// TypeScript under src, bundled into dist by "npm run build" and embedded here.
//
// The page asks for nothing outside its own origin and needs neither inline scripts
// nor inline styles, so it runs under the [ContentSecurityPolicy] of this package.
package web

import (
	"embed"
	"fmt"
	"io/fs"
)

// ContentSecurityPolicy is the policy that the page is built and tested under. The
// live feed is a websocket of the same origin, which 'self' covers.
const ContentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

//go:embed all:dist
var dist embed.FS

//go:embed unbuilt
var unbuilt embed.FS

// Assets returns the files of the page with index.html at the top. When the bundle
// was not built before this binary was compiled, built is false and index.html is a
// plain page that says so and what to do.
//
// Every file but index.html and the icons carries a hash of its content in its name
// ("page-<hash>.js"), so that it may be cached for good.
func Assets() (assets fs.FS, built bool) {
	if page, ok := bundle(dist, "dist"); ok {
		return page, true
	}
	page, ok := bundle(unbuilt, "unbuilt")
	if !ok {
		panic("viewer/web: unbuilt/index.html is not embedded")
	}
	return page, false
}

// bundle returns the folder of files if there is a page in it.
func bundle(files fs.FS, folder string) (fs.FS, bool) {
	sub, err := fs.Sub(files, folder)
	if err != nil {
		panic(fmt.Sprintf("viewer/web: folder %q: %v", folder, err))
	}
	info, err := fs.Stat(sub, "index.html")
	return sub, err == nil && info.Mode().IsRegular()
}

// Package oidctest runs a real OpenID provider for tests: oidc-provider, of the packages
// that the page is tested with, in node.
package oidctest

import (
	"bufio"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Client and Secret are who may ask the provider.
const (
	Client = "grove"
	Secret = "only for tests"
)

// Start starts a provider that sends browsers back to the given addresses, and returns
// its own. It knows ada, who is in the groups ops and cn=shop,dc=example, bob of ops, and
// eve of guests. The test is skipped when node or the package is not there.
func Start(t testing.TB, redirects ...string) (issuer string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	viewer := filepath.Join(top(t), "viewer")
	modules := filepath.Join(viewer, "web/node_modules")
	if _, err := os.Stat(filepath.Join(modules, "oidc-provider")); err != nil {
		t.Skip("oidc-provider is not installed: npm ci in viewer/web")
	}
	cmd := exec.Command(node, append([]string{filepath.Join(viewer, "access/oidc/oidctest/testdata/provider.mjs"), modules, Client, Secret}, redirects...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if line := lines.Text(); strings.HasPrefix(line, "http://") {
			return line
		}
	}
	t.Fatal("the OpenID provider does not start")
	return ""
}

// top is the top of the repository: tests run in the folder of their package.
func top(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	t.Fatal("go.mod is nowhere above the tests")
	return ""
}

var (
	action = regexp.MustCompile(`<form[^>]*action="([^"]*)"`)
	prompt = regexp.MustCompile(`name="prompt" value="(\w+)"`)
)

// Login logs a user in at the provider, as a person would with a browser, from the address
// that the client sends to on; it returns the address that the provider sends back to,
// without going there.
func Login(t testing.TB, address, user string) *url.URL {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	browser := &http.Client{Transport: transport, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	issuer, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	var form url.Values
	for range 20 {
		var res *http.Response
		if form == nil {
			res, err = browser.Get(address)
		} else {
			res, err = browser.PostForm(address, form)
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if to := res.Header.Get("Location"); to != "" {
			next, err := res.Request.URL.Parse(to)
			if err != nil {
				t.Fatal(err)
			}
			if next.Host != issuer.Host {
				return next
			}
			address, form = next.String(), nil
			continue
		}
		a, p := action.FindSubmatch(body), prompt.FindSubmatch(body)
		if a == nil || p == nil {
			t.Fatalf("%s: the provider answers %s without a form:\n%s", address, res.Status, body)
		}
		next, err := res.Request.URL.Parse(html.UnescapeString(string(a[1])))
		if err != nil {
			t.Fatal(err)
		}
		address, form = next.String(), url.Values{"prompt": {string(p[1])}, "login": {user}, "password": {"any"}}
	}
	t.Fatal("the provider goes in circles")
	return nil
}

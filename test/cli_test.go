package test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"grove/test/grovetest"
)

var update = flag.Bool("update", false, "write what commands print into the scripts of testdata")

// TestCommands runs the scripts of testdata: what a person types, and what the program
// says. Beside the commands of testscript they have
//
//	serve [FLAG...]           start grove on a free port; the other commands find it
//	stop                      end it as an operator does; it must end with 0
//	until REGEXP COMMAND...   repeat the command until its output matches
//	push PATH VALUE           push one reading; VALUE is JSON
func TestCommands(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata",
		UpdateScripts:      *update,
		RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": scriptServe,
			"stop":  scriptStop,
			"until": scriptUntil,
			"push":  scriptPush,
		},
	})
}

// servers are those of the scripts under way.
var servers = make(chan map[*testscript.TestScript]*grovetest.Process, 1)

func init() { servers <- map[*testscript.TestScript]*grovetest.Process{} }

func scriptServe(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("what fails to start is tried with: ! grove serve")
	}
	var env []string
	for _, name := range []string{"HOME", "NO_COLOR", "GROVE_DATA", "GROVE_CONFIG", "GROVE_OWN_HOST"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	s, address, err := grovetest.Program{Dir: ts.MkAbs("."), Env: withoutEmpty(env)}.Serve(args...)
	ts.Check(err)
	all := <-servers
	all[ts] = s
	servers <- all
	ts.Defer(func() {
		_ = s.End(os.Kill)
		all := <-servers
		delete(all, ts)
		servers <- all
	})
	ts.Setenv("GROVE_SERVER", address)
}

// withoutEmpty leaves out variables that are set to nothing, as a shell without them.
func withoutEmpty(env []string) (kept []string) {
	for _, e := range env {
		if !strings.HasSuffix(e, "=") {
			kept = append(kept, e)
		}
	}
	return kept
}

func scriptStop(ts *testscript.TestScript, neg bool, args []string) {
	all := <-servers
	s := all[ts]
	servers <- all
	if neg || len(args) > 0 || s == nil {
		ts.Fatalf("usage: stop, after serve")
	}
	ts.Check(s.End(syscall.SIGTERM))
}

func scriptUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP COMMAND...")
	}
	wanted, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	late := time.After(patience)
	for {
		err := ts.Exec(args[1], args[2:]...)
		out := ts.ReadFile("stdout")
		if err == nil && wanted.MatchString(out) {
			return
		}
		select {
		case <-late:
			ts.Fatalf("after %v: %v: %s%s", patience, err, out, ts.ReadFile("stderr"))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func scriptPush(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: push PATH VALUE")
	}
	body, err := json.Marshal(map[string]any{"path": args[0], "value": json.RawMessage(args[1])})
	ts.Check(err)
	res, err := http.Post(ts.Getenv("GROVE_SERVER")+"/api/v1/readings", "application/json", bytes.NewReader(body))
	ts.Check(err)
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	ts.Check(err)
	if taken := res.StatusCode == http.StatusOK; taken == neg {
		ts.Fatalf("%s: %s", res.Status, text)
	}
}

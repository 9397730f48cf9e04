package sapcontrol

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"grove/viewer/export/goldentest"
	"grove/viewer/export/sapcontrol/soap"
)

// python runs one of the clients in testdata, when Debian's Python has its module.
func python(t *testing.T, module, script string, args ...string) []byte {
	t.Helper()
	const program = "/usr/bin/python3"
	if err := exec.Command(program, "-c", "import "+module).Run(); err != nil {
		t.Skipf("python3-%s is not installed", module)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{filepath.Join("testdata", script)}, args...)...)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		t.Fatalf("%s: %v\n%s", script, err, failed.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRealClients: zeep and suds read the WSDL, call each of its functions and understand
// each answer. Both must understand the same.
func TestRealClients(t *testing.T) {
	for _, client := range []string{"zeep", "suds"} {
		t.Run(client, func(t *testing.T) {
			w := newWorld(t)
			server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				w.service.ServeHTTP(rw, r.WithContext(everyone(r.Context())))
			}))
			defer server.Close()
			arguments, err := json.Marshal(map[string]any{
				"GetAlerts":             map[string]any{"RootTid": w.tid(`GRV\shop\web1\...`)},
				"ABAPAcknowledgeAlerts": map[string]any{"R3Client": "000", "R3User": "ERIKA", "R3Password": "geheim", "Aid": map[string]any{"item": []string{w.aid("Open"), "x"}}},
				"GetSystemInstanceList": map[string]any{"timeout": 0},
				"ParameterValue":        map[string]any{"parameter": "SAPSYSTEMNAME"},
				"AccessCheck":           map[string]any{"function": "Stop"},
				"ABAPGetSystemWPTable":  map[string]any{"activeonly": false},
				"ReadLogFile":           map[string]any{"filename": "/shop/web1/Log", "maxentries": 10},
				"Stop":                  map[string]any{"softtimeout": 0, "IsSystemStop": 0},
				"Shutdown":              map[string]any{"IsSystemStop": 0},
				"Bootstrap":             map[string]any{"host": "x", "nr": 0},
				"InstanceStart":         map[string]any{"host": "x", "nr": 0},
				"InstanceStop":          map[string]any{"host": "x", "nr": 0, "softtimeout": 0},
				"StartSystem":           map[string]any{"options": "SAPControl-ALL-INSTANCES", "waittimeout": 0},
				"StopSystem":            map[string]any{"options": "SAPControl-ALL-INSTANCES", "softtimeout": 0, "waittimeout": 0},
				"RestartSystem":         map[string]any{"options": "SAPControl-ALL-INSTANCES", "softtimeout": 0, "waittimeout": 0},
				"RestartInstance":       map[string]any{"softtimeout": 0},
				"SendSignal":            map[string]any{"pid": 1, "signal": "9"},
				"OSExecute":             map[string]any{"command": "id", "async": 0, "timeout": 0},
			})
			if err != nil {
				t.Fatal(err)
			}
			out := python(t, client, client+"_client.py", server.URL+"/SAPControl?wsdl", string(arguments))
			var answers map[string]any
			if err := json.Unmarshal(out, &answers); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if len(answers) != len(soap.Functions) {
				t.Errorf("%d functions were called, want %d", len(answers), len(soap.Functions))
			}
			indented, err := json.MarshalIndent(answers, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			goldentest.Is(t, client+".json", append(pids.ReplaceAll(indented, []byte(`"pid": 0`)), '\n'))
			if len(w.acknowledged) != 1 || w.acknowledged[0].By != "ERIKA" {
				t.Errorf("the audit was told %+v", w.acknowledged)
			}
		})
	}
}

var pids = regexp.MustCompile(`"pid": \d+`)

// tid is that of the element with a full name.
func (w *world) tid(full string) string {
	w.Helper()
	el, err := w.elements.Element(everyone(w.Context()), full)
	if err != nil {
		w.Fatal(err)
	}
	return el.TID
}

// TestAnswersObeyTheSchema holds each answer against the schema within the WSDL, with
// xmllint.
func TestAnswersObeyTheSchema(t *testing.T) {
	const program = "/usr/bin/xmllint"
	if _, err := os.Stat(program); err != nil {
		t.Skipf("%s is not installed (libxml2-utils)", program)
	}
	w := newWorld(t)
	dir := t.TempDir()
	wsdl := soap.WSDL("http://127.0.0.1/?a=1&b=2")
	goldentest.Is(t, "service.wsdl", wsdl)
	lint := func(args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), program, append([]string{"--noout", "--nonet"}, args...)...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	lint(file("service.wsdl", wsdl))
	from := bytes.Index(wsdl, []byte("<xsd:schema"))
	to := bytes.Index(wsdl, []byte("</types>"))
	schema := bytes.Replace(wsdl[from:to], []byte("<xsd:schema"), []byte(`<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:SAPControl="`+soap.Namespace+`"`), 1)
	xsd := file("schema.xsd", schema)
	for _, f := range soap.Functions {
		if f.Refused {
			continue
		}
		args := ""
		switch f.Name {
		case "AccessCheck":
			args = "<function>GetAlertTree</function>"
		case "ReadLogFile":
			args = "<filename>/shop/web1/Log</filename>"
		case "ABAPAcknowledgeAlerts":
			args = "<Aid><item>x</item></Aid>"
		}
		status, message := w.ask(`<q:` + f.Name + ` xmlns:q="urn:SAPControl">` + args + `</q:` + f.Name + `>`)
		if status != 200 {
			t.Errorf("%s: %d %s", f.Name, status, message)
			continue
		}
		whole := file(f.Name+".message.xml", []byte(message))
		lint(whole)
		body := strings.Replace(inner(message), ">", ` xmlns:SAPControl="`+soap.Namespace+`">`, 1)
		lint("--schema", xsd, file(f.Name+".xml", []byte(body)))
	}
}

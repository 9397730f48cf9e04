package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/files"
	"grove/runtime/probe/probetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	container = "3f4e8a1d2b5c6d7e8f90112233445566778899aabbccddeeff00112233445566"
	podID     = "0f1e2d3c_4b5a_6978_8796_a5b4c3d2e1f0"
)

// record writes a hierarchy as Debian 12 with Docker and a kubelet has it; its figures
// are of the form that the kernel documents.
func record(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	group := func(path string, more map[string]string) {
		dir := filepath.Join(root, path)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		texts := map[string]string{"cgroup.events": "populated 1\nfrozen 0\n"}
		for file, text := range more {
			texts[file] = text
		}
		for file, text := range texts {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	group("", map[string]string{"cgroup.controllers": "cpuset cpu io memory pids\n"})
	group("system.slice", map[string]string{"memory.max": "1000000\n", "cpu.max": "max 100000\n"})
	group("system.slice/nginx.service", map[string]string{
		"cpu.stat":    "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnr_periods 10\nnr_throttled 3\nthrottled_usec 1500000\n",
		"memory.stat": "anon 100\ninactive_file 200000\n", "memory.current": "700000\n", "memory.max": "max\n", "memory.swap.current": "4096\n",
		"memory.events": "low 0\nhigh 0\nmax 7\noom 1\noom_kill 2\n", "pids.current": "5\n", "pids.max": "100\n", "cpu.max": "50000 100000\n",
		"io.stat":      "8:0 rbytes=100 wbytes=200 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=1 wbytes=2\n",
		"cpu.pressure": "some avg10=1.50 avg60=0.00 avg300=0.00 total=5\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
	})
	group("system.slice/systemd\\x2dlogin.service", map[string]string{"memory.max": "400000\n", "memory.current": "100000\n"})
	group("system.slice/idle.service", map[string]string{"cgroup.events": "populated 0\nfrozen 0\n"})
	group("system.slice/docker-"+container+".scope", map[string]string{"cgroup.events": "populated 1\nfrozen 1\n"})
	group("kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod"+podID+".slice/cri-containerd-"+container+".scope", nil)
	group("kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod"+podID+".slice", nil)
	return root
}

func options(edit ...func(*Options)) *Options {
	o := Kind(nil).NewOptions().(*Options)
	for _, e := range edit {
		e(o)
	}
	return o
}

// rows runs a probe and returns the cells of its table that have values, by name.
func rows(t *testing.T, o *Options, policy *files.Policy) (map[string]map[string]string, probe.Result) {
	t.Helper()
	p, err := Kind(policy).New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	r, err := p.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]string{}
	for _, cells := range r.Tables[0].Rows {
		row := map[string]string{}
		for k, v := range cells {
			if !v.IsNone() {
				row[columnNames[k]] = v.String()
			}
		}
		out[row["name"]] = row
	}
	return out, r
}

// TestRecordedGroups reads a hierarchy of files: this machine's kernel may have its
// controllers elsewhere.
func TestRecordedGroups(t *testing.T) {
	root := record(t)
	docker := t.TempDir()
	if err := os.MkdirAll(filepath.Join(docker, container), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(docker, container, "config.v2.json"), []byte(`{"ID":"3f","Name":"/shop-db"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	got, r := rows(t, options(func(o *Options) { o.Root, o.Docker = root, docker }), nil)
	pod := strings.ReplaceAll(podID, "_", "-")
	podPath := "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + podID + ".slice"
	want := map[string]map[string]string{
		"nginx": {
			"path": "system.slice/nginx.service", "name": "nginx", "kind": "service", "runtime": "", "id": "",
			"cpu": "2.5", "cpu_user": "2", "cpu_limit": "0.5", "periods": "10", "throttled_periods": "3", "throttled": "1.5",
			"memory": "500000", "memory_all": "700000", "memory_limit": "1e+06", "memory_used": "50", "swap": "4096", "oom_kills": "2",
			"processes": "5", "processes_limit": "100", "read": "101", "written": "202", "cpu_pressure": "1.5", "frozen": "0",
		},
		"systemd-login": {
			"path": "system.slice/systemd\\x2dlogin.service", "name": "systemd-login", "kind": "service", "runtime": "", "id": "",
			"memory": "100000", "memory_all": "100000", "memory_limit": "400000", "memory_used": "25", "frozen": "0",
		},
		"shop-db": {
			"path": "system.slice/docker-" + container + ".scope", "name": "shop-db", "kind": "container", "runtime": "docker", "id": container,
			"memory_limit": "1e+06", "frozen": "1",
		},
		container[:12]: {
			"path": podPath + "/cri-containerd-" + container + ".scope", "name": container[:12], "kind": "container", "runtime": "containerd", "id": container, "frozen": "0",
		},
		pod: {"path": podPath, "name": pod, "kind": "pod", "runtime": "kubernetes", "id": pod, "frozen": "0"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, v := range r.Values {
		if v.Attribute == "controllers" && v.Value.String() != "cpuset cpu io memory pids" {
			t.Errorf("controllers are %q", v.Value)
		}
	}

	got, r = rows(t, options(func(o *Options) { o.Root, o.Docker, o.Most, o.Exclude = root, "", 1, "kube" }), nil)
	if len(got) != 1 || got[container[:12]]["runtime"] != "docker" {
		t.Errorf("one of three, with no name of Docker's: %v", got)
	}
	if left := r.Values[2]; left.Attribute != "left_out" || left.Value.String() != "3" {
		t.Errorf("left out: %v", left)
	}
}

// TestKernel makes a group of the kernel's and looks at it.
func TestKernel(t *testing.T) {
	top, err := mounted(nil)
	if err != nil {
		t.Skip(err)
	}
	name := fmt.Sprintf("grove-test-%d.service", os.Getpid())
	dir := filepath.Join(top, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("no control group may be made here: %v", err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) })
	busy := exec.Command("/bin/sh", "-c", "while :; do :; done")
	if err := busy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = busy.Process.Kill(); _ = busy.Wait() })
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), fmt.Append(nil, busy.Process.Pid), 0o600); err != nil {
		t.Skipf("no process may be put into a control group here: %v", err)
	}
	only := options(func(o *Options) { o.Include = "^" + name + "$" })
	row := func() map[string]string {
		got, _ := rows(t, only, nil)
		return got[strings.TrimSuffix(name, ".service")]
	}
	first := row()
	if first["kind"] != "service" || first["frozen"] != "0" {
		t.Fatalf("the group is %v", first)
	}
	for row()["cpu"] == first["cpu"] { // The kernel counts; the test's time limit ends this.
		if t.Context().Err() != nil {
			t.Fatal("a busy process uses no processor time")
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.freeze"), []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	for row()["frozen"] != "1" {
		if t.Context().Err() != nil {
			t.Fatal("a frozen group is not frozen")
		}
	}
}

func TestContract(t *testing.T) {
	root := record(t)
	probetest.Run(t, Kind(nil), options(func(o *Options) { o.Root = root }))
	bad := func(name, option, want string, edit func(*Options)) probetest.Bad {
		return probetest.Bad{Name: name, Options: options(edit), Option: option, Want: option + ": " + want}
	}
	probetest.Refuses(t, Kind(nil),
		bad("relative root", "root", `"sys" is not an absolute path without detours`, func(o *Options) { o.Root = "sys" }),
		bad("broken expression", "include", "error parsing regexp: missing closing ): `(`", func(o *Options) { o.Include = "(" }),
		bad("long expression", "exclude", "has 2001 bytes, more than 2000", func(o *Options) { o.Exclude = strings.Repeat("x", 2001) }),
		bad("too deep", "depth", "33 is outside 1..32", func(o *Options) { o.Depth = 33 }),
		bad("none", "most", "0 is outside 1..10000", func(o *Options) { o.Most = 0 }),
	)
}

func TestRunsThatFail(t *testing.T) {
	allowed, err := files.NewPolicy([]string{"/var/log"})
	if err != nil {
		t.Fatal(err)
	}
	root, empty := record(t), t.TempDir()
	for _, tt := range []struct {
		name   string
		root   string
		policy *files.Policy
		want   string
	}{
		{"no hierarchy", empty, nil, "is not the top of a hierarchy of control groups, version 2"},
		{"not allowed", root, allowed, "not allowed to definitions"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Kind(tt.policy).New(options(func(o *Options) { o.Root = tt.root }))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// FuzzIdentify: a name may be anything that the owner of a subtree chooses.
func FuzzIdentify(f *testing.F) {
	for _, s := range []string{"a/docker-" + container + ".scope", "kubepods/pod" + podID, `x\x2dy.service`, `\x`, "machine-a.scope", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		who := identify(s)
		if who.kind == "" || who.runtime != "" && who.id == "" {
			t.Errorf("%q is %+v", s, who)
		}
	})
}

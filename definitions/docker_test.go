package definitions_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"grove/tree"
)

// TestRecordedContainers runs the definition of a host with containers on control groups
// of files, since no engine runs where the tests do; they have the form that the kernel
// documents and the names that Docker gives.
func TestRecordedContainers(t *testing.T) {
	t.Parallel()
	root, docker, id := t.TempDir(), t.TempDir(), strings.Repeat("ab12", 16)
	group := filepath.Join(root, "system.slice", "docker-"+id+".scope")
	if err := os.MkdirAll(group, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(docker, id), 0o755); err != nil {
		t.Fatal(err)
	}
	configure(t, filepath.Join(docker, id, "config.v2.json"), `{"Name":"/shop-db"}`)
	configure(t, filepath.Join(root, "cgroup.controllers"), "cpu io memory pids\n")
	for file, text := range map[string]string{
		"cgroup.events": "populated 1\nfrozen 0\n", "cpu.stat": "usage_usec 5000000\nuser_usec 4000000\nthrottled_usec 0\n", "cpu.max": "50000 100000\n",
		"memory.current": "500\n", "memory.max": "1000\n", "memory.stat": "inactive_file 100\n", "memory.events": "oom_kill 0\n",
		"memory.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n", "pids.current": "81\n", "pids.max": "100\n", "io.stat": "8:0 rbytes=1 wbytes=2\n",
	} {
		configure(t, filepath.Join(group, file), text)
	}
	w := grow(t, fmt.Sprintf("use: docker-host\nat: /docker1\nwith: { every: 1s, root: %s, docker: %s, engine: \"\" }\n", root, docker))
	db := "/docker1/Containers/shop-db"
	w.within(db+"/Memory of limit", 40, 40)
	w.is(db+"/Threads of limit", tree.Yellow)
	w.within(db+"/Processor", 0, 0)
	w.is(db+"/Killed", tree.Green)
	w.is("/docker1", tree.Yellow)
	w.exported()

	configure(t, filepath.Join(group, "memory.events"), "oom_kill 3\n")
	w.is(db+"/Killed", tree.Red)
	w.is("/docker1", tree.Red)
}

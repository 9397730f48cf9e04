package logfile

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"grove/runtime/probe/pattern"
)

// logLines makes a log of a web server in which one line in a thousand is an error.
func logLines(n int) []byte {
	var b bytes.Buffer
	for k := range n {
		if k%1000 == 999 {
			fmt.Fprintf(&b, "2026/01/31 12:%02d:%02d [error] 1234#0: *%d connect() failed (111: Connection refused) while connecting to upstream, client: 10.0.0.%d\n", k/60%60, k%60, k, k%250)
			continue
		}
		fmt.Fprintf(&b, "10.0.0.%d - - [31/Jan/2026:12:%02d:%02d +0000] \"GET /shop/item/%d HTTP/1.1\" 200 %d \"-\" \"Mozilla/5.0\" %.3f\n", k%250, k/60%60, k%60, k, 1000+k%9000, float64(k%700)/1000)
	}
	return b.Bytes()
}

func cpu(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkFollow reads a file of half a million lines with rules of several kinds, and
// prints the lines per CPU-second, and how many times as many that is as grep reads which
// looks for the same.
func BenchmarkFollow(b *testing.B) {
	const lines = 500_000
	file := filepath.Join(b.TempDir(), "a.log")
	if err := os.WriteFile(file, logLines(lines), 0o600); err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name  string
		rules []pattern.Rule
		grep  string
	}{
		{"rules=1", []pattern.Rule{{Match: `\[error\] .*failed \((?P<code>\d+)`, Status: "red", Text: "failed with {code}"}}, `\[error\] .*failed \([0-9]+`},
		{"rules=10", []pattern.Rule{
			{Match: `\[error\] .*failed`, Status: "red"}, {Match: "out of memory"}, {Match: "segfault|panic:"}, {Match: "disk full"}, {Match: `timed out after \d+`},
			{Match: "authentication failure"}, {Match: `certificate .*expired`}, {Match: "deadlock"}, {Match: "fatal|critical"}, {Match: "too many open files"},
		}, `\[error\] .*failed|out of memory|segfault|panic:|disk full|timed out after [0-9]+|authentication failure|certificate .*expired|deadlock|fatal|critical|too many open files`},
		{"values-of-every-line", []pattern.Rule{{Match: `" (?P<status>\d+) \d+ "-" "[^"]*" (?P<seconds>[\d.]+)$`, Quiet: true, Count: "requests",
			Values: map[string]pattern.Value{"seconds": {Unit: "s", Take: "average"}}}}, `" [0-9]+ [0-9]+ "-" "[^"]*" [0-9.]+$`},
	} {
		b.Run(bench.name, func(b *testing.B) {
			o := &Options{Path: file, From: "start"}
			o.Rules = bench.rules
			start := cpu(syscall.RUSAGE_SELF)
			for b.Loop() {
				made, err := Kind(nil).New(o)
				if err != nil {
					b.Fatal(err)
				}
				p := made.(*logProbe)
				for left := int64(1); left > 0; {
					if _, err := p.Run(context.Background()); err != nil {
						b.Fatal(err)
					}
					left = p.tails[file].behind()
				}
				p.Close()
			}
			rate := lines * float64(b.N) / (cpu(syscall.RUSAGE_SELF) - start).Seconds()
			b.ReportMetric(rate/1e6, "Mlines/cpu-s")

			start = cpu(syscall.RUSAGE_CHILDREN)
			cmd := exec.Command("grep", "-cE", bench.grep, file)
			cmd.Env = []string{"LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin"}
			cmd.Stdout = new(bytes.Buffer) // grep looks no further than the first match when nobody reads
			if err := cmd.Run(); err == nil {
				b.ReportMetric(rate/(lines/(cpu(syscall.RUSAGE_CHILDREN)-start).Seconds()), "times-grep")
			}
		})
	}
}

package pattern

import (
	"bytes"
	"fmt"
	"syscall"
	"testing"
	"time"
)

// log makes lines as a busy web server's error log and access log have them; one in a
// thousand is an error.
func log(n int) []byte {
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

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkLines prints lines per CPU-second for rules of several kinds.
func BenchmarkLines(b *testing.B) {
	const lines = 100_000
	text := log(lines)
	for _, bench := range []struct {
		name    string
		options Options
	}{
		{"rules=1", Options{Rules: []Rule{{Match: `\[error\] .*failed \((?P<code>\d+)`, Status: "red", Text: "failed with {code}"}}}},
		{"rules=10", Options{Rules: []Rule{
			{Match: `\[error\] .*failed`, Status: "red"}, {Match: "(?i)out of memory"}, {Match: "segfault|panic:"}, {Match: "(?i)disk full"}, {Match: `timed out after \d+`},
			{Match: "authentication failure"}, {Match: `(?i)certificate .*expired`}, {Match: "deadlock"}, {Match: "(?i)fatal|critical"}, {Match: "too many open files"},
		}}},
		{"every-line", Options{Rules: []Rule{{Match: `" (?P<status>\d+) \d+ "-" "[^"]*" (?P<seconds>[\d.]+)$`, Quiet: true, Count: "requests",
			Values: map[string]Value{"seconds": {Unit: "s", Take: "average"}}}}}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			m := compile(b, bench.options)
			b.SetBytes(int64(len(text)))
			start := cpu()
			for b.Loop() {
				for rest := text; len(rest) > 0; {
					n := bytes.LastIndexByte(rest[:min(len(rest), 256<<10)], '\n') + 1
					m.Lines(rest[:n])
					rest = rest[n:]
				}
				shown(m)
			}
			b.ReportMetric(lines*float64(b.N)/(cpu()-start).Seconds()/1e6, "Mlines/cpu-s")
		})
	}
}

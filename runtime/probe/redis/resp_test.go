package redis

import (
	"bufio"
	"strings"
	"testing"

	"grove/runtime/probe"
)

func FuzzReceive(f *testing.F) {
	for _, s := range []string{"+OK\r\n", "-ERR no\r\n", ":42\r\n", "$3\r\nabc\r\n", "$-1\r\n", "*0\r\n", "$9223372036854775807\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := receive(bufio.NewReader(strings.NewReader(s)))
		if text, ok := got.(string); ok && (err != nil || len(text) > len(s)) {
			t.Errorf("%q gives %q, %v", s, got, err)
		}
	})
}

func FuzzInfo(f *testing.F) {
	f.Add("# Replication\r\nrole:master\r\nslave0:ip=10.0.0.1,port=6379,state=online,offset=7,lag=0\r\nmaster_repl_offset:9\r\n")
	f.Add("db0:keys=1,expires=0\r\ncmdstat_get:calls=1,usec=2\r\nerrorstat_ERR:count=3\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		m := parseInfo(s)
		names := make([]string, 0, len(m))
		for name := range m {
			names = append(names, name)
		}
		var r probe.Result
		_ = m.tables(names, &r)
	})
}

package cli

import (
	"net"
	"strings"
	"testing"
)

// TestProbe tries kinds of probes on real things: this host, and a port of this test.
func TestProbe(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address := listener.Addr().String()
	for _, tt := range []struct {
		name string
		args []string
		code Exit
		want []string // parts of what is printed
	}{
		{"all kinds", []string{"probe"}, OK, []string{"tcp ", "TCP ports", "grove probe KIND explains one"}},
		{"what a kind does", []string{"probe", "tcp"}, OK, []string{"`address`", "grove probe tcp --example"}},
		{"an example", []string{"probe", "tcp", "--example"}, OK, []string{"kind: tcp"}},
		{"one that answers", []string{"probe", "tcp", "address=" + address}, OK, []string{"up            1\n", "state         up\n", "connect_time", "tcp took"}},
		{"tables, with units", []string{"probe", "host", "--try"}, OK, []string{"filesystems:", "mountpoint", "GiB"}},
		{"nested options and lists", []string{"probe", "http", "url=http://" + address + "/", "tls.insecure=true", "status=[200, 2xx]", "--timeout", "50ms"}, OK, []string{"up", "0\n"}},
		{"a kind that is not there", []string{"probe", "tpc"}, Usage, []string{`no kind of probe "tpc"`, `did you mean "tcp"?`}},
		{"an option that is not there", []string{"probe", "tcp", "addresss=x"}, Usage, []string{`"addresss"`, `did you mean "address"?`}},
		{"an option that is wrong", []string{"probe", "tcp", "address=x"}, Usage, []string{"address: \"x\": is not a host and a port"}},
		{"no option at all", []string{"probe", "tcp", "x"}, Usage, []string{`"x" is no option: NAME=VALUE is wanted`}},
		{"a list that is none", []string{"probe", "http", "status=[1"}, Usage, []string{"option status"}},
		{"what is sent to", []string{"probe", "push", "--try"}, Usage, []string{"waits for what is sent to it"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := run(t, tt.args...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d: %s", code, tt.code, stderr)
			}
			for _, want := range tt.want {
				if !strings.Contains(stdout+stderr, want) {
					t.Errorf("%q is not in\n%s%s", want, stdout, stderr)
				}
			}
		})
	}
}

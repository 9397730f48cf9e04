package ntp

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/probetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(change func(*Options)) *Options {
	o := Kind(nil).NewOptions().(*Options)
	change(o)
	return o
}

// ask runs a probe once and returns its readings as text.
func ask(t *testing.T, kind probe.Kind, server string) (map[string]string, error) {
	t.Helper()
	p, err := kind.New(options(func(o *Options) { o.Server = server }))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	r, err := p.Run(ctx)
	got := map[string]string{}
	for _, v := range r.Values {
		got[v.Attribute] = v.Value.String()
	}
	return got, err
}

// chronyd runs Debian's time server on loopback, with some lines of configuration. It
// does not touch this machine's clock.
func chronyd(t *testing.T, lines string) (address string) {
	t.Helper()
	program := "/usr/sbin/chronyd"
	if _, err := os.Stat(program); err != nil {
		t.Skip("chronyd is not installed (apt-get install chrony)")
	}
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = c.LocalAddr().String()
	_, port, _ := net.SplitHostPort(address)
	_ = c.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "chrony.conf")
	text := fmt.Sprintf("bindaddress 127.0.0.1\nport %s\ncmdport 0\nbindcmdaddress /\npidfile %s/pid\nallow 127.0.0.0/8\n%s\n", port, dir, lines)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-d", "-x", "-U", "-u", "root", "-f", config)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(2 * time.Minute); ; <-tick.C {
		if got, err := ask(t, Kind(nil), address); err == nil && got["stratum"] != "" {
			return address
		} else if time.Now().After(late) {
			t.Fatalf("chronyd does not answer: %v %v", got, err)
		}
		select {
		case <-ended:
			t.Skip("chronyd ended at once: it needs root")
		default:
		}
	}
}

func TestChrony(t *testing.T) {
	address := chronyd(t, "local stratum 3")
	probetest.Run(t, Kind(nil), options(func(o *Options) { o.Server = address }), options(func(o *Options) { o.Server, o.Version = address, 3 }))
	got, err := ask(t, Kind(nil), address)
	if err != nil {
		t.Fatal(err)
	}
	for attribute, want := range map[string]string{"up": "1", "state": "up", "error": "", "stratum": "3", "leap": "none", "synchronized": "1", "reference": "127.127.1.1"} {
		if got[attribute] != want {
			t.Errorf("%s is %q, want %q", attribute, got[attribute], want)
		}
	}
	for _, attribute := range []string{"offset", "offset_absolute", "rtt", "root_distance", "root_delay", "root_dispersion", "precision", "duration"} {
		if got[attribute] == "" {
			t.Errorf("no %s", attribute)
		}
	}
	// It is this machine's own clock.
	if d, err := strconv.ParseFloat(got["offset_absolute"], 64); err != nil || d > 1 {
		t.Errorf("the clock differs from itself by %s", got["offset_absolute"])
	}
}

func TestUnsynchronized(t *testing.T) {
	got, err := ask(t, Kind(nil), chronyd(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	for attribute, want := range map[string]string{
		"up": "0", "state": "unsynchronized", "error": "the server's clock is not synchronized", "stratum": "16", "leap": "unsynchronized", "synchronized": "0",
	} {
		if got[attribute] != want {
			t.Errorf("%s is %q, want %q", attribute, got[attribute], want)
		}
	}
}

func TestStopsAndRefuses(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	probetest.Stops(t, Kind(nil), options(func(o *Options) { o.Server = c.LocalAddr().String() }))
	probetest.Refuses(t, Kind(nil),
		probetest.Bad{Name: "no server", Option: "server", Want: `server: "": is needed: a host, such as ntp.example.com`, Options: options(func(*Options) {})},
		probetest.Bad{Name: "a wrong port", Option: "server", Want: `server: "a:0": the port is not a number from 1 to 65535`, Options: options(func(o *Options) { o.Server = "a:0" })},
		probetest.Bad{Name: "a URL", Option: "server", Want: `server: "ntp://a": is not a host, or a host and a port, such as ntp.example.com or [2001:db8::1]:123`,
			Options: options(func(o *Options) { o.Server = "ntp://a" })},
		probetest.Bad{Name: "an old version", Option: "version", Want: "version: 2 is neither 3 nor 4", Options: options(func(o *Options) { o.Server, o.Version = "a", 2 })},
	)
	policy, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t, Kind(policy), "127.0.0.1"); err == nil || !strings.Contains(err.Error(), `the rule "!loopback" refuses it`) {
		t.Errorf("got %v", err)
	}
	for server, want := range map[string]string{"ntp1": "ntp1:123", "ntp1:1123": "ntp1:1123", "2001:db8::1": "[2001:db8::1]:123"} {
		host, port, err := split(server)
		if got := net.JoinHostPort(host, port); err != nil || got != want {
			t.Errorf("%s: %s, %v", server, got, err)
		}
	}
}

package snmprange

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/probetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAddresses(t *testing.T) {
	for name, c := range map[string]struct {
		addresses, without []string
		want               string // how many, the first and the last
		err                string
	}{
		"one":                  {[]string{"10.0.0.7"}, nil, "1 10.0.0.7 10.0.0.7", ""},
		"a range":              {[]string{"10.0.0.250 - 10.0.1.5"}, nil, "12 10.0.0.250 10.0.1.5", ""},
		"a network":            {[]string{"10.0.0.0/24"}, nil, "254 10.0.0.1 10.0.0.254", ""},
		"two addresses":        {[]string{"10.0.0.0/31"}, nil, "2 10.0.0.0 10.0.0.1", ""},
		"one as a network":     {[]string{"10.0.0.7/32"}, nil, "1 10.0.0.7 10.0.0.7", ""},
		"version 6":            {[]string{"2001:db8::/120"}, nil, "256 2001:db8:: 2001:db8::ff", ""},
		"each once":            {[]string{"10.0.0.1-10.0.0.3", "10.0.0.2-10.0.0.4"}, nil, "4 10.0.0.1 10.0.0.4", ""},
		"without some":         {[]string{"10.0.0.0/24"}, []string{"10.0.0.1", "10.0.0.128/25"}, "126 10.0.0.2 10.0.0.127", ""},
		"the most":             {[]string{"10.0.0.0-10.0.255.255"}, nil, "65536 10.0.0.0 10.0.255.255", ""},
		"within the old":       {[]string{"::ffff:10.0.0.1"}, nil, "1 10.0.0.1 10.0.0.1", ""},
		"the last of all":      {[]string{"255.255.255.254-255.255.255.255"}, nil, "2 255.255.255.254 255.255.255.255", ""},
		"one too many":         {[]string{"10.0.0.0-10.1.0.0"}, nil, "", "addresses: comes to more than 65536 addresses"},
		"far too many":         {[]string{"0.0.0.0-255.255.255.255"}, []string{"0.0.0.0-255.255.255.255"}, "", "addresses: has more than 65536 addresses"},
		"a large network":      {[]string{"10.0.0.0/8"}, nil, "", `addresses[0]: "10.0.0.0/8" has more than 65536 addresses`},
		"no network":           {[]string{"10.0.0.1/24"}, nil, "", `addresses[0]: "10.0.0.1/24" is no network: 10.0.0.0/24 is, or 10.0.0.1 alone`},
		"the wrong way":        {[]string{"10.0.0.2-10.0.0.1"}, nil, "", `addresses[0]: "10.0.0.2-10.0.0.1" ends before it begins`},
		"of two versions":      {[]string{"10.0.0.2-::1"}, nil, "", `addresses[0]: "10.0.0.2-::1" begins with an address of one version and ends with one of another`},
		"a name":               {[]string{"switch1"}, nil, "", `addresses[0]: "switch1" is no address, no range such as 10.0.0.1-10.0.0.20, and no network such as 10.0.0.0/24`},
		"half a range":         {[]string{"10.0.0.1-20"}, nil, "", `addresses[0]: "10.0.0.1-20" "20" is no address`},
		"nothing":              {nil, nil, "", "addresses: is missing"},
		"nothing left":         {[]string{"10.0.0.1"}, []string{"10.0.0.0/24"}, "", "without: leaves no address"},
		"a mistake in without": {[]string{"10.0.0.1"}, []string{"x"}, "", `without[0]: "x" is no address, no range such as 10.0.0.1-10.0.0.20, and no network such as 10.0.0.0/24`},
	} {
		t.Run(name, func(t *testing.T) {
			o := defaults()
			o.Addresses, o.Without = c.addresses, c.without
			p, err := o.check()
			if err != nil || c.err != "" {
				if err == nil || err.Error() != c.err {
					t.Errorf("error %v, want %s", err, c.err)
				}
				return
			}
			got := fmt.Sprint(len(p.addresses), " ", p.addresses[0], " ", p.addresses[len(p.addresses)-1])
			if strings.ReplaceAll(got, "  ", " ") != c.want && got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func FuzzSpan(f *testing.F) {
	f.Add("10.0.0.0/24")
	f.Add("2001:db8::1-2001:db8::2")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSpan(text, false)
		if err != nil {
			return
		}
		if !s.contains(s.first) || !s.contains(s.last) || s.last.Less(s.first) {
			t.Errorf("%q became %v", text, s)
		}
	})
}

// agents are Debian's snmpd twice: one listens on two addresses of loopback, the other on
// a third and says that it is a Cisco.
type agents struct {
	port uint16
	err  error
	stop func()
}

var theAgents = sync.OnceValue(func() *agents {
	a := &agents{stop: func() {}}
	program := "/usr/sbin/snmpd"
	if _, err := os.Stat(program); err != nil {
		a.err = errors.New("snmpd is not installed")
		return a
	}
	l, err := net.ListenPacket("udp", "127.0.0.2:0")
	if err != nil {
		a.err = err
		return a
	}
	a.port = l.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	_ = l.Close()
	dir, err := os.MkdirTemp("", "grove")
	if err != nil {
		a.err = err
		return a
	}
	var stops []func()
	a.stop = func() {
		for _, s := range stops {
			s()
		}
		_ = os.RemoveAll(dir)
	}
	for n, c := range []struct {
		config    string
		addresses []string
	}{
		{"rocommunity public\nsysName first\nsysLocation rack 1\nsysDescr two  words\n", []string{"127.0.0.2", "127.0.0.3"}},
		{"rocommunity other\nrocommunity public\nsysName core\nsysObjectID 1.3.6.1.4.1.9.1.1208\n", []string{"127.0.0.6"}},
	} {
		file := filepath.Join(dir, strconv.Itoa(n)+".conf")
		if a.err = os.WriteFile(file, []byte(c.config), 0o600); a.err != nil {
			return a
		}
		args := []string{"-f", "-Lo", "-C", "-c", file, "-p", file + ".pid"}
		for _, address := range c.addresses {
			args = append(args, fmt.Sprintf("udp:%s:%d", address, a.port))
		}
		cmd := exec.Command(program, args...)
		cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+dir+"/"+strconv.Itoa(n), "MIBS=")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		if a.err = cmd.Start(); a.err != nil {
			return a
		}
		stops = append(stops, func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	}
	return a
})

func options(change func(*Options)) *Options {
	o := defaults()
	o.Addresses = []string{"127.0.0.1-127.0.0.8"}
	o.RequestTimeout = 200 * time.Millisecond
	change(o)
	return o
}

func run(t *testing.T, o *Options, policy *dial.Policy, within time.Duration) (probe.Result, error) {
	t.Helper()
	p, err := Kind(policy, nil).New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	return p.Run(ctx)
}

func shown(r *probe.Result) string {
	var b strings.Builder
	for _, v := range r.Values {
		if v.Attribute == "state" || v.Attribute == "asked" || v.Attribute == "denied" || v.Attribute == "error" {
			b.WriteString(v.Value.String() + " ")
		}
	}
	for _, t := range r.Tables {
		for _, row := range t.Rows {
			b.WriteString("| " + row[0].String() + " " + row[1].String() + " " + row[2].String() + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// TestSnmpd finds Debian's snmpd on several addresses of loopback.
func TestSnmpd(t *testing.T) {
	a := theAgents()
	t.Cleanup(a.stop)
	if a.err != nil {
		t.Skip(a.err)
	}
	here := func(o *Options) { o.Port = a.port }
	all := "up 8 0 | 127.0.0.2 first 1.3.6.1.4.1.8072.3.2.10 | 127.0.0.3 first 1.3.6.1.4.1.8072.3.2.10 | 127.0.0.6 core 1.3.6.1.4.1.9.1.1208"
	var r probe.Result
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(2 * time.Minute); ; <-tick.C { // until both listen
		var err error
		if r, err = run(t, options(here), nil, 10*time.Second); err == nil && shown(&r) == all {
			break
		}
		if time.Now().After(late) {
			t.Fatalf("%s, error %v, want %s", shown(&r), err, all)
		}
	}
	for _, row := range r.Tables[0].Rows {
		up, ok := row[5].Number()
		if !ok || up < 0 || up > 600 {
			t.Errorf("%s runs for %v s", row[0], row[5])
		}
	}
	if first := r.Tables[0].Rows[0]; first[3].String() != "two words" || first[4].String() != "rack 1" {
		t.Errorf("it says %v", first)
	}
	policy, err := dial.ParsePolicy([]string{"127.0.0.0/30"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		options *Options
		policy  *dial.Policy
		want    string
	}{
		"version 1":         {options(func(o *Options) { here(o); o.Version = "1" }), nil, all},
		"another community": {options(func(o *Options) { here(o); o.Community = "other" }), nil, "up 8 0 | 127.0.0.6 core 1.3.6.1.4.1.9.1.1208"},
		"only what is allowed": {options(here), policy,
			"up 3 5 | 127.0.0.2 first 1.3.6.1.4.1.8072.3.2.10 | 127.0.0.3 first 1.3.6.1.4.1.8072.3.2.10"},
		"silence": {options(func(o *Options) { here(o); o.Addresses, o.Community = []string{"127.0.0.6"}, "wrong"; o.Retries = 0 }), nil,
			"silent none of 1 addresses answered with this community"},
		"nobody there": {options(func(o *Options) { here(o); o.Addresses = []string{"127.0.0.7"} }), nil,
			"silent none of 1 addresses answered with this community"},
		"too slow": {options(func(o *Options) { here(o); o.Rate = 1 }), nil,
			"too_short 8 addresses at a rate of 1 take up to 8s, and the run has 5s: give it a longer timeout, or a higher rate"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := run(t, c.options, c.policy, 5*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, shown(&r)); diff != "" {
				t.Error(diff)
			}
		})
	}
	probetest.Run(t, Kind(nil, nil), options(func(o *Options) { here(o); o.Addresses = []string{"127.0.0.2"} }))
}

func TestNothingIsAllowed(t *testing.T) {
	policy, err := dial.ParsePolicy([]string{"192.0.2.0/24"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run(t, options(func(*Options) {}), policy, time.Second); !errors.Is(err, dial.ErrDenied) {
		t.Errorf("error %v", err)
	}
}

func TestContract(t *testing.T) {
	probetest.Refuses(t, Kind(nil, nil),
		probetest.Bad{Name: "version 3", Options: options(func(o *Options) { o.Version = "3" }), Option: "version", Want: "version: 3 cannot be asked of a range: each agent would have to be greeted first; 1 and 2c can"},
		probetest.Bad{Name: "no version", Options: options(func(o *Options) { o.Version = "2" }), Option: "version", Want: `version: "2" is neither 1 nor 2c`},
		probetest.Bad{Name: "rate", Options: options(func(o *Options) { o.Rate = 0 }), Option: "rate", Want: "rate: 0 is outside 1..10000"},
		probetest.Bad{Name: "retries", Options: options(func(o *Options) { o.Retries = 11 }), Option: "retries", Want: "retries: 11 is outside 0..10"},
		probetest.Bad{Name: "request_timeout", Options: options(func(o *Options) { o.RequestTimeout = time.Hour }), Option: "request_timeout", Want: "request_timeout: 1h0m0s is outside 10ms..30s"},
		probetest.Bad{Name: "community", Options: options(func(o *Options) { o.Community = "" }), Option: "community", Want: "community: is missing"},
		probetest.Bad{Name: "community by reference", Options: options(func(o *Options) { o.Community = "env:" }), Option: "community", Want: "community: after env: there must be the name of an environment variable"},
		probetest.Bad{Name: "port", Options: options(func(o *Options) { o.Port = 0 }), Option: "port", Want: "port: is 1 to 65535"},
	)
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	probetest.Stops(t, Kind(nil, nil), options(func(o *Options) {
		o.Addresses, o.Port = []string{"127.0.0.1"}, netip.MustParseAddrPort(silent.LocalAddr().String()).Port()
		o.RequestTimeout, o.Rate = 10*time.Millisecond, 100
	}))
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte("\x30\x1d\x02\x01\x01\x04\x06public\xa2\x10\x02\x04\x40\x00\x00\x00\x02\x01\x00\x02\x01\x00\x30\x02\x05\x00"))
	f.Fuzz(func(t *testing.T, message []byte) {
		if row := read(netip.MustParseAddr("127.0.0.1"), message); row != nil && len(row) != len(columns) {
			t.Errorf("a row of %d", len(row))
		}
	})
}

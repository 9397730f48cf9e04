package builtin_test

import (
	"errors"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v4"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/builtin"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/tcp"
	"grove/tree/definition"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRegistryListsAllKinds(t *testing.T) {
	want := []string{"alertmanager", "certificate", "cgroup", "cloudevents", "command", "dns", "dns_srv", "document", "go", "graphite", "grpc_health", "host", "http", "http_sd", "imap", "jmxproxy", "jolokia", "journal", "kubelet", "kubernetes", "ldap", "logfile", "mail_delivery", "memcached", "ntp", "otlp", "otlp_logs", "ping", "postfix_queue", "process", "prometheus", "promquery", "push", "redis", "remote_write", "remotelog", "sapcontrol", "smtp", "snmp", "snmp_range", "sql", "ssh", "statsd", "syslog", "targets", "tcp", "traps", "websocket"}
	if diff := cmp.Diff(want, builtin.Registry(builtin.Options{}).Names()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestEveryKind walks all kinds with the rules that need no resource.
func TestEveryKind(t *testing.T) {
	registry := builtin.Registry(builtin.Options{})
	for _, name := range registry.Names() {
		kind, _ := registry.Kind(name)
		t.Run(name, func(t *testing.T) { probetest.Kind(t, kind) })
	}
}

// TestEveryExampleLoads: what a kind shows to people must be right as it stands.
func TestEveryExampleLoads(t *testing.T) {
	registry := builtin.Registry(builtin.Options{})
	for _, name := range registry.Names() {
		t.Run(name, func(t *testing.T) {
			kind, _ := registry.Kind(name)
			var head struct {
				Application string `yaml:"application"`
				At          string `yaml:"at"`
			}
			if err := yaml.Load([]byte(kind.Example), &head); err != nil {
				t.Fatal(err)
			}
			loader := &definition.Loader{Kinds: builtin.Kinds{Registry: registry}, Facts: map[string]string{"hostname": "web1"}}
			if head.At == "" {
				loader.Ask = []definition.Ask{{Name: "example", Application: head.Application, At: "/example"}}
			}
			plan, errs := loader.FS(fstest.MapFS{"example.yaml": {Data: []byte(kind.Example)}}, "")
			for _, err := range errs {
				t.Error(err)
			}
			if plan == nil || len(plan.Instances) != 1 {
				t.Fatal("the example makes no instance")
			}
			if !slices.ContainsFunc(plan.Instances[0].Probes, func(p definition.Probe) bool { return p.Kind == name }) {
				t.Errorf("the example has no probe of kind %s", name)
			}
		})
	}
}

func TestKinds(t *testing.T) {
	kinds := builtin.Kinds{Registry: probe.NewRegistry(tcp.Kind(nil))}
	options, ok := kinds.NewOptions("tcp")
	if !ok {
		t.Fatal("no kind tcp")
	}
	_, err := kinds.Attributes("tcp", options)
	var bad *definition.OptionError
	if !errors.As(err, &bad) || bad.Option != "address" || err.Error() != `address: "": is needed: host and port, such as db1:5432` {
		t.Errorf("got %#v", err)
	}
	options.(*tcp.Options).Address = "db1:5432"
	attributes, err := kinds.Attributes("tcp", options)
	if err != nil || !slices.ContainsFunc(attributes, func(a beans.AttributeInfo) bool { return a.Name == "connect_time" }) {
		t.Errorf("got %v, %v", attributes, err)
	}
	if _, ok := kinds.NewOptions("nonsense"); ok {
		t.Error("a kind nonsense")
	}
	if _, err := kinds.Attributes("nonsense", options); !errors.Is(err, probe.ErrUnknownKind) || err.Error() != `unknown kind of probe "nonsense"` {
		t.Errorf("got %v", err)
	}
	if kinds.Pushes("tcp") {
		t.Error("a probe that is asked pushes")
	}
	if !(builtin.Kinds{Registry: builtin.Registry(builtin.Options{})}).Pushes("push") {
		t.Error("what programs push to does not push")
	}
}

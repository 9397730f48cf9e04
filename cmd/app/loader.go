package app

import (
	"net"
	"os"

	"grove/definitions"
	"grove/runtime/probe"
	"grove/runtime/probe/builtin"
	"grove/tree"
	"grove/tree/definition"
)

// Loader returns a loader of definition files by themselves, as commands that work
// without a server need it: with the catalogue and all kinds of probes.
func Loader() *definition.Loader {
	return newLoader(Registry())
}

// Registry returns all kinds of probes, with what definitions may do at its default.
func Registry() *probe.Registry { return builtin.Registry(builtin.Options{}) }

func newLoader(registry *probe.Registry) *definition.Loader {
	return &definition.Loader{
		Kinds:     builtin.Kinds{Registry: registry},
		Catalogue: definitions.Catalogue(),
		Facts:     map[string]string{"hostname": hostname()},
	}
}

// hostname is the name of this host as the name of a node.
func hostname() string {
	name, err := os.Hostname()
	if err != nil || tree.CheckName(name) != nil {
		return "localhost"
	}
	return name
}

// ownInstances are the instances that a manager asks for by itself: this host, and
// the manager at its address.
func ownInstances(c *Config, scheme string, listen net.Addr) []definition.Ask {
	ask := []definition.Ask{{Name: "grove", Application: "grove", At: "/grove", With: map[string]string{
		"address": reachable(listen), "scheme": scheme,
	}}}
	if !c.NoHost {
		ask = append(ask, definition.Ask{Name: "host", Application: "linux-host", At: "/${hostname}"})
	}
	return ask
}

// reachable is how this machine itself reaches a listener.
func reachable(listen net.Addr) string {
	host, port, err := net.SplitHostPort(listen.String())
	if err != nil {
		return listen.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

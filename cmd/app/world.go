package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"grove/notify/channel"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/program"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
)

// dialWithin bounds a connection of a channel.
const dialWithin = 10 * time.Second

// maxProgramOutput is how much is kept of what the program of a channel writes.
const maxProgramOutput = 8 << 10

// openWorld is what channels reach of what surrounds the manager: whatever the operator's
// file names, but no metadata service of a cloud, and the programs that probes may run.
func (a *App) openWorld(p policies) *channel.World {
	var addresses *dial.Policy // nil is the default; --dial bounds definitions, which may be others'
	dialer := addresses.Dialer(dialWithin)
	files := &tlsFiles{of: map[channel.TLS]*secure.Files{}}
	return &channel.World{
		Manager: a.config.Name, Version: a.config.Version, URL: a.config.URL, Log: a.log,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
		Secret:      readSecret,
		CheckSecret: func(ref string) error { return secret.Ref(ref).Check() },
		TLS:         files.config,
		Run: func(ctx context.Context, name string, args, env []string) ([]byte, int, error) {
			return runProgram(ctx, p.commands, name, args, env)
		},
	}
}

// tlsFiles are the files of TLS options, read once for all channels that name the same.
type tlsFiles struct {
	mu sync.Mutex // guards of
	of map[channel.TLS]*secure.Files
}

// config implements channel.World.
func (t *tlsFiles) config(o channel.TLS, server string) (*tls.Config, error) {
	t.mu.Lock()
	f := t.of[o]
	if f == nil {
		f = new(secure.Files)
		t.of[o] = f
	}
	t.mu.Unlock()
	return f.Config(secure.Options(o), nil, server)
}

// runProgram runs the program of a channel.
func runProgram(ctx context.Context, allowed *program.Policy, name string, args, env []string) (output []byte, status int, err error) {
	path, err := allowed.Resolve(name)
	if err != nil {
		return nil, 0, err
	}
	out, errs := &program.Bounded{Max: maxProgramOutput}, &program.Bounded{Max: maxProgramOutput}
	found, err := program.Run(ctx, program.Command{
		Path: path, Args: append([]string{filepath.Base(path)}, args...),
		Env:    append([]string{"PATH=" + strings.Join(program.SearchPath, ":"), "LC_ALL=C"}, env...),
		Output: out, Errors: errs,
	})
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	return append(out.Bytes(), errs.Bytes()...), found.Status, nil
}

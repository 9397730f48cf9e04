package command

import (
	"context"
	"slices"
	"time"

	"grove/runtime/probe/program"
	"grove/runtime/probe/ssh"
)

// Policy decides which programs may be run.
type Policy = program.Policy

// ParsePolicy reads the rules of a Policy.
func ParsePolicy(rules []string) (*Policy, error) { return program.ParsePolicy(rules) }

// finding is what a command left behind.
type finding struct {
	status    int // 128 and the signal's number when a signal ended it
	output    []byte
	errors    []byte // from the error output
	truncated bool   // the output was longer
	duration  time.Duration
}

// execute runs the command to its end, or to the end of the context.
func (p *commandProbe) execute(ctx context.Context) (*finding, error) {
	if p.client != nil {
		return p.remote(ctx)
	}
	out, errs := &program.Bounded{Max: maxOutput}, &program.Bounded{Max: maxErrors}
	path, err := p.policy.Resolve(p.recipe.Command[0])
	if err != nil {
		return nil, err
	}
	f, err := program.Run(ctx, program.Command{Path: path, Args: p.recipe.Command, Env: p.recipe.env, Output: out, Errors: errs})
	return &finding{f.Status, out.Bytes(), errs.Bytes(), out.Cut(), f.Duration}, err
}

// remote runs the command on another machine. The shell of the user there takes every
// argument as it is. The program is found where it is found here: in the directories of
// monitoring plugins and of the system.
func (p *commandProbe) remote(ctx context.Context) (*finding, error) {
	out, errs := &program.Bounded{Max: maxOutput}, &program.Bounded{Max: maxErrors}
	line := ssh.Quote(slices.Concat([]string{"env"}, p.recipe.env, p.recipe.Command))
	start := time.Now()
	status, err := p.client.Exec(ctx, line, out, errs)
	return &finding{status, out.Bytes(), errs.Bytes(), out.Cut(), time.Since(start)}, err
}

package command

import (
	"context"
	"time"

	"grove/runtime/probe/program"
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
	out, errs := &program.Bounded{Max: maxOutput}, &program.Bounded{Max: maxErrors}
	path, err := p.policy.Resolve(p.recipe.Command[0])
	if err != nil {
		return nil, err
	}
	f, err := program.Run(ctx, program.Command{Path: path, Args: p.recipe.Command, Env: p.recipe.env, Output: out, Errors: errs})
	return &finding{f.Status, out.Bytes(), errs.Bytes(), out.Cut(), f.Duration}, err
}

package cli

import (
	"grove/cmd/app"
	"grove/tree/definition/schema"
)

// schemaCommand prints the JSON Schema of definition files.
type schemaCommand struct{}

// Run implements the command.
func (schemaCommand) Run(p *Process) error {
	text, err := schema.Of(app.Loader().Kinds)
	if err != nil {
		return err
	}
	_, err = p.Stdout.Write(append(text, '\n'))
	return err
}

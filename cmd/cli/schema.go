package cli

import (
	"grove/cmd/app"
	"grove/notify/channel/builtin"
	alerts "grove/notify/settings/schema"
	"grove/tree/definition/schema"
)

// schemaCommand prints the JSON Schema of definition files, or of the file of alerts.
type schemaCommand struct {
	Alerts bool `help:"Print the schema of the file of alerts."`
}

// Run implements the command.
func (c *schemaCommand) Run(p *Process) error {
	of := func() ([]byte, error) { return schema.Of(app.Loader().Kinds) }
	if c.Alerts {
		of = func() ([]byte, error) { return alerts.Of(builtin.Kinds()) }
	}
	text, err := of()
	if err != nil {
		return err
	}
	_, err = p.Stdout.Write(append(text, '\n'))
	return err
}

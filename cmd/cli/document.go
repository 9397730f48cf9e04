package cli

import (
	"context"
	"net/url"
	"strconv"

	"grove/tree"
)

// documentCommand prints the document of a manager.
type documentCommand struct {
	remote
	Path     string `arg:"" optional:"" default:"/" help:"Where to begin."`
	Format   string `help:"xml, json or html." enum:"xml,json,html" default:"xml"`
	Manager  string `help:"Only this manager." placeholder:"ID" xor:"whose"`
	Customer string `help:"Only what is this customer's." placeholder:"NAME" xor:"whose"`
	Depth    int    `short:"d" default:"-1" help:"How many levels of attributes of each element; negative is all."`
}

// Run implements the command.
func (c *documentCommand) Run(ctx context.Context, p *Process) error {
	path, err := tree.ParsePath(c.Path)
	if err != nil {
		return exit(Usage, "%w", err)
	}
	address := "/documents/tree"
	switch {
	case c.Manager != "":
		address = "/documents/managers/" + url.PathEscape(c.Manager)
	case c.Customer != "":
		address = "/documents/customers/" + url.PathEscape(c.Customer)
	}
	query := []string{"path", path.String()}
	if c.Depth >= 0 {
		query = append(query, "depth", strconv.Itoa(c.Depth))
	}
	body, err := c.get(ctx, address+"."+c.Format, query...)
	if err != nil {
		return err
	}
	return output(p.Stdout, body)
}

// reportCommand prints a report.
type reportCommand struct {
	remote
	Path     string `arg:"" optional:"" default:"/" help:"Of what: a node with everything below it."`
	Format   string `help:"csv, json or html." enum:"csv,json,html" default:"csv"`
	Period   string `help:"Over which time: today, day, week, month (the last whole one each), last24h, last7d or last30d. Default: last24h." placeholder:"PERIOD"`
	From     string `help:"Beginning instead: a time such as 2026-03-01T12:00:00Z, or a day." placeholder:"TIME"`
	To       string `help:"End, in the same forms." placeholder:"TIME"`
	Zone     string `help:"Time zone in which days begin, by its IANA name. Default: UTC." placeholder:"ZONE"`
	Customer string `help:"Only what is this customer's." placeholder:"NAME"`
	Worst    int    `help:"How many of the worst nodes and longest outages are listed." placeholder:"N"`
}

// Run implements the command.
func (c *reportCommand) Run(ctx context.Context, p *Process) error {
	path, err := tree.ParsePath(c.Path)
	if err != nil {
		return exit(Usage, "%w", err)
	}
	query := []string{"path", path.String()}
	for _, one := range [][2]string{{"period", c.Period}, {"from", c.From}, {"to", c.To}, {"zone", c.Zone}, {"customer", c.Customer}} {
		if one[1] != "" {
			query = append(query, one[0], one[1])
		}
	}
	if c.Worst != 0 {
		query = append(query, "worst", strconv.Itoa(c.Worst))
	}
	body, err := c.get(ctx, "/reports/tree."+c.Format, query...)
	if err != nil {
		return err
	}
	return output(p.Stdout, body)
}

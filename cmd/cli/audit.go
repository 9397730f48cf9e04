package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"grove/viewer/record"
)

// auditCommand is about the log of who did what.
type auditCommand struct {
	List   auditListCommand   `cmd:"" default:"withargs" help:"Print records of the audit log."`
	Verify auditVerifyCommand `cmd:"" help:"Tell whether the audit log is whole, and its head."`
}

// auditListCommand prints records.
type auditListCommand struct {
	remote
	From   string `help:"Beginning: how long ago, such as 24h or 7d, or a time such as 2026-03-01T12:00:00Z. Default: from the first on." placeholder:"TIME"`
	To     string `help:"End, in the same forms, or now." default:"now" placeholder:"TIME"`
	Who    string `help:"Only what this one did." placeholder:"NAME"`
	Action string `help:"Only this, such as \"definition put\"." placeholder:"ACTION"`
	Target string `help:"Only what was done to this." placeholder:"TARGET"`
	Before int64  `help:"Only records with smaller numbers." placeholder:"SEQ"`
	Limit  int    `help:"At most so many, the newest." default:"50" placeholder:"N"`
	JSON   bool   `name:"json" help:"Print JSON, as the server answers."`
}

// Run implements the command: the oldest first, as logs are read.
func (c *auditListCommand) Run(ctx context.Context, p *Process) error {
	query := []string{"to", moment(c.To), "limit", strconv.Itoa(c.Limit), "before", strconv.FormatInt(c.Before, 10)}
	for _, one := range [][2]string{{"from", moment(c.From)}, {"who", c.Who}, {"action", c.Action}, {"target", c.Target}} {
		if one[1] != "" {
			query = append(query, one[0], one[1])
		}
	}
	body, err := c.get(ctx, "/api/v1/audit", query...)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = p.Stdout.Write(body)
		return err
	}
	var found record.Audited
	if err := json.Unmarshal(body, &found); err != nil {
		return exit(NoReply, "the answer of %s is no audit log: %w", c.Server, err)
	}
	if len(found.Records) == 0 {
		fmt.Fprintln(p.Stdout, "no records")
		return nil
	}
	if found.Next != 0 {
		fmt.Fprintf(p.Stdout, "… there is more before: ask for it with --before %d\n", found.Next)
	}
	slices.Reverse(found.Records)
	for i := range found.Records {
		printRecord(p.Stdout, &found.Records[i])
	}
	return nil
}

// printRecord prints a record: who did what, and below it what was and what became of it.
func printRecord(w io.Writer, r *record.AuditRecord) {
	fmt.Fprintf(w, "%d  %s  %s on %s from %s  %s", r.Seq, localTime(r.Time), cell(r.Who), cell(r.Manager), cell(r.Origin), cell(r.Action))
	if r.Target != "" {
		fmt.Fprintf(w, " %s", cell(r.Target))
	}
	fmt.Fprintf(w, ": %s\n", cell(r.Outcome))
	for _, state := range [][2]string{{"was", r.Was}, {"became", r.Became}} {
		if state[1] != "" {
			fmt.Fprintf(w, "   %s %s\n", state[0], cell(state[1]))
		}
	}
}

// auditVerifyCommand verifies the log.
type auditVerifyCommand struct {
	remote
	Head []string `help:"Heads that were kept, as this command prints them: the log must still hold them." placeholder:"SEQ:HASH"`
	JSON bool     `name:"json" help:"Print JSON, as the server answers."`
}

// Run implements the command.
func (c *auditVerifyCommand) Run(ctx context.Context, p *Process) error {
	var query []string
	if len(c.Head) > 0 {
		query = append(query, "head", strings.Join(c.Head, ","))
	}
	body, err := c.get(ctx, "/api/v1/audit/verification", query...)
	if err != nil {
		return err
	}
	var v record.Verified
	if err := json.Unmarshal(body, &v); err != nil {
		return exit(NoReply, "the answer of %s is no verification: %w", c.Server, err)
	}
	switch {
	case c.JSON:
		_, err = p.Stdout.Write(body)
	case v.Whole:
		fmt.Fprintf(p.Stdout, "the audit log is whole\nhead %s\nKeep the head elsewhere: with --head it shows later whether the log still holds all of this.\n", v.Head)
	}
	if err == nil && !v.Whole {
		what := "the audit log is not whole: "
		if v.Seq > 0 {
			what += fmt.Sprintf("record %d ", v.Seq)
		}
		return exit(Wrong, "%s%s", what, v.Reason)
	}
	return err
}

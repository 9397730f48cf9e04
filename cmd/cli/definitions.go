package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"grove/tree/definition/source"
	"grove/viewer/record"
)

// definitionsCommand is about the definitions that come with grove, and about those that
// managers share.
type definitionsCommand struct {
	List     listCommand      `cmd:"" help:"List the definitions that come with grove, or those that managers share."`
	Show     showCommand      `cmd:"" help:"Print what a definition is for, its parameters or its text."`
	New      newCommand       `cmd:"" help:"Write an instance file that uses a definition, with all its parameters."`
	Put      putCommand       `cmd:"" help:"Make the next revision of each definition from a file; managers of the same site that share the database apply it."`
	History  revisionsCommand `cmd:"" help:"List the revisions of a definition."`
	Diff     diffCommand      `cmd:"" help:"Print what changed between two revisions."`
	Rollback rollbackCommand  `cmd:"" help:"Make the next revision with the text of an old one."`
	Remove   removeCommand    `cmd:"" help:"Remove a definition; what it was stays in its history."`
}

// maxDefinition bounds a file that is put, bytes; the server has the same bound.
const maxDefinition = 1 << 20

// address is the address of a definition, and of what is below it.
func definitionAddress(name string, below ...string) string {
	path := "/api/v1/definitions/" + url.PathEscape(name)
	for _, b := range below {
		path += "/" + b
	}
	return path
}

// sited says which definitions are meant.
type sited struct {
	AllSites bool `help:"Those that managers of all sites share, instead of those of the site of the server."`
}

// query adds that to the query of an address.
func (s sited) query(query ...string) []string {
	if s.AllSites {
		query = append(query, "allSites", "true")
	}
	return query
}

// ofSite tells a definition of a site from one for all.
func ofSite(r *record.Revision) string {
	if r.Site == "" {
		return ""
	}
	return " of site " + plain(r.Site)
}

// putCommand puts files.
type putCommand struct {
	remote
	sited
	Files    []string `arg:"" name:"file" help:"Definition files, YAML or XML. A file makes the definition that is called like it, without its end."`
	As       string   `help:"Name of the definition, when there is one file." placeholder:"NAME"`
	Expected *int64   `help:"Number of the revision that was changed, 0 for a new definition: if another is current, nothing is changed." placeholder:"REV"`
	Comment  string   `short:"m" help:"Why." placeholder:"TEXT"`
}

// Run implements the command. Files that were put before one that is refused stay.
func (c *putCommand) Run(ctx context.Context, p *Process, all *commands) error {
	if len(c.Files) > 1 && (c.As != "" || c.Expected != nil) {
		return exit(Usage, "--as and --expected are for one file")
	}
	for _, file := range c.Files {
		if err := c.put(ctx, p, all, file); err != nil {
			return err
		}
	}
	return nil
}

func (c *putCommand) put(ctx context.Context, p *Process, all *commands, file string) error {
	text, err := readBounded(file, maxDefinition)
	if err != nil {
		return exit(Usage, "%w", err)
	}
	name := c.As
	if name == "" {
		name = strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	}
	body, err := json.Marshal(record.PutRequest{Text: string(text), Expected: c.Expected, Comment: c.Comment})
	if err != nil {
		return err
	}
	before, err := c.current(ctx, name, c.sited)
	if err != nil {
		return err
	}
	answer, why, err := c.ask(ctx, http.MethodPut, definitionAddress(name), body, c.query()...)
	if err != nil {
		return err
	}
	if why != nil {
		if errs := placed(why, name, file); len(errs) > 0 {
			return printErrors(p, all, errs)
		}
		return why.exit()
	}
	var r record.Revision
	if err := json.Unmarshal(answer, &r); err != nil {
		return exit(NoReply, "the answer of %s is no revision: %w", c.Server, err)
	}
	if r.Revision == before.Revision && r.Site == before.Site {
		fmt.Fprintf(p.Stdout, "%s: revision %d%s says so already\n", plain(r.Name), r.Revision, ofSite(&r))
		return nil
	}
	fmt.Fprintf(p.Stdout, "%s: revision %d%s\n", plain(r.Name), r.Revision, ofSite(&r))
	return nil
}

// current is the current revision of a definition; its number is 0 when there is none.
func (r *remote) current(ctx context.Context, name string, of sited) (now record.Revision, err error) {
	answer, why, err := r.ask(ctx, http.MethodGet, definitionAddress(name), nil, of.query()...)
	switch {
	case err != nil:
		return now, err
	case why != nil && why.Status == http.StatusNotFound:
		return now, nil
	case why != nil:
		return now, why.exit()
	}
	if err := json.Unmarshal(answer, &now); err != nil {
		return now, exit(NoReply, "the answer of %s is no revision: %w", r.Server, err)
	}
	return now, nil
}

// placed are the errors of a text that the server found, at their places in the file
// that it came from.
func placed(why *problem, name, file string) source.Errors {
	var errs source.Errors
	for _, e := range why.Errors {
		for _, end := range []string{".yaml", ".xml"} {
			at, ok := strings.CutPrefix(e.Location, name+end)
			if !ok {
				continue
			}
			pos := source.Pos{File: file}
			if _, err := fmt.Sscanf(at, ":%d:%d", &pos.Line, &pos.Column); err != nil {
				pos = source.Pos{File: file}
			}
			errs = append(errs, source.Errorf(pos, "%s", e.Message))
		}
	}
	if len(errs) != len(why.Errors) {
		return nil // They are about something else.
	}
	return errs
}

// listCommand lists definitions.
type listCommand struct {
	remote
	sited
	Shared  bool `help:"List the definitions that managers share, which the server knows, instead of those that come with grove."`
	Removed bool `help:"The shared ones, with those that were removed."`
	JSON    bool `name:"json" help:"Print JSON."`
}

// Run implements the command.
func (c *listCommand) Run(ctx context.Context, p *Process) error {
	if !c.Shared && !c.Removed && !c.AllSites {
		return listCatalogue(p.Stdout, c.JSON)
	}
	body, err := c.get(ctx, "/api/v1/shared-definitions", c.query("removed", strconv.FormatBool(c.Removed))...)
	if err != nil {
		return err
	}
	return printRevisions(p.Stdout, &c.remote, body, c.JSON, "no shared definitions: make one with grove definitions put FILE")
}

// printRevisions prints a list of revisions, a line each.
func printRevisions(w io.Writer, r *remote, body []byte, raw bool, none string) error {
	if raw {
		_, err := w.Write(body)
		return err
	}
	var list record.Revisions
	if err := json.Unmarshal(body, &list); err != nil {
		return exit(NoReply, "the answer of %s is no list of revisions: %w", r.Server, err)
	}
	if len(list.Revisions) == 0 {
		fmt.Fprintln(w, none)
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	// Who knows of no sites reads nothing of them.
	sites := slices.ContainsFunc(list.Revisions, func(r record.Revision) bool { return r.Site != "" })
	site := func(text string) string {
		if !sites {
			return ""
		}
		return cell(text) + "\t"
	}
	fmt.Fprintln(t, "NAME\t"+site("SITE")+"REVISION\tTIME\tWHO\tCOMMENT")
	for _, one := range list.Revisions {
		comment := one.Comment
		if one.Removed {
			comment = strings.TrimSuffix("removed: "+comment, ": ")
		}
		fmt.Fprintf(t, "%s\t%s%d\t%s\t%s\t%s\n", cell(one.Name), site(cmp.Or(one.Site, "all")), one.Revision, localTime(one.Time), cell(one.Who), cell(comment))
	}
	return t.Flush()
}

// cell makes a text from outside one cell of a table.
func cell(text string) string {
	return plain(strings.NewReplacer("\n", " ", "\t", " ").Replace(text))
}

// showCommand prints a definition of the catalogue, or one revision of a shared one.
type showCommand struct {
	remote
	sited
	Name       string `arg:"" name:"name[@rev]" help:"Name of the definition: nginx; of a shared one with the number of a revision, too: shop@3."`
	YAML       bool   `name:"yaml" xor:"what" help:"Print the definition itself instead of what it is for."`
	Parameters bool   `xor:"what" help:"Print its parameters."`
	Shared     bool   `help:"One that managers share, which the server knows; shop@3 is always such."`
	JSON       bool   `name:"json" xor:"what" help:"Print JSON."`
}

// Run implements the command. A shared definition is printed as it was given, so that it
// can be changed and put again.
func (c *showCommand) Run(ctx context.Context, p *Process) error {
	name, rev, given := strings.Cut(c.Name, "@")
	if !c.Shared && !given && !c.AllSites {
		return c.catalogue(p)
	}
	if _, err := strconv.ParseInt(rev, 10, 64); given && err != nil {
		return exit(Usage, "%.80q is no name of a definition, such as shop, or shop@3 for a revision", c.Name)
	}
	query := []string{}
	if given {
		query = append(query, "revision", rev)
	}
	body, err := c.get(ctx, definitionAddress(name), c.query(query...)...)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = p.Stdout.Write(body)
		return err
	}
	var r record.Revision
	if err := json.Unmarshal(body, &r); err != nil {
		return exit(NoReply, "the answer of %s is no revision: %w", c.Server, err)
	}
	if r.Removed {
		return exit(Wrong, "definition %s: was removed with revision %d", r.Name, r.Revision)
	}
	return output(p.Stdout, []byte(r.Text))
}

// output writes what the server sent as it is to a file or a program, and harmless to a
// terminal.
func output(w io.Writer, body []byte) error {
	if f, ok := w.(*os.File); ok {
		if columns, _ := screen(f); columns > 0 {
			body = []byte(plain(string(body)))
		}
	}
	_, err := w.Write(body)
	return err
}

// revisionsCommand lists the revisions of a definition.
type revisionsCommand struct {
	remote
	sited
	Name   string `arg:"" help:"Name of the definition."`
	Before int64  `help:"Only revisions with smaller numbers; the server gives 1000 at a time." placeholder:"REV"`
	JSON   bool   `name:"json" help:"Print JSON, as the server answers."`
}

// Run implements the command.
func (c *revisionsCommand) Run(ctx context.Context, p *Process) error {
	body, err := c.get(ctx, definitionAddress(c.Name, "revisions"), c.query("before", strconv.FormatInt(c.Before, 10))...)
	if err != nil {
		return err
	}
	return printRevisions(p.Stdout, &c.remote, body, c.JSON, "no revisions")
}

// diffCommand prints a difference.
type diffCommand struct {
	remote
	sited
	Name string `arg:"" help:"Name of the definition."`
	From int64  `arg:"" optional:"" default:"-1" help:"Number of the older revision; 0 is nothing. Default: the one before the newer."`
	To   int64  `arg:"" optional:"" help:"Number of the newer revision. Default: the current one."`
}

// Run implements the command.
func (c *diffCommand) Run(ctx context.Context, p *Process, all *commands) error {
	from, to := c.From, c.To
	if from < 0 {
		now, err := c.current(ctx, c.Name, c.sited)
		if err != nil {
			return err
		}
		from = max(now.Revision-1, 0)
	}
	body, err := c.get(ctx, definitionAddress(c.Name, "diff"), c.query("from", strconv.FormatInt(from, 10), "to", strconv.FormatInt(to, 10))...)
	if err != nil {
		return err
	}
	var d record.Difference
	if err := json.Unmarshal(body, &d); err != nil {
		return exit(NoReply, "the answer of %s is no difference: %w", c.Server, err)
	}
	paint := drawing{color: all.colored(p.Stdout)}
	for line := range strings.Lines(plain(d.Diff)) {
		text := strings.TrimSuffix(line, "\n")
		color := map[byte]string{'+': "32", '-': "31", '@': "36"}[line[0]]
		fmt.Fprintln(p.Stdout, paint.paint(text, color))
	}
	return nil
}

// rollbackCommand goes back.
type rollbackCommand struct {
	remote
	sited
	Name     string `arg:"" help:"Name of the definition."`
	Revision int64  `arg:"" name:"rev" help:"Number of the revision to go back to."`
	Expected *int64 `help:"Number of the revision that must be current: if another is, nothing is changed." placeholder:"REV"`
	Comment  string `short:"m" help:"Why." placeholder:"TEXT"`
}

// Run implements the command.
func (c *rollbackCommand) Run(ctx context.Context, p *Process) error {
	body, err := json.Marshal(record.RollbackRequest{To: c.Revision, Expected: c.Expected, Comment: c.Comment})
	if err != nil {
		return err
	}
	answer, err := c.do(ctx, http.MethodPost, definitionAddress(c.Name, "rollback"), body, c.query()...)
	if err != nil {
		return err
	}
	var r record.Revision
	if err := json.Unmarshal(answer, &r); err != nil {
		return exit(NoReply, "the answer of %s is no revision: %w", c.Server, err)
	}
	fmt.Fprintf(p.Stdout, "%s: revision %d%s, with the text of revision %d\n", plain(r.Name), r.Revision, ofSite(&r), c.Revision)
	return nil
}

// removeCommand removes a definition.
type removeCommand struct {
	remote
	sited
	Name     string `arg:"" help:"Name of the definition."`
	Expected int64  `help:"Number of the revision that must be current: if another is, nothing is changed." placeholder:"REV"`
	Comment  string `short:"m" help:"Why." placeholder:"TEXT"`
}

// Run implements the command.
func (c *removeCommand) Run(ctx context.Context, p *Process) error {
	query := c.query()
	if c.Expected != 0 {
		query = append(query, "expected", strconv.FormatInt(c.Expected, 10))
	}
	if c.Comment != "" {
		query = append(query, "comment", c.Comment)
	}
	answer, err := c.do(ctx, http.MethodDelete, definitionAddress(c.Name), nil, query...)
	if err != nil {
		return err
	}
	var r record.Revision
	if err := json.Unmarshal(answer, &r); err != nil {
		return exit(NoReply, "the answer of %s is no revision: %w", c.Server, err)
	}
	back := plain(r.Name)
	if c.AllSites {
		back = "--all-sites " + back
	}
	fmt.Fprintf(p.Stdout, "%s: removed with revision %d%s; grove definitions rollback %s %d brings it back\n", plain(r.Name), r.Revision, ofSite(&r), back, r.Revision-1)
	return nil
}

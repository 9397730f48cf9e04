package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"grove/cmd/app"
	"grove/tree/definition/diff"
)

// planCommand prints what changed definitions would do to the running tree.
type planCommand struct {
	remote
	Files   []string `arg:"" optional:"" name:"file" help:"Definition or instance files as they would stand in the drop-in directory. None: what the directory of the server says now."`
	Against string   `help:"Compare with this directory instead of a running server." placeholder:"DIR"`
	JSON    bool     `name:"json" help:"Print the answer of the server as JSON."`
}

// maxPlanBytes bounds what is sent to the server.
const maxPlanBytes = 8 << 20

// Run implements the command.
func (c *planCommand) Run(ctx context.Context, p *Process, all *commands) error {
	if c.Against != "" {
		return c.local(p, all)
	}
	var request app.PlanRequest
	size := 0
	for _, name := range c.Files {
		text, err := readBounded(name, maxPlanBytes)
		if err != nil {
			return exit(Usage, "%w", err)
		}
		if size += len(text); size > maxPlanBytes {
			return exit(Usage, "the files are larger than %d bytes together", maxPlanBytes)
		}
		request.Files = append(request.Files, app.PlanFile{Name: filepath.Base(name), Text: string(text)})
	}
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	answer, err := c.do(ctx, "POST", "/api/v1/plan", body)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err := p.Stdout.Write(answer)
		return err
	}
	var plan app.PlanAnswer
	if err := json.Unmarshal(answer, &plan); err != nil {
		return exit(NoReply, "the answer of %s is no plan: %w", c.Server, err)
	}
	fmt.Fprint(p.Stdout, plain(plan.Text))
	for _, e := range plan.Errors {
		where := e.File
		if e.Line > 0 {
			where = fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
		}
		fmt.Fprintf(p.Stderr, "%s: %s\n", plain(where), plain(e.Message))
	}
	if len(plan.Errors) > 0 {
		return exit(Wrong, "%s: what they are about stays as it is", count(len(plan.Errors), "error"))
	}
	return nil
}

// local compares two directories without any server.
func (c *planCommand) local(p *Process, all *commands) error {
	if len(c.Files) == 0 {
		return exit(Usage, "--against wants the files or the directory to compare")
	}
	loader := app.Loader()
	old, errs := loader.Files(c.Against)
	if len(errs) > 0 {
		return printErrors(p, all, errs)
	}
	next, errs := loader.Files(c.Files...)
	if len(errs) > 0 {
		return printErrors(p, all, errs)
	}
	changes := diff.Compare(old, next)
	var b bytes.Buffer
	if err := changes.Print(&b); err != nil {
		return err
	}
	fmt.Fprint(p.Stdout, plain(b.String()))
	return nil
}

// readBounded reads a file of at most so many bytes.
func readBounded(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s is larger than %d bytes", name, most)
	}
	return text, err
}

package cli

import (
	"fmt"
	"os"

	"grove/cmd/app"
	"grove/tree/definition"
	"grove/tree/definition/rolluptest"
	"grove/tree/definition/source"
)

// checkCommand prints every error of definition files, and of the files of alerts and peers.
type checkCommand struct {
	Files []string `arg:"" name:"file" help:"Definition or instance files, YAML or XML, or directories of them; or the file of alerts or of peers."`
}

// Run implements the command.
func (c *checkCommand) Run(p *Process, all *commands) error {
	said, others, errs := checkAlerts(c.Files)
	more, definitions, bad := checkPeers(others)
	said = append(said, more...)
	errs.Append(bad...)
	var plan *definition.Plan
	if len(definitions) > 0 {
		var bad source.Errors
		plan, bad = app.Loader().Files(definitions...)
		errs.Append(bad...)
	}
	if len(errs) > 0 {
		return printErrors(p, all, errs)
	}
	for _, s := range said {
		fmt.Fprintln(p.Stdout, s)
	}
	if plan == nil {
		return nil
	}
	if warnings := plan.Unmet(); len(warnings) > 0 { // Others may grow what is missing.
		if err := printFaults(p, all, warnings); err != nil {
			return err
		}
		fmt.Fprintf(p.Stderr, "grove: %s\n", count(len(warnings), "warning"))
	}
	nodes, probes, loops := 0, 0, 0
	for _, i := range plan.Instances {
		nodes += len(i.Nodes)
		probes += len(i.Probes)
		loops += len(i.Loops)
	}
	discoveries := ""
	if n := len(plan.Discoveries); n > 0 {
		discoveries = ", " + count(n, "discovery")
	}
	fmt.Fprintf(p.Stdout, "%s, %s%s: %s, %s, %s\n", count(len(plan.Definitions), "definition"), count(len(plan.Instances)-len(plan.Discoveries), "instance"), discoveries,
		count(nodes, "node"), count(probes, "probe"), count(loops, "loop over what is discovered"))
	return nil
}

// printErrors prints errors of files with their lines, and ends the
// command.
func printErrors(p *Process, all *commands, errs source.Errors) error {
	if err := printFaults(p, all, errs); err != nil {
		return err
	}
	return &exitError{Wrong, fmt.Errorf("%s", count(len(errs), "error"))}
}

// printFaults prints what is wrong with files, with their lines.
func printFaults(p *Process, all *commands, errs source.Errors) error {
	read := func(file string) []byte {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil
		}
		return text
	}
	return source.Print(p.Stderr, errs.Sorted(), read, all.colored(p.Stderr))
}

// count writes "1 node" and "2 nodes".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	switch what {
	case "loop over what is discovered":
		return fmt.Sprintf("%d loops over what is discovered", n)
	case "discovery":
		return fmt.Sprintf("%d discoveries", n)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// testCommand runs the roll-up tests that definitions carry.
type testCommand struct {
	Files   []string `arg:"" name:"file" help:"Definition files, YAML or XML, or directories of them."`
	Verbose bool     `short:"v" help:"Print the tests that pass, too."`
}

// Run implements the command.
func (c *testCommand) Run(p *Process, all *commands) error {
	plan, errs := app.Loader().Files(c.Files...)
	if len(errs) > 0 {
		return printErrors(p, all, errs)
	}
	passed, failed := 0, 0
	var results []rolluptest.Result
	for _, d := range plan.Definitions {
		if !d.BuiltIn {
			results = append(results, rolluptest.All(d)...)
		}
	}
	for _, d := range plan.Discoveries {
		results = append(results, rolluptest.Discovery(d)...)
	}
	for _, r := range results {
		if r.Passed() {
			passed++
			if c.Verbose {
				fmt.Fprintf(p.Stdout, "ok    %s: %s\n", r.Application, plain(r.Name))
			}
			continue
		}
		failed++
		fmt.Fprintf(p.Stdout, "FAIL  %s: %s\n", r.Application, plain(r.Name))
		for _, f := range r.Failures {
			fmt.Fprintf(p.Stdout, "      %s\n", plain(f.String()))
		}
	}
	fmt.Fprintf(p.Stdout, "%d passed, %d failed\n", passed, failed)
	switch {
	case failed > 0:
		return &exitError{Wrong, errQuiet}
	case passed == 0:
		return exit(Wrong, "no tests in these files: definitions and discoveries carry them under the key tests")
	}
	return nil
}

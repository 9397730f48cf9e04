package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"

	"grove/notify/channel"
	"grove/notify/channel/builtin"
	"grove/notify/channel/trap"
	"grove/notify/template"
	"grove/tree/definition/source"
	view "grove/viewer/outbox"
)

// channelKinds are the kinds of channels that there are.
type channelKinds interface {
	Kind(name string) (channel.Kind, bool)
	Names() []string // sorted
}

// channelCommand is about the ways in which people are told of alerts.
type channelCommand struct {
	Explain channelKindCommand `cmd:"" default:"withargs" help:"List the kinds of channels, or explain one with its options."`
	Test    channelTestCommand `cmd:"" help:"Send a test message by a channel of a running server, and say what came of it."`
}

// channelKindCommand lists the kinds of channels, or explains one.
type channelKindCommand struct {
	Kind    string `arg:"" optional:"" help:"Kind of channel to explain, or templates, or mib; without one all kinds are listed."`
	Example bool   `help:"Print an example of its options alone."`
}

// Run implements the command.
func (c *channelKindCommand) Run(p *Process) error { return c.explain(p.Stdout, builtin.Kinds()) }

func (c *channelKindCommand) explain(w io.Writer, kinds channelKinds) error {
	if c.Kind == "" {
		return listChannelKinds(w, kinds)
	}
	kind, ok := kinds.Kind(c.Kind)
	switch {
	case c.Kind == "templates":
		_, err := io.WriteString(w, strings.TrimSpace(template.Doc)+"\n")
		return err
	case c.Kind == "mib":
		_, err := io.WriteString(w, trap.MIB)
		return err
	case !ok:
		return exit(Usage, "there is no kind of channel %q\n  %s", c.Kind, orElse(source.DidYouMean(c.Kind, kinds.Names()), "grove channel lists them"))
	case c.Example:
		_, err := io.WriteString(w, strings.TrimSpace(kind.Example)+"\n")
		return err
	}
	hint := "grove channel test NAME tries it"
	if strings.Contains(kind.Doc, "emplate") {
		hint += ", grove channel templates says what templates are made of"
	}
	_, err := fmt.Fprintf(w, "%s\n\nAn example, below channels in the file of alerts:\n\n  NAME:\n    kind: %s\n    %s\n\n%s.\n", strings.TrimSpace(kind.Doc), kind.Name,
		strings.ReplaceAll(strings.TrimSpace(withoutKind(kind.Example)), "\n", "\n    "), hint)
	return err
}

// withoutKind is an example without the line that names its kind.
func withoutKind(example string) string {
	var lines []string
	for line := range strings.SplitSeq(example, "\n") {
		if !strings.HasPrefix(line, "kind:") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// listChannelKinds prints each kind with the first sentence of what it says of itself.
func listChannelKinds(w io.Writer, kinds channelKinds) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, name := range kinds.Names() {
		kind, _ := kinds.Kind(name)
		fmt.Fprintf(t, "%s\t%s\n", name, sentence(kind.Doc))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprint(w, "\ngrove channel KIND explains one, grove channel test NAME tries one of a running server.\n"+
		"grove channel templates says what titles and texts are made of, grove channel mib prints the MIB of traps.\n")
	return err
}

// sentence is the first one of a text in Markdown, past its headings.
func sentence(doc string) string {
	var words []string
	for line := range strings.SplitSeq(strings.TrimSpace(doc), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
			continue
		case line == "" && len(words) > 0:
			return strings.Join(words, " ")
		case line == "":
			continue
		}
		if begin, _, ok := strings.Cut(line+" ", ". "); ok {
			return strings.Join(append(words, begin+"."), " ")
		}
		words = append(words, line)
	}
	return strings.Join(words, " ")
}

// channelTestCommand tries a channel of a server.
type channelTestCommand struct {
	remote
	Name string `arg:"" help:"Name of the channel in the file of alerts."`
	JSON bool   `name:"json" help:"Print JSON, as the server answers."`
}

// Run implements the command.
func (c *channelTestCommand) Run(ctx context.Context, p *Process) error {
	body, err := c.do(ctx, http.MethodPost, "/api/v1/channels/"+url.PathEscape(c.Name)+"/test", nil)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = p.Stdout.Write(body)
		return err
	}
	var tried view.ChannelTried
	if err := json.Unmarshal(body, &tried); err != nil {
		return exit(NoReply, "the answer of %s does not say what came of it: %w", c.Server, err)
	}
	fmt.Fprintf(p.Stdout, "%s took the test message in %s\n", cell(tried.Channel), quantity(tried.Took, "s"))
	return nil
}

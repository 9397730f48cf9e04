package cli

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"grove/cmd/terminal"
	"grove/tree"
	"grove/viewer"
	"grove/viewer/record"
)

// atTerminal says whether somebody sits in front of the process, with a terminal that can
// move its cursor.
func atTerminal(p *Process) bool {
	for _, stream := range []any{p.Stdin, p.Stdout} {
		f, ok := stream.(*os.File)
		if !ok || !term.IsTerminal(int(f.Fd())) {
			return false
		}
	}
	kind := p.Getenv("TERM")
	return kind != "" && kind != "dumb"
}

// view shows the tree on the whole terminal.
func (c *treeCommand) view(ctx context.Context, p *Process, all *commands, path tree.Path) error {
	o := terminal.Options{
		Server: c.address(), Path: path, Quantity: quantity,
		Dial: terminal.Dialer(c.address(), func() (http.Header, error) {
			h := http.Header{}
			return h, c.authorize(h)
		}),
		Input: p.Stdin, Output: p.Stdout, Env: os.Environ(), ASCII: !terminal.SpeaksUTF8(p.Getenv),
	}
	for word := range strings.SplitSeq(c.Status, ",") {
		if word == "" {
			continue
		}
		s, err := tree.ParseStatus(word)
		if err != nil {
			return exit(Usage, "--status: %w", err)
		}
		o.Statuses = append(o.Statuses, s)
	}
	switch all.Color {
	case "never":
		o.Env = append(o.Env, "NO_COLOR=1")
	case "always":
		o.Env = append(o.Env, "CLICOLOR_FORCE=1")
	}
	o.Node = func(ctx context.Context, path tree.Path) (*viewer.Details, error) {
		body, err := c.get(ctx, "/api/v1/nodes"+path.String())
		if err != nil {
			return nil, err
		}
		var d viewer.Details
		return &d, json.Unmarshal(body, &d)
	}
	o.History = func(ctx context.Context, path tree.Path, ago time.Duration, points int) (*record.Series, error) {
		body, err := c.get(ctx, "/api/v1/history", "path", path.String(), "from", "-"+tree.FormatDuration(ago), "to", "now", "points", strconv.Itoa(points))
		if err != nil {
			return nil, err
		}
		var s record.Series
		return &s, json.Unmarshal(body, &s)
	}
	err := terminal.Run(ctx, o)
	switch {
	case errors.Is(err, tree.ErrNoNode):
		return exit(Wrong, "%w", err)
	case err != nil:
		return exit(NoReply, "%w", err)
	}
	return nil
}

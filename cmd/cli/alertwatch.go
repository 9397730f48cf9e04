package cli

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"time"
)

// Times of a watch.
const (
	watchPace  = 200 * time.Millisecond // what changes in quick succession is shown together
	watchAgain = 15 * time.Second       // how long ago something was is shown anew
)

// watch shows the alerts again whenever the server says that they changed.
func (c *alertsCommand) watch(ctx context.Context, p *Process, show func() (string, error)) error {
	header := http.Header{}
	header.Set("Accept", "text/event-stream")
	res, why, err := c.send(ctx, http.MethodGet, alertsPath+"/stream", nil, header)
	if why != nil {
		err = why.exit()
	}
	if err != nil {
		return err
	}
	changed, ended := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(ended)
		hear(res.Body, changed)
	}()
	defer func() {
		_ = res.Body.Close()
		<-ended
	}()
	again := time.NewTicker(watchAgain)
	defer again.Stop()
	for {
		text, err := show()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		columns, rows := screen(p.Stdout)
		if _, err := io.WriteString(p.Stdout, fitting(text, columns, rows, "name a path, --status or --text")); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchPace):
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-again.C:
		case <-ended:
			if ctx.Err() != nil {
				return nil
			}
			return exit(NoReply, "%s ended the stream: it stops, or you were logged out", c.Server)
		}
	}
}

// hear reads server-sent events until they end, and says of each that something changed.
func hear(from io.Reader, changed chan<- struct{}) {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "data:") {
			continue
		}
		select {
		case changed <- struct{}{}:
		default: // It is known.
		}
	}
}

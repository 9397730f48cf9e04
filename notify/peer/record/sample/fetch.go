package sample

import (
	"context"
	"time"

	"grove/notify/peer"
	"grove/tree"
)

// Fetch asks for the readings of at most MaxNodes nodes, from a time on and before another,
// Unix milliseconds, in as many questions as it takes, slowly enough for everything else. Ask
// asks one of them, and take is given what came of the node of a number: of one node more than
// once, in the order of time.
func Fetch(ctx context.Context, nodes []tree.Path, from, to int64, ask func(context.Context, *Question) ([]byte, error), take func(node int, list []Reading)) error {
	first, told := from, 0
	for len(nodes) > 0 {
		q := &Question{Nodes: nodes, From: from, To: to, First: first}
		asked, cancel := context.WithTimeout(ctx, askTime)
		text, err := ask(asked, q)
		cancel()
		if err != nil {
			return err
		}
		a, err := parseAnswer(text, q)
		if err != nil {
			return err
		}
		if len(a.lists) == 0 {
			return peer.Refuse(peer.Failed, "the answer to %s is empty", kind)
		}
		for i, list := range a.lists {
			take(told+i, list)
		}
		nodes, first = nodes[a.done:], from
		told += a.done
		if len(a.lists) > a.done {
			first = a.next
		}
		timer := time.NewTimer(pace)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
	return nil
}

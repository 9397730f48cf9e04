package app

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/history"
	moments "grove/tree/history/past"
	"grove/tree/store/journal"
	"grove/viewer"
	"grove/viewer/moment"
)

// timeTravel is the past as the viewers show it.
type timeTravel struct {
	*moments.Past
	operations *moment.API
}

// openTimeTravel builds it, once the past knows its tree.
func (a *App) openTimeTravel() *timeTravel {
	t := &timeTravel{Past: moments.New(moments.Options{
		Tree: a.Tree, History: a.past.samples, Journal: a.past.journal, Settle: a.past.settle, Log: a.log,
	})}
	a.onStop("moments", func(context.Context) error { t.Close(); return nil })
	t.operations = moment.New(moment.Options{Past: t.Past, Journal: a.past.journal, Guard: a.Guard, Problem: answerOfMoment})
	return t
}

// settle returns once what the tree is now is written.
func (p *past) settle(ctx context.Context) error {
	if err := p.samples.Look(ctx, false); err != nil {
		return err
	}
	return p.kept(ctx)
}

// At is for the options of viewers: its errors are answers.
func (t *timeTravel) At(ctx context.Context, at time.Time) (*tree.Tree, func(), error) {
	past, release, err := t.Past.At(ctx, at)
	if err != nil {
		return nil, nil, answerOfMoment(err)
	}
	return past, release, nil
}

// answerOfMoment makes an answer of an error about moments.
func answerOfMoment(err error) error {
	switch {
	case errors.Is(err, moments.ErrRange):
		return huma.NewError(http.StatusUnprocessableEntity, err.Error())
	case errors.Is(err, journal.ErrQuery):
		return huma.NewError(http.StatusBadRequest, err.Error())
	case errors.Is(err, moments.ErrBusy), errors.Is(err, history.ErrNotReady):
		return huma.ErrorWithHeaders(huma.NewError(http.StatusServiceUnavailable, err.Error()), http.Header{"Retry-After": {"2"}})
	}
	return viewer.Problem(err)
}

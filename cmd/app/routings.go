package app

import (
	"context"
	"slices"
	"strings"
	"time"

	"grove/notify/route"
	"grove/tree"
	"grove/tree/alert"
	"grove/tree/whatif"
	routerest "grove/viewer/route"
)

// routings shows the routes to people.
type routings struct{ supposing }

// Configured implements viewer/route.Routes.
func (r routings) Configured() routerest.Configuration {
	state := r.app.alerts.center.State()
	list := routerest.Configuration{File: state.File}
	if len(state.Errors) > 0 {
		list.Error = state.Errors.Sorted()[0].Error()
	}
	said := r.app.alerts.center.Settings()
	for i := range said.Routes {
		list.Routes = append(list.Routes, routeOf(&said.Routes[i]))
	}
	for _, c := range said.Channels {
		list.Channels = append(list.Channels, routerest.NamedChannel{Name: c.Name, Kind: c.Kind.Name})
	}
	slices.SortFunc(list.Channels, func(a, b routerest.NamedChannel) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// routeOf puts a route into words, with what holds where it says nothing.
func routeOf(r *route.Rule) routerest.Route {
	out := routerest.Route{
		Name: r.Name, To: r.To, Group: r.Group.By, Precedence: r.Precedence, Continue: r.Continue,
		Wait: spanText(r.Group.Wait, route.DefaultWait), Interval: spanText(r.Group.Interval, route.DefaultInterval), Repeat: spanText(r.Repeat, route.DefaultRepeat),
	}
	if len(out.Group) == 0 {
		out.Group = []string{"instance"}
	}
	if conditions, err := r.When.Compile(); err == nil { // It was compiled when the file was read.
		for _, c := range conditions.Explain(&alert.Alert{}, time.Time{}) {
			out.When = append(out.When, routerest.Requirement{Name: c.Name, Want: c.Want})
		}
	}
	for _, s := range r.Escalate {
		out.Escalate = append(out.Escalate, routerest.Escalation{After: tree.FormatDuration(time.Duration(s.After)), To: s.To})
	}
	return out
}

// spanText is a span of a route as text; none of it is no text.
func spanText(s route.Span, usual time.Duration) string {
	switch {
	case s == 0:
		return tree.FormatDuration(usual)
	case s < 0:
		return ""
	}
	return tree.FormatDuration(time.Duration(s))
}

// Suppose implements viewer/whatif.Supposing and viewer/route.Supposing.
func (s supposing) Suppose(_ context.Context, set map[tree.Path]tree.Status) ([]tree.StatusChange, []alert.Alert, error) {
	answer, err := whatif.Ask(s.app.Tree, whatif.Question{Set: set, Limit: 1})
	if err != nil {
		return nil, nil, err
	}
	return answer.Statuses, s.app.alerts.center.Book.WhatIf(answer.Statuses), nil
}

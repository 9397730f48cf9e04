package app

import (
	"context"
	"errors"

	"grove/beans"
	"grove/tree"
	"grove/tree/alert"
	"grove/tree/grant"
	"grove/tree/monitor"
)

// alertsBean is the name of the bean of the alerts, and typeAlert begins the types of its
// notifications: "grove.alert.opened".
var alertsBean = beans.MustName(monitor.Domain + ":type=Alerts")

const typeAlert = "grove.alert."

// alertsFace is what the bean shows, and what JMX clients may do by it. It is of the whole
// tree, so that only who has a role on that reaches it.
type alertsFace struct {
	app *App

	Open         int64 `bean:"" doc:"Alerts that nobody has acknowledged."`
	Acknowledged int64 `bean:"" doc:"Alerts that somebody knows of."`
	Suppressed   int64 `bean:"" doc:"Alerts that follow from others, or lie in a maintenance."`
}

func (f *alertsFace) count(s alert.State) int64 {
	return int64(f.app.alerts.center.Book.Counts(nil)[s])
}

// GetOpen is the attribute of this name.
func (f *alertsFace) GetOpen() int64 { return f.count(alert.Open) }

// GetAcknowledged is the attribute of this name.
func (f *alertsFace) GetAcknowledged() int64 { return f.count(alert.Acknowledged) }

// GetSuppressed is the attribute of this name.
func (f *alertsFace) GetSuppressed() int64 { return f.count(alert.Suppressed) }

// operation is one that somebody does with one alert.
func (f *alertsFace) operation(name, description string, do func(ctx context.Context, id alert.ID, by, comment string) []alert.Result) beans.Operation {
	return beans.Operation{
		OperationInfo: beans.OperationInfo{
			Name: name, Description: description, Returns: beans.TypeVoid, Impact: beans.ImpactAction,
			Parameters: []beans.ParameterInfo{
				{Name: "id", Type: beans.TypeString, Description: "Number of the alert."},
				{Name: "comment", Type: beans.TypeString, Description: "For people; may be empty."},
			},
		},
		Call: func(ctx context.Context, args []beans.Value) (beans.Value, error) {
			id, err := alert.ParseID(args[0].(string))
			if err != nil {
				return nil, err
			}
			for _, r := range do(ctx, id, grant.Of(ctx).Name, args[1].(string)) {
				if r.Error != "" {
					return nil, errors.New(r.Error)
				}
			}
			return nil, nil
		},
	}
}

// openAlertBean registers the bean, by which alerts come to the bus as well.
func (a *App) openAlertBean() (err error) {
	f := &alertsFace{app: a}
	book := a.alerts.center.Book
	anywhere := func(tree.Path) error { return nil } // Whoever reaches the bean has a role on the whole.
	types := make([]string, len(alert.Steps))
	for i, what := range alert.Steps {
		types[i] = typeAlert + string(what)
	}
	a.alerts.bean, err = beans.NewStandard(f, beans.StandardOptions{
		Description: "What is wrong with nodes that matters to people.",
		Operations: []beans.Operation{
			f.operation("acknowledge", "Says that somebody knows of an alert, until it gets worse.", func(ctx context.Context, id alert.ID, by, comment string) []alert.Result {
				return book.Acknowledge(ctx, []alert.ID{id}, alert.Ack{By: by, Comment: comment}, anywhere)
			}),
			f.operation("unacknowledge", "Ends an acknowledgement.", func(ctx context.Context, id alert.ID, by, comment string) []alert.Result {
				return book.Unacknowledge(ctx, []alert.ID{id}, by, comment, anywhere)
			}),
			f.operation("resolve", "Ends an alert by hand.", func(ctx context.Context, id alert.ID, by, comment string) []alert.Result {
				return book.Resolve(ctx, []alert.ID{id}, by, comment, anywhere)
			}),
		},
		Notifications: []beans.NotificationInfo{{Types: types, Name: "grove.Alert", Description: "An alert took a step."}},
	})
	if err == nil {
		_, err = a.Beans.Register(a.alerts.bean, alertsBean)
	}
	return err
}

// emitAlert tells listeners of an alert that took a step.
func (a *App) emitAlert(x *alert.Alert) {
	what := alert.Opened
	if n := len(x.History); n > 0 {
		what = x.History[n-1].What
	}
	// What it follows from, and what below a group is wrong, is left out: who sees this node
	// need not see that.
	message := x.Message
	if n, err := a.Tree.Node(x.Path); err != nil || n.Kind == tree.Group {
		message = x.Path.String() + " is " + x.Status.String()
	}
	a.alerts.bean.Emit(beans.Notification{Type: typeAlert + string(what), Message: message, Data: map[string]beans.Value{
		"path": x.Path.String(), "to": x.Status.String(), "id": x.ID.String(), "key": x.Key, "kind": string(x.Kind), "state": string(x.State),
		"severity": x.Severity.String(), "value": x.Value, "unit": x.Unit, "threshold": x.Threshold, "instance": x.Instance, "revision": x.Revision,
	}})
}

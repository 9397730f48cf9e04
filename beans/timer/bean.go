package timer

import (
	"context"
	"fmt"
	"slices"
	"time"

	"grove/beans"
)

// ClassName is the class of the bean, as JMX clients know it.
const ClassName = "javax.management.timer.Timer"

// face is what the bean shows of a timer, under the names of JMX.
type face struct {
	t *Timer

	NbNotifications       int64   `bean:"" doc:"Notifications in the table."`
	AllNotificationIDs    []int64 `bean:"" doc:"IDs of all notifications in the table."`
	SendPastNotifications bool    `bean:",rw" doc:"Whether start emits what was missed."`
	Active                bool    `bean:"" doc:"Whether the timer emits."`
	Empty                 bool    `bean:"" doc:"Whether the table is empty."`
}

func (f *face) GetNbNotifications() int64       { return int64(len(f.t.Entries())) }
func (f *face) GetAllNotificationIDs() []int64  { return f.t.ids(func(Entry) bool { return true }) }
func (f *face) GetSendPastNotifications() bool  { return f.t.SendPast() }
func (f *face) SetSendPastNotifications(b bool) { f.t.SetSendPast(b) }
func (f *face) GetActive() bool                 { return f.t.Active() }
func (f *face) GetEmpty() bool                  { return len(f.t.Entries()) == 0 }
func (f *face) Start()                          { f.t.Start() }
func (f *face) Stop()                           { f.t.Stop() }

func (f *face) State() string {
	if f.t.Active() {
		return beans.StateRunning
	}
	return beans.StateStopped
}

func (t *Timer) ids(want func(Entry) bool) []int64 {
	ids := []int64{}
	for _, e := range t.Entries() {
		if want(e) {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// addNotification is the one operation that JMX overloads: what misses at the end
// counts as zero.
const addNotification = "addNotification"

// additions are the forms of addNotification.
func (t *Timer) additions() (all []beans.Operation) {
	params := []beans.ParameterInfo{
		{Name: "type", Type: beans.TypeString, Description: "Type of the notification."},
		{Name: "message", Type: beans.TypeString, Description: "Message of the notification."},
		{Name: "userData", Type: beans.TypeAny, Description: "Data of the notification."},
		{Name: "date", Type: beans.TypeTime, Description: "When it is emitted first."},
		{Name: "period", Type: beans.TypeInt, Unit: "ms", Description: "Time between two emissions; 0: it is emitted once."},
		{Name: "nbOccurences", Type: beans.TypeInt, Description: "How often it is emitted; 0: for ever."},
		{Name: "fixedRate", Type: beans.TypeBool, Description: "Whether it keeps to its dates."},
	}
	zeros := []beans.Value{int64(0), int64(0), false} // of those that may miss
	for n := len(params) - len(zeros); n <= len(params); n++ {
		missing := zeros[len(zeros)-(len(params)-n):]
		all = append(all, beans.Operation{
			OperationInfo: beans.OperationInfo{
				Name: addNotification, Description: "Enters a notification into the table and returns its ID.",
				Parameters: params[:n:n], Returns: beans.TypeInt, Impact: beans.ImpactActionInfo,
			},
			Call: func(_ context.Context, args []beans.Value) (beans.Value, error) {
				return t.addFrom(append(slices.Clip(args), missing...))
			},
		})
	}
	return all
}

// Info implements beans.Bean. The types of its notifications are those in the
// table.
func (t *Timer) Info() beans.Info {
	info := t.Standard.Info()
	types := []string{}
	for _, e := range t.Entries() {
		types = append(types, e.Type)
	}
	slices.Sort(types)
	info.Notifications = append(slices.Clip(info.Notifications), beans.NotificationInfo{
		Types:       slices.Compact(types),
		Name:        "javax.management.timer.TimerNotification",
		Description: "The date of a notification in the table has come.",
	})
	return info
}

func (t *Timer) bean() *beans.Standard {
	id := beans.ParameterInfo{Name: "id", Type: beans.TypeInt, Description: "ID of the notification."}
	kind := beans.ParameterInfo{Name: "type", Type: beans.TypeString, Description: "Type of the notification."}
	operation := func(name, description string, impact beans.Impact, returns beans.Type, call func(args []beans.Value) (beans.Value, error), params ...beans.ParameterInfo) beans.Operation {
		return beans.Operation{
			OperationInfo: beans.OperationInfo{Name: name, Description: description, Parameters: params, Returns: returns, Impact: impact},
			Call:          func(_ context.Context, args []beans.Value) (beans.Value, error) { return call(args) },
		}
	}
	// An unknown ID has no facts, and is no error.
	fact := func(name, description string, returns beans.Type, of func(Entry) beans.Value) beans.Operation {
		return operation(name, description, beans.ImpactInfo, returns, func(args []beans.Value) (beans.Value, error) {
			if e, ok := t.Entry(args[0].(int64)); ok {
				return of(e), nil
			}
			return nil, nil
		}, id)
	}
	operations := append(t.additions(),
		operation("removeNotification", "Removes one notification.", beans.ImpactAction, beans.TypeVoid, func(args []beans.Value) (beans.Value, error) {
			return nil, t.Remove(args[0].(int64))
		}, id),
		operation("removeNotifications", "Removes the notifications of one type.", beans.ImpactAction, beans.TypeVoid, func(args []beans.Value) (beans.Value, error) {
			return nil, t.RemoveType(args[0].(string))
		}, kind),
		operation("removeAllNotifications", "Empties the table; IDs begin with 1 again.", beans.ImpactAction, beans.TypeVoid, func([]beans.Value) (beans.Value, error) {
			t.RemoveAll()
			return nil, nil
		}),
		operation("getNotificationIDs", "Returns the IDs of the notifications of one type.", beans.ImpactInfo, beans.TypeInts, func(args []beans.Value) (beans.Value, error) {
			return t.ids(func(e Entry) bool { return e.Type == args[0] }), nil
		}, kind),
		fact("getNotificationType", "Returns the type of a notification.", beans.TypeString, func(e Entry) beans.Value { return e.Type }),
		fact("getNotificationMessage", "Returns the message of a notification.", beans.TypeString, func(e Entry) beans.Value { return e.Message }),
		fact("getNotificationUserData", "Returns the data of a notification.", beans.TypeAny, func(e Entry) beans.Value { return e.Data }),
		fact("getDate", "Returns when a notification is due next.", beans.TypeTime, func(e Entry) beans.Value { return e.Date }),
		fact("getPeriod", "Returns the period of a notification in milliseconds.", beans.TypeInt, func(e Entry) beans.Value { return e.Period.Milliseconds() }),
		fact("getNbOccurences", "Returns how often a notification is still to be emitted.", beans.TypeInt, func(e Entry) beans.Value { return e.Occurrences }),
		fact("getFixedRate", "Returns whether a notification keeps to its dates.", beans.TypeBool, func(e Entry) beans.Value { return e.FixedRate }),
	)
	b, err := beans.NewStandard(&face{t: t}, beans.StandardOptions{
		ClassName: ClassName, Description: "Emits notifications at dates.", Operations: operations,
	})
	if err != nil {
		panic(err) // the face above is wrong, whatever the input
	}
	return b
}

// addFrom is Add with the arguments of the operation.
func (t *Timer) addFrom(args []beans.Value) (beans.Value, error) {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	period := args[4].(int64)
	if period > most || period < -most {
		return nil, fmt.Errorf("operation %q: %w: a period of %d ms is out of range", addNotification, beans.ErrInvalidValue, period)
	}
	id, err := t.Add(Entry{
		Type: args[0].(string), Message: args[1].(string), Data: args[2], Date: args[3].(time.Time),
		Period: time.Duration(period) * time.Millisecond, Occurrences: args[5].(int64), FixedRate: args[6].(bool),
	})
	if err != nil {
		return nil, err
	}
	return id, nil
}

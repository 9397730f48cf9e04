package app

import (
	"grove/beans"
	"grove/notify"
	"grove/tree/monitor"
	"grove/tree/store"
	"grove/tree/store/drawer"
	"grove/viewer"
	"grove/viewer/bean"
	"grove/viewer/desk"
)

// treeBean is under which the tree's changes of status are on the bus.
var treeBean = beans.MustName(monitor.Domain + ":type=Tree")

// openDesk keeps how each user wants the page to be.
func (a *App) openDesk() *desk.Desk {
	return desk.New(drawer.New(a.past.facts, desk.Kind, desk.MaxUsers), a.log)
}

// forgetUser takes away what managers keep for a user.
func forgetUser(tx *store.Tx, name string) error { return drawer.Take(tx, desk.Kind, name) }

// openBeans is the browser of beans, and what it serves outside of the operations.
func (a *App) openBeans() (*bean.API, viewer.Mount) {
	api := bean.New(bean.Options{
		Beans: a.Beans, Tree: a.Tree, Guard: a.Guard, Place: a.place, Audit: a.begin, Bus: a.listen, Changes: treeBean, Log: a.log,
	})
	streams := api.NewNotifications()
	a.onStop("notifications to browsers", streams.Close)
	return api, viewer.Mount{Prefix: bean.NotificationsPath, Handler: streams}
}

// listen begins a queue of what the bus tells of some sources.
func (a *App) listen(wants func(beans.Name) bool) (bean.Queue, error) {
	s, err := a.Bus.Subscribe(notify.Options{Name: "browser", Source: wants, Buffer: browserBuffer})
	if err != nil {
		return nil, err
	}
	return heard{s}, nil
}

// browserBuffer is how many notifications may wait for one browser.
const browserBuffer = 1000

// heard is a subscription as the browser of beans takes it.
type heard struct{ *notify.Subscription }

// TryNext implements bean.Queue.
func (h heard) TryNext() (n beans.Notification, lost uint64, ok bool, err error) {
	got, ok, err := h.Subscription.TryNext()
	return got.Notification, got.Lost, ok, err
}

var _ bean.Queue = heard{}

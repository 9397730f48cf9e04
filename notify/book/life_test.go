package book

import (
	"testing"
	"time"
)

func TestOpensAndEnds(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/shop/web/Up", nil)
		w.set("green", "/shop/web/Up")
		w.begin()
		w.set("red", "/shop/web/Up")
		w.wait(DefaultSettle / 2)
		w.wants("before it has settled", w.live())
		w.settled()
		w.wants("live", w.live(), "/shop/web/Up open red")
		w.wants("told", w.since(), "opened /shop/web/Up open red")
		w.set("yellow", "/shop/web/Up")
		w.settled()
		w.wants("told", w.since(), "eased /shop/web/Up open yellow")
		w.set("white", "/shop/web/Up")
		w.wait(time.Hour)
		w.wants("told", w.since())
		w.set("green", "/shop/web/Up")
		w.settled()
		w.wants("live", w.live())
		w.wants("told", w.since(), "resolved /shop/web/Up resolved green")
	})
}

package receive_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/receive"
	"grove/tree"
)

func texts(r probe.Result) (out []string) {
	for _, v := range r.Values {
		out = append(out, fmt.Sprintf("%s=%s/%d", v.Attribute, v.Value, len(v.Events)))
	}
	for _, t := range r.Tables {
		out = append(out, fmt.Sprintf("%s:%d", t.Attribute, len(t.Rows)))
	}
	return out
}

func TestFeed(t *testing.T) {
	var hub receive.Attached[*receive.Feed]
	var feed *receive.Feed
	feed = receive.NewFeed([]beans.AttributeInfo{{Name: "load", Type: beans.TypeFloat, Readable: true}},
		func(instance, name string) (func(), error) { return hub.Join(instance, name, feed), nil })
	var delivered []string
	detach, err := feed.Attach("shop", "stats", func(r probe.Result) { delivered = append(delivered, texts(r)...) })
	if err != nil {
		t.Fatal(err)
	}
	for k := range 2 {
		var r probe.Result
		r.Number("load", float64(k))
		r.Values = append(r.Values, probe.Value{Attribute: "lines", Value: tree.Text("x"), Events: []tree.Event{{Text: "x"}}})
		r.Tables = []probe.Table{{Attribute: "queues", Columns: []string{"name"}, Rows: [][]tree.Value{{tree.Text("a")}}}}
		for _, n := range hub.All() {
			n.Probe.Post(r)
		}
	}
	want := []string{"load=0/0", "lines=x/1", "received=1/0", "events_dropped=0/0", "queues:1", "load=1/0", "lines=x/1", "received=2/0", "events_dropped=0/0", "queues:1"}
	if diff := cmp.Diff(want, delivered); diff != "" {
		t.Errorf("delivered -want +got:\n%s", diff)
	}
	r, err := feed.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"received=2/0", "events_dropped=0/0", "load=1/0", "lines=x/2", "queues:1"}, texts(r)); diff != "" {
		t.Errorf("run -want +got:\n%s", diff)
	}
	r, _ = feed.Run(t.Context())
	if diff := cmp.Diff([]string{"received=2/0", "events_dropped=0/0"}, texts(r)); diff != "" {
		t.Errorf("what did not come anew -want +got:\n%s", diff)
	}
	detach()
	if len(hub.All()) != 0 {
		t.Error("a detached probe is still sent to")
	}
}

func TestFeedBoundsWhatNobodyFetches(t *testing.T) {
	feed := receive.NewFeed(nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	announced := make(chan bool, 1)
	done := make(chan error, 1)
	for range receive.MaxPending + 5 {
		feed.Post(probe.Result{Values: []probe.Value{{Attribute: "lines", Value: tree.Text("x"), Events: []tree.Event{{Text: "x"}}}}})
	}
	go func() { done <- feed.Watch(ctx, func() { announced <- true; cancel() }) }()
	<-announced
	if err := <-done; err == nil {
		t.Error("Watch ended before its context")
	}
	r, _ := feed.Run(t.Context())
	want := []string{"received=1005/0", "events_dropped=5/0", "lines=x/1000"}
	if diff := cmp.Diff(want, texts(r)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestFeedLosesNothingWhereAllIsDelivered(t *testing.T) {
	feed := receive.NewFeed(nil, nil)
	var delivered int
	if _, err := feed.Attach("shop", "log", func(r probe.Result) { delivered += len(r.Values[0].Events) }); err != nil {
		t.Fatal(err)
	}
	burst := make([]tree.Event, 300)
	post := func() {
		feed.PostMany(300, probe.Result{Values: []probe.Value{{Attribute: "lines", Value: tree.Text("x"), Events: burst}}})
	}
	for range 10 {
		post()
	}
	r, _ := feed.Run(t.Context())
	want := []string{"received=3000/0", "events_dropped=0/0", "lines=x/1000"}
	if diff := cmp.Diff(want, texts(r)); diff != "" || delivered != 3000 {
		t.Errorf("%d delivered, -want +got:\n%s", delivered, diff)
	}
	// From here on somebody fetches, and does so too seldom.
	for range 10 {
		post()
	}
	r, _ = feed.Run(t.Context())
	want = []string{"received=6000/0", "events_dropped=2000/0", "lines=x/1000"}
	if diff := cmp.Diff(want, texts(r)); diff != "" {
		t.Errorf("fetched too seldom, -want +got:\n%s", diff)
	}
}

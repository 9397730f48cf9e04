package notification

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"grove/beans"
	"grove/viewer/export/jolokia/value"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// then is when everything is emitted.
var then = time.UnixMilli(1000).UTC()

type rig struct {
	*testing.T
	server  *beans.Server
	clients *Clients
	bean    *beans.Standard
	dropped int
}

func newRig(t *testing.T, o Options) *rig {
	t.Helper()
	r := &rig{T: t}
	var err error
	if r.server, err = beans.NewServer(beans.ServerOptions{ID: "test"}); err != nil {
		t.Fatal(err)
	}
	if r.bean, err = beans.NewStandard(&struct{}{}, beans.StandardOptions{ClassName: "t.Bean"}); err != nil {
		t.Fatal(err)
	}
	if _, err = r.server.Register(r.bean, beans.MustName("d:type=Bean")); err != nil {
		t.Fatal(err)
	}
	o.Beans, o.Dropped = r.server, func() { r.dropped++ }
	r.clients = New(o)
	t.Cleanup(r.clients.Close)
	return r
}

func (r *rig) register() string {
	r.Helper()
	id, err := r.clients.Register()
	if err != nil {
		r.Fatal(err)
	}
	return id
}

func (r *rig) add(id, mode, name string, filter ...string) string {
	r.Helper()
	handle, err := r.clients.Add(r.Context(), id, Subscription{Mode: mode, Name: beans.MustName(name), Filter: filter, Handback: json.Number("7")})
	if err != nil {
		r.Fatal(err)
	}
	return handle
}

func (r *rig) emit(kind string, data beans.Value) {
	r.bean.Emit(beans.Notification{Type: kind, Time: then, Message: "m", Data: data})
}

// text is a result as clients see it.
func (r *rig) text(v beans.Value) string {
	r.Helper()
	out, err := value.Options{}.Serialize(v, nil)
	if err != nil {
		r.Fatal(err)
	}
	return string(value.Append(nil, out))
}

func TestPull(t *testing.T) {
	r := newRig(t, Options{})
	id := r.register()
	one, two := r.add(id, Pull, "d:type=Bean", "a.", "b."), r.add(id, Pull, "d:type=Bean", "c")
	if one != "1" || two != "2" {
		t.Errorf("handles %s and %s", one, two)
	}
	if got := r.clients.Pull(id, one, nil); got != nil {
		t.Errorf("before anything came: %v", got)
	}
	r.emit("a.x", "data")
	r.emit("x.a", nil)
	r.emit("c", beans.AttributeChange{Attribute: "A", Type: beans.TypeInt, Old: int64(1), New: int64(2)})
	const head = `{"message":"m",`
	if got, want := r.text(r.clients.Pull(id, one, nil)), `{"dropped":0,"handback":7,"handle":"1","notifications":[`+head+
		`"sequenceNumber":1,"source":{"objectName":"d:type=Bean"},"timeStamp":1000,"type":"a.x","userData":"data"}]}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := r.text(r.clients.Pull(id, one, nil)), `{"dropped":0,"handback":7,"handle":"1","notifications":[]}`; got != want {
		t.Errorf("drained\ngot  %s\nwant %s", got, want)
	}
	if got, want := r.text(r.clients.Pull(id, two, nil)), `{"dropped":0,"handback":7,"handle":"2","notifications":[{"attributeName":"A","attributeType":"long","message":"m",`+
		`"newValue":2,"oldValue":1,"sequenceNumber":3,"source":{"objectName":"d:type=Bean"},"timeStamp":1000,"type":"c","userData":null}]}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	list, err := r.clients.List(id)
	if got, want := r.text(list), `{"1":{"mbean":"d:type=Bean","filter":["a.","b."],"handback":7},"2":{"mbean":"d:type=Bean","filter":["c"],"handback":7}}`; got != want || err != nil {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
	}
	if err := r.clients.Remove(id, one); err != nil {
		t.Error(err)
	}
	r.emit("a.x", nil)
	if got := r.clients.Pull(id, one, nil); got != nil {
		t.Errorf("after its removal: %v", got)
	}
	if err := r.clients.Remove(id, one); !errors.Is(err, beans.ErrListenerNotFound) {
		t.Error(err)
	}
}

// reading is Data of a kind that this package does not know.
type reading struct {
	ObservedObject beans.Name
	DerivedGauge   beans.Value
	ID             int
	Message        string // stands in the notification already
	hidden         int
}

func TestDataThatIsAStruct(t *testing.T) {
	r := newRig(t, Options{})
	id := r.register()
	handle := r.add(id, Pull, "d:*")
	r.emit("x", reading{beans.MustName("d:b=1,a=2"), 1.5, 3, "other", 4})
	if got, want := r.text(r.clients.Pull(id, handle, nil)), `{"dropped":0,"handback":7,"handle":"1","notifications":[{"derivedGauge":1.5,"id":3,"message":"m",`+
		`"observedObject":{"objectName":"d:a=2,b=1"},"sequenceNumber":1,"source":{"objectName":"d:type=Bean"},"timeStamp":1000,"type":"x","userData":null}]}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestOldestAreDroppedAndCounted(t *testing.T) {
	r := newRig(t, Options{})
	id := r.register()
	handle := r.add(id, Pull, "d:type=Bean")
	streamed := r.add(id, Stream, "d:type=Bean")
	for range MaxStream + 5 {
		r.emit("x", nil)
	}
	result := r.clients.Pull(id, handle, nil).(map[string]beans.Value)
	list := result["notifications"].([]beans.Value)
	if len(list) != MaxEntries || result["dropped"] != int64(MaxStream+5-MaxEntries) {
		t.Errorf("%d notifications, dropped %v", len(list), result["dropped"])
	}
	if first := list[0].(map[string]beans.Value)["sequenceNumber"]; first != int64(MaxStream+5-MaxEntries+1) {
		t.Errorf("the first left has the number %v", first)
	}
	channel, err := r.clients.Open(id, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer channel.Close()
	e, err := channel.Next(t.Context())
	if err != nil || e.Sequence != 6 || e.Result["dropped"] != int64(5) || e.Result["handle"] != streamed {
		t.Errorf("%v %+v", err, e)
	}
	if e, err = channel.Next(t.Context()); err != nil || e.Sequence != 7 || e.Result["dropped"] != int64(0) {
		t.Errorf("%v %+v", err, e)
	}
	if want := MaxStream + 5 - MaxEntries + 5; r.dropped != want {
		t.Errorf("counted %d, want %d", r.dropped, want)
	}
}

func TestStreamWaitsAndIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		id := r.register()
		r.add(id, Stream, "d:type=Bean")
		first, err := r.clients.Open(id, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan string)
		follow := func(ch *Channel) {
			for {
				e, err := ch.Next(t.Context())
				if err != nil {
					got <- err.Error()
					return
				}
				got <- fmt.Sprint(e.Sequence)
			}
		}
		go follow(first)
		synctest.Wait()
		r.emit("x", nil)
		if s := <-got; s != "1" {
			t.Errorf("got %s", s)
		}
		second, err := r.clients.Open(id, nil)
		if err != nil {
			t.Fatal(err)
		}
		if s := <-got; s != ErrEnded.Error() {
			t.Errorf("the first stream: %s", s)
		}
		first.Close() // changes nothing
		go follow(second)
		r.emit("x", nil)
		if s := <-got; s != "2" {
			t.Errorf("got %s", s)
		}
		if err := r.clients.Unregister(id); err != nil {
			t.Error(err)
		}
		if s := <-got; s != ErrEnded.Error() {
			t.Errorf("the second stream: %s", s)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		id = r.register()
		third, err := r.clients.Open(id, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := third.Next(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		r.clients.Close()
	})
}

func TestSilentClientsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Expire: time.Minute})
		silent, pinging, pulling, streaming := r.register(), r.register(), r.register(), r.register()
		r.add(silent, Pull, "d:type=Bean")
		handle := r.add(pulling, Pull, "d:type=Bean")
		channel, err := r.clients.Open(streaming, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			time.Sleep(30 * time.Second)
			if err := r.clients.Ping(pinging); err != nil {
				t.Error(err)
			}
			r.clients.Pull(pulling, handle, nil)
		}
		if n := r.clients.Len(); n != 3 {
			t.Errorf("%d clients are left, want 3", n)
		}
		if err := r.clients.Ping(silent); err == nil || err.Error() != "No client "+silent+" registered" {
			t.Error(err)
		}
		channel.Close()
		time.Sleep(59 * time.Second)
		if err := r.clients.Ping(streaming); err != nil {
			t.Error("a stream that has just ended:", err)
		}
		time.Sleep(2 * time.Minute)
		if n := r.clients.Len(); n != 0 || r.bean.Listened() {
			t.Errorf("%d clients are left; the bean is listened to: %t", n, r.bean.Listened())
		}
	})
}

func TestBoundsAndErrors(t *testing.T) {
	r := newRig(t, Options{MaxClients: 2, MaxListeners: 1})
	id := r.register()
	r.register()
	_, tooMany := r.clients.Register()
	handle := r.add(id, Pull, "d:type=Bean")
	try := func(id, mode, name string) error {
		_, err := r.clients.Add(t.Context(), id, Subscription{Mode: mode, Name: beans.MustName(name)})
		return err
	}
	_, unknownStream := r.clients.Open("x", nil)
	_, unknownList := r.clients.List("x")
	full := try(id, Pull, "d:type=Bean")
	if err := r.clients.Remove(id, handle); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{tooMany, "There are as many clients as the bound of 2 allows; unregister one, or wait until one that is silent expires"},
		{full, "The client has as many listeners as the bound of 1 allows; remove one"},
		{try("x", Pull, "d:type=Bean"), "No client x registered"},
		{try(id, "smoke", "d:type=Bean"), "No notification backend of type 'smoke' registered. Known backends: [pull sse]"},
		{try(id, Pull, "d:type=None"), "listen to d:type=None: no such bean"},
		{try(id, Pull, "none:*"), "listen to none:*: no such bean"},
		{unknownStream, "No client x registered"},
		{unknownList, "No client x registered"},
		{r.clients.Ping("x"), "No client x registered"},
		{r.clients.Remove("x", "1"), "No client x registered"},
		{r.clients.Unregister("x"), "No client x registered"},
	} {
		if tt.err == nil || tt.err.Error() != tt.want {
			t.Errorf("got  %v\nwant %s", tt.err, tt.want)
		}
	}
	if got := r.clients.Pull("x", "1", nil); got != nil {
		t.Errorf("pull of an unknown client: %v", got)
	}
	many := 0
	for i := range MaxBeans + 1 {
		b, err := beans.NewStandard(&struct{}{}, beans.StandardOptions{ClassName: "t.Many"})
		if err == nil {
			_, err = r.server.Register(b, beans.MustName(fmt.Sprintf("many:n=%d", i)))
		}
		if err != nil {
			t.Fatal(err)
		}
		many++
	}
	if err := try(id, Pull, "many:*"); err == nil || err.Error() != fmt.Sprintf("The pattern many:* matches %d beans; one listener listens to no more than its bound of %d", many, MaxBeans) {
		t.Error(err)
	}
	r.clients.Close()
	if _, err := r.clients.Register(); err == nil {
		t.Error("a client registers after the end")
	}
	if r.bean.Listened() {
		t.Error("the bean is listened to after the end")
	}
}

package beans_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
)

type position struct {
	Slot uint8 `bean:"slot,rw"`
}

// pump is a component as grove has them: its lock guards its fields.
type pump struct {
	mu sync.Mutex
	position
	Speed  float64                     `bean:"speed,rw" unit:"1/min" doc:"Speed of the pump."`
	Model  string                      `bean:",rw"`
	Every  time.Duration               `bean:"every,rw" unit:"s"`
	Tags   []string                    `bean:"tags,rw"`
	Labels map[string]int              `bean:"labels,rw"`
	Parts  []time.Duration             `bean:"parts,rw"`
	Peer   beans.Name                  `bean:"peer,rw"`
	Any    any                         `bean:"any,rw"`
	Turns  atomic.Int64                `bean:"turns" doc:"Turns so far."`
	Big    uint64                      `bean:"big"`
	Load   float64                     `bean:"load"` // GetLoad answers
	Limit  int                         `bean:"limit,rw"`
	Reset  func(int) string            `bean:"reset,params=to" doc:"Sets the turns."`
	Fail   func(context.Context) error `bean:"fail,info"`
	None   func()                      `bean:"none"`
	hidden int
}

func (p *pump) GetLoad() (float64, error) { return 0.5, nil }
func (p *pump) CheckSpeed(v float64) error {
	if v < 0 {
		return errors.New("a pump does not run backwards")
	}
	return nil
}
func (p *pump) SetLimit(v int) error {
	if v > 100 {
		return fmt.Errorf("%d is beyond 100", v)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hidden, p.Limit = v, v
	return nil
}
func (p *pump) Start(context.Context) error { return nil }
func (p *pump) Stop()                       {}

func newPump(t testing.TB) (*pump, *beans.Standard) {
	t.Helper()
	p := &pump{Speed: 1, Model: "AX", Every: time.Second, Tags: []string{"a"}, Big: 1 << 63}
	p.Reset = func(to int) string {
		p.Turns.Store(int64(to))
		return "done"
	}
	p.Fail = func(context.Context) error { return errors.New("no water") }
	b, err := beans.NewStandard(p, beans.StandardOptions{
		Description: "A pump.", Lock: &p.mu,
		Check: map[string]func(beans.Value) error{"Model": func(v beans.Value) error {
			if v == "" {
				return errors.New("a model has a name")
			}
			return nil
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p, b
}

func TestStandardDescribesTheStruct(t *testing.T) {
	_, b := newPump(t)
	attribute := func(name string, typ beans.Type, writable bool) beans.AttributeInfo {
		return beans.AttributeInfo{Name: name, Type: typ, Readable: true, Writable: writable}
	}
	speed, every, turns := attribute("speed", beans.TypeFloat, true), attribute("every", beans.TypeDuration, true), attribute("turns", beans.TypeInt, false)
	speed.Unit, speed.Description, every.Unit, turns.Description = "1/min", "Speed of the pump.", "s", "Turns so far."
	state := attribute("state", beans.TypeString, false)
	state.Description = "Whether the component runs: stopped, starting, running, stopping or failed."
	want := beans.Info{
		ClassName: "beans_test.pump", Description: "A pump.",
		Attributes: []beans.AttributeInfo{
			attribute("slot", beans.TypeInt, true), speed, attribute("Model", beans.TypeString, true), every,
			attribute("tags", beans.TypeStrings, true), attribute("labels", beans.TypeMap, true), attribute("parts", beans.TypeList, true),
			attribute("peer", beans.TypeName, true), attribute("any", beans.TypeAny, true), turns,
			attribute("big", beans.TypeInt, false), attribute("load", beans.TypeFloat, false), attribute("limit", beans.TypeInt, true), state,
		},
		Operations: []beans.OperationInfo{
			{Name: "reset", Description: "Sets the turns.", Parameters: []beans.ParameterInfo{{Name: "to", Type: beans.TypeInt}}, Returns: beans.TypeString, Impact: beans.ImpactAction},
			{Name: "fail", Returns: beans.TypeVoid, Impact: beans.ImpactInfo},
			{Name: "start", Description: "Starts the component.", Returns: beans.TypeVoid, Impact: beans.ImpactAction},
			{Name: "stop", Description: "Stops the component.", Returns: beans.TypeVoid, Impact: beans.ImpactAction},
		},
		Notifications: []beans.NotificationInfo{{
			Types: []string{"jmx.attribute.change"}, Name: "javax.management.AttributeChangeNotification", Description: "An attribute was set.",
		}},
	}
	if diff := cmp.Diff(want, b.Info()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStandardGetsAndSets(t *testing.T) {
	p, b := newPump(t)
	for _, tt := range []struct {
		name      string
		set, want beans.Value
	}{
		{"slot", "7", int64(7)},
		{"speed", 12, 12.0},
		{"Model", "BX", "BX"},
		{"every", "1m", time.Minute},
		{"tags", []beans.Value{"x", "y"}, []string{"x", "y"}},
		{"labels", map[string]beans.Value{"a": 1.0}, map[string]beans.Value{"a": int64(1)}},
		{"parts", []beans.Value{"1s", 2}, []beans.Value{time.Second, 2 * time.Second}},
		{"peer", "d:a=1", beans.MustName("d:a=1")},
		{"any", int32(3), int64(3)},
		{"any", nil, nil},
		{"limit", 50, int64(50)},
	} {
		if err := b.SetAttribute(t.Context(), tt.name, tt.set); err != nil {
			t.Errorf("set %s: %v", tt.name, err)
		}
		got, err := b.Attribute(t.Context(), tt.name)
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", tt.name, err, diff)
		}
	}
	if p.Slot != 7 || p.hidden != 50 {
		t.Errorf("slot %d, hidden %d", p.Slot, p.hidden)
	}
	p.Turns.Store(9)
	for name, want := range map[string]beans.Value{"turns": int64(9), "load": 0.5, "big": int64(1<<63 - 1), "state": "stopped"} {
		if got, err := b.Attribute(t.Context(), name); got != want || err != nil {
			t.Errorf("%s is %v, %v", name, got, err)
		}
	}
}

func TestStandardCopiesSlices(t *testing.T) {
	p, b := newPump(t)
	mine := []string{"x"}
	if err := b.SetAttribute(t.Context(), "tags", mine); err != nil {
		t.Fatal(err)
	}
	mine[0] = "changed by the caller"
	got, _ := b.Attribute(t.Context(), "tags")
	got.([]string)[0] = "changed by the reader"
	if p.Tags[0] != "x" {
		t.Errorf("the component has %q", p.Tags[0])
	}
}

func TestStandardErrors(t *testing.T) {
	_, b := newPump(t)
	ctx := t.Context()
	set := func(name string, v beans.Value) error { return b.SetAttribute(ctx, name, v) }
	invoke := func(op string, args ...beans.Value) error { _, err := b.Invoke(ctx, op, args); return err }
	for _, tt := range []struct {
		err, is error
		want    string
	}{
		{set("none", 1), beans.ErrAttributeNotFound, `no such attribute "none"`},
		{set("hidden", 1), beans.ErrAttributeNotFound, `no such attribute "hidden"`},
		{set("load", 1), beans.ErrReadOnly, `read-only attribute "load"`},
		{set("state", "running"), beans.ErrReadOnly, `read-only attribute "state"`},
		{set("speed", "fast"), beans.ErrInvalidValue, `attribute "speed": invalid value: "fast" is no float64`},
		{set("speed", -1), beans.ErrInvalidValue, `attribute "speed": invalid value: a pump does not run backwards`},
		{set("Model", ""), beans.ErrInvalidValue, `attribute "Model": invalid value: a model has a name`},
		{set("slot", 256), beans.ErrInvalidValue, `attribute "slot": invalid value: 256 is out of the range of uint8`},
		{set("limit", 101), beans.ErrInvalidValue, `attribute "limit": invalid value: 101 is beyond 100`},
		{set("labels", map[string]beans.Value{"a": "b"}), beans.ErrInvalidValue, `attribute "labels": key "a": invalid value: "b" is no int64`},
		{set("parts", []beans.Value{"long"}), beans.ErrInvalidValue, `attribute "parts": element 1: invalid value: "long" is no duration`},
		{invoke("none"), beans.ErrOperationNotFound, `no such operation "none"`},
		{invoke("fail"), nil, "no water"},
		{invoke("reset"), beans.ErrInvalidValue, `operation "reset": invalid value: 0 arguments for 1 parameters`},
		{invoke("reset", "x"), beans.ErrInvalidValue, `operation "reset": parameter "to": invalid value: "x" is no int64`},
	} {
		if tt.err == nil || tt.err.Error() != tt.want || tt.is != nil && !errors.Is(tt.err, tt.is) {
			t.Errorf("got  %v\nwant %s", tt.err, tt.want)
		}
	}
}

func TestStandardOperationRuns(t *testing.T) {
	p, b := newPump(t)
	got, err := b.Invoke(t.Context(), "reset", []beans.Value{"5"})
	if got != "done" || err != nil || p.Turns.Load() != 5 {
		t.Errorf("got %v, %v, turns %d", got, err, p.Turns.Load())
	}
}

func TestStandardTellsOfChanges(t *testing.T) {
	_, b := newPump(t)
	var got []beans.Value
	b.Subscribe(func(n beans.Notification) { got = append(got, n.Message, n.Data) }, beans.AttributeNames("speed", "limit", "state"))
	for _, set := range []beans.AttributeValue{{"speed", 5}, {"speed", -5}, {"limit", 7}, {"Model", "x"}} {
		_ = b.SetAttribute(t.Context(), set.Name, set.Value) // one of them is refused
	}
	for _, op := range []string{"start", "start", "stop", "stop"} {
		if _, err := b.Invoke(t.Context(), op, nil); err != nil {
			t.Error(err)
		}
	}
	want := []beans.Value{
		"speed was set", beans.AttributeChange{Attribute: "speed", Type: beans.TypeFloat, Old: 1.0, New: 5.0},
		"limit was set", beans.AttributeChange{Attribute: "limit", Type: beans.TypeInt, Old: int64(0), New: int64(7)},
		"the component is running", beans.AttributeChange{Attribute: "state", Type: beans.TypeString, Old: "stopped", New: "running"},
		"the component is stopped", beans.AttributeChange{Attribute: "state", Type: beans.TypeString, Old: "running", New: "stopped"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

type failing struct{ err error }

func (f *failing) Start() error { return f.err }
func (f *failing) Stop()        { panic("stuck") }

func TestFailedStartShows(t *testing.T) {
	f := &failing{err: errors.New("no port")}
	b, err := beans.NewStandard(f, beans.StandardOptions{})
	if err != nil {
		t.Fatal(err)
	}
	state := func() beans.Value { v, _ := b.Attribute(t.Context(), "state"); return v }
	if _, err := b.Invoke(t.Context(), "start", nil); !errors.Is(err, f.err) || state() != "failed" {
		t.Errorf("got %v, state %v", err, state())
	}
	f.err = nil
	if _, err := b.Invoke(t.Context(), "start", nil); err != nil || state() != "running" {
		t.Errorf("got %v, state %v", err, state())
	}
	if _, err := b.Invoke(t.Context(), "stop", nil); err == nil || err.Error() != "the bean panicked: stuck" || state() != "failed" {
		t.Errorf("got %v, state %v", err, state())
	}
}

type knowing struct{ calls int }

func (k *knowing) Start()        { k.calls++ }
func (k *knowing) Stop()         { k.calls++ }
func (k *knowing) State() string { return "asleep" }

func TestComponentThatKnowsItsStateIsAlwaysCalled(t *testing.T) {
	k := &knowing{}
	b, err := beans.NewStandard(k, beans.StandardOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range []string{"stop", "start", "start"} {
		if _, err := b.Invoke(t.Context(), op, nil); err != nil {
			t.Error(err)
		}
	}
	if v, _ := b.Attribute(t.Context(), "state"); v != "asleep" || k.calls != 3 {
		t.Errorf("state %v after %d calls", v, k.calls)
	}
}

type onlyStart struct{}

func (*onlyStart) Start() {}

type strangeSetter struct {
	A int `bean:",rw"`
}

func (*strangeSetter) SetA(string) {}

func TestNewStandardErrors(t *testing.T) {
	for _, tt := range []struct {
		v    any
		o    beans.StandardOptions
		want string
	}{
		{v: 1, want: "standard bean of int: it is no pointer to a struct"},
		{v: pump{}.position, want: "standard bean of beans_test.position: it is no pointer to a struct"},
		{v: (*pump)(nil), want: "standard bean of *beans_test.pump: it is no pointer to a struct"},
		{v: &struct {
			a int `bean:""`
		}{}, want: "standard bean of *struct { a int \"bean:\\\"\\\"\" }: field a has a bean tag but is not exported"},
		{v: &struct {
			A int `bean:"x"`
			B int `bean:"x"`
		}{}, want: "standard bean of *struct { A int \"bean:\\\"x\\\"\"; B int \"bean:\\\"x\\\"\" }: field B: a second attribute \"x\""},
		{v: &struct {
			A chan int `bean:""`
		}{}, want: "standard bean of *struct { A chan int \"bean:\\\"\\\"\" }: field A: type chan int cannot be an attribute"},
		{v: &struct {
			A int `bean:",w"`
		}{}, want: "standard bean of *struct { A int \"bean:\\\",w\\\"\" }: field A: unknown option \"w\" of an attribute; r and rw are known"},
		{v: &struct {
			A atomic.Int64 `bean:",rw"`
		}{}, want: "standard bean of *struct { A atomic.Int64 \"bean:\\\",rw\\\"\" }: field A: type atomic.Int64 cannot be set without a method SetA"},
		{v: &strangeSetter{}, want: "standard bean of *beans_test.strangeSetter: field A: method SetA must be func(int) or func(int) error"},
		{v: &onlyStart{}, want: "standard bean of *beans_test.onlyStart: it has one of Start and Stop, and not the other, as a func(context.Context) error, func() error or func()"},
		{v: &failing{}, o: beans.StandardOptions{Check: map[string]func(beans.Value) error{"none": nil}},
			want: `standard bean of *beans_test.failing: a check of "none", which is no attribute`},
		{v: &failing{}, o: beans.StandardOptions{Operations: []beans.Operation{{OperationInfo: beans.OperationInfo{Name: "x"}}}},
			want: `standard bean of *beans_test.failing: operation "x" has no function`},
		{v: &failing{}, o: beans.StandardOptions{Operations: []beans.Operation{{OperationInfo: beans.OperationInfo{Name: "start"},
			Call: func(context.Context, []beans.Value) (beans.Value, error) { return nil, nil }}}},
			want: `standard bean of *beans_test.failing: two operations are named "start"`},
	} {
		if _, err := beans.NewStandard(tt.v, tt.o); err == nil || err.Error() != tt.want {
			t.Errorf("got  %v\nwant %s", err, tt.want)
		}
	}
}

func TestStandardIsSafeForManyReadersAndTheComponent(t *testing.T) {
	p, b := newPump(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 100 {
				for _, a := range b.Info().Attributes {
					if _, err := b.Attribute(t.Context(), a.Name); err != nil {
						t.Error(err)
					}
				}
				if err := b.SetAttribute(t.Context(), "speed", i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for range 100 {
			p.mu.Lock()
			p.Speed++
			p.mu.Unlock()
			p.Turns.Add(1)
		}
	})
	wg.Wait()
}

func TestOverloadedOperations(t *testing.T) {
	told := ""
	op := func(says string, types ...beans.Type) beans.Operation {
		o := beans.Operation{OperationInfo: beans.OperationInfo{Name: "put", Returns: beans.TypeVoid}}
		for i, typ := range types {
			o.Parameters = append(o.Parameters, beans.ParameterInfo{Name: string(rune('a' + i)), Type: typ})
		}
		o.Call = func(_ context.Context, args []beans.Value) (beans.Value, error) {
			told = fmt.Sprint(says, args)
			return nil, nil
		}
		return o
	}
	b, err := beans.NewStandard(&struct{}{}, beans.StandardOptions{
		ClassName:  "t.Overloaded",
		Operations: []beans.Operation{op("none"), op("int", beans.TypeInt), op("bool", beans.TypeBool), op("two", beans.TypeString, beans.TypeAny)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, operation string
		args            []beans.Value
		want            string // what was told, or the error
	}{
		{"none", "put", nil, "none[]"},
		{"the first that converts", "put", []beans.Value{"7"}, "int[7]"},
		{"the second", "put", []beans.Value{"yes"}, "bool[true]"},
		{"by number", "put", []beans.Value{"a", nil}, "two[a <nil>]"},
		{"by signature", "put(bool)", []beans.Value{"1"}, "bool[true]"},
		{"empty signature", "put()", nil, "none[]"},
		{"converts to none", "put", []beans.Value{"seven"}, `operation "put": parameter "a": invalid value: "seven" is no int64`},
		{"wrong number", "put", []beans.Value{1, 2, 3}, `operation "put": invalid value: 3 arguments for 0 or 1 or 2 parameters`},
		{"wrong number for a signature", "put(bool)", nil, `operation "put(bool)": invalid value: 0 arguments for 1 parameters`},
		{"unknown signature", "put(time)", []beans.Value{1}, `no such operation "put(time)"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			told = ""
			if _, err := b.Invoke(t.Context(), tt.operation, tt.args); err != nil {
				told = err.Error()
			}
			if told != tt.want {
				t.Errorf("got  %s\nwant %s", told, tt.want)
			}
		})
	}
	_, err = beans.NewStandard(&struct{}{}, beans.StandardOptions{ClassName: "t.Twice", Operations: []beans.Operation{op("a", beans.TypeInt), op("b", beans.TypeInt)}})
	if want := `standard bean of *struct {}: two operations are named "put"`; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

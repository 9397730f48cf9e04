package remote

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"grove/beans"
	"grove/notify/peer"
	"grove/notify/peer/remote/value"
	"grove/tree/grant"
)

// bean stands for a bean of another manager.
type bean struct {
	remote *Remote
	entry  *entry
}

// emitter is a bean that emits notifications.
type emitter struct{ bean }

// Subscribe implements beans.Emitter. What is emitted is passed on from when the other
// manager has been told, which is soon.
func (b *emitter) Subscribe(listener beans.Listener, filter beans.Filter) (cancel func()) {
	return b.remote.subscribe(b.entry, listener, filter)
}

// beanQuestion is about one bean: the questions get, set and invoke have it in common.
type beanQuestion struct {
	Caller     caller            `json:"caller"`
	Name       string            `json:"name"`
	Attributes []string          `json:"attributes,omitempty"` // get: none is all that can be read
	Attribute  string            `json:"attribute,omitempty"`  // set
	Value      json.RawMessage   `json:"value,omitempty"`
	Operation  string            `json:"operation,omitempty"` // invoke
	Arguments  []json.RawMessage `json:"arguments,omitempty"`
}

// beanAnswer is the answer to each.
type beanAnswer struct {
	Error  *failure        `json:"error,omitempty"` // of the whole
	Values []readAnswer    `json:"values,omitempty"`
	Value  json.RawMessage `json:"value,omitempty"` // result of an operation
}

type readAnswer struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value,omitempty"`
	Error *failure        `json:"error,omitempty"`
}

// question begins a question about the bean.
func (b *bean) question(ctx context.Context, most time.Duration) beanQuestion {
	at, placed := b.remote.placeOf(b.entry)
	q := beanQuestion{Caller: b.remote.callerOf(ctx, at, placed), Name: b.entry.there.Canonical()}
	q.Caller.Within = within(ctx, most)
	return q
}

// The first reading of a bean asks for the one attribute. Whoever reads another one of it
// soon after reads them all, most likely: then all are asked for at once, and those that
// follow within readFresh are answered from that.
const (
	readFresh = 200 * time.Millisecond
	maxReads  = 256
)

type readKey struct{ bean, who string }

type read struct {
	at        time.Time
	attribute string
	values    map[string]readAnswer // nil: only the one was asked for
}

// Attribute implements beans.Bean.
func (b *bean) Attribute(ctx context.Context, name string) (beans.Value, error) {
	r := b.remote
	s := grant.Of(ctx)
	key := readKey{b.entry.name.Canonical(), s.Name + "\n" + s.Rights()}
	began := time.Now()
	r.mu.Lock()
	last := r.reads[key]
	fresh := last != nil && began.Sub(last.at) < readFresh
	var answer readAnswer
	known := false
	if fresh && last.values != nil {
		answer, known = last.values[name]
	}
	all := fresh && last.values == nil && last.attribute != name
	r.mu.Unlock()
	if known {
		return decoded(answer)
	}
	q := b.question(ctx, getWithin)
	if !all {
		q.Attributes = []string{name}
	}
	var a beanAnswer
	if err := r.ask(ctx, b.entry.of, kindGet, &q, &a, getWithin); err != nil {
		return nil, err
	}
	if a.Error != nil {
		return nil, a.Error.err()
	}
	now := &read{at: time.Now(), attribute: name}
	if all {
		now.values = make(map[string]readAnswer, len(a.Values))
		for _, v := range a.Values {
			now.values[v.Name] = v
		}
	}
	r.mu.Lock()
	if len(r.reads) >= maxReads {
		clear(r.reads)
	}
	if !fresh || all {
		r.reads[key] = now
	}
	r.mu.Unlock()
	for _, v := range a.Values {
		if v.Name == name {
			return decoded(v)
		}
	}
	if all { // One that is not among all that can be read, or did not fit beside them.
		q.Attributes = []string{name}
		a = beanAnswer{}
		if err := r.ask(ctx, b.entry.of, kindGet, &q, &a, getWithin); err != nil {
			return nil, err
		}
		if a.Error != nil {
			return nil, a.Error.err()
		}
		if len(a.Values) == 1 && a.Values[0].Name == name {
			return decoded(a.Values[0])
		}
	}
	return nil, beans.NoAttribute(name)
}

func decoded(a readAnswer) (beans.Value, error) {
	if a.Error != nil {
		return nil, a.Error.err()
	}
	return value.Decode(a.Value)
}

// forget has what was read of a bean read again.
func (r *Remote) forget(e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.reads {
		if key.bean == e.name.Canonical() {
			delete(r.reads, key)
		}
	}
}

// SetAttribute implements beans.Bean.
func (b *bean) SetAttribute(ctx context.Context, name string, v beans.Value) (err error) {
	defer b.remote.forget(b.entry)
	q := b.question(ctx, setWithin)
	q.Attribute = name
	if q.Value, err = value.Encode(v); err != nil {
		return beans.Invalid(name, err)
	}
	var a beanAnswer
	if err := b.remote.ask(ctx, b.entry.of, kindSet, &q, &a, setWithin); err != nil {
		return err
	}
	return a.Error.err()
}

// Invoke implements beans.Bean.
func (b *bean) Invoke(ctx context.Context, operation string, args []beans.Value) (beans.Value, error) {
	defer b.remote.forget(b.entry)
	if len(args) > MaxArguments {
		return nil, fmt.Errorf("operation %.80q: %w: %d arguments are more than %d", operation, beans.ErrInvalidValue, len(args), MaxArguments)
	}
	q := b.question(ctx, callWithin)
	q.Operation = operation
	for i, arg := range args {
		text, err := value.Encode(arg)
		if err != nil {
			return nil, fmt.Errorf("argument %d of %.80q: %w: %w", i+1, operation, beans.ErrInvalidValue, err)
		}
		q.Arguments = append(q.Arguments, text)
	}
	var a beanAnswer
	if err := b.remote.ask(ctx, b.entry.of, kindInvoke, &q, &a, callWithin); err != nil {
		return nil, err
	}
	if a.Error != nil {
		return nil, a.Error.err()
	}
	return value.Decode(a.Value)
}

// described is the description of beans, shared by those that are alike.
type described struct {
	beans.Info
	at time.Time
}

const (
	infoFresh = time.Minute
	infoAhead = 100 // descriptions that are asked for together
	maxInfo   = 128 << 10
	infoPause = 2 * time.Second
	awayClass = "grove.peer.Bean" // class of a bean whose description is not known
)

type infoQuestion struct {
	Chain []peer.ID `json:"chain"`
	Names []string  `json:"names"`
}

// infoAnswer has each description once.
type infoAnswer struct {
	Infos []json.RawMessage `json:"infos"`
	Of    []int             `json:"of"` // for each name the index of its description; -1: none
}

// Info implements beans.Bean. What is not known yet is asked for, with that of those that
// follow in the order of names: whoever lists beans wants them all.
func (b *bean) Info() beans.Info {
	r, e := b.remote, b.entry
	r.mu.Lock()
	o := r.others[e.of]
	r.mu.Unlock()
	if o == nil {
		return unknown("its manager is gone")
	}
	if d := r.infoOf(e, infoFresh); d != nil {
		return d.Info
	}
	o.infos.Lock()
	defer o.infos.Unlock()
	if d := r.infoOf(e, infoFresh); d != nil { // Somebody else asked meanwhile.
		return d.Info
	}
	why := "its manager does not answer"
	if time.Now().After(o.infosDown) {
		if err := r.askInfos(o, e); err != nil {
			o.infosDown = time.Now().Add(infoPause)
			why = err.Error()
		}
	}
	if d := r.infoOf(e, 1<<62); d != nil { // One that is old, if there is one.
		return d.Info
	}
	return unknown(why)
}

func unknown(why string) beans.Info {
	return beans.Info{ClassName: awayClass, Description: "A bean of another manager that is not described now: " + why + "."}
}

// infoOf is the description of a bean, if it is known and not older than that.
func (r *Remote) infoOf(e *entry, most time.Duration) *described {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.info != nil && time.Since(e.info.at) < most {
		return e.info
	}
	return nil
}

// askInfos asks for the description of a bean and of those after it.
func (r *Remote) askInfos(o *other, first *entry) error {
	r.mu.Lock()
	id := o.id
	at, _ := slices.BinarySearchFunc(o.entries, first, func(a, b *entry) int { return a.there.Compare(b.there) })
	asked := []*entry{first}
	for i := at; i < len(o.entries) && len(asked) < infoAhead; i++ {
		if e := o.entries[i]; e != first && (e.info == nil || time.Since(e.info.at) >= infoFresh) {
			asked = append(asked, e)
		}
	}
	r.mu.Unlock()
	q := infoQuestion{Chain: []peer.ID{r.self}}
	for _, e := range asked {
		q.Names = append(q.Names, e.there.Canonical())
	}
	var a infoAnswer
	if err := r.ask(context.Background(), id, kindInfo, &q, &a, infoWithin); err != nil {
		return err
	}
	if len(a.Of) == 0 || len(a.Of) > len(asked) {
		return errors.New("the answer does not fit the question")
	}
	shared := make([]*described, len(a.Infos))
	now := time.Now()
	for i, text := range a.Infos {
		d := &described{at: now}
		if len(text) > maxInfo || json.Unmarshal(text, &d.Info) != nil {
			continue
		}
		shared[i] = r.intern(o, sha256.Sum256(text), d)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, k := range a.Of {
		if k >= 0 && k < len(shared) && shared[k] != nil {
			asked[i].info = shared[k]
		}
	}
	return nil
}

// maxShared bounds the descriptions of one manager that are shared between answers.
const maxShared = 1000

// intern returns the one description that beans of different answers have in common.
func (r *Remote) intern(o *other, hash [sha256.Size]byte, d *described) *described {
	r.mu.Lock()
	defer r.mu.Unlock()
	if was := o.shared[hash]; was != nil {
		was.at = d.at
		return was
	}
	if o.shared == nil || len(o.shared) >= maxShared {
		o.shared = map[[sha256.Size]byte]*described{}
	}
	o.shared[hash] = d
	return d
}

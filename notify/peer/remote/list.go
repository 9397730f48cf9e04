package remote

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"grove/beans"
	"grove/notify/peer"
	"grove/tree"
	"grove/tree/grant"
	"grove/tree/monitor"
)

// listQuestion asks for the beans after one of them.
type listQuestion struct {
	Edition string    `json:"edition,omitempty"` // that the asker has
	After   string    `json:"after,omitempty"`   // canonical name
	Known   []peer.ID `json:"known,omitempty"`   // managers that the asker is or is linked to
	Pattern string    `json:"pattern,omitempty"`
	Caller  *caller   `json:"caller,omitempty"` // of a query; else it is the manager itself
}

type listAnswer struct {
	Edition string     `json:"edition"`
	Same    bool       `json:"same,omitempty"`
	Beans   []listBean `json:"beans,omitempty"`
	More    bool       `json:"more,omitempty"`
	LeftOut int        `json:"leftOut,omitempty"`
}

// listBean is one bean as its manager tells of it.
type listBean struct {
	Name   string     `json:"n"`           // canonical
	Place  *tree.Path `json:"p,omitempty"` // of the instance that it belongs to
	Emits  bool       `json:"e,omitempty"`
	Behind []peer.ID  `json:"b,omitempty"` // whose it is, if not of who tells
}

// beansFor are the beans here that a subject may see, by canonical name. Behind says that
// those of other managers are meant, too, except for those that are known.
func (r *Remote) beansFor(s *grant.Subject, from peer.ID, pattern beans.Name, known []peer.ID) ([]listBean, int, error) {
	names, err := r.opts.Beans.Registered(pattern)
	if err != nil {
		return nil, 0, err
	}
	list := make([]listBean, 0, len(names))
	for _, n := range names {
		if !tellable(n) {
			continue
		}
		b := listBean{Name: n.Canonical()}
		if _, theirs := n.Get(Key); theirs {
			r.mu.Lock()
			e := r.names[n.Canonical()]
			r.mu.Unlock()
			if e == nil {
				continue
			}
			b.Behind = append([]peer.ID{e.of}, e.behind...)
			b.Emits = e.emits
			if len(b.Behind) >= MaxHops || slices.Contains(b.Behind, from) || slices.ContainsFunc(known, func(id peer.ID) bool { return slices.Contains(b.Behind, id) }) {
				continue
			}
		}
		if r.demand(s, n, grant.Viewer, grant.Viewer) != nil {
			continue
		}
		if p, ok := r.opts.Place(n); ok {
			b.Place = &p
		}
		if b.Behind == nil {
			bean, err := r.opts.Beans.Bean(n)
			if err != nil {
				continue // It went in this moment.
			}
			_, b.Emits = bean.(beans.Emitter)
		}
		list = append(list, b)
	}
	slices.SortFunc(list, func(a, b listBean) int { return cmp.Compare(a.Name, b.Name) })
	if left := len(list) - MaxNames; left > 0 {
		return list[:MaxNames], left, nil
	}
	return list, 0, nil
}

// tellable says whether a bean is one that other managers can ask for: nodes have questions
// of their own, and what describes a bean server describes the asker's.
func tellable(n beans.Name) bool {
	kind, _ := n.Get("type")
	return n.Domain() != beans.DelegateName.Domain() && (n.Domain() != monitor.Domain || kind != monitor.Type)
}

// answerList tells another manager of the beans here.
func (r *Remote) answerList(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	var q listQuestion
	if err := readQuestion(body, &q); err != nil {
		return nil, err
	}
	q.Pattern, q.Caller = "", r.itself(from, nil)
	r.mu.Lock()
	if len(r.told) < maxKnown {
		r.told[from] = time.Now()
	}
	r.mu.Unlock()
	return r.answerNames(ctx, from, &q)
}

// answerQuery tells who asks by another manager of the beans that a pattern matches now.
func (r *Remote) answerQuery(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	var q listQuestion
	if err := readQuestion(body, &q); err != nil {
		return nil, err
	}
	if q.Caller == nil {
		return nil, peer.Refuse(peer.Invalid, "the question does not say who asks")
	}
	q.Edition = ""
	return r.answerNames(ctx, from, &q)
}

func (r *Remote) answerNames(ctx context.Context, from peer.ID, q *listQuestion) ([]byte, error) {
	if len(q.Known) > maxKnown {
		return nil, peer.Refuse(peer.Invalid, "%d known managers are more than %d", len(q.Known), maxKnown)
	}
	var pattern beans.Name
	if q.Pattern != "" {
		var err error
		if pattern, err = beans.ParseName(q.Pattern); err != nil {
			return nil, peer.Refuse(peer.Invalid, "%s", clean(err.Error(), maxMessage))
		}
	}
	ctx, leave, err := r.admit(ctx, from, q.Caller)
	if err != nil {
		return nil, err
	}
	defer leave()
	list, left, err := r.beansFor(grant.Of(ctx), from, pattern, q.Known)
	if err != nil {
		return nil, err
	}
	texts := make([][]byte, len(list))
	h := sha256.New()
	for i := range list {
		if texts[i], err = json.Marshal(&list[i]); err != nil {
			return nil, err
		}
		_, _ = h.Write(texts[i]) // A hash takes everything.
	}
	a := listAnswer{Edition: hex.EncodeToString(h.Sum(nil)[:12]), LeftOut: left}
	if q.After == "" && q.Edition == a.Edition {
		a.Same = true
		return json.Marshal(a)
	}
	size := 0
	begin, _ := slices.BinarySearchFunc(list, q.After, func(b listBean, after string) int {
		if b.Name <= after && after != "" {
			return -1
		}
		return 1
	})
	for i := begin; i < len(list); i++ {
		if size += len(texts[i]) + 1; size > pageBytes && len(a.Beans) > 0 {
			a.More = true
			break
		}
		a.Beans = append(a.Beans, list[i])
	}
	return json.Marshal(a)
}

// listed is what came of asking a manager for its list.
type listed struct {
	of      *other
	edition string
	beans   []listBean
	same    bool
	err     error
}

// known are this manager and those that are linked to it.
func (r *Remote) known() []peer.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := []peer.ID{r.self}
	for id := range r.others {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids[:min(len(ids), maxKnown)]
}

// askList asks a manager for all names.
func (r *Remote) askList(ctx context.Context, o *other) listed {
	r.mu.Lock()
	q := listQuestion{Edition: o.edition, Known: nil}
	id := o.id
	r.mu.Unlock()
	q.Known = r.known()
	l := listed{of: o}
	l.beans, l.edition, l.same, l.err = r.pages(ctx, id, kindList, q, listWithin)
	return l
}

// pages asks for all pages of a list.
func (r *Remote) pages(ctx context.Context, of peer.ID, kind string, q listQuestion, patience time.Duration) (list []listBean, edition string, same bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for range maxPages {
		var a listAnswer
		if err := r.ask(ctx, of, kind, q, &a, patience); err != nil {
			return nil, "", false, err
		}
		switch {
		case a.Same && q.After == "" && q.Edition != "":
			return nil, q.Edition, true, nil
		case q.After != "" && a.Edition != edition:
			return nil, "", false, errors.New("the beans changed while they were told")
		}
		edition = a.Edition
		list = append(list, a.Beans...)
		if a.LeftOut > 0 && !a.More {
			r.opts.Log.Warn("beans of another manager are left out: it has more than are taken", "manager", r.nameOf(of), "beans", a.LeftOut)
		}
		if !a.More || len(a.Beans) == 0 || len(list) >= MaxNames {
			return list[:min(len(list), MaxNames)], edition, false, nil
		}
		q.Edition, q.After = "", a.Beans[len(a.Beans)-1].Name
	}
	return nil, "", false, fmt.Errorf("the list of beans has more than %d pages", maxPages)
}

// take puts a list in place of the one of before, and returns the names that came and went.
func (r *Remote) take(l listed) (came, went []beans.Name) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := l.of
	o.busy = false
	switch {
	case r.others[o.id] != o || l.same:
		return nil, nil
	case l.err != nil:
		o.asked = time.Now().Add(listAgain - listEvery)
		if !errors.Is(l.err, ErrAway) && !errors.Is(l.err, context.Canceled) {
			r.opts.Log.Warn("the beans of another manager are not known", "manager", o.called, "error", l.err)
		}
		return nil, nil
	}
	o.edition = l.edition
	before := map[string]*entry{}
	for _, e := range o.entries {
		before[e.name.Canonical()] = e
	}
	entries := make([]*entry, 0, len(l.beans))
	wrong := 0
	for i := range l.beans {
		e, ok := r.entryOf(o, &l.beans[i])
		if !ok {
			wrong++
			continue
		}
		key := e.name.Canonical()
		if was := before[key]; was != nil && was.emits == e.emits && slices.Equal(was.behind, e.behind) {
			was.place = e.place
			entries = append(entries, was)
			delete(before, key)
			continue
		}
		if was := before[key]; was != nil {
			r.removeLocked(was)
			delete(before, key)
		} else if r.names[key] != nil {
			wrong++ // told twice
			continue
		} else {
			came = append(came, e.name)
		}
		r.addLocked(e)
		entries = append(entries, e)
	}
	for _, e := range before {
		r.removeLocked(e)
		went = append(went, e.name)
	}
	slices.SortFunc(entries, func(a, b *entry) int { return a.there.Compare(b.there) })
	o.entries = entries
	if wrong > 0 {
		r.opts.Log.Warn("names of beans of another manager are malformed", "manager", o.called, "beans", wrong)
	}
	slices.SortFunc(came, beans.Name.Compare)
	slices.SortFunc(went, beans.Name.Compare)
	return came, went
}

// entryOf reads what a manager tells of one bean: under its own name, whatever it says.
func (r *Remote) entryOf(o *other, b *listBean) (*entry, bool) {
	there, err := beans.ParseName(b.Name)
	if err != nil || there.IsPattern() || !tellable(there) || len(b.Behind) >= MaxHops || slices.Contains(b.Behind, r.self) || slices.Contains(b.Behind, o.id) {
		return nil, false
	}
	for _, id := range b.Behind {
		if id.Check() != nil || r.others[id] != nil { // That one tells of its beans itself.
			return nil, false
		}
	}
	name, ok := here(o.called, there, len(b.Behind))
	if !ok {
		return nil, false
	}
	return &entry{name: name, there: there, of: o.id, behind: b.Behind, place: b.Place, emits: b.Emits}, true
}

// Query asks a manager now which of its beans a pattern matches, and returns their names
// here, sorted: for who does not want to rely on the names that are kept. The property
// manager of the pattern is left out of account. Who asks stands in ctx.
func (r *Remote) Query(ctx context.Context, of peer.ID, pattern beans.Name) ([]beans.Name, error) {
	r.mu.Lock()
	o := r.others[of]
	r.mu.Unlock()
	if o == nil {
		return nil, fmt.Errorf("%w: nobody of the ID %s is linked", ErrAway, of)
	}
	c := r.callerOf(ctx, tree.Root, false)
	c.Within = within(ctx, listWithin)
	q := listQuestion{Known: r.known(), Caller: &c}
	if !pattern.IsZero() {
		text, err := there(pattern)
		if err != nil {
			return nil, err
		}
		q.Pattern = text
	}
	list, _, _, err := r.pages(ctx, of, kindQuery, q, listWithin)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []beans.Name
	for i := range list {
		if e, ok := r.entryOf(o, &list[i]); ok {
			names = append(names, e.name)
		}
	}
	slices.SortFunc(names, beans.Name.Compare)
	return names, nil
}

// there is a pattern without the property that says whose the beans are.
func there(pattern beans.Name) (string, error) {
	if _, has := pattern.Get(Key); !has {
		return pattern.String(), nil
	}
	text := pattern.Domain() + ":"
	for _, p := range pattern.Properties() {
		if p.Key != Key {
			text += p.Key + "=" + p.Value + ","
		}
	}
	if pattern.IsListPattern() || len(pattern.Properties()) == 1 {
		text += "*"
	} else {
		text = text[:len(text)-1]
	}
	_, err := beans.ParseName(text)
	return text, err
}

// followBeans has those told who asked for the list when it changes.
func (r *Remote) followBeans() (cancel func(), err error) {
	return r.opts.Beans.Subscribe(beans.DelegateName, func(n beans.Notification) {
		c, ok := n.Data.(beans.Registration)
		if !ok || !tellable(c.Name) {
			return
		}
		if n.Type == beans.TypeUnregistered {
			r.gone(c.Name)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.changed = true
	}, nil)
}

// tellChange tells those who asked for the list a short while ago that it is another one.
func (r *Remote) tellChange(now time.Time) {
	r.mu.Lock()
	var to []peer.ID
	if r.changed {
		for id, at := range r.told {
			if now.Sub(at) < 4*listEvery {
				to = append(to, id)
			} else {
				delete(r.told, id)
			}
		}
	}
	r.changed = false
	r.mu.Unlock()
	for _, id := range to {
		_ = r.opts.Fabric.Send(id, kindChanged, nil) // It asks again within half a minute anyway.
	}
}

// NameHere returns the name here of a bean that a manager has under a name over there, if
// that is known.
func (r *Remote) NameHere(of peer.ID, there beans.Name) (beans.Name, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o := r.others[of]; o != nil {
		name, ok := here(o.called, there, 0)
		return name, ok && r.names[name.Canonical()] != nil
	}
	for _, e := range r.names {
		if len(e.behind) == 0 || e.behind[len(e.behind)-1] != of {
			continue
		}
		value, _ := e.name.Get(Key)
		if name, ok := here(value, there, 0); ok && name.Equal(e.name) {
			return name, true
		}
	}
	return beans.Name{}, false
}

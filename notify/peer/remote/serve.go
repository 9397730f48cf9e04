package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"grove/beans"
	"grove/notify/peer"
	"grove/notify/peer/remote/value"
	"grove/tree"
	"grove/tree/grant"
)

// demand says whether somebody may do something with a bean here: with a role where the
// bean belongs to, or with another one on everything. These are the rules of this manager's
// own page.
func (r *Remote) demand(s *grant.Subject, name beans.Name, there, whole grant.Role) error {
	if s.Whole(whole) {
		return nil
	}
	if p, ok := r.opts.Place(name); ok && r.opts.Guard.Sees(s, p) {
		return r.opts.Guard.Demand(s, there, p)
	}
	return grant.DemandWhole(s, whole)
}

// find reads the name of a bean that somebody may see. What he may not is not there.
func (r *Remote) find(s *grant.Subject, text string) (beans.Name, error) {
	name, err := beans.ParseName(text)
	if err != nil {
		return name, err
	}
	if name.IsPattern() {
		return name, beans.ErrPatternName
	}
	if !tellable(name) || r.demand(s, name, grant.Viewer, grant.Viewer) != nil {
		return name, beans.ErrNotFound
	}
	return name, nil
}

// serve reads a question about a bean, and answers it as who asks.
func (r *Remote) serve(ctx context.Context, from peer.ID, body []byte, do func(ctx context.Context, name beans.Name, q *beanQuestion, a *beanAnswer) error) ([]byte, error) {
	var q beanQuestion
	if err := readQuestion(body, &q); err != nil {
		return nil, err
	}
	ctx, leave, err := r.admit(ctx, from, &q.Caller)
	if err != nil {
		return nil, err
	}
	defer leave()
	var a beanAnswer
	name, err := r.find(grant.Of(ctx), q.Name)
	if err == nil {
		err = do(ctx, name, &q, &a)
	}
	if err != nil {
		a = beanAnswer{Error: failed(err, q.Attribute, q.Operation)}
	}
	return json.Marshal(&a)
}

// answerGet reads attributes. What does not fit into one answer is left out, and asked for
// again by itself.
func (r *Remote) answerGet(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	return r.serve(ctx, from, body, func(ctx context.Context, name beans.Name, q *beanQuestion, a *beanAnswer) error {
		all := len(q.Attributes) == 0
		if all {
			info, err := r.opts.Beans.Info(name)
			if err != nil {
				return err
			}
			for _, i := range info.Attributes {
				if i.Readable {
					q.Attributes = append(q.Attributes, i.Name)
				}
			}
		}
		size := 0
		for _, attribute := range q.Attributes {
			one := readAnswer{Name: attribute}
			v, err := r.opts.Beans.Attribute(ctx, name, attribute)
			if errors.Is(err, beans.ErrNotFound) {
				return err
			}
			if err == nil {
				one.Value, err = value.Encode(v)
			}
			one.Error = failed(err, attribute)
			if size += len(one.Value) + len(attribute) + 64; size > value.MaxBytes {
				if !all && len(a.Values) == 0 {
					a.Values = append(a.Values, one)
				}
				return nil
			}
			a.Values = append(a.Values, one)
		}
		return nil
	})
}

func (r *Remote) answerSet(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	return r.serve(ctx, from, body, func(ctx context.Context, name beans.Name, q *beanQuestion, _ *beanAnswer) error {
		v, err := value.Decode(q.Value)
		if err != nil {
			return beans.Invalid(q.Attribute, err)
		}
		if err := r.demand(grant.Of(ctx), name, grant.Editor, grant.Admin); err != nil {
			return err
		}
		if _, theirs := name.Get(Key); theirs {
			return r.opts.Beans.SetAttribute(ctx, name, q.Attribute, v) // Its owner audits it.
		}
		return r.act(ctx, "bean set", name.String()+" "+clean(q.Attribute, 100), map[string]any{"became": clean(fmt.Sprint(v), 200)}, func() error {
			return r.opts.Beans.SetAttribute(ctx, name, q.Attribute, v)
		})
	})
}

func (r *Remote) answerInvoke(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	return r.serve(ctx, from, body, func(ctx context.Context, name beans.Name, q *beanQuestion, a *beanAnswer) error {
		if len(q.Arguments) > MaxArguments {
			return fmt.Errorf("%w: %d arguments are more than %d", beans.ErrInvalidValue, len(q.Arguments), MaxArguments)
		}
		args := make([]beans.Value, len(q.Arguments))
		for i, text := range q.Arguments {
			var err error
			if args[i], err = value.Decode(text); err != nil {
				return fmt.Errorf("argument %d: %w: %w", i+1, beans.ErrInvalidValue, err)
			}
		}
		if err := r.demand(grant.Of(ctx), name, grant.Operator, grant.Admin); err != nil {
			return err
		}
		info, err := r.opts.Beans.Info(name)
		if err != nil {
			return err
		}
		var result beans.Value
		run := func() (err error) {
			result, err = r.opts.Beans.Invoke(ctx, name, q.Operation, args...)
			return err
		}
		if _, theirs := name.Get(Key); theirs || onlyReads(&info, q.Operation) {
			err = run()
		} else {
			err = r.act(ctx, "bean invoke", name.String()+" "+clean(q.Operation, 100), clean(fmt.Sprint(args...), 200), run)
		}
		if err != nil {
			return err
		}
		a.Value, err = value.Encode(result)
		return err
	})
}

// onlyReads says whether all operations that may be meant change nothing.
func onlyReads(info *beans.Info, operation string) bool {
	found := false
	for _, o := range info.Operations {
		if o.Name == operation || o.Signature() == operation {
			if found = true; o.Impact != beans.ImpactInfo {
				return false
			}
		}
	}
	return found
}

// act makes a change that is in the audit log.
func (r *Remote) act(ctx context.Context, action, target string, detail any, do func() error) error {
	if r.opts.Audit == nil {
		return fmt.Errorf("%w: nothing is changed here for other managers, since there is no audit log", grant.ErrDenied)
	}
	done, err := r.opts.Audit(ctx, action, target, detail)
	if err != nil {
		r.opts.Log.Error("a change for another manager was not made, since it cannot be put into the audit log", "action", action, "target", target, "error", err)
		return errors.New("not done, since it cannot be put into the audit log; the log of the server says why")
	}
	err = do()
	done(err)
	return err
}

// answerInfo describes beans.
func (r *Remote) answerInfo(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	var q infoQuestion
	if err := readQuestion(body, &q); err != nil {
		return nil, err
	}
	if len(q.Names) > infoAhead {
		return nil, peer.Refuse(peer.Invalid, "descriptions of %d beans are more than %d", len(q.Names), infoAhead)
	}
	ctx, leave, err := r.admit(ctx, from, r.itself(from, q.Chain))
	if err != nil {
		return nil, err
	}
	defer leave()
	a := infoAnswer{Infos: []json.RawMessage{}, Of: []int{}}
	size := 0
	for _, text := range q.Names {
		k := -1
		if name, err := r.find(grant.Of(ctx), text); err == nil {
			if info, err := r.opts.Beans.Info(name); err == nil {
				described, err := json.Marshal(&info)
				if err != nil {
					return nil, err
				}
				k = slices.IndexFunc(a.Infos, func(i json.RawMessage) bool { return string(i) == string(described) })
				if k < 0 && len(described) <= maxInfo {
					if size += len(described); size > pageBytes && len(a.Infos) > 0 {
						break // The rest is asked for again.
					}
					k = len(a.Infos)
					a.Infos = append(a.Infos, described)
				}
			}
		}
		a.Of = append(a.Of, k)
	}
	return json.Marshal(&a)
}

// Verb is something that other managers can do with nodes here.
type Verb string

// The verbs.
const (
	Ask           Verb = "ask"           // have the probes behind the node run now
	Reset         Verb = "reset"         // forget what was measured and tuned
	Tune          Verb = "tune"          // set thresholds; the arguments are those of the page
	Untune        Verb = "untune"        // have those of the definition again
	Alerts        Verb = "alerts"        // tell the alerts of the node and below it: it changes nothing
	Acknowledge   Verb = "acknowledge"   // somebody looks after alerts of the node or below it
	Unacknowledge Verb = "unacknowledge" // nobody does any more
	Comment       Verb = "comment"       // say something to alerts there
	Resolve       Verb = "resolve"       // end alerts there by hand
)

// needs is the role that who asks needs here, whatever the owner demands.
func (v Verb) needs() grant.Role {
	if v == Alerts {
		return grant.Viewer
	}
	return grant.Operator
}

// Act does something with a node of this manager for who asks in ctx. Arguments and answer
// are JSON. That he has the role is seen to before, and that it is audited, unless Audited
// says that Do does so itself.
type Act struct {
	Needs   grant.Role
	Audited bool
	Do      func(ctx context.Context, at tree.Path, arguments json.RawMessage) (json.RawMessage, error)
}

// nodeQuestion is about one node: the questions node and act have it in common.
type nodeQuestion struct {
	Caller    caller          `json:"caller"`
	Path      tree.Path       `json:"path"`
	Verb      Verb            `json:"verb,omitempty"`
	Arguments json.RawMessage `json:"arguments,omitempty"`
}

type nodeAnswer struct {
	Error *failure        `json:"error,omitempty"`
	Node  *Node           `json:"node,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`
}

// Node is what the owner of a node says of it.
type Node struct {
	Owner peer.ID   `json:"owner"`
	Path  tree.Path `json:"path"` // over there
	// Details is everything that the owner's page would tell of it, in the owner's paths.
	Details json.RawMessage `json:"details"`
}

// Node asks the owner of a node of a joined tree about it now. The owner may be another
// manager behind the one that is joined. The error is ErrOwn where the node is of this
// manager, or ErrAway, or one of the owner. Who asks stands in ctx.
func (r *Remote) Node(ctx context.Context, at tree.Path) (*Node, error) {
	var a nodeAnswer
	if err := r.askNode(ctx, at, kindNode, nodeQuestion{}, &a); err != nil {
		return nil, err
	}
	if a.Node == nil {
		return nil, errors.New("the owner's answer has no node")
	}
	return a.Node, nil
}

// Act has the owner of a node of a joined tree do something with it, and returns the
// owner's answer. Whether who asks in ctx may is seen to here and there: here he needs at
// least to be an operator of the node, or to see it where nothing is changed.
func (r *Remote) Act(ctx context.Context, at tree.Path, verb Verb, arguments json.RawMessage) (json.RawMessage, error) {
	if len(arguments) > MaxActBytes {
		return nil, fmt.Errorf("%w: the arguments have more than %d bytes", beans.ErrInvalidValue, MaxActBytes)
	}
	if err := r.opts.Guard.Demand(grant.Of(ctx), verb.needs(), at); err != nil {
		return nil, err
	}
	var a nodeAnswer
	err := r.askNode(ctx, at, kindAct, nodeQuestion{Verb: verb, Arguments: arguments}, &a)
	return a.Value, err
}

// askNode passes a question on to whom it is about.
func (r *Remote) askNode(ctx context.Context, at tree.Path, kind string, q nodeQuestion, a *nodeAnswer) error {
	to, path, ok := r.opts.Owner(at)
	if !ok {
		return fmt.Errorf("%s: %w", at, ErrOwn)
	}
	s := grant.Of(ctx)
	if err := r.opts.Guard.Demand(s, grant.Viewer, at); err != nil {
		return err
	}
	if !s.Whole(grant.Viewer) {
		if ref, ok := r.opts.Tree.Lookup(at); !ok || r.opts.Guard.Scope(s).Partial(ref.Index()) {
			return fmt.Errorf("%w: something below %s is not for you to see, and its owner would tell of it or change it", grant.ErrDenied, at)
		}
	}
	patience := callWithin
	if kind == kindNode {
		patience = getWithin
	}
	q.Caller, q.Path = r.callerOf(ctx, at, true), path
	q.Caller.Within = within(ctx, patience)
	if err := r.ask(ctx, to, kind, &q, a, patience); err != nil {
		return err
	}
	return a.Error.err()
}

func (r *Remote) serveNode(ctx context.Context, from peer.ID, body []byte, do func(ctx context.Context, q *nodeQuestion, a *nodeAnswer) error) ([]byte, error) {
	var q nodeQuestion
	if err := readQuestion(body, &q); err != nil {
		return nil, err
	}
	if len(q.Arguments) > MaxActBytes {
		return nil, peer.Refuse(peer.Invalid, "the arguments have more than %d bytes", MaxActBytes)
	}
	ctx, leave, err := r.admit(ctx, from, &q.Caller)
	if err != nil {
		return nil, err
	}
	defer leave()
	var a nodeAnswer
	if err := do(ctx, &q, &a); err != nil {
		a = nodeAnswer{Error: failed(err)}
	}
	return json.Marshal(&a)
}

func (r *Remote) answerNode(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	return r.serveNode(ctx, from, body, func(ctx context.Context, q *nodeQuestion, a *nodeAnswer) (err error) {
		if _, _, theirs := r.opts.Owner(q.Path); theirs {
			a.Node, err = r.Node(ctx, q.Path)
			return err
		}
		if err := r.opts.Guard.Demand(grant.Of(ctx), grant.Viewer, q.Path); err != nil {
			return err
		}
		details, err := r.opts.Details(ctx, q.Path)
		a.Node = &Node{Owner: r.self, Path: q.Path, Details: details}
		return err
	})
}

func (r *Remote) answerAct(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	return r.serveNode(ctx, from, body, func(ctx context.Context, q *nodeQuestion, a *nodeAnswer) (err error) {
		if _, _, theirs := r.opts.Owner(q.Path); theirs {
			a.Value, err = r.Act(ctx, q.Path, q.Verb, q.Arguments)
			return err
		}
		act, known := r.opts.Acts[q.Verb]
		if !known {
			return fmt.Errorf("%w: nodes here know no %.40q", beans.ErrOperationNotFound, string(q.Verb))
		}
		if err := r.opts.Guard.Demand(grant.Of(ctx), act.Needs, q.Path); err != nil {
			return err
		}
		var detail any
		if len(q.Arguments) > 0 {
			detail = q.Arguments
		}
		do := func() (err error) {
			a.Value, err = act.Do(ctx, q.Path, q.Arguments)
			return err
		}
		if act.Audited {
			return do()
		}
		return r.act(ctx, "node "+string(q.Verb), q.Path.String(), detail, do)
	})
}

package jolokia

import (
	"context"
	"fmt"
	"time"

	"grove/beans"
	"grove/viewer/export/jolokia/history"
	"grove/viewer/export/jolokia/notification"
	"grove/viewer/export/jolokia/request"
	"grove/viewer/export/jolokia/value"
)

// Domain is the domain of the agent's own beans.
const Domain = "jolokia"

const pullOperation = "pull"

// register enters the agent's own beans and follows which beans come and go.
func (s *Server) register() error {
	for _, b := range []struct {
		kind, class string
		face        any
		o           beans.StandardOptions
	}{
		{"NotificationStore", "org.jolokia.service.notif.pull.PullNotificationStore", &storeFace{}, s.storeOptions()},
		{"History", "org.jolokia.service.history.History", &historyFace{store: s.history}, s.historyOptions()},
		{"Config", "org.jolokia.server.core.backend.Config", s.configFace(), beans.StandardOptions{
			Description: "The bounds and the policy of the agent.",
		}},
		{"ServerHandler", "org.jolokia.server.core.backend.MBeanServerHandler", &storeFace{}, s.serverOptions()},
	} {
		b.o.ClassName = b.class
		bean, err := beans.NewStandard(b.face, b.o)
		if err != nil {
			return err
		}
		name, err := beans.NewName(Domain, "type", b.kind, "agent", beans.PropertyValue(s.opts.ID))
		if err != nil {
			return err
		}
		if name, err = s.opts.Beans.Register(bean, name); err != nil {
			return err
		}
		if b.kind == "NotificationStore" {
			s.store = name
		}
		s.undo = append(s.undo, func() { _ = s.opts.Beans.Unregister(name) }) // a second time it is gone
	}
	stop, err := s.opts.Beans.Subscribe(beans.DelegateName, func(beans.Notification) {
		s.changed.Store(s.opts.Now().Unix())
	}, nil)
	if err == nil {
		s.undo = append(s.undo, stop)
	}
	return err
}

// storeFace has no attributes.
type storeFace struct{}

func parameters(list ...any) (all []beans.ParameterInfo) {
	for i := 0; i < len(list); i += 2 {
		p := beans.ParameterInfo{Name: list[i].(string), Type: list[i+1].(beans.Type)}
		all = append(all, p)
	}
	return all
}

func operation(name, description string, impact beans.Impact, returns beans.Type, params []beans.ParameterInfo, call func(args []beans.Value) (beans.Value, error)) beans.Operation {
	return beans.Operation{
		OperationInfo: beans.OperationInfo{Name: name, Description: description, Parameters: params, Returns: returns, Impact: impact},
		Call:          func(_ context.Context, args []beans.Value) (beans.Value, error) { return call(args) },
	}
}

func (s *Server) storeOptions() beans.StandardOptions {
	return beans.StandardOptions{
		Description: "Holds the notifications of clients that pull them.",
		Operations: []beans.Operation{
			{
				OperationInfo: beans.OperationInfo{
					Name: pullOperation, Description: "Takes what has come for a listener of a client.", Impact: beans.ImpactActionInfo, Returns: beans.TypeMap,
					Parameters: parameters("clientId", beans.TypeString, "handle", beans.TypeString),
				},
				Call: func(ctx context.Context, args []beans.Value) (beans.Value, error) {
					return s.clients.Pull(args[0].(string), args[1].(string), s.sightOf(ctx).sees), nil
				},
			},
		},
	}
}

func (s *Server) serverOptions() beans.StandardOptions {
	return beans.StandardOptions{
		Description: "Tells of the bean server behind the agent.",
		Operations: []beans.Operation{
			operation("mBeanServersInfo", "Describes the bean server.", beans.ImpactInfo, beans.TypeString, nil, func([]beans.Value) (beans.Value, error) {
				return fmt.Sprintf("1 bean server, default domain %s, domains %v, %d beans",
					s.opts.Beans.DefaultDomain(), s.opts.Beans.Domains(), s.opts.Beans.Count()), nil
			}),
		},
	}
}

// configFace shows what the agent is held to. It is not changed by clients.
type configFace struct {
	Debug              bool   `bean:"" doc:"Whether debugging is on; the agent has none."`
	HistoryMaxEntries  int64  `bean:"" doc:"Values that the history remembers of each at most."`
	MaxBody            int64  `bean:"" unit:"bytes" doc:"Size of a body at most."`
	MaxAnswer          int64  `bean:"" unit:"bytes" doc:"Size of an answer at most."`
	MaxBulk            int64  `bean:"" doc:"Requests in one body at most."`
	NotificationQueue  int64  `bean:"" doc:"Notifications that wait for a listener at most."`
	NotificationExpire string `bean:"" doc:"How long a client of notifications may be silent."`
	Policy             string `bean:"" doc:"What clients may change, by rules; nothing if it is empty."`

	history *history.Store
}

// GetHistoryMaxEntries reads the limit as it is now.
func (f *configFace) GetHistoryMaxEntries() int64 { return int64(f.history.Most()) }

func (s *Server) configFace() *configFace {
	expire := s.opts.Expire
	if expire <= 0 {
		expire = notification.DefaultExpire
	}
	return &configFace{
		history: s.history,
		MaxBody: MaxBody, MaxAnswer: int64(s.opts.MaxAnswer), MaxBulk: request.MaxBulk,
		NotificationQueue: notification.MaxEntries, NotificationExpire: expire.String(), Policy: s.opts.Policy.String(),
	}
}

// historyFace is what the history bean shows.
type historyFace struct {
	HistoryMaxEntries int64 `bean:",rw" doc:"Values that are remembered of each at most."`
	HistorySize       int64 `bean:"" unit:"bytes" doc:"Size of all values that are remembered."`

	store *history.Store
}

// GetHistoryMaxEntries reads the limit of all.
func (f *historyFace) GetHistoryMaxEntries() int64 { return int64(f.store.Most()) }

// SetHistoryMaxEntries changes it.
func (f *historyFace) SetHistoryMaxEntries(n int64) error {
	return f.store.SetMost(int(min(max(n, -1), history.MostEntries+1)))
}

// GetHistorySize reads the size.
func (f *historyFace) GetHistorySize() int64 { return int64(f.store.Size()) }

func (s *Server) historyOptions() beans.StandardOptions {
	limit := func(name beans.Value, member, path beans.Value, operation bool, entries, seconds beans.Value) (beans.Value, error) {
		n, err := beans.ParseName(name.(string))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", beans.ErrInvalidValue, err)
		}
		if n, err = n.InDomain(s.opts.Beans.DefaultDomain()); err != nil {
			return nil, err
		}
		age := seconds.(int64)
		if age < 0 || age > 1<<31 {
			return nil, fmt.Errorf("%w: a duration of %d s", beans.ErrInvalidValue, age)
		}
		most := int(min(max(entries.(int64), -1), history.MostEntries))
		return nil, s.history.SetLimit(history.Key{Name: n, Member: member.(string), Operation: operation, Path: text(path)},
			history.Limit{Entries: most, Age: time.Duration(age) * time.Second})
	}
	const target = "target, which must be empty: the agent is no proxy"
	attribute := []any{"mbean", beans.TypeString, "attribute", beans.TypeString, "path", beans.TypeAny, "target", beans.TypeAny, "maxEntries", beans.TypeInt}
	ofOperation := []any{"mbean", beans.TypeString, "operation", beans.TypeString, "target", beans.TypeAny, "maxEntries", beans.TypeInt}
	params := func(list []any, more ...any) []beans.ParameterInfo {
		all := parameters(append(list[:len(list):len(list)], more...)...)
		for i := range all {
			all[i].Description = map[string]string{
				"mbean": "name or pattern", "attribute": "attribute", "operation": "operation", "path": "inner path, or null",
				"target": target, "maxEntries": "values to remember; 0 with no duration ends it", "maxDuration": "seconds to remember values for; 0 is no bound",
			}[all[i].Name]
			switch all[i].Type {
			case beans.TypeAny: // a text or null
				all[i].Descriptor = map[string]string{beans.FieldOriginalType: "java.lang.String"}
			case beans.TypeInt:
				if all[i].Name == "maxEntries" {
					all[i].Descriptor = map[string]string{beans.FieldOriginalType: "int"}
				}
			}
		}
		return all
	}
	zero := int64(0)
	act := func(name, description string, p []beans.ParameterInfo, call func([]beans.Value) (beans.Value, error)) beans.Operation {
		return operation(name, description, beans.ImpactAction, beans.TypeVoid, p, call)
	}
	return beans.StandardOptions{
		Description: "Remembers values for the answers that follow.",
		Operations: []beans.Operation{
			act("setHistoryEntriesForAttribute", "Says how many values of an attribute to remember.", params(attribute),
				func(a []beans.Value) (beans.Value, error) { return limit(a[0], a[1], a[2], false, a[4], zero) }),
			act("setHistoryLimitForAttribute", "Says how many values of an attribute to remember, and for how long.", params(attribute, "maxDuration", beans.TypeInt),
				func(a []beans.Value) (beans.Value, error) { return limit(a[0], a[1], a[2], false, a[4], a[5]) }),
			act("setHistoryEntriesForOperation", "Says how many results of an operation to remember.", params(ofOperation),
				func(a []beans.Value) (beans.Value, error) { return limit(a[0], a[1], nil, true, a[3], zero) }),
			act("setHistoryLimitForOperation", "Says how many results of an operation to remember, and for how long.", params(ofOperation, "maxDuration", beans.TypeInt),
				func(a []beans.Value) (beans.Value, error) { return limit(a[0], a[1], nil, true, a[3], a[4]) }),
			act("resetHistoryEntries", "Forgets all values and limits.", nil, func([]beans.Value) (beans.Value, error) {
				s.history.Reset()
				return nil, nil
			}),
		},
	}
}

func text(v beans.Value) string {
	s, _ := v.(string)
	return s
}

// remember gives a value to the history and returns the values before, in the shape of
// the answer; nil if nothing is to be remembered. The history is that of the values as who
// sees everything got them, and for him alone.
func (s *Server) remember(c *call, r *request.Request, v any, now time.Time) any {
	if !c.sight.whole || !s.history.Active() {
		return nil
	}
	name, err := r.Name.InDomain(s.opts.Beans.DefaultDomain())
	if err != nil || name.IsZero() {
		return nil
	}
	add := func(k history.Key, v any) any {
		if past := s.history.Add(k, v, now); past != nil {
			return past
		}
		return nil
	}
	switch r.Type {
	case request.Exec:
		operation, _, _ := splitOperation(r.Operation)
		return add(history.Key{Name: name, Member: operation, Operation: true}, v)
	case request.Write:
		return add(history.Key{Name: name, Member: r.Attribute, Path: request.Join(r.Path)}, r.Value)
	case request.Read:
		if !r.Several && !name.IsPattern() {
			return add(history.Key{Name: name, Member: r.Attribute, Path: request.Join(r.Path)}, v)
		}
	}
	values, ok := v.(value.Object)
	if r.Type != request.Read || len(r.Path) > 0 || !ok {
		return nil
	}
	ofBean := func(name beans.Name, values value.Object) value.Object {
		var pasts value.Object
		for _, m := range values {
			if past := add(history.Key{Name: name, Member: m.Key}, m.Value); past != nil {
				pasts = append(pasts, value.Member{Key: m.Key, Value: past})
			}
		}
		return pasts
	}
	if !name.IsPattern() {
		if pasts := ofBean(name, values); pasts != nil {
			return pasts
		}
		return nil
	}
	var all value.Object
	for _, m := range values {
		one, err := beans.ParseName(m.Key)
		inner, ok := m.Value.(value.Object)
		if err != nil || !ok {
			continue
		}
		if pasts := ofBean(one, inner); pasts != nil {
			all = append(all, value.Member{Key: m.Key, Value: pasts})
		}
	}
	if all == nil {
		return nil
	}
	return all
}

// versionValue is the answer to a version request.
func (s *Server) versionValue() value.Object {
	details := value.Object{}
	if s.opts.URL != "" { // never from what the client calls the host
		details = append(details, value.Member{Key: "url", Value: s.opts.URL})
	}
	details = append(details, value.Object{
		{Key: "secured", Value: s.opts.Secured}, {Key: "server_product", Value: "grove"}, {Key: "server_version", Value: s.opts.Version},
		{Key: "agent_version", Value: s.opts.Version}, {Key: "agent_id", Value: s.opts.ID},
	}...)
	return value.Object{
		{Key: "agent", Value: s.opts.Version}, {Key: "protocol", Value: Protocol}, {Key: "id", Value: s.opts.ID}, {Key: "details", Value: details},
		{Key: "config", Value: value.Object{
			{Key: "agentId", Value: s.opts.ID}, {Key: "canonicalNaming", Value: "false"}, {Key: "dateFormat", Value: "yyyy-MM-dd'T'HH:mm:ss.SSSSSSSSSXXX"},
			{Key: "historyMaxEntries", Value: fmt.Sprint(s.history.Most())}, {Key: "includeStackTrace", Value: "false"},
			{Key: "mimeType", Value: "application/json"}, {Key: "serializeException", Value: "false"}, {Key: "discoveryEnabled", Value: "false"},
		}},
		{Key: "info", Value: value.Object{{Key: "jmx", Value: value.Object{}}}}, {Key: "decorators", Value: value.Object{}},
	}
}

// configValue is the answer to a config request.
func (s *Server) configValue() value.Object {
	methods := []any{}
	if s.opts.Secured {
		methods = append(methods, value.Object{{Key: "method", Value: "basic"}, {Key: "realm", Value: "jolokia"}})
	}
	return value.Object{
		{Key: "agent", Value: s.opts.Version}, {Key: "protocol", Value: Protocol}, {Key: "id", Value: s.opts.ID},
		{Key: "security", Value: value.Object{{Key: "authentication", Value: methods}}},
	}
}

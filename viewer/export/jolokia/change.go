package jolokia

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"grove/beans"
	"grove/viewer/export/jolokia/policy"
	"grove/viewer/export/jolokia/request"
	"grove/viewer/export/jolokia/value"
)

// maxDetail bounds Act.Detail, in bytes.
const maxDetail = 1000

// AuditError is the error of a change that could not be audited and so was not made.
type AuditError struct{ Err error }

// Error implements error; the cause is for the log.
func (e *AuditError) Error() string { return "the change could not be audited, so nothing was done" }

// Unwrap returns the cause.
func (e *AuditError) Unwrap() error { return e.Err }

// noSuchMethod is the error of an operation that a bean has not.
type noSuchMethod struct{ name string }

// Error implements error.
func (e *noSuchMethod) Error() string { return "no such operation " + strconv.Quote(e.name) }

// byGet refuses what has an effect and came by GET.
func (s *Server) byGet(r *request.Request) error {
	if r.Get && !s.opts.Policy.Get() {
		return &DeniedError{"HTTP method get is not allowed according to the installed security policy: ask by POST"}
	}
	return nil
}

// audited makes a change, and tells of it before and after.
func (s *Server) audited(c *call, action policy.Action, bean beans.Name, member string, detail any, do func() error) error {
	text := string(value.Append(nil, detail))
	if len(text) > maxDetail {
		text = strings.ToValidUTF8(text[:maxDetail], "")
	}
	done, err := s.opts.Audit(c, Act{Time: s.opts.Now(), Remote: c.remote, Action: action, Bean: bean, Member: member, Detail: text})
	if err != nil {
		s.opts.Log.Error("a change by Jolokia was not audited and not made", "bean", bean.Canonical(), "member", member, "error", err)
		return &AuditError{err}
	}
	err = do()
	done(err)
	return err
}

// set carries out a write and answers with the value before.
func (s *Server) set(c *call, r *request.Request) (any, error) {
	name, err := r.Name.InDomain(s.opts.Beans.DefaultDomain())
	if err != nil {
		return nil, err
	}
	if err := s.byGet(r); err != nil {
		return nil, err
	}
	if !s.opts.Policy.AllowsWrite(name, r.Attribute) {
		return nil, &DeniedError{"Writing attribute " + r.Attribute + " forbidden for MBean " + name.Canonical()}
	}
	info, err := c.sight.info(name)
	if err != nil {
		return nil, err
	}
	if err := c.sight.mayWrite(name); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(info.Attributes, func(a beans.AttributeInfo) bool { return a.Name == r.Attribute })
	if i < 0 {
		return nil, beans.NoAttribute(r.Attribute)
	}
	a := &info.Attributes[i]
	if !a.Writable {
		return nil, beans.ReadOnly(r.Attribute)
	}
	var before any
	if a.Readable {
		if before, err = s.attribute(c, name, a.Name); err != nil {
			return nil, err
		}
	}
	next := r.Value
	if len(r.Path) > 0 {
		if next, before, err = replace(before, r.Path, r.Value); err != nil {
			return nil, err
		}
	}
	v, err := value.Convert(next, a.Type)
	if err != nil {
		return nil, &request.BadRequest{Text: fmt.Sprintf("Can't set attribute %s of %s: %v", a.Name, name.Canonical(), err)}
	}
	detail := r.Value
	if len(r.Path) > 0 {
		detail = value.Object{{Key: "path", Value: request.Join(r.Path)}, {Key: "value", Value: r.Value}}
	}
	set := func() error { return s.opts.Beans.SetAttribute(c, name, a.Name, v) }
	if err := s.audited(c, policy.Write, name, a.Name, detail, set); err != nil {
		return nil, err
	}
	return c.options(&r.Params).Serialize(before, nil)
}

// replace returns a copy of a map or list in which the value that the path leads to is
// another, and that value as it was.
func replace(v any, path []value.Step, with any) (next, before any, err error) {
	if len(path) == 0 {
		return with, v, nil
	}
	wrong := func(why string) (any, any, error) {
		return nil, nil, &request.IllegalArgument{Text: "Cannot set value with path: " + why}
	}
	step := path[0].Name
	switch x := v.(type) {
	case nil:
		return wrong("the parent object is not set")
	case map[string]any:
		m := make(map[string]any, len(x)+1)
		for k, e := range x {
			m[k] = e
		}
		if len(path) > 1 && m[step] == nil {
			return wrong("there is no " + strconv.Quote(step))
		}
		m[step], before, err = replace(m[step], path[1:], with)
		return m, before, err
	case []string, []float64, []int64, []any:
		list, err := beans.Convert(x, beans.TypeList)
		if err != nil {
			return nil, nil, err
		}
		l := list.([]any)
		i, err := strconv.Atoi(step)
		if err != nil || i < 0 || i >= len(l) {
			return wrong(fmt.Sprintf("%q is no index of a list of %d", step, len(l)))
		}
		l[i], before, err = replace(l[i], path[1:], with)
		return l, before, err
	}
	return wrong("there is nothing in it that could be set")
}

// exec runs an operation of a bean, or of all that a pattern matches.
func (s *Server) exec(c *call, r *request.Request) (any, error) {
	operation, types, signed := splitOperation(r.Operation)
	if err := s.byGet(r); err != nil {
		return nil, err
	}
	name, err := r.Name.InDomain(s.opts.Beans.DefaultDomain())
	if err != nil {
		return nil, err
	}
	names := []beans.Name{name}
	if name.IsPattern() {
		if names, err = c.sight.query(c, name); err != nil {
			return nil, err
		}
		if len(names) == 0 {
			return nil, &beans.NameError{Op: "invoke", Name: "No MBean with pattern " + name.Canonical() + " found for EXEC request", Err: beans.ErrNotFound}
		}
		if len(names) > MaxEffects {
			return nil, &request.IllegalArgument{Text: fmt.Sprintf("The pattern %s matches %d beans; an operation runs on no more than the bound of %d at once",
				name.Canonical(), len(names), MaxEffects)}
		}
	}
	for _, one := range names { // all of them before the first runs
		if !c.mayExec(one, operation) {
			return nil, &DeniedError{"Operation " + operation + " forbidden for MBean " + one.Canonical()}
		}
		if err := c.sight.mayRun(one, operation); err != nil {
			return nil, err
		}
	}
	o := c.options(&r.Params)
	results := value.Object{}
	for _, one := range names {
		result, err := s.invoke(c, r, one, operation, types, signed)
		switch {
		case err == nil:
		case name.IsPattern() && errors.Is(err, beans.ErrNotFound):
			continue // it has gone meanwhile
		default:
			return nil, err
		}
		if !name.IsPattern() {
			return o.Serialize(result, r.Path)
		}
		results = append(results, value.Member{Key: request.NameText(one, r.Params.CanonicalNaming), Value: result})
	}
	return o.Serialize(results, r.Path)
}

// splitOperation parts "name(type,type)". Without parentheses it is not signed.
func splitOperation(text string) (name string, types []string, signed bool) {
	name, rest, ok := strings.Cut(text, "(")
	if !ok || !strings.HasSuffix(rest, ")") {
		return text, nil, false
	}
	if rest = strings.TrimSpace(strings.TrimSuffix(rest, ")")); rest == "" {
		return name, nil, true
	}
	for t := range strings.SplitSeq(rest, ",") {
		types = append(types, strings.TrimSpace(t))
	}
	return name, types, true
}

// mayExec asks the policy. Clients always may take what the notification store has for
// them: the operation needs the secret of the client.
func (c *call) mayExec(bean beans.Name, operation string) bool {
	s := c.sight.Server
	if s.isPull(bean, operation) || s.opts.Policy.AllowsExec(bean, operation, false) {
		return true
	}
	if !s.opts.Policy.AllowsExec(bean, operation, true) {
		return false
	}
	// A rule allows it if it only reads, in all of its forms.
	info, err := c.sight.info(bean)
	forms := named(&info, operation)
	return err == nil && len(forms) > 0 && !slices.ContainsFunc(forms, func(o beans.OperationInfo) bool { return o.Impact != beans.ImpactInfo })
}

func (s *Server) isPull(bean beans.Name, operation string) bool {
	return operation == pullOperation && bean.Equal(s.store)
}

// named are the operations with a name.
func named(info *beans.Info, operation string) (forms []beans.OperationInfo) {
	for _, o := range info.Operations {
		if o.Name == operation {
			forms = append(forms, o)
		}
	}
	return forms
}

// invoke runs an operation of one bean. Arguments beyond the parameters are the inner
// path of the request, as a GET has it.
func (s *Server) invoke(c *call, r *request.Request, bean beans.Name, operation string, types []string, signed bool) (any, error) {
	info, err := c.sight.info(bean)
	if err != nil {
		return nil, err
	}
	forms := named(&info, operation)
	if len(forms) == 0 {
		return nil, &noSuchMethod{operation}
	}
	form, err := choose(bean, forms, operation, types, signed)
	if err != nil {
		return nil, err
	}
	args, rest := r.Arguments, []any(nil)
	if n := len(form.Parameters); len(args) > n {
		args, rest = args[:n], args[n:]
	}
	path := make([]value.Step, 0, len(rest))
	for _, v := range rest {
		step, ok := v.(string)
		if !ok {
			break
		}
		path = append(path, value.Step{Name: step, Any: step == "*"})
	}
	if len(args) != len(form.Parameters) || len(path) < len(rest) {
		return nil, &request.BadRequest{Text: fmt.Sprintf("Invalid number of operation arguments. Operation %s on %s requires %d parameters, not %d as given",
			operation, bean.Canonical(), len(form.Parameters), len(r.Arguments))}
	}
	converted := make([]beans.Value, len(args))
	for i, p := range form.Parameters {
		if converted[i], err = value.Convert(args[i], p.Type); err != nil {
			return nil, &request.BadRequest{Text: fmt.Sprintf("Can't run %s of %s: parameter %s: %v", operation, bean.Canonical(), p.Name, err)}
		}
	}
	called := operation
	if len(forms) > 1 {
		called = form.Signature()
	}
	var result beans.Value
	do := func() (err error) {
		result, err = s.opts.Beans.Invoke(c, bean, called, converted...)
		return err
	}
	if s.isPull(bean, operation) {
		err = do()
	} else {
		err = s.audited(c, policy.Exec, bean, operation, append([]any{}, args...), do)
	}
	if len(path) > 0 && len(r.Path) == 0 {
		r.Path = path
	}
	return c.sight.result(bean, operation, result), err
}

// choose returns the form of an operation that the request means.
func choose(bean beans.Name, forms []beans.OperationInfo, operation string, types []string, signed bool) (*beans.OperationInfo, error) {
	if !signed {
		if len(forms) == 1 {
			return &forms[0], nil
		}
		return nil, &request.BadRequest{Text: fmt.Sprintf("Operation %s on MBean %s is overloaded. Signatures found: %s. Use a signature when specifying the operation.",
			operation, bean.Canonical(), signatures(forms))}
	}
	for i := range forms {
		if slices.Equal(parameterTypes(&forms[i]), types) {
			return &forms[i], nil
		}
	}
	return nil, &request.BadRequest{Text: fmt.Sprintf("No operation %s(%s) on MBean %s exists. Known signatures: %s",
		operation, strings.Join(types, ","), bean.Canonical(), signatures(forms))}
}

func parameterTypes(o *beans.OperationInfo) (types []string) {
	for _, p := range o.Parameters {
		types = append(types, value.ParameterType(p))
	}
	return types
}

func signatures(forms []beans.OperationInfo) string {
	texts := make([]string, len(forms))
	for i := range forms {
		texts[i] = "(" + strings.Join(parameterTypes(&forms[i]), ",") + ")"
	}
	return strings.Join(texts, ",")
}

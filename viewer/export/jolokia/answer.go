package jolokia

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"grove/beans"
	"grove/viewer/export/jolokia/notification"
	"grove/viewer/export/jolokia/request"
	"grove/viewer/export/jolokia/value"
)

// call is the HTTP request that the requests came with.
type call struct {
	context.Context
	sight  sight
	remote string
	budget *value.Budget // of the whole answer
}

// options are how the values of one answer are shown.
func (c *call) options(p *request.Params) value.Options {
	return value.Options{
		MaxDepth: p.MaxDepth, MaxCollectionSize: p.MaxCollectionSize, MaxObjects: p.MaxObjects,
		LongAsText: p.LongAsText, Budget: c.budget,
	}
}

// errNotModified says that a client knows what it asks for.
var errNotModified = errors.New("not modified")

// DeniedError is the error of what the policy does not allow.
type DeniedError struct{ Text string }

// Error implements error.
func (e *DeniedError) Error() string { return e.Text }

// answer carries out one request. Errors are for failed.
func (s *Server) answer(c *call, r *request.Request) (value.Object, error) {
	if err := c.Err(); err != nil {
		return nil, err
	}
	if s.heavyRequest(r) {
		select {
		case s.heavy <- struct{}{}:
			defer func() { <-s.heavy }()
		case <-c.Done():
			return nil, c.Err()
		}
	}
	var echo value.Object
	if r.Params.IncludeRequest {
		echo = r.Echo() // before an exec parts its arguments from its path
		if err := c.budget.Take(len(value.Append(nil, echo))); err != nil {
			return nil, err
		}
	}
	v, err := s.carryOut(c, r)
	now := s.opts.Now()
	answer := value.Object{}
	if echo != nil {
		answer = append(answer, value.Member{Key: "request", Value: echo})
	}
	switch {
	case errors.Is(err, errNotModified):
		answer = append(answer, value.Member{Key: "status", Value: 304})
	case err != nil:
		return nil, err
	default:
		answer = append(answer, value.Member{Key: "value", Value: v}, value.Member{Key: "status", Value: 200})
	}
	s.counts.done(r.Type, outcomeOK)
	answer = append(answer, value.Member{Key: "timestamp", Value: now.Unix()})
	if past := s.remember(c, r, v, now); past != nil {
		answer = append(answer, value.Member{Key: "history", Value: past})
	}
	return answer, nil
}

func (s *Server) heavyRequest(r *request.Request) bool {
	return r.Type == request.List || r.Name.IsPattern()
}

func (s *Server) carryOut(c *call, r *request.Request) (any, error) {
	switch r.Type {
	case request.Read:
		return s.read(c, r)
	case request.Write:
		return s.set(c, r)
	case request.Exec:
		return s.exec(c, r)
	case request.Search:
		return s.search(c, r)
	case request.List:
		return s.list(c, r)
	case request.Config:
		return s.configValue(), nil
	case request.Notification:
		return s.notification(c, r)
	default:
		return s.versionValue(), nil
	}
}

// failed is the answer to a request that failed; nil is one that could not be read.
func (s *Server) failed(r *request.Request, err error) value.Object {
	f := s.failureOf(r, err)
	if f.status == 500 && f.log {
		s.opts.Log.Error("a Jolokia request failed", "error", err)
	}
	answer := value.Object{}
	outcome := outcomeError
	switch f.status {
	case 403:
		outcome = outcomeDenied
	case 400:
		outcome = outcomeMalformed
	}
	if r == nil {
		s.counts.done("none", outcome)
	} else {
		s.counts.done(r.Type, outcome)
		if r.Params.IncludeRequest {
			answer = append(answer, value.Member{Key: "request", Value: r.Echo()})
		}
	}
	answer = append(answer, f.members()...)
	answer = append(answer, value.Member{Key: "status", Value: f.status})
	if r != nil && r.Params.IncludeStackTrace {
		// Where in the program it happened is nobody's business outside.
		answer = append(answer, value.Member{Key: "stacktrace", Value: f.class + ": " + f.text + "\n"})
	}
	if r != nil && r.Params.SerializeException {
		answer = append(answer, value.Member{Key: "error_value", Value: value.Object{
			{Key: "message", Value: f.text}, {Key: "localizedMessage", Value: f.text}, {Key: "cause", Value: nil}, {Key: "stackTrace", Value: []any{}},
		}})
	}
	return answer
}

// failure is an error as clients of JMX know it.
type failure struct {
	status     int
	class, jmx string // Java class, and that of the JMX exception if it is one
	text       string
	log        bool // operators want to know
}

// members are what an answer, or the place of a value, says of a failure.
func (f failure) members() value.Object {
	o := value.Object{{Key: "error_type", Value: f.class}, {Key: ".error", Value: true}}
	if f.jmx != "" {
		o = append(o, value.Member{Key: "error_type_jmx", Value: f.jmx})
	}
	return append(o, value.Member{Key: "error", Value: f.text})
}

// The classes of the exceptions of JMX.
const (
	instanceNotFound  = "javax.management.InstanceNotFoundException"
	attributeNotFound = "javax.management.AttributeNotFoundException"
	invalidValue      = "javax.management.InvalidAttributeValueException"
	listenerNotFound  = "javax.management.ListenerNotFoundException"
	mbeanException    = "javax.management.MBeanException"
	illegalArgument   = "java.lang.IllegalArgumentException"
	illegalState      = "java.lang.IllegalStateException"
)

// failureOf is the one table from errors to Java's exceptions. The request may be nil.
func (s *Server) failureOf(r *request.Request, err error) failure {
	text := err.Error()
	var name *beans.NameError
	if errors.As(err, &name) {
		text = name.Err.Error() // the request says which bean, and of which attribute or operation
	}
	if r != nil {
		text = strings.TrimPrefix(text, fmt.Sprintf("attribute %q: ", r.Attribute))
		operation, _, _ := splitOperation(r.Operation)
		text = strings.TrimPrefix(text, fmt.Sprintf("operation %q: ", operation))
	}
	jmx := func(status int, class, text string) failure {
		return failure{status: status, class: class, jmx: class, text: text}
	}
	var (
		malformed *request.BadRequest
		argument  *request.IllegalArgument
		command   *notification.ArgumentError
		denied    *DeniedError
		unaudited *AuditError
		large     *value.TooLargeError
		method    *noSuchMethod
		attribute *attributeError
		panicked  *beans.PanicError
	)
	kind := request.Type("")
	if r != nil {
		kind = r.Type
	}
	switch {
	case errors.As(err, &malformed):
		return failure{status: 400, class: illegalArgument, text: malformed.Text}
	case errors.As(err, &argument):
		return failure{status: 500, class: illegalArgument, text: argument.Text}
	case errors.As(err, &command):
		return failure{status: 500, class: illegalArgument, text: command.Text}
	case errors.As(err, &denied):
		return failure{status: 403, class: "java.lang.SecurityException", text: denied.Text}
	case errors.As(err, &unaudited):
		return failure{status: 503, class: illegalState, text: unaudited.Error()}
	case errors.As(err, &method):
		return failure{status: 500, class: "java.lang.NoSuchMethodException", text: method.name}
	case errors.As(err, &attribute):
		return jmx(404, attributeNotFound, attribute.text)
	case errors.As(err, &panicked):
		return failure{status: 500, class: "java.lang.RuntimeException", text: "the bean failed; the log of the server says how", log: true}
	case errors.As(err, &large):
		advice := ": ask for fewer beans or attributes"
		if kind == request.List {
			advice = ": ask for a part of the list with a path, with maxDepth=2 or with listCache=true"
		}
		return failure{status: 500, class: illegalState, text: large.Error() + advice}
	case errors.Is(err, context.DeadlineExceeded):
		return failure{status: 500, class: illegalState, text: fmt.Sprintf("the answer took longer than the bound of %v", s.opts.Timeout)}
	case errors.Is(err, context.Canceled):
		return failure{status: 500, class: illegalState, text: "the client went away"}
	case errors.Is(err, beans.ErrNotFound):
		if name != nil && errors.Is(name.Err, beans.ErrNotFound) && name.Err.Error() == beans.ErrNotFound.Error() {
			text = name.Name // as the exception of Java has it
		}
		return jmx(404, instanceNotFound, text)
	case errors.Is(err, beans.ErrReadOnly) && kind == request.Write:
		return jmx(404, attributeNotFound, "Can't write attribute: "+r.Attribute)
	case errors.Is(err, beans.ErrAttributeNotFound) && r != nil && r.Attribute != "":
		return jmx(404, attributeNotFound, "No such attribute: "+r.Attribute)
	case errors.Is(err, beans.ErrAttributeNotFound), errors.Is(err, beans.ErrReadOnly):
		return jmx(404, attributeNotFound, text)
	case errors.Is(err, beans.ErrListenerNotFound):
		return jmx(500, listenerNotFound, text)
	case errors.Is(err, beans.ErrInvalidValue) && kind == request.Write:
		return jmx(500, invalidValue, text)
	case errors.Is(err, beans.ErrInvalidValue), errors.Is(err, beans.ErrNoNotifications), errors.Is(err, beans.ErrPatternName):
		return failure{status: 500, class: illegalArgument, text: text}
	case errors.Is(err, beans.ErrOperationNotFound):
		return failure{status: 500, class: "java.lang.NoSuchMethodException", text: text}
	case errors.Is(err, errors.ErrUnsupported):
		return failure{status: 500, class: "java.lang.UnsupportedOperationException", text: text}
	}
	return jmx(500, mbeanException, text)
}

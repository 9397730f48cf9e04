package bean

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/beans"
	"grove/tree"
	"grove/tree/grant"
	"grove/viewer"
)

// errPartial is the error of what would also change nodes below that are hidden.
var errPartial = fmt.Errorf("%w: something below the node is not for you to see, and this would change it too", grant.ErrDenied)

// AttributeSetting is the body of PUT /api/v1/bean/attribute.
type AttributeSetting struct {
	Attribute string          `json:"attribute" minLength:"1" maxLength:"256" doc:"Its name."`
	Value     json.RawMessage `json:"value" doc:"Of the type of the attribute, or a near one."`
}

type attributeOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         AttributeValue
}

func (a *API) putAttribute(ctx context.Context, in *struct {
	Named
	Body AttributeSetting
}) (*attributeOutput, error) {
	name, info, err := a.bean(ctx, in.Named)
	if err != nil {
		return nil, err
	}
	if err := a.demand(grant.Of(ctx), name, grant.Editor, grant.Admin); err != nil {
		return nil, viewer.Problem(err)
	}
	at := slices.IndexFunc(info.Attributes, func(i beans.AttributeInfo) bool { return i.Name == in.Body.Attribute })
	if at < 0 {
		return nil, viewer.Problem(&beans.NameError{Op: "set", Name: name.Canonical(), Err: beans.NoAttribute(in.Body.Attribute)})
	}
	attribute := info.Attributes[at]
	if !attribute.Writable {
		return nil, viewer.Problem(&beans.NameError{Op: "set", Name: name.Canonical(), Err: beans.ReadOnly(attribute.Name)})
	}
	given, err := parseJSON(in.Body.Value)
	if err != nil {
		return nil, wrong("value: "+err.Error(), "body.value", nil)
	}
	value, err := convert(given, attribute.Type)
	if err != nil {
		return nil, wrong(beans.Invalid(attribute.Name, err).Error(), "body.value", given)
	}
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	before := a.attribute(ctx, name, attribute, true)
	became, _ := shown(value)
	err = a.act(ctx, "bean set", name.String()+" "+attribute.Name, map[string]any{"was": before.Value, "became": became}, func() error {
		return a.opts.Beans.SetAttribute(ctx, name, attribute.Name, value)
	})
	if err != nil {
		return nil, err
	}
	return &attributeOutput{"no-store", a.attribute(ctx, name, attribute, true)}, nil
}

// OperationCall is the body of POST /api/v1/bean/operation.
type OperationCall struct {
	Operation string          `json:"operation" minLength:"1" maxLength:"1024" doc:"Its name, or its signature." example:"add(string,duration)"`
	Arguments json.RawMessage `json:"arguments,omitempty" doc:"A list in the order of the parameters, or an object with their names. Absent: none."`
}

// OperationResult is the answer of POST /api/v1/bean/operation.
type OperationResult struct {
	Operation string  `json:"operation" doc:"Signature of the operation that was run."`
	Type      string  `json:"type" doc:"Of the value; void: there is none."`
	Value     any     `json:"value,omitempty"`
	Of        int     `json:"of,omitempty" doc:"How long the value is: only its beginning is told."`
	Took      float64 `json:"took" doc:"Seconds."`
}

type resultOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         OperationResult
}

func (a *API) postOperation(ctx context.Context, in *struct {
	Named
	Body OperationCall
}) (*resultOutput, error) {
	name, info, err := a.bean(ctx, in.Named)
	if err != nil {
		return nil, err
	}
	s := grant.Of(ctx)
	// Before anything is said of its parameters; which one is meant comes after.
	if err := a.demand(s, name, grant.Operator, grant.Admin); err != nil {
		return nil, viewer.Problem(err)
	}
	args, err := parseArguments(in.Body.Arguments)
	if err != nil {
		return nil, err
	}
	operation, values, err := choose(name.Canonical(), &info, in.Body.Operation, args)
	if err != nil {
		return nil, viewer.Problem(err)
	}
	if err := a.demandOperation(s, name, operation.Name); err != nil {
		return nil, viewer.Problem(err)
	}
	ctx, cancel := context.WithTimeout(ctx, invokeWithin)
	defer cancel()
	called := operation.Name
	if slices.ContainsFunc(info.Operations, func(o beans.OperationInfo) bool { return o.Name == called && o.Signature() != operation.Signature() }) {
		called = operation.Signature()
	}
	var result beans.Value
	began := time.Now()
	invoke := func() (err error) {
		result, err = a.opts.Beans.Invoke(ctx, name, called, values...)
		return err
	}
	if operation.Impact == beans.ImpactInfo {
		err = told(invoke())
	} else {
		detail, _ := shown(values)
		err = a.act(ctx, "bean invoke", name.String()+" "+operation.Signature(), detail, invoke)
	}
	if err != nil {
		return nil, err
	}
	out := OperationResult{Operation: operation.Signature(), Type: string(operation.Returns), Took: time.Since(began).Seconds()}
	out.Value, out.Of = shown(a.seen(s, name, operation.Name, result))
	return &resultOutput{"no-store", out}, nil
}

// seen takes from the result of an operation what is hidden from somebody: a group's
// causes are paths of nodes below it.
func (a *API) seen(s *grant.Subject, name beans.Name, operation string, result beans.Value) beans.Value {
	paths, ok := result.([]string)
	if _, is := node(name); !ok || !is || operation != "causes" || s.Whole(grant.Viewer) {
		return result
	}
	return slices.DeleteFunc(slices.Clone(paths), func(text string) bool {
		p, err := tree.ParsePath(text)
		return err != nil || !a.opts.Guard.May(s, grant.Viewer, p)
	})
}

// act makes a change that is in the audit log.
func (a *API) act(ctx context.Context, action, target string, detail any, do func() error) error {
	done, err := a.opts.Audit(ctx, action, target, detail)
	if err != nil {
		a.opts.Log.Error("a change of a bean was not made, since it cannot be put into the audit log", "action", action, "target", target, "error", err)
		return huma.NewError(http.StatusServiceUnavailable, "not done, since it cannot be put into the audit log; the log of the server says why")
	}
	err = do()
	done(err)
	return told(err)
}

// told is viewer.Problem for what a bean itself did not do: why it did not is in its own
// words, and for the client.
func told(err error) error {
	var panicked *beans.PanicError
	var status huma.StatusError
	problem := viewer.Problem(err)
	if errors.As(problem, &status) && status.GetStatus() == http.StatusInternalServerError && !errors.As(err, &panicked) {
		return huma.NewError(http.StatusConflict, err.Error())
	}
	return problem
}

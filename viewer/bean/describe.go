package bean

import (
	"context"
	"errors"

	"grove/beans"
	"grove/tree/grant"
)

// DescribedBean is the answer of GET /api/v1/bean.
type DescribedBean struct {
	Name          string              `json:"name"`
	Class         string              `json:"class"`
	Description   string              `json:"description,omitempty"`
	Path          string              `json:"path,omitempty" doc:"Of the node whose bean it is, or of the instance that it belongs to."`
	Hidden        bool                `json:"hidden,omitempty" doc:"Something that is not shown contributes to the node; what would tell of it is left out."`
	Descriptor    map[string]string   `json:"descriptor,omitempty" doc:"Further facts."`
	Attributes    []AttributeValue    `json:"attributes" nullable:"false"`
	Operations    []OperationForm     `json:"operations" nullable:"false"`
	Notifications []NotificationClass `json:"notifications" nullable:"false" doc:"What it emits."`
}

// AttributeValue is one attribute with its present value.
type AttributeValue struct {
	Name        string        `json:"name"`
	Type        string        `json:"type" example:"float64"`
	Description string        `json:"description,omitempty"`
	Unit        string        `json:"unit,omitempty"`
	Readable    bool          `json:"readable"`
	Writable    bool          `json:"writable"`
	May         bool          `json:"may" doc:"Whether who asks may set it."`
	Value       any           `json:"value,omitempty" doc:"Times are RFC 3339, durations as in 1m30s; integers that JavaScript does not hold exactly, NaN and infinities are texts."`
	Of          int           `json:"of,omitempty" doc:"How long the value is: only its beginning is told. Bytes of a text, elements of a list."`
	Error       string        `json:"error,omitempty" doc:"Why it has no value."`
	Columns     []TableColumn `json:"columns,omitempty" doc:"Of a table."`
	Key         string        `json:"key,omitempty" doc:"Column that tells the rows of a table apart."`
}

// TableColumn is one column of a table.
type TableColumn struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Description string `json:"description,omitempty"`
	Unit        string `json:"unit,omitempty"`
}

// OperationForm is one operation, or one of several with one name.
type OperationForm struct {
	Name        string               `json:"name"`
	Signature   string               `json:"signature" doc:"Tells it from others of that name." example:"add(string,duration)"`
	Description string               `json:"description,omitempty"`
	Parameters  []OperationParameter `json:"parameters" nullable:"false"`
	Returns     string               `json:"returns" doc:"Type of what it returns; void: nothing."`
	Impact      string               `json:"impact" enum:"info,action,action-info,unknown" doc:"info: it only reads."`
	May         bool                 `json:"may" doc:"Whether who asks may run it."`
}

// OperationParameter is one parameter of an operation.
type OperationParameter struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Description string `json:"description,omitempty"`
	Unit        string `json:"unit,omitempty"`
}

// NotificationClass is one class of notifications.
type NotificationClass struct {
	Name        string   `json:"name,omitempty"`
	Types       []string `json:"types" nullable:"false"`
	Description string   `json:"description,omitempty"`
}

var impacts = map[beans.Impact]string{
	beans.ImpactInfo: "info", beans.ImpactAction: "action", beans.ImpactActionInfo: "action-info", beans.ImpactUnknown: "unknown",
}

// tellsOfBelow are the attributes of the bean of a group that tell of what is below it.
var tellsOfBelow = map[string]bool{"Counts": true, "Children": true}

// editors are the operations of beans of nodes that need the role editor: reset forgets
// tuned thresholds.
var editors = map[string]bool{"reset": true}

type beanOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         DescribedBean
}

func (a *API) getBean(ctx context.Context, in *struct {
	Named
}) (*beanOutput, error) {
	name, info, err := a.bean(ctx, in.Named)
	if err != nil {
		return nil, err
	}
	s := grant.Of(ctx)
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	b := DescribedBean{
		Name: name.String(), Class: info.ClassName, Description: info.Description, Descriptor: info.Descriptor,
		Attributes: make([]AttributeValue, 0, len(info.Attributes)), Operations: make([]OperationForm, len(info.Operations)), Notifications: make([]NotificationClass, len(info.Notifications)),
	}
	if p, ok := a.place(name); ok {
		b.Path, b.Hidden = p.String(), a.partial(s, name)
	}
	set := a.may(s, name, grant.Editor, grant.Admin)
	for _, i := range info.Attributes {
		if b.Hidden && tellsOfBelow[i.Name] {
			continue
		}
		b.Attributes = append(b.Attributes, a.attribute(ctx, name, i, set))
	}
	for k, o := range info.Operations {
		b.Operations[k] = operationOf(o, a.demandOperation(s, name, o.Name) == nil)
	}
	for k, n := range info.Notifications {
		b.Notifications[k] = NotificationClass{Name: n.Name, Types: append([]string{}, n.Types...), Description: n.Description}
	}
	return &beanOutput{"no-store", b}, nil
}

// partial says whether something below the node of a bean is hidden from somebody.
func (a *API) partial(s *grant.Subject, name beans.Name) bool {
	p, ok := node(name)
	if !ok {
		return false
	}
	ref, ok := a.opts.Tree.Lookup(p)
	return ok && a.opts.Guard.Scope(s).Partial(ref.Index())
}

// attribute reads one attribute. Why it cannot be read is part of the answer.
func (a *API) attribute(ctx context.Context, name beans.Name, i beans.AttributeInfo, set bool) AttributeValue {
	t := AttributeValue{Name: i.Name, Type: string(i.Type), Description: i.Description, Unit: i.Unit, Readable: i.Readable, Writable: i.Writable, May: i.Writable && set, Key: i.Key}
	for _, c := range i.Columns {
		t.Columns = append(t.Columns, TableColumn{c.Name, string(c.Type), c.Description, c.Unit})
	}
	if !i.Readable {
		return t
	}
	v, err := a.opts.Beans.Attribute(ctx, name, i.Name)
	if err != nil {
		var of *beans.NameError
		if errors.As(err, &of) {
			err = of.Err // The answer says already which bean it is about.
		}
		t.Error = err.Error()
		return t
	}
	t.Value, t.Of = shown(v)
	return t
}

func operationOf(o beans.OperationInfo, may bool) OperationForm {
	out := OperationForm{Name: o.Name, Signature: o.Signature(), Description: o.Description, Parameters: make([]OperationParameter, len(o.Parameters)), Returns: string(o.Returns), Impact: impacts[o.Impact], May: may}
	for i, p := range o.Parameters {
		out.Parameters[i] = OperationParameter{p.Name, string(p.Type), p.Description, p.Unit}
	}
	if out.Impact == "" {
		out.Impact = impacts[beans.ImpactUnknown]
	}
	return out
}

// demandOperation says whether somebody may run an operation of a bean.
func (a *API) demandOperation(s *grant.Subject, name beans.Name, operation string) error {
	if _, ok := node(name); ok && editors[operation] {
		if err := a.demand(s, name, grant.Editor, grant.Admin); err != nil {
			return err
		}
		if a.partial(s, name) {
			return errPartial
		}
		return nil
	}
	return a.demand(s, name, grant.Operator, grant.Admin)
}

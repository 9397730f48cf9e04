package monitor

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"grove/beans"
)

// path is an observed attribute: the attribute of the bean and what follows in the
// value, as in "Usage.used".
type path struct {
	first string
	rest  []string
}

// pathOf takes a dotted attribute apart, unless the bean has one of this very name.
func pathOf(info beans.Info, attribute string) path {
	whole := func(a beans.AttributeInfo) bool { return a.Name == attribute }
	if !strings.Contains(attribute, ".") || slices.ContainsFunc(info.Attributes, whole) {
		return path{first: attribute}
	}
	parts := strings.Split(attribute, ".")
	return path{parts[0], parts[1:]}
}

// follow goes down into a value.
func follow(ctx context.Context, server *beans.Server, v beans.Value, rest []string) (beans.Value, error) {
	for _, part := range rest {
		var err error
		if v, err = element(ctx, server, v, part); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// element returns the part of a composite, the attribute of a bean that is named, or
// the length of a list.
func element(ctx context.Context, server *beans.Server, v beans.Value, part string) (beans.Value, error) {
	switch x := v.(type) {
	case map[string]beans.Value:
		if e, ok := x[part]; ok {
			return e, nil
		}
	case beans.Name:
		return server.Attribute(ctx, x, part)
	default:
		if r := reflect.ValueOf(v); part == "length" && r.Kind() == reflect.Slice {
			return int32(r.Len()), nil
		}
	}
	return nil, fmt.Errorf("%w: a value has no part %q", beans.ErrAttributeNotFound, part)
}

// isComparable says whether values of the type have an order in Java (Comparable).
func isComparable(v beans.Value) bool {
	switch reflect.ValueOf(v).Kind() {
	case reflect.Map, reflect.Slice:
		return false
	}
	return true
}

// failure is one kind of error of an observed object.
type failure uint8

// The kinds of errors, as flags of an object that they were told of.
const (
	failedObject failure = 1 << iota
	failedAttribute
	failedType
	failedThreshold
	failedRuntime
)

var failureTypes = map[failure]string{
	failedObject: TypeObjectError, failedAttribute: TypeAttributeError, failedType: TypeTypeError,
	failedThreshold: TypeThresholdError, failedRuntime: TypeRuntimeError,
}

// The messages are JMX's, which clients know.
const (
	sayObject     = "The observed object must be accessible in the MBeanServerConnection."
	sayAttribute  = "The observed attribute must be accessible in the observed object."
	sayNull       = "The observed attribute value is null."
	sayType       = "The observed attribute type is not valid."
	sayComparable = "The observed attribute value does not implement the Comparable interface."
	sayThreshold  = "The threshold type is not valid."
)

// failureOf sorts the error of reading an attribute.
func failureOf(err error) (failure, string) {
	switch {
	case errors.Is(err, beans.ErrAttributeNotFound):
		return failedAttribute, sayAttribute
	case errors.Is(err, beans.ErrNotFound):
		return failedObject, sayObject
	}
	var named *beans.NameError
	if errors.As(err, &named) {
		err = named.Err // the notification names the object itself
	}
	return failedRuntime, err.Error()
}

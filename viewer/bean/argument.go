package bean

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"grove/beans"
)

// maxArguments bounds the arguments of an operation.
const maxArguments = 64

// parseJSON reads one value. Numbers keep all their digits.
func parseJSON(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more follows after the value")
	}
	return plain(v), nil
}

// plain returns decoded JSON with the numbers of beans in place of json.Number. A number
// that is none of them stays a text, which no conversion takes for one.
func plain(v any) any {
	switch x := v.(type) {
	case json.Number:
		if i, err := x.Int64(); err == nil {
			return i
		}
		if f, err := x.Float64(); err == nil {
			return f
		}
		return string(x)
	case []any:
		for i := range x {
			x[i] = plain(x[i])
		}
	case map[string]any:
		for k, e := range x {
			x[k] = plain(e)
		}
	}
	return v
}

// convert returns what came as JSON as a value of a type. Besides what beans.Convert
// takes, the text of a number stands for the milliseconds of a time or the seconds of a
// duration, since fields of forms have nothing but texts.
func convert(v any, to beans.Type) (beans.Value, error) {
	if text, ok := v.(string); ok {
		switch to {
		case beans.TypeTime:
			if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
				v = ms
			}
		case beans.TypeDuration:
			if seconds, err := strconv.ParseFloat(text, 64); err == nil {
				v = seconds
			}
		}
	}
	return beans.Convert(v, to)
}

// arguments are what an operation is to be called with: by position, or by the names of
// the parameters.
type arguments struct {
	list   []any
	byName map[string]any // nil: by position
}

// parseArguments reads a JSON array, an object, or nothing.
func parseArguments(text json.RawMessage) (arguments, error) {
	if len(text) == 0 {
		return arguments{}, nil
	}
	v, err := parseJSON(text)
	if err != nil {
		return arguments{}, wrong("arguments: "+err.Error(), "body.arguments", nil)
	}
	var a arguments
	switch x := v.(type) {
	case nil:
	case []any:
		a.list = x
	case map[string]any:
		a.byName = x
	default:
		return a, wrong("the arguments are neither a list nor an object with the names of parameters", "body.arguments", v)
	}
	if n := len(a.list) + len(a.byName); n > maxArguments {
		return a, wrong(fmt.Sprintf("%d arguments are more than the bound of %d", n, maxArguments), "body.arguments", nil)
	}
	return a, nil
}

// fit converts the arguments to the parameters of an operation. The error says which
// argument is wrong, and why.
func (a arguments) fit(o *beans.OperationInfo) ([]beans.Value, error) {
	if a.byName != nil {
		known := map[string]bool{}
		for _, p := range o.Parameters {
			known[p.Name] = true
		}
		for name := range a.byName {
			if !known[name] {
				return nil, wrong(fmt.Sprintf("%s has no parameter %q; its parameters are: %s", o.Name, clip(name), parameters(o)), "body.arguments."+clip(name), nil)
			}
		}
	} else if len(a.list) != len(o.Parameters) {
		return nil, wrong(fmt.Sprintf("%s takes %s, and %d came; its parameters are: %s", o.Name, count(len(o.Parameters)), len(a.list), parameters(o)), "body.arguments", nil)
	}
	values := make([]beans.Value, len(o.Parameters))
	for i, p := range o.Parameters {
		var given any
		location := fmt.Sprintf("body.arguments[%d]", i)
		if a.byName != nil {
			var ok bool
			location = "body.arguments." + p.Name
			if given, ok = a.byName[p.Name]; !ok {
				return nil, wrong(fmt.Sprintf("argument %q of %s is missing; its type is %s", p.Name, o.Name, p.Type), location, nil)
			}
		} else {
			given = a.list[i]
		}
		v, err := convert(given, p.Type)
		if err != nil {
			return nil, wrong(fmt.Sprintf("argument %d, %q, of %s: %v", i+1, p.Name, o.Name, err), location, given)
		}
		values[i] = v
	}
	return values, nil
}

func count(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return strconv.Itoa(n) + " arguments"
}

// parameters are those of an operation for people: "period (duration), text (string)".
func parameters(o *beans.OperationInfo) string {
	if len(o.Parameters) == 0 {
		return "none"
	}
	parts := make([]string, len(o.Parameters))
	for i, p := range o.Parameters {
		parts[i] = p.Name + " (" + string(p.Type) + ")"
	}
	return strings.Join(parts, ", ")
}

// choose finds the operation that is meant, by its name or its signature, and converts
// the arguments to its parameters.
func choose(bean string, info *beans.Info, operation string, args arguments) (*beans.OperationInfo, []beans.Value, error) {
	var forms []*beans.OperationInfo
	for i := range info.Operations {
		o := &info.Operations[i]
		if o.Signature() == operation {
			values, err := args.fit(o)
			return o, values, err
		}
		if o.Name == operation {
			forms = append(forms, o)
		}
	}
	switch len(forms) {
	case 0:
		return nil, nil, &beans.NameError{Op: "invoke", Name: bean, Err: beans.NoOperation(operation)}
	case 1:
		values, err := args.fit(forms[0])
		return forms[0], values, err
	}
	var (
		fitting []*beans.OperationInfo
		chosen  []beans.Value
		why     error // why the form with as many parameters does not fit
	)
	for _, o := range forms {
		values, err := args.fit(o)
		switch {
		case err == nil:
			fitting, chosen = append(fitting, o), values
		case len(o.Parameters) == len(args.list)+len(args.byName):
			why = err
		}
	}
	switch {
	case len(fitting) == 1:
		return fitting[0], chosen, nil
	case len(fitting) > 1:
		return nil, nil, wrong(fmt.Sprintf("%d operations named %s take these arguments; say which one is meant: %s", len(fitting), operation, signatures(fitting)), "body.operation", operation)
	case why != nil:
		return nil, nil, why
	}
	return nil, nil, wrong(fmt.Sprintf("no operation named %s takes these arguments; there are: %s", operation, signatures(forms)), "body.arguments", nil)
}

func signatures(forms []*beans.OperationInfo) string {
	texts := make([]string, len(forms))
	for i, o := range forms {
		texts[i] = o.Signature()
	}
	return strings.Join(texts, ", ")
}

// wrong is the answer to a request whose part at a location cannot be.
func wrong(text, location string, value any) error {
	return huma.NewError(http.StatusUnprocessableEntity, text, &huma.ErrorDetail{Message: text, Location: location, Value: value})
}

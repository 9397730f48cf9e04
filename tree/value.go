package tree

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Value is what a node or an attribute of a runtime bean holds: nothing, a number,
// or a text. It needs no allocation. A truth value is the number 1 or 0.
type Value struct {
	text   string
	number float64
	form   valueForm
}

type valueForm uint8

const (
	formNone valueForm = iota
	formNumber
	formText
)

// Number makes the value of a performance attribute.
func Number(v float64) Value { return Value{number: v, form: formNumber} }

// Text makes the value of a status, log or text attribute.
func Text(s string) Value { return Value{text: s, form: formText} }

// Bool makes 1 of true and 0 of false.
func Bool(b bool) Value {
	if b {
		return Number(1)
	}
	return Number(0)
}

// IsNone says whether there is no value.
func (v Value) IsNone() bool { return v.form == formNone }

// Number returns the number; ok is false when the value is not a number.
func (v Value) Number() (n float64, ok bool) { return v.number, v.form == formNumber }

// Text returns the text; ok is false when the value is not a text.
func (v Value) Text() (s string, ok bool) { return v.text, v.form == formText }

// Any returns nil, a float64 or a string.
func (v Value) Any() any {
	switch v.form {
	case formNumber:
		return v.number
	case formText:
		return v.text
	default:
		return nil
	}
}

// String writes the shortest text that reads back as the same value; it is empty
// for no value.
func (v Value) String() string {
	if v.form == formNumber {
		return strconv.FormatFloat(v.number, 'g', -1, 64)
	}
	return v.text
}

// MarshalJSON writes null, a number or a string. JSON has no infinity and no
// not-a-number: they are written as the strings "Infinity", "-Infinity" and "NaN".
func (v Value) MarshalJSON() ([]byte, error) {
	switch {
	case v.form == formNone:
		return []byte("null"), nil
	case v.form == formText:
		return json.Marshal(v.text)
	case math.IsNaN(v.number):
		return []byte(`"NaN"`), nil
	case math.IsInf(v.number, 0):
		if v.number > 0 {
			return []byte(`"Infinity"`), nil
		}
		return []byte(`"-Infinity"`), nil
	}
	return strconv.AppendFloat(nil, v.number, 'g', -1, 64), nil
}

// UnmarshalJSON reads what MarshalJSON writes, but for a text that reads "NaN",
// "Infinity" or "-Infinity", which stays a text.
func (v *Value) UnmarshalJSON(text []byte) error {
	var any any
	if err := json.Unmarshal(text, &any); err != nil {
		return err
	}
	switch any := any.(type) {
	case nil:
		*v = Value{}
	case float64:
		*v = Number(any)
	case string:
		*v = Text(any)
	case bool:
		*v = Bool(any)
	default:
		return fmt.Errorf("a value is a number, a text or null, not %.40s", text)
	}
	return nil
}

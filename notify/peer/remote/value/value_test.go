package value_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"grove/beans"
	"grove/notify/peer/remote/value"
)

type colour int

func (c colour) MarshalText() ([]byte, error) { return []byte("red"), nil }

type own struct{}

func (own) NotificationFields() ([]beans.AttributeValue, beans.Value) {
	return []beans.AttributeValue{{Name: "gauge", Value: 1.5}}, "user"
}

func TestValuesComeBackAsTheyWere(t *testing.T) {
	name := beans.MustName("grove:type=Timer")
	at := time.Date(2026, 11, 22, 15, 0, 0, 123456789, time.UTC)
	for _, c := range []struct{ in, want beans.Value }{
		{nil, nil}, {true, true}, {"text \u2028 \"", "text \u2028 \""},
		{int64(math.MaxInt64), int64(math.MaxInt64)}, {1.0, 1.0}, {math.Inf(-1), math.Inf(-1)},
		{at, at}, {90 * time.Second, 90 * time.Second}, {name, name},
		{[]string{"a"}, []string{"a"}}, {[]string(nil), []string{}}, {[]int64{1 << 60}, []int64{1 << 60}}, {[]float64{1, math.Inf(1)}, []float64{1, math.Inf(1)}},
		{[]beans.Value{int64(1), "x", nil}, []beans.Value{int64(1), "x", nil}},
		{map[string]beans.Value{"i": int64(1), "m": map[string]beans.Value{}}, map[string]beans.Value{"i": int64(1), "m": map[string]beans.Value{}}},
		{beans.Table{{"a": 1.5}}, beans.Table{{"a": 1.5}}},
		{beans.AttributeChange{Attribute: "a", Type: beans.TypeInt, Old: int64(1), New: nil}, beans.AttributeChange{Attribute: "a", Type: beans.TypeInt, Old: int64(1), New: nil}},
		{beans.Registration{Name: name}, beans.Registration{Name: name}},
		{own{}, value.Fields{Fields: []beans.AttributeValue{{Name: "gauge", Value: 1.5}}, User: "user"}},
		{colour(1), "red"}, {uint8(3), int64(3)}, {beans.TypeInt, "int64"}, {[]int{1}, []beans.Value{int64(1)}}, {map[string]int{"a": 1}, map[string]beans.Value{"a": int64(1)}},
	} {
		text, err := value.Encode(c.in)
		if err != nil {
			t.Errorf("%#v: %v", c.in, err)
			continue
		}
		if got, err := value.Decode(text); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%#v by %s is %#v, %v", c.in, text, got, err)
		}
	}
	text, _ := value.Encode(math.NaN())
	if got, _ := value.Decode(text); !math.IsNaN(got.(float64)) {
		t.Errorf("NaN is %v", got)
	}
}

func TestBoundsOfValues(t *testing.T) {
	if _, err := value.Encode(strings.Repeat("x", value.MaxBytes)); !errors.Is(err, value.ErrBounds) {
		t.Error(err)
	}
	var deep beans.Value
	for range 20 {
		deep = []beans.Value{deep}
	}
	if _, err := value.Encode(deep); !errors.Is(err, value.ErrBounds) {
		t.Error(err)
	}
	for _, text := range []string{`1`, `[1]`, `{}`, `{"i":1,"f":1}`, `{"i":1.5}`, `{"f":"x"}`, `{"t":"x"}`, `{"n":"x"}`, `{"S":[1]}`, `{"a":[1,2,3,4]}`, `{"x":[]}`, `{"z":[]}`, `{"T":[1]}`, `"a" 1`, `{`, strings.Repeat(`{"l":[`, 20) + strings.Repeat(`]}`, 20)} {
		if v, err := value.Decode([]byte(text)); err == nil {
			t.Errorf("%s is %#v", text, v)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, text := range []string{`{"i":1}`, `{"F":[1,"NaN"]}`, `{"T":[{"a":{"t":"2026-11-22T15:00:00Z"}}]}`, `{"x":[null,"a",{"d":1}]}`, `{"a":["x","int64",null,{"i":1}]}`, `{"r":"a:b=c"}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := value.Decode(text)
		if err != nil {
			return
		}
		again, err := value.Encode(v)
		if err != nil {
			if !errors.Is(err, value.ErrBounds) && !strings.Contains(err.Error(), "year") {
				t.Fatalf("%s: %v", text, err)
			}
			return
		}
		if _, err := value.Decode(again); err != nil {
			t.Fatalf("%s, then %s: %v", text, again, err)
		}
	})
}

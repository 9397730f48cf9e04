package beanstest_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"grove/beans"
	"grove/beans/beanstest"
)

type fan struct {
	Speed int      `bean:"speed,rw" unit:"1/min" doc:"The speed."`
	Model string   `bean:"model"`
	Tags  []string `bean:"tags,rw"`
}

func (*fan) Start() error { return nil }
func (*fan) Stop() error  { return nil }

func newFan(t *testing.T) beans.Bean {
	b, err := beans.NewStandard(&fan{Speed: 3, Model: "AX", Tags: []string{"a"}}, beans.StandardOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStandardBeanKeepsTheContract(t *testing.T) { beanstest.Bean(t, newFan) }

func TestDelegateKeepsTheContract(t *testing.T) {
	beanstest.Bean(t, func(t *testing.T) beans.Bean {
		s, err := beans.NewServer(beans.ServerOptions{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.Bean(beans.DelegateName)
		if err != nil {
			t.Fatal(err)
		}
		return b
	})
}

// broken breaks every rule but those about concurrency.
type broken struct{ value beans.Value }

func (*broken) Info() beans.Info {
	return beans.Info{
		Attributes: []beans.AttributeInfo{
			{Name: "A", Type: beans.TypeInt, Readable: true, Writable: true},
			{Name: "A", Type: beans.TypeInt, Readable: true},
			{Name: "B", Type: "complex"},
		},
		Operations: []beans.OperationInfo{{Name: "o", Returns: beans.TypeVoid, Impact: 9}},
	}
}
func (b *broken) Attribute(context.Context, string) (beans.Value, error) { return b.value, nil }
func (b *broken) SetAttribute(_ context.Context, _ string, v beans.Value) error {
	if v == "text" {
		return errors.New("not twice")
	}
	b.value = v
	return nil
}
func (*broken) Invoke(context.Context, string, []beans.Value) (beans.Value, error) {
	return "done", nil
}

func TestSuiteFindsViolations(t *testing.T) {
	found := ""
	for _, err := range beanstest.Check(t.Context(), &broken{value: "text"}) {
		found += err.Error() + "\n"
	}
	for _, want := range []string{
		"description: the class has no name\n",
		"description: attribute \"A\" is there twice\n",
		"description: attribute \"B\" has the unknown type \"complex\"\n",
		"description: operation \"o\" has the unknown impact 9\n",
		"attributes: attribute \"A\" of type int64: invalid value: \"text\" is no int64\n",
		"unknown attribute: reading gave text, <nil>\n",
		"unknown attribute: writing gave <nil>\n",
		"read-only: attribute \"A\": <nil>\n",
		"wrong type: attribute \"A\" takes a channel: <nil>\n",
		"unknown operation: it gave done, <nil>\n",
		"names are exact: attribute \"A\" answers to \"a\": <nil>\n",
	} {
		if !strings.Contains(found, want) {
			t.Errorf("the suite does not find %q in\n%s", want, found)
		}
	}
}

// shelf is a directory of two fans.
type shelf struct{ fans [2]beans.Bean }

func (s shelf) Bean(n beans.Name) (beans.Bean, bool) {
	slot, ok := n.Get("slot")
	switch {
	case !ok || len(n.Properties()) != 2:
		return nil, false
	case slot == "0":
		return s.fans[0], true
	case slot == "1":
		return s.fans[1], true
	}
	return nil, false
}

func (s shelf) Names(pattern beans.Name, yield func(beans.Name) bool) {
	for _, text := range []string{"d:type=Fan,slot=0", "d:type=Fan,slot=1"} {
		n := beans.MustName(text)
		if (pattern.IsZero() || pattern.Matches(n)) && !yield(n) {
			return
		}
	}
}

func (s shelf) Count() int { return 2 }

func TestDirectoryKeepsTheContract(t *testing.T) {
	beanstest.Directory(t, "d", "Fan", shelf{[2]beans.Bean{newFan(t), newFan(t)}})
}

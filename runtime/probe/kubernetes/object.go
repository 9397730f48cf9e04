package kubernetes

import (
	"encoding/json"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

// object is one kind of things that may be asked for.
type object struct {
	name       string
	paths      []apiPath
	namespaced bool
	labelled   bool   // the option labels holds for it
	fields     string // field selector
	attributes []beans.AttributeInfo
	begin      func() pour
}

// apiPath is where objects are listed.
type apiPath struct{ group, resource string }

// pour turns the objects of one run into readings.
type pour interface {
	take(l *look, from apiPath, item json.RawMessage) error
	end(r *probe.Result)
}

// look is what one run has in common.
type look struct {
	now     time.Time
	most    int
	leftOut int
	told    time.Time // events until then were told before
	next    time.Time // when the newest that is told now happened
}

// full counts an object for which there is no room.
func (l *look) full(rows int) bool {
	if rows < l.most {
		return false
	}
	l.leftOut++
	return true
}

// age is how long ago something was made; no value when that is not known.
func (l *look) age(t time.Time) tree.Value {
	if t.IsZero() {
		return tree.Value{}
	}
	return tree.Number(max(0, l.now.Sub(t).Seconds()))
}

var objects = []*object{nodes, pods, workloads, jobs, volumes, warnings}

func objectNames() (names []string) {
	for _, o := range objects {
		names = append(names, o.name)
	}
	return names
}

// meta is the metadata that every object has.
type meta struct {
	Name              string
	Namespace         string
	CreationTimestamp time.Time
	Labels            map[string]string
	OwnerReferences   []struct {
		Kind, Name string
		Controller bool
	}
}

// id tells objects of a namespace apart.
func (m *meta) id() string { return m.Namespace + "/" + m.Name }

func column(name string, t beans.Type, unit, description string) beans.AttributeInfo {
	return beans.AttributeInfo{Name: name, Type: t, Unit: unit, Readable: true, Description: description}
}

func counting(name, unit, description string) beans.AttributeInfo {
	c := column(name, beans.TypeFloat, unit, description)
	c.Descriptor = map[string]string{"metricType": "counter"}
	return c
}

func table(name, key, description string, columns ...beans.AttributeInfo) beans.AttributeInfo {
	return beans.AttributeInfo{Name: name, Type: beans.TypeTable, Key: key, Readable: true, Description: description, Columns: columns}
}

func names(columns []beans.AttributeInfo) []string {
	out := make([]string, len(columns))
	for k, c := range columns {
		out[k] = c.Name
	}
	return out
}

// rows is a table that is being filled.
type rows struct {
	attribute beans.AttributeInfo
	list      [][]tree.Value
}

func (t *rows) add(cells ...tree.Value) { t.list = append(t.list, cells) }

func (t *rows) into(r *probe.Result) {
	r.Tables = append(r.Tables, probe.Table{Attribute: t.attribute.Name, Columns: names(t.attribute.Columns), Rows: t.list})
}

// quantity is a quantity as a value; one that cannot be read, or is not given, has none.
func quantity(text string) tree.Value {
	v, ok := ParseQuantity(text)
	if !ok {
		return tree.Value{}
	}
	return tree.Number(v)
}

package beans

import (
	"context"
	"strings"
)

// A Bean is one manageable object: what JMX calls a dynamic MBean. A [Server]
// calls its methods from many goroutines at once, also after the bean was
// unregistered (a call that was under way), so a Bean guards its own state.
//
// Attribute and operation names are case-sensitive. A Bean answers
// [ErrAttributeNotFound], [ErrReadOnly], [ErrInvalidValue] and
// [ErrOperationNotFound], wrapped with what was wrong; any other error is the
// bean's own failure and is passed to the caller as it is.
type Bean interface {
	// Info describes the bean. It is called often and must be cheap; the
	// caller does not change what it returns.
	Info() Info
	// Attribute returns the present value of one attribute. See [Value] for
	// the types that it may have.
	Attribute(ctx context.Context, name string) (Value, error)
	// SetAttribute changes one writable attribute. It converts a value of a
	// near type (see [Convert]) and refuses any other with ErrInvalidValue.
	SetAttribute(ctx context.Context, name string, value Value) error
	// Invoke runs one operation with its arguments in order. A result of nil
	// stands for an operation that returns nothing. Where operations share a name,
	// the caller may say which by its [OperationInfo.Signature]; by the name alone
	// the bean chooses one that takes the arguments.
	Invoke(ctx context.Context, operation string, args []Value) (Value, error)
}

// Value is the value of an attribute, an argument or a result: nil, bool,
// int64, float64, string, time.Time, time.Duration, [Name], a type that
// implements encoding.TextMarshaler (an enumeration), []Value, []string,
// []float64, []int64, map[string]Value (a composite), or [Table].
type Value = any

// Info is the description of a bean, in the shape of JMX's MBeanInfo.
type Info struct {
	ClassName     string // what kind of bean it is, "grove.tree.Node"
	Description   string
	Attributes    []AttributeInfo
	Operations    []OperationInfo
	Notifications []NotificationInfo
	Descriptor    map[string]string // further facts, keys as in JMX descriptors
}

// AttributeInfo describes one attribute.
type AttributeInfo struct {
	Name        string
	Type        Type
	Description string
	Unit        string // "s", "bytes", "connections"; empty when it has none
	Readable    bool
	Writable    bool
	Descriptor  map[string]string
	// Columns describes the columns of a table, Key the column that tells its
	// rows apart. Both are empty unless Type is TypeTable.
	Columns []AttributeInfo
	Key     string
}

// Table is the value of an attribute of TypeTable: rows by column name.
type Table []map[string]Value

// OperationInfo describes one operation. Several operations of a bean may have the
// same name when the types of their parameters differ.
type OperationInfo struct {
	Name        string
	Description string
	Parameters  []ParameterInfo
	Returns     Type // TypeVoid when it returns nothing
	Impact      Impact
	Descriptor  map[string]string
}

// Signature is the name with the types of the parameters, as in
// "addNotification(string,string,any,time)".
func (o OperationInfo) Signature() string {
	var b strings.Builder
	b.WriteString(o.Name)
	b.WriteByte('(')
	for i, p := range o.Parameters {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(string(p.Type))
	}
	b.WriteByte(')')
	return b.String()
}

// ParameterInfo describes one parameter of an operation.
type ParameterInfo struct {
	Name        string
	Type        Type
	Description string
	Unit        string
	Descriptor  map[string]string
}

// FieldOriginalType is the key in the descriptors of attributes, parameters and
// operations under which stands the Java type that JMX clients are to see, such as
// "int" or "java.lang.Number", where it is not the one that follows from the Type.
// Of an operation it is the type that it returns.
const FieldOriginalType = "originalType"

// NotificationInfo describes one class of notifications that a bean emits.
type NotificationInfo struct {
	Types       []string // dotted notification types, "grove.status.changed"
	Name        string   // name of the class
	Description string
}

// Impact says what an operation does to its bean; the numbers are JMX's.
type Impact int

// The impacts of javax.management.MBeanOperationInfo.
const (
	ImpactInfo       Impact = 0 // reads only
	ImpactAction     Impact = 1 // changes something
	ImpactActionInfo Impact = 2 // both
	ImpactUnknown    Impact = 3
)

// Type names the type of an attribute, parameter or result, in Go's words.
// Exporters translate it to the names that their clients expect.
type Type string

// The types that values may have.
const (
	TypeVoid     Type = "void"
	TypeBool     Type = "bool"
	TypeInt      Type = "int64"
	TypeFloat    Type = "float64"
	TypeString   Type = "string"
	TypeTime     Type = "time"
	TypeDuration Type = "duration"
	TypeName     Type = "name"
	TypeStrings  Type = "[]string"
	TypeFloats   Type = "[]float64"
	TypeInts     Type = "[]int64"
	TypeList     Type = "[]any"
	TypeMap      Type = "map"
	TypeTable    Type = "table"
	TypeAny      Type = "any"
)

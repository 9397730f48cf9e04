package beans

import "context"

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
	// stands for an operation that returns nothing.
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

// OperationInfo describes one operation.
type OperationInfo struct {
	Name        string
	Description string
	Parameters  []ParameterInfo
	Returns     Type // TypeVoid when it returns nothing
	Impact      Impact
}

// ParameterInfo describes one parameter of an operation.
type ParameterInfo struct {
	Name        string
	Type        Type
	Description string
	Unit        string
}

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

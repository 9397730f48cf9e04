// Package expression compiles and evaluates the expressions of definition files:
// arithmetic, comparison, conditions and a few functions over named values. The
// language is that of github.com/expr-lang/expr without everything that could run
// long: no loops over data, no ranges, no closures.
package expression

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"grove/tree"
	"grove/tree/definition/source"
)

// Bounds of an expression.
const (
	MaxTextBytes = 4096 // of the expression's text
	maxNodes     = 1000 // of its syntax tree
	MaxNames     = 256  // different variables
)

// Type is the type of a variable or of a result.
type Type uint8

// The types.
const (
	Any Type = iota // known only at evaluation
	Number
	Text
	Bool
)

var typeNames = [...]string{"any", "number", "text", "truth value"}

// String names the type for messages.
func (t Type) String() string { return typeNames[t] }

func (t Type) of() types.Type {
	switch t {
	case Number:
		return types.Float64
	case Text:
		return types.String
	case Bool:
		return types.Bool
	default:
		return types.Any
	}
}

// Name is a variable of an expression: "limit" has only a Base, "status.active"
// also a Member.
type Name struct{ Base, Member string }

// String writes the name as the expression does.
func (n Name) String() string {
	if n.Member == "" {
		return n.Base
	}
	return n.Base + "." + n.Member
}

// Program is a compiled expression. It is safe for use by many goroutines.
type Program struct {
	text    string
	program *vm.Program
	names   []Name
	types   []Type
	result  Type
}

// Error is a mistake in the text of an expression.
type Error struct {
	Offset int // where it is, in characters from the start of the text; -1: not known
	Msg    string
	Hint   string
}

// Error implements error.
func (e *Error) Error() string { return e.Msg }

// Compile compiles a text. Resolve says which type a variable has; its error says
// that there is no such variable and may be an *Error with a Hint. An error of
// Compile is an *Error.
func Compile(text string, resolve func(Name) (Type, error)) (*Program, error) {
	switch {
	case strings.TrimSpace(text) == "":
		return nil, &Error{Offset: -1, Msg: "empty expression"}
	case len(text) > MaxTextBytes:
		return nil, &Error{Offset: -1, Msg: fmt.Sprintf("expression is longer than %d bytes", MaxTextBytes)}
	}
	parsed, err := parser.Parse(text)
	if err != nil {
		return nil, positioned(err)
	}
	c := &collector{resolve: resolve}
	c.visit(parsed.Node)
	if c.err != nil {
		return nil, c.err
	}
	env := types.Map{}
	for i, n := range c.names {
		env[n.String()] = c.types[i].of()
	}
	options := append([]expr.Option{
		expr.Env(env),
		expr.MaxNodes(maxNodes),
		expr.DisableAllBuiltins(),
		expr.Patch(flattener{}),
	}, functions()...)
	program, err := expr.Compile(text, options...)
	if err != nil {
		return nil, positioned(err)
	}
	result := Any
	if t := program.Node().Type(); t != nil {
		switch k := t.Kind().String(); {
		case k == "interface":
		case strings.HasPrefix(k, "int"), strings.HasPrefix(k, "uint"), strings.HasPrefix(k, "float"):
			result = Number
		case k == "string":
			result = Text
		case k == "bool":
			result = Bool
		default:
			return nil, &Error{Offset: -1, Msg: "expression yields neither a number nor a text nor a truth value"}
		}
	}
	return &Program{text: text, program: program, names: c.names, types: c.types, result: result}, nil
}

// String returns the text.
func (p *Program) String() string { return p.text }

// Names lists the variables in the order of their first use; the caller does not
// change the slice.
func (p *Program) Names() []Name { return p.names }

// Result is the type of what Eval returns; a Bool comes as the number 1 or 0.
func (p *Program) Result() Type { return p.result }

// ErrNoValue is wrapped by the error of Eval when a variable has no value.
var ErrNoValue = errors.New("no value")

// Eval evaluates the expression; values gives the value of Names()[i]. A variable
// without a value, a wrong type, and a result that is not a finite number are
// errors. Eval does not panic.
func (p *Program) Eval(values func(i int) tree.Value) (tree.Value, error) {
	env := make(map[string]any, len(p.names))
	for i, n := range p.names {
		v, err := convert(values(i), p.types[i])
		if err != nil {
			return tree.Value{}, fmt.Errorf("%w of %s", err, n)
		}
		env[n.String()] = v
	}
	out, err := vm.Run(p.program, env)
	if err != nil {
		return tree.Value{}, fmt.Errorf("%q: %s", p.text, firstLine(err))
	}
	switch v := out.(type) {
	case bool:
		return tree.Bool(v), nil
	case string:
		return tree.Text(v), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return tree.Value{}, fmt.Errorf("%q yields no finite number", p.text)
		}
		return tree.Number(v), nil
	case int:
		return tree.Number(float64(v)), nil
	case nil:
		return tree.Value{}, fmt.Errorf("%w of %q", ErrNoValue, p.text)
	}
	return tree.Value{}, fmt.Errorf("%q yields a %T", p.text, out)
}

func convert(v tree.Value, t Type) (any, error) {
	if v.IsNone() {
		return nil, ErrNoValue
	}
	n, isNumber := v.Number()
	text, isText := v.Text()
	switch {
	case t == Any:
		return v.Any(), nil
	case t == Number && isNumber:
		return n, nil
	case t == Text && isText:
		return text, nil
	case t == Text:
		return v.String(), nil
	case t == Bool && isNumber:
		return n != 0, nil
	case t == Bool && (text == "true" || text == "false"):
		return text == "true", nil
	}
	return nil, fmt.Errorf("%w that is a %s", ErrNoValue, t)
}

// collector finds the variables of a syntax tree and refuses what is not allowed.
type collector struct {
	resolve func(Name) (Type, error)
	names   []Name
	types   []Type
	err     *Error
}

func (c *collector) fail(n ast.Node, format string, args ...any) *Error {
	if c.err == nil {
		c.err = &Error{Offset: n.Location().From, Msg: fmt.Sprintf(format, args...)}
	}
	return c.err
}

func (c *collector) visit(nodes ...ast.Node) {
	for _, node := range nodes {
		if c.err != nil {
			return
		}
		c.visitOne(node)
	}
}

func (c *collector) visitOne(node ast.Node) {
	switch n := node.(type) {
	case *ast.IdentifierNode:
		c.use(n, Name{Base: n.Value})
	case *ast.MemberNode:
		if name, ok := memberName(n); ok {
			c.use(n, name)
			return
		}
		c.fail(n, "only a name may be followed by a dot or an index")
	case *ast.ChainNode:
		c.visit(n.Node)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode, *ast.ConstantNode, *ast.NilNode:
	case *ast.UnaryNode:
		c.visit(n.Node)
	case *ast.BinaryNode:
		if n.Operator == ".." {
			c.fail(n, "ranges are not allowed in an expression")
			return
		}
		c.visit(n.Left, n.Right)
	case *ast.ConditionalNode:
		c.visit(n.Cond, n.Exp1, n.Exp2)
	case *ast.ArrayNode: // "x in [1, 2]"
		c.visit(n.Nodes...)
	case *ast.BuiltinNode:
		if !slices.Contains(functionNames, n.Name) {
			c.unknownFunction(n, n.Name)
			return
		}
		c.visit(n.Arguments...)
	case *ast.CallNode:
		id, ok := n.Callee.(*ast.IdentifierNode)
		if !ok {
			c.fail(n, "only functions can be called")
			return
		}
		if !slices.Contains(functionNames, id.Value) {
			c.unknownFunction(n, id.Value)
			return
		}
		c.visit(n.Arguments...)
	case *ast.PredicateNode, *ast.PointerNode:
		c.fail(node, "loops over data are not allowed in an expression")
	default:
		c.fail(node, "this is not allowed in an expression")
	}
}

func (c *collector) unknownFunction(n ast.Node, name string) {
	if slices.Contains(loopFunctions, name) {
		c.fail(n, "loops over data are not allowed in an expression: %s", name)
		return
	}
	e := c.fail(n, "unknown function %q", name)
	e.Hint = source.DidYouMean(name, functionNames)
}

func (c *collector) use(n ast.Node, name Name) {
	if slices.Contains(c.names, name) {
		return
	}
	if len(c.names) == MaxNames {
		c.fail(n, "expression uses more than %d variables", MaxNames)
		return
	}
	t, err := c.resolve(name)
	if err != nil {
		e := c.fail(n, "%s", err.Error())
		var detail *Error
		if errors.As(err, &detail) {
			e.Hint = detail.Hint
		}
		return
	}
	c.names, c.types = append(c.names, name), append(c.types, t)
}

func memberName(n *ast.MemberNode) (Name, bool) {
	base, ok := n.Node.(*ast.IdentifierNode)
	if !ok {
		return Name{}, false
	}
	member, ok := n.Property.(*ast.StringNode)
	if !ok {
		return Name{}, false
	}
	return Name{base.Value, member.Value}, true
}

// flattener makes one identifier of "status.active", so that the values of an
// evaluation are one flat map.
type flattener struct{}

// Visit implements ast.Visitor.
func (flattener) Visit(node *ast.Node) {
	if m, ok := (*node).(*ast.MemberNode); ok {
		if name, ok := memberName(m); ok {
			ast.Patch(node, &ast.IdentifierNode{Value: name.String()})
		}
	}
}

func positioned(err error) *Error {
	var at *file.Error
	if errors.As(err, &at) {
		return &Error{Offset: at.From, Msg: "expression: " + forPeople(at.Message)}
	}
	return &Error{Offset: -1, Msg: "expression: " + forPeople(firstLine(err))}
}

var (
	tokenForm = regexp.MustCompile(`^unexpected token (?:\w+\((".*")\)|EOF)$`)
	goTypes   = strings.NewReplacer("float64", "number", "int", "number", "string", "text", "bool", "truth value", "interface {}", "anything")
	typesForm = regexp.MustCompile(`\(mismatched types (.+) and (.+)\)$`)
)

// forPeople writes a message of the expression library without the words of Go.
func forPeople(msg string) string {
	if m := tokenForm.FindStringSubmatch(msg); m != nil {
		if m[1] == "" {
			return "it ends too early"
		}
		return "unexpected " + m[1]
	}
	return typesForm.ReplaceAllStringFunc(msg, func(part string) string {
		m := typesForm.FindStringSubmatch(part)
		return "of a " + goTypes.Replace(m[1]) + " and a " + goTypes.Replace(m[2])
	})
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

package beans

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Query is a condition on a bean, JMX's QueryExp; see [Server.Query]. A nil Query
// holds for every bean. An error means that it cannot be answered, as when the
// bean has no such attribute; the bean is then left out, also by [Not].
type Query func(ctx context.Context, name Name, bean Bean) (bool, error)

// Term is a value that a [Query] compares.
type Term func(ctx context.Context, name Name, bean Bean) (Value, error)

// Attr is the value of an attribute.
func Attr(attribute string) Term {
	return func(ctx context.Context, _ Name, bean Bean) (Value, error) {
		return bean.Attribute(ctx, attribute)
	}
}

// ClassAttr is the value of an attribute of beans of one class; others have none.
func ClassAttr(class, attribute string) Term {
	return func(ctx context.Context, _ Name, bean Bean) (Value, error) {
		if !instanceOf(bean.Info(), class) {
			return nil, NoAttribute(attribute)
		}
		return bean.Attribute(ctx, attribute)
	}
}

// Const is the same value for every bean.
func Const(v Value) Term {
	return func(context.Context, Name, Bean) (Value, error) { return v, nil }
}

// And holds when all of the conditions do; they are asked in order until one
// does not.
func And(all ...Query) Query {
	return func(ctx context.Context, name Name, bean Bean) (bool, error) {
		for _, q := range all {
			if ok, err := q.ask(ctx, name, bean); !ok || err != nil {
				return false, err
			}
		}
		return true, nil
	}
}

// Or holds when one of the conditions does; they are asked in order until then.
func Or(any ...Query) Query {
	return func(ctx context.Context, name Name, bean Bean) (bool, error) {
		for _, q := range any {
			if ok, err := q.ask(ctx, name, bean); ok || err != nil {
				return ok, err
			}
		}
		return false, nil
	}
}

// Not holds when the condition can be answered and does not hold.
func Not(q Query) Query {
	return func(ctx context.Context, name Name, bean Bean) (bool, error) {
		ok, err := q.ask(ctx, name, bean)
		return !ok && err == nil, err
	}
}

// Eq holds when both terms are equal. Like the other comparisons it compares
// numbers of any type, strings (and what has a text) and times with each other,
// and holds for no two values of different kinds.
func Eq(a, b Term) Query { return compare(a, b, func(c int) bool { return c == 0 }) }

// Gt holds when a is greater than b. See [Eq].
func Gt(a, b Term) Query { return compare(a, b, func(c int) bool { return c > 0 }) }

// Geq holds when a is greater than b or equal to it. See [Eq].
func Geq(a, b Term) Query { return compare(a, b, func(c int) bool { return c >= 0 }) }

// Lt holds when a is less than b. See [Eq].
func Lt(a, b Term) Query { return compare(a, b, func(c int) bool { return c < 0 }) }

// Leq holds when a is less than b or equal to it. See [Eq].
func Leq(a, b Term) Query { return compare(a, b, func(c int) bool { return c <= 0 }) }

// Between holds when v is neither less than low nor greater than high.
func Between(v, low, high Term) Query { return And(Geq(v, low), Leq(v, high)) }

// In holds when v equals one of the terms.
func In(v Term, list ...Term) Query {
	any := make([]Query, len(list))
	for i, t := range list {
		any[i] = Eq(v, t)
	}
	return Or(any...)
}

// Match holds when the text of v matches the glob: * is any run of characters, ?
// one, [abx-z] one of a set and [!abx-z] one outside of it; a backslash takes the
// meaning from the character after it.
func Match(v Term, pattern string) Query {
	return text(v, func(s string) bool { return matchGlob(pattern, s) })
}

// InitialSubstring holds when the text of v begins with the prefix.
func InitialSubstring(v Term, prefix string) Query {
	return text(v, func(s string) bool { return strings.HasPrefix(s, prefix) })
}

// AnySubstring holds when the text of v contains the part.
func AnySubstring(v Term, part string) Query {
	return text(v, func(s string) bool { return strings.Contains(s, part) })
}

// FinalSubstring holds when the text of v ends with the suffix.
func FinalSubstring(v Term, suffix string) Query {
	return text(v, func(s string) bool { return strings.HasSuffix(s, suffix) })
}

// InstanceOf holds for beans of the class; see [Server.IsInstanceOf].
func InstanceOf(class string) Query {
	return func(_ context.Context, _ Name, bean Bean) (bool, error) {
		return instanceOf(bean.Info(), class), nil
	}
}

// ask treats nil as a condition that always holds.
func (q Query) ask(ctx context.Context, name Name, bean Bean) (bool, error) {
	if q == nil {
		return true, nil
	}
	return q(ctx, name, bean)
}

// holds answers a query for one bean; what cannot be answered does not hold.
func holds(ctx context.Context, q Query, name Name, bean Bean) (ok bool) {
	err := guard(func() (err error) {
		ok, err = q.ask(ctx, name, bean)
		return err
	})
	return ok && err == nil
}

func compare(a, b Term, want func(int) bool) Query {
	return func(ctx context.Context, name Name, bean Bean) (bool, error) {
		x, err := a(ctx, name, bean)
		if err != nil {
			return false, err
		}
		y, err := b(ctx, name, bean)
		if err != nil {
			return false, err
		}
		c, ok := order(x, y)
		return ok && want(c), nil
	}
}

func text(v Term, want func(string) bool) Query {
	return func(ctx context.Context, name Name, bean Bean) (bool, error) {
		x, err := v(ctx, name, bean)
		if err != nil {
			return false, err
		}
		s, ok := asText(x)
		return ok && want(s), nil
	}
}

// order compares two values of a kind; ok is false if they are not.
func order(x, y Value) (c int, ok bool) {
	x, y = widen(x), widen(y)
	switch a := x.(type) {
	case int64:
		switch b := y.(type) {
		case int64:
			return cmp.Compare(a, b), true
		case float64:
			return cmp.Compare(float64(a), b), b == b
		}
	case float64:
		switch b := y.(type) {
		case int64:
			return cmp.Compare(a, float64(b)), a == a
		case float64:
			return cmp.Compare(a, b), a == a && b == b // NaN equals nothing
		}
	case bool:
		if b, ok := y.(bool); ok {
			return cmp.Compare(number(a), number(b)), true
		}
	case time.Time:
		if b, ok := y.(time.Time); ok {
			return a.Compare(b), true
		}
	case time.Duration:
		if b, ok := y.(time.Duration); ok {
			return cmp.Compare(a, b), true
		}
	default:
		a2, oka := asText(x)
		b2, okb := asText(y)
		return cmp.Compare(a2, b2), oka && okb
	}
	return 0, false
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// matchGlob is glob with sets and escapes. A set that is not closed matches
// nothing.
func matchGlob(pattern, text string) bool {
	p, t := 0, 0
	star, resume := -1, 0
	for t < len(text) {
		if p < len(pattern) && pattern[p] == '*' {
			star, resume = p, t
			p++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[t:])
		if used, ok := matchOne(pattern[p:], r); ok {
			p += used
			t += size
			continue
		}
		if star < 0 {
			return false
		}
		_, size = utf8.DecodeRuneInString(text[resume:])
		resume += size
		p, t = star+1, resume
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// matchOne matches one character with the element that the pattern begins with,
// and returns the length of that.
func matchOne(pattern string, r rune) (used int, ok bool) {
	if pattern == "" {
		return 0, false
	}
	first, size := utf8.DecodeRuneInString(pattern)
	switch first {
	case '?':
		return size, true
	case '\\':
		if len(pattern) == 1 {
			return 1, r == '\\'
		}
		next, size := utf8.DecodeRuneInString(pattern[1:])
		return 1 + size, r == next
	case '[':
	default:
		return size, r == first
	}
	set := []rune(nil)
	i := 1
	negated := strings.HasPrefix(pattern[i:], "!")
	if negated {
		i++
	}
	ranged := false // the last two of set are the ends of a range
	in := false
	for i < len(pattern) {
		c, size := utf8.DecodeRuneInString(pattern[i:])
		i += size
		switch {
		case c == ']' && len(set) > 0:
			if ranged { // a minus at the end stands for itself
				set = append(set, '-')
			}
			in = in || slices.Contains(set, r)
			return i, in != negated
		case c == '-' && len(set) > 0 && !ranged:
			ranged = true
			continue
		case c == '\\' && i < len(pattern):
			c, size = utf8.DecodeRuneInString(pattern[i:])
			i += size
		}
		if ranged {
			in = in || set[len(set)-1] <= r && r <= c
			ranged = false
		}
		set = append(set, c)
	}
	return len(pattern), false
}

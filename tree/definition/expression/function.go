package expression

import (
	"errors"
	"fmt"
	"math"

	"github.com/expr-lang/expr"
)

// functionNames are the functions that an expression may call. Those of
// ownFunctions are defined here, the others are expr's.
var functionNames = []string{
	"abs", "ceil", "clamp", "float", "floor", "int", "len", "lower", "max", "min", "mod",
	"round", "string", "trim", "upper",
}

// loopFunctions are functions of expr that run over data: they have no time limit.
var loopFunctions = []string{
	"all", "any", "count", "filter", "find", "findIndex", "findLast", "findLastIndex", "groupBy",
	"map", "none", "one", "reduce", "sortBy", "sum",
}

func functions() []expr.Option {
	options := []expr.Option{
		expr.Function("clamp", clamp, new(func(x, low, high float64) float64)),
		expr.Function("mod", mod, new(func(a, b float64) float64)),
		expr.Function("round", round, new(func(x float64) float64), new(func(x, digits float64) float64)),
	}
	for _, name := range functionNames {
		if name != "clamp" && name != "mod" && name != "round" {
			options = append(options, expr.EnableBuiltin(name))
		}
	}
	return options
}

func numbers(args []any) ([]float64, error) {
	out := make([]float64, len(args))
	for i, a := range args {
		switch v := a.(type) {
		case float64:
			out[i] = v
		case int:
			out[i] = float64(v)
		default:
			return nil, fmt.Errorf("argument %d is not a number", i+1)
		}
	}
	return out, nil
}

// clamp keeps a number between two others.
func clamp(args ...any) (any, error) {
	n, err := numbers(args)
	if err != nil {
		return nil, err
	}
	if len(n) != 3 || n[1] > n[2] {
		return nil, errors.New("clamp(x, low, high) needs low <= high")
	}
	return min(max(n[0], n[1]), n[2]), nil
}

// mod is the remainder of a division, with the sign of the dividend.
func mod(args ...any) (any, error) {
	n, err := numbers(args)
	if err != nil {
		return nil, err
	}
	if len(n) != 2 || n[1] == 0 {
		return nil, errors.New("mod(a, b) needs b other than 0")
	}
	return math.Mod(n[0], n[1]), nil
}

// round rounds half away from zero, to so many decimal digits.
func round(args ...any) (any, error) {
	n, err := numbers(args)
	if err != nil {
		return nil, err
	}
	switch {
	case len(n) == 1:
		return math.Round(n[0]), nil
	case len(n) == 2 && n[1] >= 0 && n[1] <= 12:
		unit := math.Pow(10, math.Trunc(n[1]))
		return math.Round(n[0]*unit) / unit, nil
	}
	return nil, errors.New("round(x, digits) takes 0 to 12 digits")
}

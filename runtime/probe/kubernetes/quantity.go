package kubernetes

import (
	"math"
	"strconv"
	"strings"
)

// suffixes of quantities: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
var suffixes = []struct {
	text   string
	factor float64
}{
	{"Ki", 1 << 10}, {"Mi", 1 << 20}, {"Gi", 1 << 30}, {"Ti", 1 << 40}, {"Pi", 1 << 50}, {"Ei", 1 << 60},
	{"n", 1e-9}, {"u", 1e-6}, {"m", 1e-3}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}, {"P", 1e15}, {"E", 1e18},
}

// ParseQuantity reads "250m", "1.5Gi", "12e3", "3": cores, bytes or pieces.
func ParseQuantity(text string) (v float64, ok bool) {
	factor := 1.0
	for _, s := range suffixes {
		if number, found := strings.CutSuffix(text, s.text); found {
			text, factor = number, s.factor
			break
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	v *= factor
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || strings.ContainsAny(text, "xX_iI") {
		return 0, false
	}
	return v, true
}

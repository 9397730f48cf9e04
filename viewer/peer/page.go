package peer

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// page sorts a list by the words of a key, and cuts the page out of it that is asked for.
// The place where a page ends is the key of its last entry: what comes and goes between two
// pages shifts nothing.
func page[T any](list []T, in Paged, key func(*T) []string) (of []T, next string, err error) {
	after, err := place(in.After)
	if err != nil {
		return nil, "", err
	}
	// The list may be that of somebody else.
	of = slices.Clone(list)
	slices.SortStableFunc(of, func(a, b T) int { return slices.Compare(key(&a), key(&b)) })
	if after != nil {
		begin, _ := slices.BinarySearchFunc(of, after, func(one T, after []string) int {
			if slices.Compare(key(&one), after) <= 0 {
				return -1
			}
			return 1
		})
		of = of[begin:]
	}
	if len(of) > in.Limit {
		of = of[:in.Limit]
		next = base64.RawURLEncoding.EncodeToString([]byte(strings.Join(key(&of[len(of)-1]), "\x00")))
	}
	if of == nil {
		of = []T{}
	}
	return of, next, nil
}

// place is the key where a page ended, nil for none.
func place(after string) ([]string, error) {
	if after == "" {
		return nil, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(after)
	if err != nil {
		return nil, huma.NewError(http.StatusBadRequest, "after: it is not the next of a page")
	}
	return strings.Split(string(text), "\x00"), nil
}

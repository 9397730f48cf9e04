package sapcontrol

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/ccms"
)

// BenchmarkGetAlertTree answers with 100,000 attributes.
func BenchmarkGetAlertTree(b *testing.B) {
	tr := tree.New(tree.Options{})
	var ops []tree.Op
	spec := &tree.Spec{Kind: tree.Performance, Unit: "s"}
	for i := range 1000 {
		for k := range 100 {
			ops = append(ops, tree.Add(tree.MustPath(fmt.Sprintf("/site%d/host%d/value%d", i/50, i, k)), spec))
		}
	}
	if err := tr.Change(ops...); err != nil {
		b.Fatal(err)
	}
	e, err := ccms.New(ccms.Options{Tree: tr, Guard: grant.NewGuard(tr)})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	s, err := New(Options{Elements: e, MaxElements: 200_000})
	if err != nil {
		b.Fatal(err)
	}
	message := envelope(`<GetAlertTree xmlns="urn:SAPControl"/>`)
	for b.Loop() {
		req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(message))
		req.Header.Set("Content-Type", "text/xml")
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, req.WithContext(everyone(b.Context())))
		if rec.Code != http.StatusOK {
			b.Fatal(rec.Body.String())
		}
		b.SetBytes(int64(rec.Body.Len()))
	}
}

package jolokia

import (
	"net/http/httptest"
	"testing"

	"grove/tree/grant"
)

// BenchmarkPatternRead reads two attributes of 100,000 beans.
func BenchmarkPatternRead(b *testing.B) {
	agent, _ := newForest(b)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		as(agent, grant.Anonymous).ServeHTTP(w, httptest.NewRequest("GET", "/jolokia/read/grove:type=Node,*/Value,Status", nil))
		b.SetBytes(int64(w.Body.Len()))
	}
}

// BenchmarkListCache lists 100,000 beans with the cache.
func BenchmarkListCache(b *testing.B) {
	agent, _ := newForest(b)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		as(agent, grant.Anonymous).ServeHTTP(w, httptest.NewRequest("GET", "/jolokia/list?listCache=true", nil))
		b.SetBytes(int64(w.Body.Len()))
	}
}

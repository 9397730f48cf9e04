package promquery

import "testing"

// FuzzParse: no answer does harm.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"status":"success","data":{"resultType":"scalar","result":[1,"42"]}}`))
	f.Add([]byte(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1,"7"]}]}}`))
	f.Add([]byte(`{"status":"error","error":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := parse(body)
		if (r == nil) == (err == nil) {
			t.Error("a result and an error, or none of them")
		}
	})
}

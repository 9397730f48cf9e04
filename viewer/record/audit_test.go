package record_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"grove/tree/store"
	"grove/tree/store/audit"
	"grove/viewer/record"
)

// acted is a world in which five things were done, a minute apart.
func acted(t *testing.T) *world {
	w := grow(t)
	for i := range 5 {
		w.at.Store(noon.Add(time.Duration(i) * time.Minute).UnixMilli())
		who := []string{"anna", "bert"}[i%2]
		if _, err := w.audit.Append(t.Context(), audit.Entry{Who: who, Origin: "here", Action: "tune", Target: fmt.Sprint("/a", i), Was: "1", Became: "2", Outcome: "ok"}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func TestAuditIsRead(t *testing.T) {
	w := acted(t)
	first := decode[record.Audited](t, w, "GET", "/api/v1/audit?target=/a0", nil).Records[0]
	if first.Hash == "" {
		t.Error("no hash")
	}
	first.Hash = ""
	want := record.AuditRecord{Seq: 1, Time: "2026-03-02T12:00:00.000Z", Manager: "north", Who: "anna", Origin: "here", Action: "tune", Target: "/a0", Was: "1", Became: "2", Outcome: "ok"}
	if first != want {
		t.Errorf("%+v", first)
	}
	for query, want := range map[string]string{
		"":                                 "5 4 3 2 1",
		"who=anna":                         "5 3 1",
		"action=login":                     "",
		"from=-2m":                         "5 4 3",
		"from=-2m&to=-1m":                  "3",
		"to=2026-03-02T12:00:01Z":          "1",
		"limit=2":                          "5 4 next 4",
		"limit=2&before=4":                 "3 2 next 2",
		"limit=2&before=2":                 "1",
		"limit=1&before=2":                 "1",
		"who=bert&action=tune&target=/a1":  "2",
		"from=2026-03-02T12:03:00%2B00:00": "5 4",
	} {
		found := decode[record.Audited](t, w, "GET", "/api/v1/audit?"+query, nil)
		var got []string
		for _, r := range found.Records {
			got = append(got, fmt.Sprint(r.Seq))
		}
		if found.Next != 0 {
			got = append(got, fmt.Sprint("next ", found.Next))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	for query, want := range map[string]string{
		"from=x": `from: "x" is neither a time such as 2026-03-01T12:00:00Z, nor how long ago, such as -24h, nor now`,
		"to=x":   `to: "x" is neither a time such as 2026-03-01T12:00:00Z, nor how long ago, such as -24h, nor now`,
	} {
		if status, text, _ := w.ask(t, "GET", "/api/v1/audit?"+query, nil); status != 400 || detail(text) != want {
			t.Errorf("%s: %d %s", query, status, text)
		}
	}
	for _, query := range []string{"limit=0", "limit=1001", "before=-1", "whom=anna"} {
		if status, text, _ := w.ask(t, "GET", "/api/v1/audit?"+query, nil); status != 422 {
			t.Errorf("%s: %d %s", query, status, text)
		}
	}
}

func TestAuditIsVerified(t *testing.T) {
	w := acted(t)
	const at = "/api/v1/audit/verification"
	whole := decode[record.Verified](t, w, "GET", at, nil)
	if !whole.Whole || !strings.HasPrefix(whole.Head, "5:") {
		t.Errorf("%+v", whole)
	}
	if v := decode[record.Verified](t, w, "GET", at+"?head="+whole.Head, nil); v != whole {
		t.Errorf("%+v", v)
	}
	zeroes := strings.Repeat("0", 64)
	if v := decode[record.Verified](t, w, "GET", at+"?head="+whole.Head+",2:"+zeroes, nil); v.Whole || v.Seq != 2 {
		t.Errorf("%+v", v)
	}
	if v := decode[record.Verified](t, w, "GET", at+"?head=9:"+zeroes, nil); v.Whole || v.Seq != 6 || v.Reason != "is missing, and all after it up to 9, whose hash was kept: the end was cut off" {
		t.Errorf("%+v", v)
	}
	if status, text, _ := w.ask(t, "GET", at+"?head=x", nil); status != 400 || detail(text) != `"x" is no head of an audit log, which is a number, a colon and 64 hexadecimal digits` {
		t.Errorf("%d %s", status, text)
	}
	err := w.facts.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec("UPDATE audit SET who = 'nobody' WHERE seq = 3")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.says(t, "GET", at, nil, 200, `{"whole":false,"seq":3,"reason":"was edited, or moved here from another place"}`)
}

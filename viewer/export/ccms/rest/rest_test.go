package rest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"grove/tree"
	"grove/viewer/export/ccms/alert"
	"grove/viewer/export/ccms/ccmstest"
	"grove/viewer/export/goldentest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// face is the world over HTTP.
type face struct {
	*ccmstest.World
	handler *Handler
}

func newFace(t *testing.T) *face {
	t.Helper()
	w := ccmstest.New(t)
	h, err := New(Options{Elements: w.Exporter})
	if err != nil {
		t.Fatal(err)
	}
	return &face{w, h}
}

func (w *face) get(address string) (int, string, []byte) {
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, address, nil).WithContext(w.Everyone()))
	return rec.Code, rec.Header().Get("Content-Type"), rec.Body.Bytes()
}

func TestAnswers(t *testing.T) {
	w := newFace(t)
	w.Shop()
	w.Tell("/shop/web1/Connections/Open", tree.Number(501.5))
	for _, tt := range []struct{ name, address, kind string }{
		{"tree.json", "/ccms/v1/tree", "application/json"},
		{"tree.csv", "/ccms/v1/tree?path=/shop&depth=2&format=csv", "text/csv; charset=utf-8; header=present"},
		{"performance.json", "/ccms/v1/mte/" + url.PathEscape(`GRV\shop\...\web1/Connections\Open`), "application/json"},
		{"status.json", "/ccms/v1/mte/" + url.PathEscape(`GRV\shop\...\web1/Answer\Up`), "application/json"},
		{"log.json", "/ccms/v1/mte/" + url.PathEscape("/shop/web1/Log"), "application/json"},
		{"object.json", "/ccms/v1/mte/" + url.PathEscape(`GRV\shop\web1\...`), "application/json"},
		{"alerts.json", "/ccms/v1/alerts", "application/json"},
		{"alerts.csv", "/ccms/v1/alerts?format=csv&value=yellow&limit=1", "text/csv; charset=utf-8; header=present"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, kind, body := w.get(tt.address)
			if status != http.StatusOK || kind != tt.kind {
				t.Errorf("%d %s", status, kind)
			}
			if strings.HasSuffix(tt.name, ".json") {
				var indented bytes.Buffer
				if err := json.Indent(&indented, body, "", "  "); err != nil {
					t.Fatal(err)
				}
				body = indented.Bytes()
			}
			goldentest.Is(t, tt.name, body)
		})
	}
}

func TestRefusals(t *testing.T) {
	w := newFace(t)
	w.Shop()
	for _, tt := range []struct {
		method, address string
		status          int
		want            string
	}{
		{"GET", "/ccms", 404, "there is tree, mte/<name>, alerts and alerts/acknowledge below /ccms/v1"},
		{"GET", "/ccms/v1/mte/", 404, "there is tree, mte/<name>, alerts and alerts/acknowledge below /ccms/v1"},
		{"POST", "/ccms/v1/tree", 405, "POST is not served here, only GET"},
		{"GET", "/ccms/v1/alerts/acknowledge", 405, "GET is not served here, only POST"},
		{"GET", "/ccms/v1/tree?path=/nowhere", 404, "/nowhere: no such node"},
		{"GET", "/ccms/v1/tree?path=/a//b", 400, `malformed path "/a//b": empty name`},
		{"GET", "/ccms/v1/tree?depth=x", 400, `depth: "x" is no whole number from 0 to 32`},
		{"GET", "/ccms/v1/tree?limit=200001", 400, `limit: "200001" is no whole number from 1 to 200000`},
		{"GET", "/ccms/v1/tree?limit=3", 422, "9 elements are more than the bound of 3: ask for a smaller part of the tree with path or depth, or raise limit"},
		{"GET", "/ccms/v1/tree?format=xml", 400, `format: "xml" is neither json nor csv`},
		{"GET", "/ccms/v1/alerts?state=lost", 400, `state: "lost" is neither open nor completed nor all`},
		{"GET", "/ccms/v1/alerts?value=green", 400, `value: "green" is neither yellow nor red`},
		{"GET", `/ccms/v1/mte/GRV%5Cx`, 404, `no such element: "GRV\\x": a full name is such as GRV\shop\web1\Up, a TID has 84 characters`},
	} {
		t.Run(tt.method+" "+tt.address, func(t *testing.T) {
			rec := httptest.NewRecorder()
			w.handler.ServeHTTP(rec, httptest.NewRequest(tt.method, tt.address, nil).WithContext(w.Everyone()))
			if got := strings.TrimSpace(rec.Body.String()); rec.Code != tt.status || got != tt.want {
				t.Errorf("got  %d %s\nwant %d %s", rec.Code, got, tt.status, tt.want)
			}
		})
	}
}

func (w *face) acknowledge(kind, body string) (int, string) {
	rec := httptest.NewRecorder()
	req := httptest.NewRequest(http.MethodPost, "/ccms/v1/alerts/acknowledge", strings.NewReader(body))
	req.Header.Set("Content-Type", kind)
	w.handler.ServeHTTP(rec, req.WithContext(w.Everyone()))
	return rec.Code, strings.TrimSpace(rec.Body.String())
}

func TestAcknowledgeByHTTP(t *testing.T) {
	w := newFace(t)
	w.Shop()
	alerts, _, _ := w.Alerts(w.Everyone(), alert.Filter{})
	aid := alerts[0].AID
	for _, tt := range []struct {
		name, kind, body string
		status           int
		want             string
	}{
		{"a form of another site", "text/plain", `{}`, 415, "the body must be application/json"},
		{"an unknown key", "application/json", `{"aid2":1}`, 400, `the body is not {"AID": ["…"], "by": "…", "comment": "…"}: json: unknown field "aid2"`},
		{"nothing", "application/json", `{}`, 400, "AID: there is none"},
		{"two bodies", "application/json", `{} {}`, 400, "something follows the body"},
		{"much", "application/json", `{"AID":["` + strings.Repeat("x", maxBody) + `"]}`, 413, "the body has more than 262144 bytes"},
		{"many", "application/json", `{"AID":[""` + strings.Repeat(`,""`, MaxAcknowledged) + `]}`, 400, "AID: 1001 are more than the bound of 1000"},
		{"a control character", "application/json", `{"AID":[""],"by":"\u001b[2J"}`, 400, "by and comment have no control characters"},
		{"one and a wrong one", "application/json; charset=utf-8", `{"AID":["` + aid + `","x"],"by":"erika"}`, 200,
			`{"results":[{"AID":"` + aid + `","acknowledged":true},{"AID":"x","acknowledged":false,"reason":"no such alert: an AID has 84 characters and is taken from a list of alerts"}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if status, body := w.acknowledge(tt.kind, tt.body); status != tt.status || body != tt.want {
				t.Errorf("got  %d %s\nwant %d %s", status, body, tt.status, tt.want)
			}
		})
	}
	if len(w.Acknowledged) != 1 {
		t.Errorf("the audit was told %d times", len(w.Acknowledged))
	}
}

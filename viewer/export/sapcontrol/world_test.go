package sapcontrol

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/ccms"
	"grove/viewer/export/ccms/alert"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a small tree with its service. Its clock stands still but for readings.
type world struct {
	*testing.T
	now          time.Time
	tree         *tree.Tree
	elements     *ccms.Exporter
	service      *Service
	acknowledged []alert.Acknowledgement
	asks         *grant.Subject
}

func newWorld(t *testing.T, edit ...func(*Options)) *world {
	t.Helper()
	w := &world{T: t, asks: grant.Anonymous, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return w.now }
	w.tree = tree.New(tree.Options{Now: clock, Statuses: func(c []tree.StatusChange) {
		if w.elements != nil {
			w.elements.Statuses(c)
		}
	}})
	var err error
	w.elements, err = ccms.New(ccms.Options{Tree: w.tree, Guard: grant.NewGuard(w.tree), Now: clock, Audit: func(_ context.Context, a alert.Acknowledgement) { w.acknowledged = append(w.acknowledged, a) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.elements.Close)
	o := Options{
		Elements: w.elements, Instance: 7, Hostname: "alpha", Version: "1.2.3", Built: w.now, Location: time.UTC, Now: clock,
		Access: func() []Access { return []Access{{Address: "127.0.0.1", Port: 50713, Protocol: "HTTP"}} },
	}
	for _, f := range edit {
		f(&o)
	}
	if w.service, err = New(o); err != nil {
		t.Fatal(err)
	}
	w.add("/shop/web1", &tree.Spec{Kind: tree.Group, Owner: "web1"})
	w.add("/shop/web1/Connections/Open", &tree.Spec{
		Kind: tree.Performance, Unit: "connections", Source: "web1.status", Owner: "web1",
		Threshold: &tree.Threshold{Yellow: tree.AboveLevel(500, 450), Red: tree.AboveLevel(1000, 900)},
	})
	w.add("/shop/web1/Up", &tree.Spec{Kind: tree.State, Owner: "web1", Threshold: &tree.Threshold{States: map[string]tree.Status{"up": tree.Green, "*": tree.Red}}})
	w.add("/shop/web1/Log", &tree.Spec{Kind: tree.Log, Owner: "web1"})
	w.add("/shop/db1/Silent", &tree.Spec{Kind: tree.Performance})
	w.report("/shop/web1/Connections/Open", tree.Report{Value: tree.Number(291)})
	w.report("/shop/web1/Connections/Open", tree.Report{Value: tree.Number(512)})
	w.report("/shop/web1/Up", tree.Report{Value: tree.Text("up & <running>")})
	w.report("/shop/web1/Log", tree.Report{Events: []tree.Event{
		{Time: w.now, Status: tree.Green, Text: "started"}, {Time: w.now.Add(time.Second), Status: tree.Yellow, Text: "slow \x1b[31m answer"},
	}})
	return w
}

func (w *world) add(path string, s *tree.Spec) {
	w.Helper()
	if _, err := w.tree.Add(tree.MustPath(path), s); err != nil {
		w.Fatal(err)
	}
}

// report gives a node a reading a second after the one before, and publishes it.
func (w *world) report(path string, r tree.Report) {
	w.Helper()
	w.now = w.now.Add(time.Second)
	ref, ok := w.tree.Lookup(tree.MustPath(path))
	r.Node, r.Time = ref, w.now
	if !ok || w.tree.Report(r) != 1 {
		w.Fatalf("report %s", path)
	}
	w.tree.Flush()
}

// ask sends the body of a message in an envelope as a plain client writes it.
func (w *world) ask(body string) (int, string) {
	w.Helper()
	return w.post("/", `<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>`+body+`</soap:Body></soap:Envelope>`)
}

func (w *world) post(address, message string, edit ...func(*http.Request)) (int, string) {
	w.Helper()
	req := httptest.NewRequest(http.MethodPost, address, strings.NewReader(message))
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	for _, f := range edit {
		f(req)
	}
	rec := httptest.NewRecorder()
	w.service.ServeHTTP(rec, req.WithContext(grant.With(req.Context(), w.asks)))
	return rec.Code, rec.Body.String()
}

// aid is that of the alert of an attribute.
func (w *world) aid(attribute string) string {
	w.Helper()
	alerts, _, err := w.elements.Alerts(everyone(w.Context()), alert.Filter{})
	if err != nil {
		w.Fatal(err)
	}
	for _, a := range alerts {
		if a.Attribute == attribute {
			return a.AID
		}
	}
	w.Fatalf("%s has no alert", attribute)
	return ""
}

// inner is what stands in the body of an answer.
func inner(message string) string {
	_, rest, _ := strings.Cut(message, "<SOAP-ENV:Body>")
	body, _, _ := strings.Cut(rest, "</SOAP-ENV:Body>")
	return body
}

// everyone lets everybody ask.
func everyone(ctx context.Context) context.Context { return grant.With(ctx, grant.Anonymous) }

package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"grove/cmd/app"
)

// TestSAPRoundTrip: one manager watches another by its SAPControl, as it would a SAP
// system, and acknowledges what it raised. It speaks over the other's own web server.
func TestSAPRoundTrip(t *testing.T) {
	there := serve(t, func(c *app.Config) { c.SAPSystem = "T10" })
	there.write("shop.yaml", shop)
	there.loaded("shop")
	feed := func(active int, state string) {
		t.Helper()
		there.push(reading{"path": "/shop/Connections/Active", "value": active}, reading{"path": "/shop/State", "value": state})
	}
	feed(12, "running")
	there.is("/shop/Connections/Active", "12", "green")

	here := serve(t)
	here.write("t10.yaml", fmt.Sprintf("use: sap-instance\nat: /sap/t10\nname: t10\nwith: { url: %q, contexts: ^shop$, every: 1s, timeout: 900ms }\n", there.url+"/SAPControl"))
	here.loaded("t10")
	const active = `/sap/t10/Alerts/shop\Connections\Active`
	here.is("/sap/t10/Answer/System", "T10", "green")
	here.is(active+"/Status", "green", "green")
	here.is(active+"/Value", "12", "green")
	here.is("/sap/t10/Processes/shop", "green", "green")

	feed(1200, "draining")
	here.is(active+"/Status", "red", "red")
	here.is(active+"/Value", "1200", "green")
	here.is(active+"/Text", "1200 conn", "green")
	here.is("/sap/t10/Processes/shop", "red", "red")

	// The alert is there over HTTP, and completing it over SOAP shows there.
	type list struct {
		Alerts []struct {
			AID, State, By string
		} `json:"alerts"`
	}
	alerts := func(state string) (l list) {
		t.Helper()
		there.ask("/ccms/v1/alerts?path=/shop/Connections&state="+state, &l)
		return l
	}
	var open list
	there.eventually(func() error {
		if open = alerts("open"); len(open.Alerts) != 1 {
			return fmt.Errorf("%d alerts are open", len(open.Alerts))
		}
		return nil
	})
	message := `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><n:ABAPAcknowledgeAlerts xmlns:n="urn:SAPControl"><R3User>ERIKA</R3User><Aid><item>` +
		open.Alerts[0].AID + `</item></Aid></n:ABAPAcknowledgeAlerts></e:Body></e:Envelope>`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, there.url+"/SAPControl", strings.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	if code, body := there.do(req); code != http.StatusOK || !strings.Contains(string(body), "<item>1</item>") {
		t.Errorf("%d: %s", code, body)
	}
	if done := alerts("completed"); len(done.Alerts) != 1 || done.Alerts[0].By != "ERIKA" {
		text, _ := json.Marshal(done)
		t.Errorf("completed: %s", text)
	}

	feed(10, "running")
	here.is(active+"/Status", "green", "green")
	here.is("/sap/t10", "", "green")
}

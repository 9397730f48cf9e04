package sapcontrol

import (
	"strings"
	"testing"

	"grove/tree"
	"grove/tree/grant"
)

// TestAnswersOfWhatIsSeen asks every function that is served as somebody who sees a part.
func TestAnswersOfWhatIsSeen(t *testing.T) {
	w := newWorld(t)
	w.add("/hidden/gold/Up", &tree.Spec{Kind: tree.State, Owner: "gold", Threshold: &tree.Threshold{States: map[string]tree.Status{"*": tree.Red}}})
	w.add("/hidden/gold/Log", &tree.Spec{Kind: tree.Log, Owner: "gold"})
	w.report("/hidden/gold/Up", tree.Report{Value: tree.Text("gold")})
	w.report("/hidden/gold/Log", tree.Report{Events: []tree.Event{{Time: w.now, Status: tree.Red, Text: "gold"}}})
	aid := w.aid("Log")
	gs, err := grant.Parse("viewer /shop")
	if err != nil {
		t.Fatal(err)
	}
	w.asks = &grant.Subject{Name: "ada", Grants: []grant.Grant{gs}}
	for name := range answers {
		code, message := w.ask(`<m:` + name + ` xmlns:m="urn:SAPControl"/>`)
		if strings.Contains(message, "gold") || strings.Contains(message, "hidden") {
			t.Errorf("%s: %d %s", name, code, message)
		}
	}
	for _, body := range []string{
		`<m:ReadLogFile xmlns:m="urn:SAPControl"><filename>PATH</filename></m:ReadLogFile>`,
		`<m:GetAlerts xmlns:m="urn:SAPControl"><RootTid>PATH</RootTid></m:GetAlerts>`,
	} {
		code, hidden := w.ask(strings.Replace(body, "PATH", "/hidden/gold/Log", 1))
		_, absent := w.ask(strings.Replace(body, "PATH", "/hidden/golf/Log", 1))
		if code == 200 || strings.ReplaceAll(hidden, "gold", "golf") != absent {
			t.Errorf("%d %s of what is not there: %s", code, hidden, absent)
		}
	}
	for _, body := range []string{
		`<m:ABAPAcknowledgeAlerts xmlns:m="urn:SAPControl"><R3Client>1</R3Client><R3User>x</R3User><R3Password>x</R3Password><Aid><item>` + aid + `</item></Aid></m:ABAPAcknowledgeAlerts>`,
		`<m:AccessCheck xmlns:m="urn:SAPControl"><function>ABAPAcknowledgeAlerts</function></m:AccessCheck>`,
	} {
		if code, message := w.ask(body); code != 500 || !strings.Contains(message, "not allowed") {
			t.Errorf("%d %s", code, message)
		}
	}
	if code, message := w.ask(`<m:AccessCheck xmlns:m="urn:SAPControl"><function>GetAlertTree</function></m:AccessCheck>`); code != 200 {
		t.Errorf("%d %s", code, message)
	}
	w.asks = grant.Nobody
	if _, message := w.ask(`<m:GetAlertTree xmlns:m="urn:SAPControl"/>`); strings.Contains(message, "web1") {
		t.Errorf("nobody sees %s", message)
	}
	if len(w.acknowledged) > 0 {
		t.Errorf("%+v was acknowledged", w.acknowledged)
	}
}

package definitions_test

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/ccms"
	"grove/viewer/export/sapcontrol"
)

// TestSAPInstance runs the definition of a SAP system on the SAPControl of another grove:
// what that shows grows here, and follows it. It is no SAP system, but it answers by
// the same WSDL; recorded answers are with the probe.
func TestSAPInstance(t *testing.T) {
	t.Parallel()
	var elements *ccms.Exporter
	there := tree.New(tree.Options{Statuses: func(c []tree.StatusChange) { elements.Statuses(c) }})
	elements, err := ccms.New(ccms.Options{Tree: there, Guard: grant.NewGuard(there), System: "T10"})
	if err != nil {
		t.Fatal(err)
	}
	defer elements.Close()
	service, err := sapcontrol.New(sapcontrol.Options{Elements: elements, Hostname: "alpha", Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(toEverybody(service))
	defer server.Close()
	add := func(path string, s *tree.Spec) tree.Ref {
		ref, err := there.Add(tree.MustPath(path), s)
		if err != nil {
			t.Fatal(err)
		}
		return ref
	}
	add("/alpha", &tree.Spec{Kind: tree.Group, Owner: "alpha"})
	used := add("/alpha/OperatingSystem/CPU/CPU_Utilization", &tree.Spec{
		Kind: tree.Performance, Unit: "%", Threshold: &tree.Threshold{Yellow: tree.AboveLevel(80, 70), Red: tree.AboveLevel(95, 90)},
	})
	state := add("/alpha/R3Services/Background/State", &tree.Spec{Kind: tree.State, Threshold: &tree.Threshold{States: map[string]tree.Status{"running": tree.Green, "*": tree.Red}}})
	hidden := add("/alpha/R3Services/Background/Trace", &tree.Spec{Kind: tree.Performance, Properties: map[string]string{"visibility": "developer"}})
	report := func(ref tree.Ref, v tree.Value) {
		there.Report(tree.Report{Node: ref, Value: v})
		there.Flush()
	}
	report(used, tree.Number(12))
	report(state, tree.Text("running"))
	report(hidden, tree.Number(1))

	w := grow(t, fmt.Sprintf(`
use: sap-instance
at: /sap/t10
with: { url: %q, every: 1s, timeout: 900ms }
`, server.URL))
	const alerts = `/sap/t10/Alerts/alpha\OperatingSystem\CPU\CPU_Utilization`
	w.is("/sap/t10/Answer/Up", tree.Green)
	w.says("/sap/t10/Answer/System", "T10")
	w.within("/sap/t10/Answer/Response time", 1e-6, 1)
	w.is("/sap/t10/Processes/grove", tree.Green)
	w.is("/sap/t10/Processes/alpha", tree.Green)
	w.is("/sap/t10/Instances/alpha 00", tree.Green)
	w.within(alerts+"/Value", 12, 12)
	w.says(alerts+"/Text", "12 %")
	w.is("/sap/t10", tree.Green)
	if n, there := w.node(alerts + "/Value"); !there || n.Spec.Unit != "%" {
		t.Errorf("the value has the unit %q", n.Spec.Unit)
	}
	if _, there := w.node(`/sap/t10/Alerts/alpha\R3Services\Background\Trace`); there {
		t.Error("what is for developers is shown")
	}
	w.exported()

	report(used, tree.Number(97))
	w.is(alerts+"/Status", tree.Red)
	w.within(alerts+"/Value", 97, 97)
	w.is("/sap/t10/Processes/alpha", tree.Red)
	w.is("/sap/t10", tree.Red)

	// An attribute that goes there goes here, and a new one comes.
	if err := there.Change(tree.Remove(tree.MustPath("/alpha/OperatingSystem"))); err != nil {
		t.Fatal(err)
	}
	report(add("/alpha/Buffers/Program/HitRatio", &tree.Spec{Kind: tree.Performance, Unit: "%"}), tree.Number(99))
	w.within(`/sap/t10/Alerts/alpha\Buffers\Program\HitRatio/Value`, 99, 99)
	w.until("what is gone there is gone here", func() bool { _, there := w.node(alerts); return !there })
	w.is("/sap/t10", tree.Green)

	server.CloseClientConnections()
	server.Close()
	w.is("/sap/t10/Answer/Up", tree.Red)
	w.says("/sap/t10/Answer/Error", "connection refused")
	w.is("/sap/t10/Processes/grove", tree.White)
	w.is("/sap/t10", tree.Red)
}

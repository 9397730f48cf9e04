package labelled

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/notify/template"
	"grove/tree"
)

func TestOf(t *testing.T) {
	m := template.Samples()["firing"]
	a := &m.Alerts[0]
	a.Labels = map[string]string{"site": "berlin", "instance": "web1:80", "9 lives": "a\x1b\nb", "__name__": "x", "empty": ""}
	got := Of(m, a)
	if diff := cmp.Diff(map[string]string{
		"alertname": "Active", "path": "/shop/web1/Connections/Active", "instance": "shop-web1", "severity": "critical", "customer": "acme", "manager": "grove",
		"kind": "status", "site": "berlin", "exported_instance": "web1:80", "_9_lives": "a b", "_name__": "x",
	}, got.Labels); diff != "" {
		t.Errorf("labels (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{
		"summary": "/shop/web1/Connections/Active is red: 1200 connections, which is > 1000", "value": "1200", "unit": "connections", "threshold": "> 1000",
		"status": "red", "state": "open", "perceived_severity": "major", "event_type": "qualityOfServiceAlarm", "probable_cause": "thresholdCrossed",
		"repair": "add a server", "grove_alert": "1", "grove_message": m.Key, "grove_group": m.Group,
	}, got.Annotations); diff != "" {
		t.Errorf("annotations (-want +got)\n%s", diff)
	}
	if !got.EndsAt.IsZero() || !got.StartsAt.Equal(a.Opened) || got.GeneratorURL != m.URL {
		t.Errorf("%+v", got)
	}
	over := template.Samples()["resolved"]
	over.Alerts[0].Labels = a.Labels
	if ended := Of(over, &over.Alerts[0]); ended.EndsAt.IsZero() || ended.Fingerprint() != got.Fingerprint() {
		t.Errorf("%+v", ended)
	}
	a.Path = tree.MustPath("/shop/web2/Connections/Active")
	if Of(m, a).Fingerprint() == got.Fingerprint() {
		t.Error("another node has the same fingerprint")
	}
	m.URL = "javascript:alert(1)"
	if note := Note(m, "t", "x"); note.Labels["alertname"] != "GroveFiring" || note.GeneratorURL != "" {
		t.Errorf("%+v", note)
	}
}

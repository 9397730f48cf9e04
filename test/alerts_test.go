package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// ccmsAlert is what matters of an alert of CCMS.
type ccmsAlert struct {
	ID                   int
	AID, MTE, State, By  string
	Opened, Ended, Value string
}

// alerts lists the alerts below a path, all of them.
func (m *manager) alerts(path string) []ccmsAlert {
	m.Helper()
	var list struct {
		Alerts []ccmsAlert `json:"alerts"`
	}
	m.ask("/ccms/v1/alerts?state=all&path="+path, &list)
	return list.Alerts
}

// acknowledge completes an alert over HTTP.
func (m *manager) acknowledge(aid, by string) {
	m.Helper()
	body, err := json.Marshal(map[string]any{"AID": []string{aid}, "by": by})
	if err != nil {
		m.Fatal(err)
	}
	req, err := http.NewRequestWithContext(m.Context(), http.MethodPost, m.url+"/ccms/v1/alerts/acknowledge", strings.NewReader(string(body)))
	if err != nil {
		m.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if code, answer := m.do(req); code != http.StatusOK || !strings.Contains(string(answer), `"acknowledged":true`) {
		m.Fatalf("%d: %s", code, answer)
	}
}

// TestAlertsOutliveAKill: what was acknowledged before the manager is killed is
// acknowledged after it, and raises no second alert while it stays as bad as it was.
func TestAlertsOutliveAKill(t *testing.T) {
	r := newTrial(t, 1, 1)
	m := r.start()
	m.push(reading{"path": "/calm/Number", "value": 99}, reading{"path": "/calm/State", "value": "draining"})
	var before []ccmsAlert
	m.eventually(func() error {
		if before = m.alerts("/calm"); len(before) != 2 {
			return fmt.Errorf("%d alerts, want 2", len(before))
		}
		return nil
	})
	m.acknowledge(before[0].AID, "erika") // the red one; it is kept when this returns
	r.kill()

	m = r.start()
	var after []ccmsAlert
	m.eventually(func() error {
		after = m.alerts("/calm")
		if len(after) != 2 {
			return fmt.Errorf("%d alerts, want 2", len(after))
		}
		return nil
	})
	if after[0].AID != before[0].AID || after[0].State != "completed" || after[0].By != "erika" || after[0].Opened != before[0].Opened {
		t.Errorf("the alert was %+v and is %+v", before[0], after[0])
	}
	if after[1].State != "open" || after[1].Value != "yellow" {
		t.Errorf("the other alert was %+v and is %+v", before[1], after[1])
	}
	// A new alert has a number of its own.
	m.push(reading{"path": "/calm/Number", "value": 1})
	m.is("/calm/Number", "1", "green")
	m.push(reading{"path": "/calm/Number", "value": 98})
	m.eventually(func() error {
		now := m.alerts("/calm/Number")
		if len(now) != 2 || now[0].State != "open" || now[0].ID <= max(before[0].ID, before[1].ID) || now[1].Ended == "" {
			return fmt.Errorf("got %+v", now)
		}
		return nil
	})
}

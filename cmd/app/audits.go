package app

import (
	"context"

	"grove/tree/store/audit"
	"grove/viewer/export/ccms/alert"
	"grove/viewer/export/jolokia"
)

// nobody stands for whoever asks, until there are users.
const nobody = "anonymous"

// auditAct keeps a change by a JMX client, before it is made.
func (a *App) auditAct(ctx context.Context, act jolokia.Act) error {
	_, err := a.past.audit.Append(ctx, audit.Entry{
		Who: nobody, Origin: act.Remote, Action: "jolokia " + string(act.Action), Target: act.Bean.String() + " " + act.Member, Became: act.Detail, Outcome: "begun",
	})
	return err
}

// auditAcknowledgement keeps what a client of CCMS acknowledged.
func (a *App) auditAcknowledgement(k alert.Acknowledgement) {
	_, err := a.past.audit.Append(context.Background(), audit.Entry{
		Who: k.By, Origin: "CCMS", Action: "acknowledge", Target: k.Alert.Path.String(), Became: k.Comment, Outcome: "ok",
	})
	if err != nil {
		a.log.Error("an acknowledgement is not in the audit log", "path", k.Alert.Path.String(), "error", err)
	}
}

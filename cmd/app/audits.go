package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"grove/tree/store/audit"
	"grove/tree/store/revision"
	"grove/viewer/export/ccms"
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
func (a *App) auditAcknowledgement(k ccms.Acknowledgement) {
	_, err := a.past.audit.Append(context.Background(), audit.Entry{
		Who: k.By, Origin: "CCMS", Action: "acknowledge", Target: k.Alert.Path.String(), Became: k.Comment, Outcome: "ok",
	})
	if err != nil {
		a.log.Error("an acknowledgement is not in the audit log", "path", k.Alert.Path.String(), "error", err)
	}
}

// checkShared says what is wrong with a definition that managers would share: it must
// load beside the others that they share.
func (a *App) checkShared(name, text string) error {
	root, err := os.OpenRoot(filepath.Join(a.config.Data, sharedDir))
	if err != nil {
		return err
	}
	defer root.Close()
	file := revision.FileName(name, text)
	_, errs := newLoader(a.registry).FS(overlay{FS: root.FS(), files: map[string]string{file: text}}, "")
	var lines []string
	for _, e := range errs.Sorted() {
		if e.Pos.File == file {
			lines = append(lines, fmt.Sprintf("%s: %s", e.Pos, message(e)))
		}
	}
	if len(lines) > 0 {
		return errors.New(strings.Join(lines, "\n"))
	}
	return nil
}

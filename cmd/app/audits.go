package app

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"grove/tree/grant"
	"grove/tree/store/audit"
	"grove/viewer/export/ccms/alert"
	"grove/viewer/export/jolokia"
)

// auditWithin bounds the writing of how a change ended.
const auditWithin = 10 * time.Second

// begin keeps that whoever asks begins a change, before it is made: what cannot be kept
// must not happen. The detail, written as JSON, must hold no secret; a map of nothing but
// "was" and "became" is kept as these two. Done keeps how it ended; nil is well.
func (a *App) begin(ctx context.Context, action, target string, detail any) (done func(error), err error) {
	var was any
	became := detail
	if d, ok := detail.(map[string]any); ok && only(d, "was", "became") {
		was, became = d["was"], d["became"]
	}
	e := audit.Entry{Who: grant.Of(ctx).Name, Origin: grant.Origin(ctx), Action: action, Target: target}
	for _, part := range []struct {
		to   *string
		from any
	}{{&e.Was, was}, {&e.Became, became}} {
		if part.from == nil {
			continue
		}
		var b strings.Builder
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false) // People read it: "> 90" stays as it is.
		if err := enc.Encode(part.from); err != nil {
			return nil, fmt.Errorf("audit log: %w", err)
		}
		*part.to = strings.TrimSuffix(b.String(), "\n")
	}
	return a.record(ctx, e)
}

// only says whether a map has no other keys than these.
func only(m map[string]any, keys ...string) bool {
	for k := range m {
		if !slices.Contains(keys, k) {
			return false
		}
	}
	return true
}

// record keeps that something begins, and returns what keeps how it ended.
func (a *App) record(ctx context.Context, e audit.Entry) (done func(error), err error) {
	e.Outcome = "begun"
	if _, err := a.past.audit.Append(ctx, e); err != nil {
		return nil, err
	}
	return func(failed error) {
		e.Outcome = "ok"
		if failed != nil {
			e.Outcome = failed.Error()
		}
		// Who asked may be gone: how it ended is kept all the same.
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditWithin)
		defer cancel()
		if _, err := a.past.audit.Append(after, e); err != nil {
			a.log.Error("how a change ended is not in the audit log", "action", e.Action, "target", e.Target, "error", err)
		}
	}, nil
}

// auditAct keeps a change by a JMX client, before it is made and when it has ended.
func (a *App) auditAct(ctx context.Context, act jolokia.Act) (done func(error), err error) {
	return a.record(ctx, audit.Entry{
		Who: grant.Of(ctx).Name, Origin: cmp.Or(grant.Origin(ctx), act.Remote), Action: "jolokia " + string(act.Action),
		Target: act.Bean.String() + " " + act.Member, Became: act.Detail,
	})
}

// auditAcknowledgement keeps what a client of CCMS acknowledged, and lets it count for the
// alert of the same node.
func (a *App) auditAcknowledgement(ctx context.Context, k alert.Acknowledgement) {
	who, became := grant.Of(ctx).Name, k.Comment
	if k.By != who {
		became = strings.TrimSuffix("as "+k.By+": "+became, ": ")
	}
	_, err := a.past.audit.Append(ctx, audit.Entry{
		Who: who, Origin: cmp.Or(grant.Origin(ctx), "CCMS"), Action: "acknowledge", Target: k.Alert.Path.String(), Became: became, Outcome: "ok",
	})
	if err != nil {
		a.log.Error("an acknowledgement is not in the audit log", "path", k.Alert.Path.String(), "error", err)
	}
	a.acknowledgeAt(ctx, k.Alert.Path, who, k.Comment)
}

package record

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree/grant"
	"grove/tree/store/audit"
)

type auditInput struct {
	From   string `query:"from" maxLength:"40" doc:"Beginning: RFC 3339, or how long ago: -1h, -24h, -7d. Absent: from the first on."`
	To     string `query:"to" default:"now" maxLength:"40" doc:"End, which is not part of it, in the same forms."`
	Who    string `query:"who" maxLength:"256" doc:"Only what this one did."`
	Action string `query:"action" maxLength:"256" doc:"Only this." example:"definition put"`
	Target string `query:"target" maxLength:"1024" doc:"Only what was done to this."`
	Before int64  `query:"before" minimum:"0" doc:"Only records with smaller numbers: the next of the page before."`
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"At most so many."`
}

// Audited is the answer of GET /api/v1/audit.
type Audited struct {
	Records []AuditRecord `json:"records" nullable:"false" doc:"Newest first."`
	Next    int64         `json:"next,omitempty" doc:"For the parameter before; absent when there is no more."`
}

// AuditRecord is one record of the audit log.
type AuditRecord struct {
	Seq     int64  `json:"seq" doc:"Counted from 1, without gaps."`
	Time    string `json:"time" format:"date-time"`
	Manager string `json:"manager" doc:"That wrote it."`
	Who     string `json:"who"`
	Origin  string `json:"origin" doc:"Where it was asked from."`
	Action  string `json:"action"`
	Target  string `json:"target,omitempty"`
	Was     string `json:"was,omitempty"`
	Became  string `json:"became,omitempty"`
	Outcome string `json:"outcome" doc:"begun, ok, or what went wrong."`
	Hash    string `json:"hash" doc:"SHA-256 over the record and the hash of the one before, in hexadecimal."`
}

// Verified is the answer of GET /api/v1/audit/verification.
type Verified struct {
	Whole  bool   `json:"whole" doc:"Every record is as it was written, and none is missing."`
	Head   string `json:"head,omitempty" doc:"SEQ:HASH of the newest record. Whoever keeps it elsewhere can ask for it later: a log that does not hold it any more was cut off or written anew."`
	Seq    int64  `json:"seq,omitempty" doc:"Number of the first bad record."`
	Reason string `json:"reason,omitempty" doc:"What is wrong with it."`
}

func (a *API) registerAudit(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "get-audit", Method: http.MethodGet, Path: "/api/v1/audit",
		Summary: "Who did what", Tags: []string{"audit"},
		Description: "Records of the audit log, of all managers that share the database, a page at a time. It takes the role of an admin on the whole manager.",
		Errors:      []int{http.StatusBadRequest, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
	}, a.getAudit)
	huma.Register(api, huma.Operation{
		OperationID: "verify-audit", Method: http.MethodGet, Path: "/api/v1/audit/verification",
		Summary: "Whether the audit log is whole", Tags: []string{"audit"},
		Description: "Reads the whole log: a record that was edited, removed, moved or put in shows. So does an end that was cut off, to whoever kept a head. It takes the role of an admin on the whole manager.",
		Errors:      []int{http.StatusBadRequest, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
	}, a.verifyAudit)
}

func (a *API) getAudit(ctx context.Context, in *auditInput) (*struct {
	CacheControl string `header:"Cache-Control"`
	Body         Audited
}, error) {
	if err := a.whole(ctx, grant.Admin); err != nil {
		return nil, err
	}
	q := audit.Query{Who: in.Who, Action: in.Action, Target: in.Target, Before: in.Before, Limit: in.Limit}
	var err error
	if in.From == "" {
		if q.To, err = moment(a.Now(), in.To); err != nil {
			return nil, huma.NewError(http.StatusBadRequest, "to: "+err.Error())
		}
	} else if q.From, q.To, err = a.span(in.From, in.To); err != nil {
		return nil, err
	}
	if in.To == "now" {
		q.To = time.Time{} // What was done in this instant is there.
	}
	records, err := a.Audit.Read(ctx, q)
	if err != nil {
		return nil, a.problem(err)
	}
	found := Audited{Records: make([]AuditRecord, len(records))}
	for i, r := range records {
		found.Records[i] = AuditRecord{
			Seq: r.Seq, Time: stamp(r.Time), Manager: r.Manager, Who: r.Who, Origin: r.Origin, Action: r.Action, Target: r.Target,
			Was: r.Was, Became: r.Became, Outcome: r.Outcome, Hash: r.Hash,
		}
	}
	if n := len(records); n == in.Limit && records[n-1].Seq > 1 {
		found.Next = records[n-1].Seq
	}
	return &struct {
		CacheControl string `header:"Cache-Control"`
		Body         Audited
	}{"no-store", found}, nil
}

func (a *API) verifyAudit(ctx context.Context, in *struct {
	Unhurried
	Head []string `query:"head" maxItems:"100" doc:"Heads that were kept, SEQ:HASH each."`
}) (*struct {
	CacheControl string `header:"Cache-Control"`
	Body         Verified
}, error) {
	if err := a.whole(ctx, grant.Admin); err != nil {
		return nil, err
	}
	var kept []audit.Head
	for _, text := range in.Head {
		h, err := audit.ParseHead(text)
		if err != nil {
			return nil, huma.NewError(http.StatusBadRequest, err.Error())
		}
		kept = append(kept, h)
	}
	var v Verified
	head, err := a.Audit.Verify(ctx, kept...)
	var broken *audit.BrokenError
	switch {
	case err == nil:
		v = Verified{Whole: true, Head: head.String()}
	case errors.As(err, &broken):
		v = Verified{Seq: broken.Seq, Reason: broken.Reason}
	default:
		return nil, a.problem(fmt.Errorf("verify the audit log: %w", err))
	}
	return &struct {
		CacheControl string `header:"Cache-Control"`
		Body         Verified
	}{"no-store", v}, nil
}

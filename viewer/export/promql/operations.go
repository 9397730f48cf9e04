package promql

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"grove/tree/history/promql"
)

// common reads what instant and range queries have in common.
func (r *request) common() (promql.Query, error) {
	q := promql.Query{Expr: r.get("query"), Scope: r.scope, Stats: r.get("stats") != ""}
	var err error
	if q.Limit, err = r.limit(); err != nil {
		return q, err
	}
	if r.get("timeout") != "" {
		if q.Timeout, err = r.duration("timeout"); err != nil {
			return q, err
		}
		// A timeout that is over before the query begins is one nevertheless.
		q.Timeout = max(q.Timeout, time.Nanosecond)
	}
	if q.Lookback, err = r.duration("lookback_delta"); err != nil {
		return q, err
	}
	return q, nil
}

func (h *handler) query(r *request) (*answer, error) {
	q, err := r.common()
	if err != nil {
		return nil, err
	}
	at, err := r.time("time", h.opts.Engine.Now())
	if err != nil {
		return nil, err
	}
	return found(h.opts.Engine.Instant(r.Context(), q, at))
}

func (h *handler) queryRange(r *request) (*answer, error) {
	q, err := r.common()
	if err != nil {
		return nil, err
	}
	from, err := parseTime(r.get("start"))
	if err != nil {
		return nil, parameter("start", err)
	}
	to, err := parseTime(r.get("end"))
	if err != nil {
		return nil, parameter("end", err)
	}
	step, err := parseDuration(r.get("step"))
	if err != nil {
		return nil, parameter("step", err)
	}
	return found(h.opts.Engine.Range(r.Context(), q, from, to, step))
}

// found is the answer with a result.
func found(result *promql.Result, err error) (*answer, error) {
	if err != nil {
		return nil, err
	}
	return &answer{data: func(e *encoder) { e.result(result) }, warnings: result.Warnings, infos: result.Infos}, nil
}

// exemplars answers as a Prometheus that keeps none.
func (h *handler) exemplars(r *request) (*answer, error) {
	from, err := r.time("start", minTime)
	if err != nil {
		return nil, err
	}
	to, err := r.time("end", maxTime)
	if err != nil {
		return nil, err
	}
	if to.Before(from) {
		return nil, bad("end timestamp must not be before start timestamp")
	}
	if err := h.opts.Engine.Check(r.get("query")); err != nil {
		return nil, err
	}
	return &answer{data: func(e *encoder) { e.raw("[]") }}, nil
}

func (h *handler) format(r *request) (*answer, error) {
	text, err := h.opts.Engine.Format(r.get("query"))
	if err != nil {
		return nil, err
	}
	return &answer{data: func(e *encoder) { e.text(text) }}, nil
}

// find reads what the questions for series and labels have in common.
func (r *request) find() (promql.Find, error) {
	f := promql.Find{Matching: r.form["match[]"], Scope: r.scope}
	var err error
	if f.Limit, err = r.limit(); err != nil {
		return f, err
	}
	if f.From, err = r.time("start", minTime); err != nil {
		return f, err
	}
	f.To, err = r.time("end", maxTime)
	return f, err
}

func (h *handler) series(r *request) (*answer, error) {
	f, err := r.find()
	if err != nil {
		return nil, err
	}
	all, warnings, err := h.opts.Engine.Series(r.Context(), f)
	if err != nil {
		return nil, err
	}
	return &answer{warnings: warnings, data: func(e *encoder) {
		e.list(len(all), func(i int) { e.labels(all[i]) })
	}}, nil
}

func (h *handler) labels(r *request) (*answer, error) {
	f, err := r.find()
	if err != nil {
		return nil, err
	}
	return texts(h.opts.Engine.LabelNames(r.Context(), f))
}

func (h *handler) values(r *request) (*answer, error) {
	f, err := r.find()
	if err != nil {
		return nil, err
	}
	return texts(h.opts.Engine.LabelValues(r.Context(), r.label, f))
}

func texts(all, warnings []string, err error) (*answer, error) {
	if err != nil {
		return nil, err
	}
	return &answer{warnings: warnings, data: func(e *encoder) {
		e.list(len(all), func(i int) { e.text(all[i]) })
	}}, nil
}

func (h *handler) metadata(r *request) (*answer, error) {
	limits := [2]int{-1, -1}
	for i, name := range []string{"limit", "limit_per_metric"} {
		if s := r.get(name); s != "" {
			n, err := strconv.Atoi(s)
			if err != nil {
				return nil, bad("%s must be a number", name)
			}
			limits[i] = n
		}
	}
	all := h.opts.Engine.Metadata(r.Context(), r.get("metric"), limits[0], limits[1])
	return &answer{data: func(e *encoder) {
		names := slices.Sorted(maps.Keys(all))
		e.raw("{")
		for i, name := range names {
			e.comma(i)
			e.text(name)
			e.raw(":")
			e.list(len(all[name]), func(j int) {
				m := all[name][j]
				e.object("type", m.Type, "help", m.Help, "unit", m.Unit)
			})
		}
		e.raw("}")
	}}, nil
}

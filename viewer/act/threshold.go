package act

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grove/tree"
	"grove/tree/definition/rule"
	"grove/tree/definition/source"
	"grove/tree/grant"
	"grove/viewer"
)

// Tuning is the body of PUT /api/v1/thresholds/{path}: the settings of a node that
// colour it, as a definition writes them. What is left out, or empty, is not set.
type Tuning struct {
	Yellow string            `json:"yellow,omitempty" maxLength:"256" example:"> 500 for 30s" doc:"Readings that make the node yellow: > 500, < 5, outside 10..20 or inside 1..3, each with or without \"for 30s\"."`
	Red    string            `json:"red,omitempty" maxLength:"256" example:"> 1000"`
	Back   Back              `json:"back,omitzero" doc:"How far readings must come back before a level is left: 10% of the border, or an amount; one for both levels or one for each."`
	Clear  string            `json:"clear,omitempty" maxLength:"64" example:"30s" doc:"How long readings must be better before the status is."`
	White  string            `json:"white,omitempty" maxLength:"64" example:"no reading for 60s" doc:"Silence after which the node is white, or never. Left out: as the definition says."`
	States map[string]string `json:"states,omitempty" maxProperties:"256" example:"{\"running\": \"green\", \"*\": \"red\"}" doc:"Status by the text of the reading; * is for any other."`
	Flap   string            `json:"flap,omitempty" maxLength:"64" example:"5 changes in 10m" doc:"When the node is called flapping, or never."`
}

// Back is a setting that is written "10%", 50, or {"yellow": "10%", "red": 50}.
type Back struct{ value *source.Value }

// IsZero says whether there is none.
func (b Back) IsZero() bool { return b.value == nil }

// Schema implements huma.SchemaProvider.
func (Back) Schema(huma.Registry) *huma.Schema {
	most := 64
	amount := []*huma.Schema{{Type: huma.TypeString, MaxLength: &most}, {Type: huma.TypeNumber}}
	return &huma.Schema{OneOf: append(slices.Clone(amount), &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{"yellow": {OneOf: amount}, "red": {OneOf: amount}},
	})}
}

// MarshalJSON implements json.Marshaler.
func (b Back) MarshalJSON() ([]byte, error) {
	switch {
	case b.value == nil:
		return []byte("null"), nil
	case b.value.Kind == source.Scalar:
		return json.Marshal(b.value.Text)
	}
	texts := map[string]string{}
	for i := range b.value.Fields {
		texts[b.value.Fields[i].Key] = b.value.Fields[i].Value.Text
	}
	return json.Marshal(texts)
}

// UnmarshalJSON implements json.Unmarshaler.
func (b *Back) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var given any
	if err := d.Decode(&given); err != nil {
		return err
	}
	scalar := func(v any, field string) (*source.Value, error) {
		switch x := v.(type) {
		case nil:
			return nil, nil
		case json.Number:
			return setting(field, x.String()), nil
		case string:
			return setting(field, x), nil
		}
		return nil, errors.New(`back is "10%", a number, or {"yellow": …, "red": …}`)
	}
	levels, ok := given.(map[string]any)
	if !ok {
		var err error
		b.value, err = scalar(given, "back")
		return err
	}
	m := &source.Value{Kind: source.Map, Pos: source.Pos{File: "back"}}
	for _, key := range slices.Sorted(maps.Keys(levels)) {
		v, err := scalar(levels[key], "back."+key)
		if err != nil {
			return err
		}
		if v != nil {
			m.Fields = append(m.Fields, source.Field{Key: key, Pos: v.Pos, Value: *v})
		}
	}
	if len(m.Fields) > 0 {
		b.value = m
	}
	return nil
}

// setting is the value of a field; nil when the field is empty. Where an error of the
// parser is, is the name of the field in place of that of a file.
func setting(field, text string) *source.Value {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	v := source.Text(source.Pos{File: field}, text)
	return &v
}

// parse reads the settings for a node that the sources feed.
func (t *Tuning) parse(n *tree.Node, sources []viewer.NodeSource) (*tree.Threshold, source.Errors) {
	colours := rule.Colours{
		Yellow: setting("yellow", t.Yellow), Red: setting("red", t.Red), Back: t.Back.value,
		Clear: setting("clear", t.Clear), Flap: setting("flap", t.Flap),
	}
	if len(t.States) > 0 {
		states := &source.Value{Kind: source.Map, Pos: source.Pos{File: "states"}}
		for _, key := range slices.Sorted(maps.Keys(t.States)) {
			pos := source.Pos{File: "states." + key}
			states.Fields = append(states.Fields, source.Field{Key: key, Pos: pos, Value: source.Text(pos, t.States[key])})
		}
		colours.States = states
	}
	th, errs := colours.Threshold(rule.Reading{Kind: n.Kind, Truth: isTruth(n)})
	if th == nil {
		th = new(tree.Threshold)
	}
	if defined := n.Spec.Threshold; defined != nil {
		th.StaleAfter = defined.StaleAfter
	}
	if white := setting("white", t.White); white != nil {
		if _, err := source.ParseDuration(strings.TrimSpace(t.White)); err == nil {
			white.Text = "no reading for " + strings.TrimSpace(t.White) // As GET says it.
		}
		d, bad := rule.ParseWhite(white)
		errs.Append(bad)
		th.StaleAfter = d
		if every := interval(n, sources); bad == nil && d > 0 && d <= every {
			errs.Add(white.Pos, "white after %s: the node gets a reading every %s, so it would turn white in between", tree.FormatDuration(d), tree.FormatDuration(every))
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	// What does not fit together is told at the level that has it.
	for _, part := range []struct {
		field string
		th    *tree.Threshold
	}{{"yellow", &tree.Threshold{Yellow: th.Yellow}}, {"red", &tree.Threshold{Red: th.Red}}, {"red", th}} {
		if err := part.th.Check(); err != nil {
			errs.Add(source.Pos{File: part.field}, "%w", err)
			return nil, errs
		}
	}
	return th, nil
}

// isTruth says whether the readings of a node are true and false: its states are those
// of the numbers that stand for them.
func isTruth(n *tree.Node) bool {
	th := n.Spec.Threshold
	if n.Kind != tree.State || th == nil || len(th.States) == 0 {
		return false
	}
	for text := range th.States {
		if text != "1" && text != "0" && text != "*" {
			return false
		}
	}
	return true
}

// interval is the shortest time in which the timer brings a reading; 0: it is not known.
func interval(n *tree.Node, sources []viewer.NodeSource) (every time.Duration) {
	if n.Spec.Mode != tree.Timer {
		return 0
	}
	for _, s := range sources {
		if d, err := source.ParseDuration(s.Every); err == nil {
			every = max(every, d)
		}
	}
	return every
}

// noThresholds is why a group has none.
const noThresholds = "has no thresholds; its status follows from those below it"

func (a *API) putThresholds(ctx context.Context, in *struct {
	Addressed
	Where
	Body Tuning
}) (*output, error) {
	n, err := a.attribute(ctx, in.Addressed, grant.Editor, noThresholds)
	if err != nil {
		return nil, err
	}
	if in.At != "" {
		return a.atOwner(ctx, n.Path, "tune", &in.Body)
	}
	if err := a.tune(ctx, &n, &in.Body); err != nil {
		return nil, err
	}
	return a.answer(ctx, n.Path)
}

// Tune is PUT /api/v1/thresholds/{path} for who asks in ctx by another manager.
func (a *API) Tune(ctx context.Context, path tree.Path, t *Tuning) error {
	n, err := a.attribute(ctx, Addressed{path.String()}, grant.Editor, noThresholds)
	if err != nil {
		return err
	}
	return a.tune(ctx, &n, t)
}

func (a *API) tune(ctx context.Context, n *tree.Node, t *Tuning) error {
	th, errs := t.parse(n, a.opts.Sources(n.Ref))
	if len(errs) > 0 {
		return refused(n.Path, errs)
	}
	detail := map[string]any{"was": viewer.ThresholdsOf(n.Threshold, n.Tuned), "became": t}
	return a.audited(ctx, "thresholds put", n.Path, detail, func() error {
		return a.keep(n, a.opts.Tree.SetThreshold(n.Path, th))
	})
}

func (a *API) deleteThresholds(ctx context.Context, in *struct {
	Addressed
	Where
}) (*output, error) {
	n, err := a.attribute(ctx, in.Addressed, grant.Editor, noThresholds)
	if err != nil {
		return nil, err
	}
	if in.At != "" {
		return a.atOwner(ctx, n.Path, "untune", nil)
	}
	if err := a.untune(ctx, &n); err != nil {
		return nil, err
	}
	return a.answer(ctx, n.Path)
}

// Untune is DELETE /api/v1/thresholds/{path} for who asks in ctx by another manager.
func (a *API) Untune(ctx context.Context, path tree.Path) error {
	n, err := a.attribute(ctx, Addressed{path.String()}, grant.Editor, noThresholds)
	if err != nil {
		return err
	}
	return a.untune(ctx, &n)
}

func (a *API) untune(ctx context.Context, n *tree.Node) error {
	if !n.Tuned {
		return nil // They are those of the definition already.
	}
	detail := map[string]any{"was": viewer.ThresholdsOf(n.Threshold, true)}
	if n.Spec.Threshold != nil {
		detail["became"] = viewer.ThresholdsOf(n.Spec.Threshold, false)
	}
	return a.audited(ctx, "thresholds delete", n.Path, detail, func() error { return a.keep(n, a.opts.Tree.Untune(n.Ref)) })
}

// keep looks at what came of a change of the thresholds. What could not be kept for the
// time after a restart is undone, so that the answer is true.
func (a *API) keep(before *tree.Node, err error) error {
	if err == nil || errors.Is(err, tree.ErrThreshold) || errors.Is(err, tree.ErrNoNode) {
		return viewer.Problem(err)
	}
	a.opts.Log.Error("tuned thresholds could not be kept", "path", before.Path.String(), "error", err)
	var undone error
	if before.Tuned {
		undone = a.opts.Tree.SetThreshold(before.Path, before.Threshold)
	} else {
		undone = a.opts.Tree.Untune(before.Ref)
	}
	if undone != nil {
		a.opts.Log.Warn("the thresholds of before could not be written either", "path", before.Path.String(), "error", undone)
	}
	return huma.NewError(http.StatusServiceUnavailable, "the thresholds are as they were, since they could not be kept for the time after a restart; the log of the server says why")
}

// refused is the answer to settings that are wrong: each error with its field.
func refused(path tree.Path, errs source.Errors) error {
	var details []error
	var first string
	for _, e := range errs.Sorted() {
		text := e.Msg
		if e.Hint != "" {
			text += " (" + e.Hint + ")"
		}
		if first == "" {
			first = text
		}
		details = append(details, &huma.ErrorDetail{Message: text, Location: "body." + e.Pos.File})
	}
	return huma.NewError(http.StatusUnprocessableEntity, fmt.Sprintf("the thresholds of %s stay as they are: %s", path, first), details...)
}

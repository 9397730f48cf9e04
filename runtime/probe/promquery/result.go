package promquery

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"grove/runtime/probe/series"
)

// maxText bounds what is shown of a server's remarks, in bytes.
const maxText = 1000

// result is what a query found.
type result struct {
	series   []found
	warnings []string
	refusal  string // why the server refuses the query
}

type found struct {
	labels []series.Label
	value  float64
}

// envelope is the answer (prometheus.io/docs/prometheus/latest/querying/api, "Format
// overview" and "Expression query result formats").
type envelope struct {
	Status   string   `json:"status"`
	Error    string   `json:"error"`
	Warnings []string `json:"warnings"`
	Infos    []string `json:"infos"`
	Data     struct {
		Type   string          `json:"resultType"`
		Result json.RawMessage `json:"result"`
	} `json:"data"`
}

// pair is a time and a number, which is written as a text.
type pair struct {
	value float64
}

// UnmarshalJSON reads [1435781451.781, "1"].
func (p *pair) UnmarshalJSON(text []byte) error {
	var parts [2]json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		return err
	}
	var number string
	if err := json.Unmarshal(parts[1], &number); err != nil {
		return err
	}
	v, err := strconv.ParseFloat(number, 64)
	p.value = v
	return err
}

// parse reads an answer. The error says that it is none of this interface.
func parse(body []byte) (*result, error) {
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, fmt.Errorf("is not the JSON of Prometheus: %w", err)
	}
	switch e.Status {
	case "error":
		if e.Error == "" {
			e.Error = "the server refuses the query, and does not say why"
		}
		return &result{refusal: clip(e.Error)}, nil
	case "success":
	default:
		return nil, errors.New("is not the JSON of Prometheus: it has no status")
	}
	r := &result{warnings: append(e.Warnings, e.Infos...)}
	switch e.Data.Type {
	case "scalar":
		var p pair
		if err := json.Unmarshal(e.Data.Result, &p); err != nil {
			return nil, fmt.Errorf("a scalar is a time and a number: %w", err)
		}
		r.series = []found{{value: p.value}}
	case "vector":
		var list []struct {
			Metric    map[string]string `json:"metric"`
			Value     *pair             `json:"value"`
			Histogram json.RawMessage   `json:"histogram"`
		}
		if err := json.Unmarshal(e.Data.Result, &list); err != nil {
			return nil, fmt.Errorf("a vector is a list of series with a time and a number: %w", err)
		}
		for _, s := range list {
			switch {
			case s.Histogram != nil:
				return &result{refusal: "finds histograms: make a number of them, such as by histogram_quantile(0.99, …)"}, nil
			case s.Value == nil:
				return nil, errors.New("a series has no value")
			}
			f := found{value: s.Value.value}
			for name, text := range s.Metric {
				if name != "__name__" {
					f.labels = append(f.labels, series.Label{Name: name, Value: text})
				}
			}
			r.series = append(r.series, f)
		}
	default:
		return &result{refusal: fmt.Sprintf("finds a %.20s, and a number or a vector is wanted", e.Data.Type)}, nil
	}
	return r, nil
}

// remarks joins what the server remarks, each once.
func remarks(list []string) string {
	slices.Sort(list)
	return clip(strings.Join(slices.Compact(list), "; "))
}

func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText] + "…"
	}
	return strings.ToValidUTF8(s, "�")
}

package template

import (
	"sync"

	"grove/notify/channel"
)

// DefaultTitle and DefaultText are the templates of what people read where nobody wrote
// another: messages without alerts keep the title and text that they were made with.
const (
	DefaultTitle = `{{if not .Alerts}}{{.Title}}{{else -}}
{{mark .Status}} {{if eq .Purpose "reminder"}}still: {{else if eq .Purpose "escalation"}}nobody has acknowledged: {{end -}}
{{$a := index .Alerts 0}}{{if eq (len .Alerts) 1}}{{template "alert" $a}}
{{- else if .Firing}}{{with .By}}{{join ", " .}}: {{end}}{{.Firing}} {{if eq .Firing 1}}alert{{else}}alerts, first{{end}}: {{template "alert" $a}}
{{- else}}{{with .By}}{{join ", " .}}: {{end}}all {{.Resolved}} alerts are over{{end}}{{end}}
{{- define "alert"}}{{if .Ended}}over after {{duration (.Resolved.Sub .Opened)}}: {{end}}{{truncate 200 (line .Message)}}{{end}}`

	DefaultText = `{{if not .Alerts}}{{.Text}}{{else -}}
{{if eq .Purpose "escalation"}}Nobody has acknowledged this.

{{else if eq .Purpose "reminder"}}This goes on.

{{end}}{{range first 20 .Alerts -}}
{{if .Ended}}Over: {{end}}{{truncate 500 (line .Message)}}
{{if .Ended}}    it was {{.Worst}} from {{time "" .Opened}} to {{time "" .Resolved}} ({{duration (.Resolved.Sub .Opened)}})
{{else}}    {{.Severity}}, since {{time "" .Opened}} ({{duration (since .Opened)}}){{if .Flapping}}, it comes and goes: {{.Count}} times{{end}}
{{if .Consequences}}    the cause of {{.Consequences}} more that {{if eq .Consequences 1}}is{{else}}are{{end}} not told
{{end}}{{with .Suppression}}    not told: {{line .Text}}
{{end}}{{with .Ack}}    acknowledged by {{line .By}}{{with .Comment}}: {{truncate 300 (line .)}}{{end}}
{{end}}{{with .ProbableCause}}    probable cause: {{line .}}
{{end}}{{with .Repair}}    what to do: {{truncate 300 (line .)}}
{{end}}{{end}}{{end}}
{{- $shown := len (first 20 .Alerts)}}{{if gt .Firing $shown}}There are {{.Firing}} in all.
{{end}}{{with .URL}}
{{.}}
{{end}}{{end}}`
)

var (
	defaultTitle = sync.OnceValue(func() *Template { return must(DefaultTitle, Line) })
	defaultText  = sync.OnceValue(func() *Template { return must(DefaultText, Text) })
)

// must checks one of the templates above, which the tests hold to be right.
func must(text string, f Format) *Template {
	t, err := New(text, f)
	if err != nil {
		panic(err)
	}
	return t
}

// Title returns the one line that people read of a message where no template says otherwise.
func Title(m *channel.Message) string { return orElse(defaultTitle(), m, m.Title) }

// Body returns the text that people read of a message where no template says otherwise.
func Body(m *channel.Message) string { return orElse(defaultText(), m, m.Text) }

// orElse renders a template; of a message that it fails at the text that comes with it.
func orElse(t *Template, m *channel.Message, otherwise string) string {
	text, err := t.Render(m)
	if err != nil {
		return otherwise
	}
	return text
}

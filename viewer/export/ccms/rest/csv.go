package rest

import (
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"
	"time"

	"grove/viewer/export/ccms"
	"grove/viewer/export/ccms/alert"
)

// writeCSV writes a table of RFC 4180.
func writeCSV(w http.ResponseWriter, header []string, n int, line func(int) []string) error {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	out := csv.NewWriter(w)
	out.UseCRLF = true
	_ = out.Write(header)
	for i := range n {
		cells := line(i)
		for k := range cells {
			cells[k] = harmless(cells[k])
		}
		_ = out.Write(cells)
	}
	out.Flush() // Nothing is left to do for a client that went.
	return nil
}

// harmless keeps a spreadsheet from taking a text for a formula.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+@\t\r", rune(cell[0])) || len(cell) > 1 && cell[0] == '-' && (cell[1] < '0' || cell[1] > '9') {
		return "'" + cell
	}
	return cell
}

var treeHeader = []string{"name", "parent", "class", "MTCLASS", "value", "description", "time", "since", "level", "MTE", "TID", "path"}

func treeLine(r *ccms.Row) []string {
	return []string{
		r.Name, strconv.Itoa(r.Parent), r.Class.String(), strconv.Itoa(r.ClassNumber), r.Value.String(), r.Description,
		stamp(r.Time), stamp(r.Since), r.Level.String(), r.Full, r.TID, r.Path.String(),
	}
}

var alertHeader = []string{"object", "attribute", "value", "severity", "description", "opened", "ended", "state", "by", "at", "comment", "MTE", "TID", "AID", "path"}

func alertLine(a *alert.Alert) []string {
	return []string{
		a.Object, a.Attribute, a.Value.String(), strconv.Itoa(int(a.Severity)), a.Description, stamp(a.Opened), stampOf(a.Ended),
		string(a.State), a.By, stampOf(a.At), a.Comment, a.Name, a.TID, a.AID, a.Path.String(),
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func stampOf(t *time.Time) string {
	if t == nil {
		return ""
	}
	return stamp(*t)
}

package jolokia

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/mbean"
	"grove/tree"
)

// maxDescription bounds what an MBean says of itself, in bytes.
const maxDescription = 300

// listed is the information on one MBean in the value of a list request.
type listed struct {
	Class       string                     `json:"class"`
	Description string                     `json:"desc"`
	Attributes  map[string]json.RawMessage `json:"attr"`
	Operations  map[string]json.RawMessage `json:"op"`
	Notified    map[string]json.RawMessage `json:"notif"`
}

// listing is the request for the MBeans of a pattern: those of its domain, where it has one.
func listing(pattern beans.Name) request {
	if pattern.IsDomainPattern() || pattern.Domain() == "" {
		return request{Type: "list"}
	}
	return request{Type: "list", Path: escape(pattern.Domain())}
}

// escape writes a name as a step of a Jolokia path.
func escape(step string) string {
	var out []byte
	for i := range len(step) {
		if c := step[i]; c == '/' || c == '!' {
			out = append(out, '!')
		}
		out = append(out, step[i])
	}
	return string(out)
}

// takeList adds the table mbeans.
func takeList(pattern beans.Name, r *response, result *probe.Result) error {
	table := probe.Table{Attribute: listInfo.Name}
	for _, c := range listInfo.Columns {
		table.Columns = append(table.Columns, c.Name)
	}
	var told *fault
	switch err := r.failure(); {
	case errors.As(err, &told) && !told.notFound() && told.status != 404:
		return err
	case err != nil:
		result.Tables = append(result.Tables, table) // a domain without MBeans
		return nil
	}
	domains := map[string]map[string]listed{}
	var err error
	if listing(pattern).Path == "" {
		err = json.Unmarshal(r.Value, &domains)
	} else {
		var one map[string]listed
		err = json.Unmarshal(r.Value, &one)
		domains[pattern.Domain()] = one
	}
	if err != nil {
		return fmt.Errorf("is no list of MBeans: %w", err)
	}
	type found struct {
		name beans.Name
		info listed
	}
	var all []found
	for domain, names := range domains {
		for properties, info := range names {
			// What is no name of an MBean is the error of a server behind the agent.
			if name, err := beans.ParseName(domain + ":" + properties); err == nil && pattern.Matches(name) {
				all = append(all, found{name, info})
			}
		}
	}
	slices.SortFunc(all, func(a, b found) int { return a.name.Compare(b.name) })
	count := len(all)
	for _, f := range all[:min(count, mbean.MaxRows)] {
		table.Rows = append(table.Rows, []tree.Value{
			tree.Text(f.name.Canonical()), tree.Text(f.name.Domain()),
			tree.Text(clean(f.info.Class, maxDescription)), tree.Text(clean(f.info.Description, maxDescription)),
			tree.Number(float64(len(f.info.Attributes))), tree.Number(float64(len(f.info.Operations))), tree.Number(float64(len(f.info.Notified))),
		})
	}
	result.Tables = append(result.Tables, table)
	if count > mbean.MaxRows {
		return fmt.Errorf("%d MBeans, of which the first %d are shown", count, mbean.MaxRows)
	}
	return nil
}

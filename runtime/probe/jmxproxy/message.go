package jmxproxy

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"grove/beans"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/mbean"
)

// The format is written by org.apache.tomcat.util.modeler.util and
// org.apache.catalina.manager.JMXProxyServlet: a line "OK - Number of results: N", and
// for each MBean, after an empty line, "Name: <name>", "modelerType: <class>" and an
// "attribute: value" a line. The items of an array follow it on lines of their own that a
// tab begins, and the further lines of a long text ones that a space begins. A failure is
// "Error - <exception>" with its stack.
const (
	answersQuery = "OK - Number of results: "
	answersGet   = "OK - Attribute get '"
	answersError = "Error - "
)

// maxParts bounds the parts of one composite value.
const maxParts = 1000

var array = regexp.MustCompile(`^Array\[[^\]]*\] of length \d+$`)

// refused is a failure that the proxy told.
type refused struct{ text string }

// Error implements error.
func (r *refused) Error() string { return r.text }

// head reads how an answer begins: the rest behind the prefix, a *refused, or a fault when
// it is no answer of the proxy.
func head(body, prefix string) (rest string, err error) {
	if rest, ok := strings.CutPrefix(body, prefix); ok {
		return rest, nil
	}
	if text, failed := strings.CutPrefix(body, answersError); failed {
		line, _, _ := strings.Cut(text, "\n")
		return "", &refused{strings.ToValidUTF8(strings.TrimSpace(line), "�")}
	}
	return "", &answer.Fault{State: "protocol", Err: errors.New("the answer is none of Tomcat's jmxproxy: is this the address of /manager/jmxproxy?")}
}

// readQuery reads the answer to a query: the MBeans that it matches, with the attributes
// that were asked for.
func readQuery(body string, q mbean.Query) ([]mbean.Bean, error) {
	rest, err := head(strings.ReplaceAll(body, "\r\n", "\n"), answersQuery)
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, a := range q.Attributes {
		wanted[a] = true
	}
	first, rest, _ := strings.Cut(rest, "\n")
	count, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || count < 0 {
		return nil, fmt.Errorf("the answer tells no number of results but %q", first[:min(len(first), 50)])
	}
	var all []mbean.Bean
	// take is what the next line may go on with: the values of a bean and the attribute.
	var values map[string]any
	attribute, begins := "", true
	for line := range strings.SplitSeq(rest, "\n") {
		switch {
		case line == "":
			values, attribute, begins = nil, "", true
		case begins:
			name, err := beans.ParseName(strings.TrimPrefix(line, "Name: "))
			if err != nil || !strings.HasPrefix(line, "Name: ") {
				return nil, fmt.Errorf("the answer is damaged: %q begins an MBean", line[:min(len(line), 100)])
			}
			begins = false
			if !q.Name.Matches(name) {
				continue // its lines are passed over
			}
			values = map[string]any{}
			all = append(all, mbean.Bean{Name: name, Values: values})
		case values == nil:
		case line[0] == '\t' || line[0] == ' ':
			goOn(values, attribute, line)
		default:
			name, value, ok := strings.Cut(line, ":")
			attribute = name
			if ok && wanted[name] {
				values[name] = parse(strings.TrimPrefix(value, " "))
			}
		}
	}
	if len(all) > count {
		return nil, fmt.Errorf("%d MBeans follow where %d were told", len(all), count)
	}
	return all, nil
}

// goOn adds a further line to the value of an attribute that was asked for.
func goOn(values map[string]any, attribute, line string) {
	switch v := values[attribute].(type) {
	case []any:
		values[attribute] = append(v, strings.TrimPrefix(line, "\t"))
	case string:
		// A line that ended in \n was broken there, others only since they were long.
		if text, broken := strings.CutSuffix(v, `\n`); broken {
			v = text + "\n"
		}
		values[attribute] = v + line[1:]
	}
}

// parse reads a value: the beginning of an array, a composite value or a text.
func parse(text string) any {
	switch {
	case array.MatchString(text):
		return []any{}
	case text == "null":
		return nil
	case len(text) > 1 && text[0] == '{' && text[len(text)-1] == '}':
		if parts, ok := composite(text[1 : len(text)-1]); ok {
			return parts
		}
	}
	return text
}

// composite splits "k=v, k=v" where it is not within brackets. What is within stays text.
func composite(text string) (map[string]any, bool) {
	parts := map[string]any{}
	if strings.TrimSpace(text) == "" {
		return parts, true
	}
	depth, from := 0, 0
	add := func(part string) bool {
		name, value, ok := strings.Cut(part, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" || len(parts) >= maxParts {
			return false
		}
		parts[name] = value
		return true
	}
	for i := range len(text) {
		switch text[i] {
		case '{', '(', '[':
			depth++
		case '}', ')', ']':
			depth--
		case ',':
			if depth == 0 && i+1 < len(text) && text[i+1] == ' ' {
				if !add(text[from:i]) {
					return nil, false
				}
				from = i + 2
			}
		}
	}
	return parts, add(text[from:])
}

// readGet reads the answer to a get of one attribute.
func readGet(body, name, attribute string) (string, error) {
	rest, err := head(body, answersGet+name+"' - "+attribute+" = ")
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(rest, "\n")
	return strings.ToValidUTF8(strings.TrimSpace(line), "�"), nil
}

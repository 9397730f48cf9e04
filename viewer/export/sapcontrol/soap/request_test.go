package soap

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func envelope(body string) string {
	return `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>` + body + `</e:Body></e:Envelope>`
}

// FuzzRequest: whatever is sent, the answer is a message or a fault, and a request that is
// taken stays within the bounds.
func FuzzRequest(f *testing.F) {
	for _, function := range Functions {
		f.Add([]byte(envelope(`<q:` + function.Name + ` xmlns:q="urn:SAPControl"><timeout>5</timeout></q:` + function.Name + `>`)))
	}
	f.Add([]byte(envelope(`<q:ABAPAcknowledgeAlerts xmlns:q="urn:SAPControl"><R3User>x</R3User><Aid><item>a</item><item/></Aid></q:ABAPAcknowledgeAlerts>`)))
	f.Add([]byte(`<!DOCTYPE a><a/>`))
	f.Add([]byte(`<?xml version="1.0" encoding="UTF-16"?>` + envelope(`<q:GetProcessList xmlns:q="urn:SAPControl"/>`)))
	f.Fuzz(func(t *testing.T, message []byte) {
		r, err := Read(strings.NewReader(string(message)))
		if (r == nil) == (err == nil) {
			t.Fatalf("got %v and %v", r, err)
		}
		if err != nil {
			var told *Fault
			if !errors.As(err, &told) {
				t.Errorf("%T is not told to the client", err)
			}
			var into struct{}
			if err := xml.Unmarshal(asFault(err).Message(), &into); err != nil {
				t.Errorf("the fault is not XML: %v", err)
			}
			return
		}
		if r.Function == "" || len(r.Args) > maxItems {
			t.Errorf("got %+v", r)
		}
		for name, text := range r.Args {
			if len(text) > maxText || len(r.Items[name]) > maxItems {
				t.Errorf("%s is too long", name)
			}
		}
		if _, err := xml.Marshal(fmt.Sprint(r.Args)); err != nil {
			t.Error(err)
		}
	})
}

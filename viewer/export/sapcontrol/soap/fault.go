package soap

import (
	"bytes"
	"encoding/xml"
	"fmt"
)

// Fault is an error that the client is told: SOAP 1.1, section 4.4.
type Fault struct {
	Code string // "Client", "Server", "VersionMismatch", "MustUnderstand"
	Text string
}

// Error implements error.
func (f *Fault) Error() string { return f.Text }

// ClientFault is a fault of the client's, which sending the same again does not mend.
func ClientFault(format string, args ...any) *Fault {
	return &Fault{Code: "Client", Text: fmt.Sprintf(format, args...)}
}

// Message writes the fault.
func (f *Fault) Message() []byte {
	var b bytes.Buffer
	b.WriteString(head)
	b.WriteString("<SOAP-ENV:Fault><faultcode>SOAP-ENV:" + f.Code + "</faultcode><faultstring>")
	_ = xml.EscapeText(&b, []byte(f.Text)) // A Buffer takes everything.
	b.WriteString("</faultstring></SOAP-ENV:Fault>")
	b.WriteString(tail)
	return b.Bytes()
}

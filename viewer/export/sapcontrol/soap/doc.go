// Package soap has the messages of the web service SAPControl: its functions and types,
// the WSDL that describes them, requests as they are read, and answers and faults as they
// are written. All of it comes from one table of functions and one of types.
//
// The shapes are those of the WSDL that sapstartsrv serves: SOAP 1.1, document/literal,
// namespace urn:SAPControl, children without a namespace. What a request asks for is
// told by the first child of its body.
package soap

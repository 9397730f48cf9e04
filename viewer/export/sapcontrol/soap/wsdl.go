package soap

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// The namespaces: SOAP 1.1 and WSDL 1.1 (W3C notes of 2000 and 2001), XML Schema, and
// the service's own.
const (
	soapNamespace    = "http://schemas.xmlsoap.org/soap/envelope/"
	soap12Namespace  = "http://www.w3.org/2003/05/soap-envelope"
	wsdlNamespace    = "http://schemas.xmlsoap.org/wsdl/"
	bindingNamespace = "http://schemas.xmlsoap.org/wsdl/soap/"
	schemaNamespace  = "http://www.w3.org/2001/XMLSchema"
	Namespace        = "urn:SAPControl"
)

// WSDL writes the description for a service at a location. Everything comes from the
// tables of functions and types by which requests are answered.
func WSDL(location string) []byte {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p(`<?xml version="1.0" encoding="UTF-8"?>`)
	p(`<definitions name="SAPControl" targetNamespace="%s" xmlns="%s" xmlns:soap="%s" xmlns:xsd="%s" xmlns:SAPControl="%[1]s">`, Namespace, wsdlNamespace, bindingNamespace, schemaNamespace)
	p(`<types>`)
	p(`<xsd:schema targetNamespace="%s" elementFormDefault="unqualified" attributeFormDefault="unqualified">`, Namespace)
	for _, e := range enumerations {
		p(`<xsd:simpleType name="%s"><xsd:restriction base="xsd:string">`, e.name)
		for _, v := range e.values {
			p(`<xsd:enumeration value="%s"/>`, v)
		}
		p(`</xsd:restriction></xsd:simpleType>`)
	}
	for _, plain := range []string{"string", "int"} {
		p(`<xsd:complexType name="ArrayOf%s"><xsd:sequence><xsd:element name="item" type="xsd:%s" minOccurs="0" maxOccurs="unbounded" nillable="true"/></xsd:sequence></xsd:complexType>`,
			strings.ToUpper(plain[:1])+plain[1:], plain)
	}
	for _, r := range records {
		p(`<xsd:complexType name="%s">`, r.name)
		describeFields(p, r.fields)
		p(`</xsd:complexType>`)
		p(`<xsd:complexType name="%s"><xsd:sequence><xsd:element name="item" type="SAPControl:%s" minOccurs="0" maxOccurs="unbounded" nillable="true"/></xsd:sequence></xsd:complexType>`, r.arrayName(), r.name)
	}
	for _, f := range Functions {
		for _, e := range []struct {
			name   string
			fields []Field
		}{{f.Name, f.In}, {f.answerName(), f.Out}} {
			p(`<xsd:element name="%s"><xsd:complexType>`, e.name)
			describeFields(p, e.fields)
			p(`</xsd:complexType></xsd:element>`)
		}
	}
	p(`</xsd:schema>`)
	p(`</types>`)
	for _, f := range Functions {
		p(`<message name="%sRequest"><part name="parameters" element="SAPControl:%[1]s"/></message>`, f.Name)
		p(`<message name="%s"><part name="parameters" element="SAPControl:%[1]s"/></message>`, f.answerName())
	}
	p(`<portType name="SAPControlPortType">`)
	for _, f := range Functions {
		p(`<operation name="%[1]s"><documentation>%[2]s</documentation><input message="SAPControl:%[1]sRequest"/><output message="SAPControl:%[3]s"/></operation>`, f.Name, f.Doc, f.answerName())
	}
	p(`</portType>`)
	p(`<binding name="SAPControl" type="SAPControl:SAPControlPortType">`)
	p(`<soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>`)
	for _, f := range Functions {
		p(`<operation name="%s"><soap:operation soapAction=""/><input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation>`, f.Name)
	}
	p(`</binding>`)
	var escaped strings.Builder
	_ = xml.EscapeText(&escaped, []byte(location)) // A Builder takes everything.
	p(`<service name="SAPControl"><port name="SAPControl" binding="SAPControl:SAPControl"><soap:address location="%s"/></port></service>`, escaped.String())
	p(`</definitions>`)
	return []byte(b.String())
}

func describeFields(p func(string, ...any), list []Field) {
	if len(list) == 0 {
		p(`<xsd:sequence/>`)
		return
	}
	p(`<xsd:sequence>`)
	for _, f := range list {
		prefix, occurs := "xsd:", `minOccurs="1" maxOccurs="1"`
		switch f.Type {
		case "string", "int", "long", "double", "boolean":
		default:
			prefix = "SAPControl:"
		}
		if f.optional() {
			occurs = `minOccurs="0" maxOccurs="1" nillable="true"`
		}
		p(`<xsd:element name="%s" type="%s%s" %s/>`, f.Name, prefix, f.Type, occurs)
	}
	p(`</xsd:sequence>`)
}

package http

import "grove/beans"

func number(name, unit, description string) beans.AttributeInfo {
	return beans.AttributeInfo{Name: name, Type: beans.TypeFloat, Unit: unit, Description: description, Readable: true}
}

// fixedAttributes are what every probe of the kind yields.
var fixedAttributes = []beans.AttributeInfo{
	{Name: "up", Type: beans.TypeBool, Description: "Whether the endpoint answered as it should.", Readable: true},
	{Name: "error", Type: beans.TypeString, Description: "Why it is not up; empty when it is.", Readable: true},
	{Name: "status", Type: beans.TypeInt, Description: "Status code of the answer.", Readable: true},
	number("duration", "s", "Time of the whole run, redirects and body included."),
	number("dns", "s", "Time of looking up names; not there for addresses and kept connections."),
	number("connect", "s", "Time of connecting; not there for kept connections."),
	number("tls", "s", "Time of the TLS handshake."),
	number("first_byte", "s", "Time until the first byte of the answer."),
	number("size", "bytes", "Size of the answer's body after decompression, as far as it was read."),
	{Name: "truncated", Type: beans.TypeBool, Description: "Whether the body has more than max_body bytes.", Readable: true},
	{Name: "protocol", Type: beans.TypeString, Description: "Version of the protocol: HTTP/1.1 or HTTP/2.0.", Readable: true},
	number("certificate_left", "s", "Time until the first certificate of the server's chain expires; negative afterwards."),
	number("certificate_days", "days", "The same in whole days."),
}

// matchedAttribute is there when match or not_match is given.
var matchedAttribute = beans.AttributeInfo{
	Name: "matched", Type: beans.TypeBool, Description: "Whether the body fits match and not_match.", Readable: true,
}

// Package document tells of managers, and of the hosts, devices and services that they
// watch, in one common form. Package form writes it: as XML with a schema and style sheets,
// as JSON with a schema, and as a page; package rest serves it.
//
// # What a document holds
//
// For each manager: where it runs and how it is reached, its status, the hosts, devices
// and services that it watches, its customers, how many attributes have which status, and
// the alerts that are open. For each host, device and service: status (colour, word,
// since when and why), address, portal, location, contacts, customers, what it runs on,
// and its attributes with values, units and thresholds. Each attribute of the tree is
// told of once: in the innermost element that it lies in, or with the manager.
//
// # What is a host, a device, a service
//
// What a group of the tree stands for is told by the first of these that holds:
//
//  1. its property "role": host, device, service, or part, which belongs to what is above
//  2. an instance of a definition hangs there: one with a probe of kind host is a host,
//     one with a probe of kind snmp is a device, every other is a service
//  3. it has a property "service", "device" or "host" of its own that differs from what
//     holds above: it is that service, device or host
//  4. nothing above or below it is any of these: it is a service
//
// An element has the name that the property of its role gives it ("service: checkout"),
// else that of its node. Several nodes of one name given by property are one element, in
// several places, with the worst of their statuses.
//
// # Properties
//
// A property of a node holds for everything below it that does not say otherwise, but
// for those of the first four rows.
//
//	role         host, device, service or part
//	label        what people call it
//	type         what it is: "cache", "database"; by default the application's name
//	description  in the place of the node's own
//	location     where it stands
//	portal       address (http, https) of a page for people
//	address      host name or IP address, also in a URL, at which it is reached
//	customer     whose it is; several are separated by commas ([grant.Customers])
//	contact      whom to ask; several are separated by commas
//	host         name of the host that it runs on
//	device       name of the device that it runs on
//	service      name of the service that it is a part of
//
// Every other property is told as it is.
//
// # Customers
//
// A document for one customer tells of the nodes for which the property "customer" names
// that one, alone or among others, and of nothing else: counts, alerts and statuses are
// of these nodes alone, and other customers are not named.
//
// # Who sees what
//
// A document is made for whoever asks (package grant): of nodes that he does not see it
// tells nothing, neither in counts nor in alerts, lists of customers or its tag. Of a host,
// device or service at a group on the way to what he sees it tells name and status. The
// status is the true one; the reason says when something hidden contributes to it. Who
// does not see the whole manager is told where it is, and not what it is by itself.
//
// # Cost
//
// A document is made from one copy of what it tells of, taken while the tree stands
// still, and is written in pieces from that copy.
package document

// Namespace is the XML namespace of version 1 of the format. What is added to the
// format keeps the namespace; what a reader of version 1 would misunderstand gets
// another.
const Namespace = "urn:grove:document:1"

// Version is the version of the format.
const Version = "1"

// Package jolokia serves the bean server to JMX clients by the Jolokia protocol 8.2:
// JSON over HTTP, with read, write, exec, search, list, version, config and
// notifications, one request by GET or many by POST.
//
// # Addresses
//
// A GET has the request in its path, as package request reads it, or in the parameter
// p. A POST has it in its body, at any address below the prefix; the body alone counts.
// Nothing is redirected and no path is cleaned.
//
// # Errors
//
// What the beans refuse is HTTP 200 with the status and a Java exception in the JSON,
// as clients expect. What cannot be read is HTTP 400 with plain text; when that comes
// to light only while one request of many is carried out, this one alone is answered
// with the status 400, so that nobody has to guess what the others did.
//
// # What is allowed
//
// Reading is. Setting attributes and running operations needs a rule of the policy
// (package policy), and is told to Options.Audit before anything is done, and how it
// ended: what cannot be audited is not done. Unless the policy says otherwise nothing has an effect by
// GET, which includes the notification commands register, add, remove and unregister.
// Always allowed by POST are these, and taking what came from the notification store.
// There is no proxy mode: a request with a target is refused.
//
// # Who sees what
//
// Who asks stands in the context of a request (package grant). The bean of a node is there
// for those who see the node, every other bean for those who see the whole manager; to
// others they are absent, in lists, counts and errors too. Groups on the way to what
// somebody sees have no beans for him: names are flat here. What tells of all that is
// below a group is left out where some of it is hidden: the attributes Children and Counts,
// and paths among the causes. Besides the policy, to set an attribute takes the role of an
// editor of the node, to run an operation that of an operator, and to reset it that of an
// editor of all below; with other beans only admins of the whole manager do anything. The
// history is for those who see everything. A stream ends with the session behind it.
//
// # Bounds
//
// A body has [MaxBody] bytes, an answer Options.MaxAnswer, made within Options.Timeout. At
// most [MaxHeavy] lists, searches and pattern reads run at once; others wait. Package
// request bounds paths, bulks and nesting, package notification clients and queues,
// package history what it remembers.
//
// # Streams
//
// The goroutine of an HTTP request serves a stream. It ends when its client goes or
// opens another, when the client is unregistered, when the HTTP server shuts down, and
// with Close; the agent itself starts no goroutine.
//
// # Beans
//
// The agent registers the beans that clients know, jolokia:type=NotificationStore,
// History, Config and ServerHandler, each with agent=<id>. There is no Discovery: a
// manager does not answer multicasts.
package jolokia

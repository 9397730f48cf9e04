// Package beans is the bottom of grove: named objects with attributes,
// operations and notifications, and the server in which they are registered.
//
// The words and the semantics are those of JMX (javax.management): a [Name] is
// an ObjectName, a [Bean] a dynamic MBean, a [Server] an MBean server. The
// package uses the standard library alone and starts no goroutine.
package beans

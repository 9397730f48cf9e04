// Package notification holds what clients of the Jolokia protocol listen to. A client
// registers, adds listeners, and takes what came either by pulling each listener's queue
// or from one stream of all of them.
//
// # Slow clients
//
// A listener that is pulled keeps the newest [MaxEntries] notifications, a stream the
// newest [MaxStream] of all its listeners. What is older is dropped and counted, and the
// next result of that listener says how many. The bean that emits never waits.
//
// # Clients that vanish
//
// A client that neither pings, pulls, adds nor streams for the time that Options.Expire
// says is unregistered, with all its listeners.
//
// # Locks
//
// Clients.mu and client.mu are never held together, nor while a bean is called.
package notification

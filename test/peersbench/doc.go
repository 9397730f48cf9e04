// Package peersbench measures managers that are linked to each other as real processes on
// this machine, over its loopback: how long nobody watches a device whose manager was killed,
// what it costs to have many trees in one, and how an outage is caught up with.
//
// Faults of networks are the business of package test/peers; here nothing is between them.
package peersbench

// Package store is the central database of facts: definitions with their revisions,
// the journal of status changes and events, the audit log, and what else must outlive
// a restart. It is an embedded SQLite file, or a PostgreSQL server that several
// managers share; one set of SQL serves both.
//
// # Writing
//
// One goroutine writes. It commits what waits in one transaction, with a savepoint
// around each piece of work, and only then answers: what [Store.Write] acknowledged is
// on disk. A piece that fails takes nothing else with it. A piece may be run more than
// once, when the database asked for it, so it has no effects but those on its [Tx].
//
// # SQL for both engines
//
// Parameters are $1, $2 in the order of their appearance; times are Unix milliseconds
// made in Go; identifiers are made by the application; texts are valid UTF-8 without
// NUL ([Clean]); conflicts are met with ON CONFLICT. The migrations are shared too:
// what stands in a comment that begins with the name of an engine holds for that engine
// alone.
//
// # Managers
//
// A PostgreSQL database may be shared: rows of a manager's own tree carry its number,
// definitions and the audit log belong to all. A process that opens the database under
// the name of a manager takes it over: another that still runs under that name is
// refused from then on, see [ErrTaken].
package store

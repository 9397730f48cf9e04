// Package record is the REST interface to what was and what was done: the history of a
// node, the journal of changes and events, the audit log, the definitions that managers
// share, and backups of all of it.
package record

// Package record is the REST interface to what was and what was done: the history of a
// node, the journal of changes and events, the audit log, the definitions that managers
// share, and backups of all of it.
//
// Nothing is changed that is not in the audit log: what is to be done is written there
// before, as "begun", and what came of it after. What cannot be written there is not
// done.
package record

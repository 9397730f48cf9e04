// Package record is the REST interface to what was and what was done: the history of a
// node, the journal of changes and events, the audit log, the definitions that managers
// share, and backups of all of it.
//
// Nothing is changed that is not in the audit log: what is to be done is written there
// before, as "begun", and what came of it after. What cannot be written there is not
// done.
//
// Who asks stands in the context of a request. He finds what the past has of the nodes
// that he sees: a search goes on until its page is full of them or nothing is left. Of a
// group on the way to them he is told the statuses. Shared definitions, which may be about
// any node, are read by viewers of the whole manager and changed by its editors; the audit
// log and backups are for its admins.
package record

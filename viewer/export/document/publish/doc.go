// Package publish sends documents and reports to where others pick them up: a file, a
// directory or an HTTP address, at times, at intervals, or when something changed.
//
// # A publication
//
//	name: for-att              # names it in the status and in directories
//	what: document             # or report
//	format: xml                # xml, json, html; a report: html, csv, json
//	path: /shop                # the subtree; everything without
//	customer: ATT              # the only customer
//	every: 15m                 # at once and then at whole quarters of hours, or
//	at: monday 06:00           # also 06:00 and day 1 06:00, in the time zone, or
//	on: change                 # when a status or the structure of the tree changed
//	zone: Europe/Berlin
//	to: { url: https://att.example/inbox/status.xml, bearer: file:/etc/grove/att.token }
//
// A publication on change waits until nothing has changed for `settle`, at most for
// `pause`, and comes no sooner than `pause` after the one before.
//
// # Where to
//
// A file is replaced in one step, so that a reader never sees half of one. A directory
// gets files named after the publication and the time, of which the newest are kept. Both
// must lie in directories that the manager's configuration allows, and may be read by
// everyone who may enter these, unless grove's umask says otherwise. An address gets a PUT
// or a POST; what fails is tried again, later each time, until the next one is due.
//
// A redirect is not followed, since credentials and data would go to whoever is named in
// it. Secrets are given by reference and read for each request.
package publish

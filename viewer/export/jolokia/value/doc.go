// Package value turns the values of beans into the JSON of the Jolokia protocol, and
// JSON into values.
//
// # JSON of values
//
//	nothing                 null, and so are NaN and the infinities
//	bool, int64, float64    true and false, numbers; int64 as text if asked for
//	string, enumeration     text
//	time                    "2026-11-22T03:04:05.000000006Z", in UTC
//	duration                seconds, as a number
//	name                    {"objectName": the canonical text}
//	lists                   arrays
//	map                     object, sorted by key
//	table                   object of rows by key if it has a key that tells rows
//	                        apart, else array of rows
//
// # Inner paths
//
// A path leads into maps by key, into lists by index, to the field time of a time
// (milliseconds since 1970) and to the field objectName of a name. The wildcard step
// goes into every child and keeps those that the rest of the path applies to, under
// their keys. A path that does not apply gives null.
package value

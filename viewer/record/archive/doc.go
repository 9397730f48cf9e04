// Package archive is the file format of backups: a tar (POSIX.1-2001, pax) in Zstandard
// (RFC 8878), so that everybody's tools can look into it.
//
//	grove-backup.json   first: the format, who made it, when
//	...                 the content, regular files only
//	manifest.json       last: the name, size and SHA-256 of each file before
//
// A file that was cut off has no manifest; one that was changed does not agree with it.
// Nothing of a backup is used before all of it was held against the manifest.
package archive

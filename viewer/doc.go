// Package viewer is the HTTP server: who may ask it and how, the REST interface with
// its OpenAPI document, the page, and the one table from errors to answers.
//
// Other rooms hang in from outside: operations of the REST interface, the metrics,
// the live feed and the files of the page come through [Options]. Every answer that
// is an error has the one shape of RFC 9457, whoever found the error.
//
// A GET changes nothing. It may make nodes in request mode ask for a reading, which
// is what looking at them means.
package viewer

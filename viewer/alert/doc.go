// Package alert holds the operations of the REST interface about alerts: to search them, to
// look at one, to acknowledge, comment and resolve them, and a stream that says when they
// change. What is about a node that who asks does not see is not there for him.
package alert

// Package question passes questions about the past of a node on to the manager whose node it
// is, for those who want its answer and not what is remembered here: it may remember longer,
// and every reading.
//
// An Asker has the methods that the history and the journal here have, so that either can be
// asked. A node that the asked manager has from another one itself is asked of that one, and
// so on, through MaxHops managers at most.
package question

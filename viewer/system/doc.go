// Package system tells of the manager itself over REST: how it is, in figures with their
// units; which managers there are and how they are linked; and what stands in the files
// that it grew its tree from. It knows none of the layers: the program hands it the
// figures, and it decides who may see them.
package system

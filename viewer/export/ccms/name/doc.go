// Package name makes the names and identifiers of monitoring tree elements and alerts of
// SAP's CCMS: full names of four parts, TIDs and AIDs.
//
// # Names
//
// The full name of an element has four parts, system, context, object and attribute,
// joined by backslashes, of at most 8, 40, 40 and 40 characters. A node of the tree
// is given them by its path alone, so that they stay over restarts and whatever else
// the tree holds:
//
//	/                            GRV\...
//	/shop                        GRV\shop\...
//	/shop/web1                   GRV\shop\web1\...
//	/shop/web1/Connections       GRV\shop\...\web1/Connections\...
//	/shop/web1/Connections/Open  GRV\shop\...\web1/Connections\Open
//	/shop/Up                     GRV\shop\...\Up
//	/Up                          GRV\...\...\Up
//
// The first name of the path is the context, the last name of an attribute the
// attribute, and what lies between is the object: names joined by "/", and inside a
// name "~" is written "~0" and "/" is written "~1", as in the tree's own paths. A "..."
// between context and object stands for the summary nodes on the way; at the end it
// stands for the attribute that a summary node does not have, and in a place of the
// four for one that the tree does not have there. A part that is too long, has a
// backslash, is "..." or looks as if it were shortened already, is shortened: its
// first characters, "~" and eight characters of a hash of the whole.
package name

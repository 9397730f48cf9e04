package peer

import "time"

// Caller is who made a connection, as its certificate proves.
type Caller struct {
	ID ID
	// Only are the kinds that it may ask of this manager, such as "authority.join" for one
	// that has no certificate of the network yet. Nil is a manager of the network, which
	// may say everything in its own name.
	Only []string
	// Ends is when its certificate is over, for people to see.
	Ends time.Time
}

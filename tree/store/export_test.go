package store

// ParseNotice reads what another program may have sent.
var ParseNotice = parseNotice

// Payload is what is sent of a notice.
func (n Notice) Payload() string { return n.payload() }

// Shown is an address as it is shown.
var Shown = shown

// Waiting is how many pieces of work wait.
func (s *Store) Waiting() int { return len(s.queue) }

package bind

// turn is a lock that may be held for long, while a run is waited for: it is a
// channel, since those who wait for it are idle and not about to go on, which is what
// the clock of testing/synctest goes by.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) Lock()   { t <- struct{}{} }
func (t turn) Unlock() { <-t }

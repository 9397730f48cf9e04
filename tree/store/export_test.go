package store

// Waiting is how many pieces of work wait.
func (s *Store) Waiting() int { return len(s.queue) }

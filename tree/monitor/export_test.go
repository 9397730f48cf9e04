package monitor

// Listening counts the nodes whose notifications are made.
func (d *Directory) Listening() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.listening)
}

package duty

import "grove/notify/peer/duty/book"

// Holds says what this manager holds of a device; ok is false when it holds nothing of it. It
// is for who brings along what was remembered of it elsewhere.
func (d *Duty) Holds(k Key) (h book.Hold, ok bool) {
	d.mu.must()
	defer d.mu.free()
	if held := d.holds[k]; held != nil {
		return *held, true
	}
	return book.Hold{}, false
}

package app

// Routes lists the patterns of all that the manager serves, sorted.
func (a *App) Routes() []string { return a.viewer.Routes() }

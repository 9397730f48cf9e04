package definition

import "time"

// Bounds of what files may ask for. An error about one of them names it.
const (
	MaxFiles     = 10_000    // definition files of one directory
	MaxBytes     = 256 << 20 // of all files together
	MaxNodes     = 2_000_000 // of one plan
	MaxProbes    = 100_000   // of one plan
	MaxInstances = 100_000   // of one plan
	MaxErrors    = 1_000     // that one definition reports
	maxShapes    = 200_000   // nodes that a definition writes, its templates filled in
	maxTemplates = 16        // templates within templates
	maxIncludes  = 16        // files within files
	maxRange     = 1_000_000 // items of a range
	maxTests     = 1_000     // of one definition
	maxTestSteps = 1_000     // of one test
	maxCached    = 10_000    // different specs that a loop over rows remembers

	// MaxDiscovered bounds the rows of one discovery, and DefaultDiscovered is the bound
	// of one that says nothing else.
	MaxDiscovered     = 50_000
	DefaultDiscovered = 1_000
	// DefaultKeep is how long an instance stays whose row is found no more.
	DefaultKeep = time.Hour
	maxKeep     = 365 * 24 * time.Hour
	// A discovery that says nothing else runs so often, and is given up after so long.
	discoveryEvery   = 5 * time.Minute
	discoveryTimeout = time.Minute

	// MinEvery and MaxEvery bound how often a probe runs.
	MinEvery = 100 * time.Millisecond
	MaxEvery = 7 * 24 * time.Hour
	// DefaultEvery is how often a probe runs that says nothing else.
	DefaultEvery = 30 * time.Second
	// DefaultTimeout is the timeout of a probe that says nothing else; one that runs
	// more often has four fifths of its interval.
	DefaultTimeout = 10 * time.Second
	// staleIntervals is how many intervals a node waits before it is white.
	staleIntervals = 3
)

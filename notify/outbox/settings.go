package outbox

// Settings are what an operator may set, also of an outbox that runs.
type Settings struct {
	Limits    Limits    `yaml:"limits,omitempty" jsonschema:"description=How much may wait."`
	Throttles Throttles `yaml:"throttles,omitempty" jsonschema:"description=How much is sent."`
}

// Check says what is wrong, as a channel.OptionError.
func (s *Settings) Check() error {
	if err := s.Limits.Check("limits."); err != nil {
		return err
	}
	return s.Throttles.Check("throttles.")
}

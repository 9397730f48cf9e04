package message

import "grove/tree/definition/source"

// Size is an amount of bytes, written as 4096, "64 KiB" or "10 MB".
type Size int64

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := source.ParseBytes(string(text))
	*s = Size(n)
	return err
}

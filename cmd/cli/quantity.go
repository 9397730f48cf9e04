package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// days is a duration that may be said in days, weeks and years, too: "15d", "1y".
type days time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *days) UnmarshalText(text []byte) error {
	v, err := model.ParseDuration(string(text))
	if err != nil || v <= 0 {
		return fmt.Errorf("%.40q is no time such as 12h, 15d or 1y", text)
	}
	*d = days(v)
	return nil
}

// size is a number of bytes: "500MiB", "20GiB".
type size int64

var sizes = []struct {
	suffix string
	bytes  int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *size) UnmarshalText(text []byte) error {
	for _, unit := range sizes {
		number, ok := strings.CutSuffix(string(text), unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err == nil && n > 0 && n <= (1<<62)/unit.bytes {
			*s = size(n * unit.bytes)
			return nil
		}
	}
	return fmt.Errorf("%.40q is no size such as 500MiB or 20GiB", text)
}

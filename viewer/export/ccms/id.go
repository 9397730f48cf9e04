package ccms

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// tidLength and aidLength are those of the identifiers (structures ALGLOBTID and
// ALGLOBAID). Clients take them as they are.
const (
	tidLength = 8 + 40 + 3 + 10 + 3 + 10 + 10
	aidLength = 8 + 40 + 10 + 10 + 8 + 6 + 2
)

// numberRange is that of elements which an agent makes (MTNUMRANGE).
const numberRange = "010"

// half is what fits into the ten digits of each of two fields, together 64 bits.
const half = 1 << 32

// makeTID writes MTSYSID 8, MTMCNAME 40, MTNUMRANGE 3, MTUID 10, MTCLASS 3, MTINDEX 10,
// EXTINDEX 10. The upper half of the number is MTUID, the lower MTINDEX.
func makeTID(system, segment string, number uint64, class Class) string {
	b := make([]byte, 0, tidLength)
	b = appendText(b, system, 8)
	b = appendText(b, segment, 40)
	b = append(b, numberRange...)
	b = appendDigits(b, number/half, 10)
	b = appendDigits(b, uint64(class), 3)
	b = appendDigits(b, number%half, 10)
	return string(appendDigits(b, 0, 10))
}

// appendText appends a text and blanks up to a width.
func appendText(b []byte, text string, width int) []byte {
	b = append(b, text...)
	for range width - len(text) {
		b = append(b, ' ')
	}
	return b
}

// appendDigits appends a number with zeros before it.
func appendDigits(b []byte, n uint64, width int) []byte {
	at := len(b)
	for range width {
		b = append(b, '0')
	}
	for i := at + width - 1; i >= at; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return b
}

// parseTID returns the number in a TID of this system and segment. Blanks at the end
// may be missing.
func parseTID(text, system, segment string) (uint64, bool) {
	prefix := fmt.Sprintf("%-8s%-40s%s", system, segment, numberRange)
	if len(text) != tidLength || !strings.HasPrefix(text, prefix) {
		return 0, false
	}
	upper, err1 := strconv.ParseUint(text[51:61], 10, 32)
	lower, err2 := strconv.ParseUint(text[64:74], 10, 32)
	return upper*half + lower, err1 == nil && err2 == nil
}

// makeAID writes ALSYSID 8, MSEGNAME 40, ALUNIQNUM 10, ALINDEX 10, ALERTDATE 8, ALERTTIME 6
// and two places that are not used.
func makeAID(system, segment string, id uint64, at time.Time) string {
	return fmt.Sprintf("%-8s%-40s%010d%010d%s%s00", system, segment, id%1e10, id/1e10, at.UTC().Format("20060102"), at.UTC().Format("150405"))
}

// parseAID returns the number in an AID of this system and segment.
func parseAID(text, system, segment string) (uint64, bool) {
	prefix := fmt.Sprintf("%-8s%-40s", system, segment)
	if len(text) != aidLength || !strings.HasPrefix(text, prefix) {
		return 0, false
	}
	lower, err1 := strconv.ParseUint(text[48:58], 10, 64)
	upper, err2 := strconv.ParseUint(text[58:68], 10, 64)
	if err1 != nil || err2 != nil || upper > 1e9 {
		return 0, false
	}
	return upper*1e10 + lower, true
}

package name

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// TIDLength and AIDLength are those of the identifiers (structures ALGLOBTID and
// ALGLOBAID). Clients take them as they are.
const (
	TIDLength = 8 + 40 + 3 + 10 + 3 + 10 + 10
	AIDLength = 8 + 40 + 10 + 10 + 8 + 6 + 2
)

// numberRange is that of elements which an agent makes (MTNUMRANGE).
const numberRange = "010"

// half is what fits into the ten digits of each of two fields, together 64 bits.
const half = 1 << 32

// TID identifies an element by its number and its class: MTSYSID 8, MTMCNAME 40,
// MTNUMRANGE 3, MTUID 10, MTCLASS 3, MTINDEX 10, EXTINDEX 10. The upper half of the number is MTUID, the lower MTINDEX.
func (s Scheme) TID(number uint64, class int) string {
	b := make([]byte, 0, TIDLength)
	b = appendText(b, s.System, 8)
	b = appendText(b, s.Segment, 40)
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

// ParseTID returns the number in a TID of this system and segment.
func (s Scheme) ParseTID(text string) (uint64, bool) {
	prefix := fmt.Sprintf("%-8s%-40s%s", s.System, s.Segment, numberRange)
	if len(text) != TIDLength || !strings.HasPrefix(text, prefix) {
		return 0, false
	}
	upper, err1 := strconv.ParseUint(text[51:61], 10, 32)
	lower, err2 := strconv.ParseUint(text[64:74], 10, 32)
	return upper*half + lower, err1 == nil && err2 == nil
}

// AID identifies an alert by its number and when it opened: ALSYSID 8, MSEGNAME 40,
// ALUNIQNUM 10, ALINDEX 10, ALERTDATE 8, ALERTTIME 6 and two places that are not used.
func (s Scheme) AID(id uint64, at time.Time) string {
	return fmt.Sprintf("%-8s%-40s%010d%010d%s%s00", s.System, s.Segment, id%1e10, id/1e10, at.UTC().Format("20060102"), at.UTC().Format("150405"))
}

// ParseAID returns the number in an AID of this system and segment.
func (s Scheme) ParseAID(text string) (uint64, bool) {
	prefix := fmt.Sprintf("%-8s%-40s", s.System, s.Segment)
	if len(text) != AIDLength || !strings.HasPrefix(text, prefix) {
		return 0, false
	}
	lower, err1 := strconv.ParseUint(text[48:58], 10, 64)
	upper, err2 := strconv.ParseUint(text[58:68], 10, 64)
	if err1 != nil || err2 != nil || upper > 1e9 {
		return 0, false
	}
	return upper*1e10 + lower, true
}

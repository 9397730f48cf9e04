package trap

import (
	_ "embed"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"sync"
	"time"

	"grove/tree"
	"grove/tree/alert"
)

// DefaultEnterprise is where grove's own objects stand unless somebody says otherwise:
// below net-snmp's playpen, as grove has no number of its own.
const DefaultEnterprise = "1.3.6.1.4.1.8072.9999.9999.471"

// Names of SNMPv2-MIB (RFC 3418), and of ALARM-MIB and ITU-ALARM-MIB (RFC 3877).
const (
	sysUpTime   = "1.3.6.1.2.1.1.3.0"
	snmpTrapOID = "1.3.6.1.6.3.1.1.4.1.0"

	alarmActiveState        = "1.3.6.1.2.1.118.0.2"
	alarmClearState         = "1.3.6.1.2.1.118.0.3"
	alarmModelNotification  = "1.3.6.1.2.1.118.1.1.2.1.3" // by list, model and state
	alarmActiveResourceID   = "1.3.6.1.2.1.118.1.2.2.1.10"
	alarmActiveDescription  = "1.3.6.1.2.1.118.1.2.2.1.11"
	alarmActiveModelPointer = "1.3.6.1.2.1.118.1.2.2.1.13" // these by list, time and number
	ituAlarmEventType       = "1.3.6.1.2.1.121.1.1.1.1.2"  // by list, model and severity
	ituAlarmProbableCause   = "1.3.6.1.2.1.121.1.1.1.1.3"
)

// listName is the alarmListName of all rows, "grove", as an index writes it.
const listName = ".5.103.114.111.118.101"

// models are the alarmModelIndex of the kinds of alerts.
var models = map[alert.Kind]int{alert.Status: 1, alert.Silence: 2, alert.Missing: 3}

// perceived is the ItuPerceivedSeverity of a severity. The numbers are not in order.
var perceived = [...]int{tree.Cleared: 1, tree.Indeterminate: 2, tree.Warning: 6, tree.Minor: 5, tree.Major: 4, tree.Critical: 3}

// modelState is the alarmModelState of a severity: RFC 3877 section 5.4.
func modelState(s tree.Severity) int { return int(s) + 1 }

// eventType is the IANAItuEventType of that name; 1 is other.
func eventType(name string) int {
	for i, t := range tree.EventTypes {
		if strings.EqualFold(t, name) {
			return i + 1
		}
	}
	return 1
}

//go:embed causes.txt
var causeLines string

var causes = sync.OnceValue(func() map[string]int {
	m := map[string]int{}
	for line := range strings.Lines(causeLines) {
		number, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.Atoi(number); err == nil {
			m[strings.ToLower(name)] = n
		}
	}
	return m
})

// probableCause is the IANAItuProbableCause of that name; 1024 is other.
func probableCause(name string) int {
	if n := causes()[strings.ToLower(name)]; n > 0 {
		return n
	}
	return 1024
}

// alertIndex is the index of a node's alert in groveAlertTable: 64 bits of a hash of its
// key, in two halves, so that it is the same for the same node over restarts.
func alertIndex(a *alert.Alert) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(a.Key))
	sum := h.Sum64()
	return fmt.Sprintf(".%d.%d", sum>>32, sum&0xffffffff)
}

// activeIndex is the index of an alert in alarmActiveTable: the list, when it opened, and
// a number that tells those of the same time apart.
func activeIndex(a *alert.Alert) string {
	t := dateAndTime(a.Opened)
	var b strings.Builder
	b.WriteString(listName)
	fmt.Fprintf(&b, ".%d", len(t))
	for _, octet := range t {
		fmt.Fprintf(&b, ".%d", octet)
	}
	fmt.Fprintf(&b, ".%d", max(1, uint32(a.ID))) //nolint:gosec // The lower half tells those of a decisecond apart.
	return b.String()
}

// dateAndTime writes a time as DateAndTime of RFC 2579, in UTC.
func dateAndTime(t time.Time) []byte {
	t = t.UTC()
	y := t.Year()
	return []byte{
		byte(y >> 8), byte(y), byte(t.Month()), byte(t.Day()), byte(t.Hour()), byte(t.Minute()), byte(t.Second()), //nolint:gosec // The lower octet is meant.
		byte(t.Nanosecond() / 100_000_000), '+', 0, 0,
	}
}

// oids are the names below the enterprise, see GROVE-MIB.
type oids struct {
	message string // groveMessage, the notification
	column  string // columns of groveAlertTable
	scalar  string // what a message says itself
}

// Bounds of an OID: a notification has a name of 128 numbers at most (RFC 2578 section
// 3.5), of which indexes take some.
const maxEnterprise = 64

func newOIDs(enterprise string) (*oids, error) {
	enterprise = strings.TrimPrefix(enterprise, ".")
	numbers := strings.Split(enterprise, ".")
	for _, n := range numbers {
		if v, err := strconv.ParseUint(n, 10, 32); err != nil || strconv.FormatUint(v, 10) != n {
			return nil, fmt.Errorf("%q is no OID", enterprise)
		}
	}
	if len(numbers) < 7 || len(numbers) > maxEnterprise || !strings.HasPrefix(enterprise, "1.3.6.1.") {
		return nil, fmt.Errorf("%q does not stand below 1.3.6.1, such as below 1.3.6.1.4.1 and the number of an enterprise, with 7 to %d numbers", enterprise, maxEnterprise)
	}
	return &oids{message: enterprise + ".0.1", column: enterprise + ".1.1.1.", scalar: enterprise + ".1.2."}, nil
}

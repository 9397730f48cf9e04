package mib

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestResolveNamesAndNumbers(t *testing.T) {
	tests := []struct{ name, text, oid, object, rest string }{
		{"instance of a scalar", "sysUpTime.0", "1.3.6.1.2.1.1.3.0", "SNMPv2-MIB::sysUpTime", "0"},
		{"qualified column", "IF-MIB::ifInOctets.3", "1.3.6.1.2.1.2.2.1.10.3", "IF-MIB::ifInOctets", "3"},
		{"column alone", "ifHCInOctets", "1.3.6.1.2.1.31.1.1.1.6", "IF-MIB::ifHCInOctets", ""},
		{"number of a known object", ".1.3.6.1.2.1.1.3.0", "1.3.6.1.2.1.1.3.0", "SNMPv2-MIB::sysUpTime", "0"},
		{"number of nothing known", "1.3.6.1.4.1.99999.1.2.0", "1.3.6.1.4.1.99999.1.2.0", "", ""},
		{"long index", "ipAdEntIfIndex.127.0.0.1", "1.3.6.1.2.1.4.20.1.2.127.0.0.1", "IP-MIB::ipAdEntIfIndex", "127.0.0.1"},
		{"space around", " sysName.0\n", "1.3.6.1.2.1.1.5.0", "SNMPv2-MIB::sysName", "0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			oid, object, rest, err := Builtin().Resolve(test.text)
			if err != nil {
				t.Fatal(err)
			}
			name := ""
			if object != nil {
				name = object.String()
			}
			if oid != test.oid || name != test.object || rest != test.rest {
				t.Errorf("Resolve(%q) = %q, %q, %q; want %q, %q, %q", test.text, oid, name, rest, test.oid, test.object, test.rest)
			}
		})
	}
}

func TestResolveSaysWhatIsWrong(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", " ", `unknown object: no name and no number`},
		{"typo", "sysUptime.0", `unknown object "sysUptime": did you mean sysUpTime?`},
		{"typo with module", "IF-MIB::ifOperStatu.1", `unknown object "IF-MIB::ifOperStatu": did you mean IF-MIB::ifOperStatus?`},
		{"wrong module", "IP-MIB::ifOperStatus.1", `unknown object "IP-MIB::ifOperStatus": did you mean IF-MIB::ifOperStatus?`},
		{"nothing near", "completelyElse", `unknown object "completelyElse"`},
		{"letters in a number", "1.3.x", `"1.3.x": "x" is no part of an object identifier: 0 to 4294967295`},
		{"too large", "1.3.4294967296", `"1.3.4294967296": "4294967296" is no part of an object identifier: 0 to 4294967295`},
		{"bad instance", "sysUpTime.-1", `"sysUpTime.-1": behind sysUpTime: "-1" is no part of an object identifier: 0 to 4294967295`},
		{"too long", "1.3" + strings.Repeat(".1", 127), `"1.3` + strings.Repeat(".1", 127) + `": an object identifier has at most 128 parts`},
		{"too short", "1", `"1": an object identifier has at least 2 parts`},
		{"wrong beginning", "3.1", `"3.1": an object identifier begins with 0, 1 or 2`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, _, _, err := Builtin().Resolve(test.text)
			if err == nil || err.Error() != test.want {
				t.Errorf("Resolve(%q):\n got %v\nwant %s", test.text, err, test.want)
			}
		})
	}
}

func TestCompareOIDOrdersByParts(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"1.3.6", "1.3.6", 0}, {"1.3.9", "1.3.10", -1}, {"1.3.10", "1.3.9", 1}, {"1.3", "1.3.0", -1}, {"1.3.0", "1.3", 1}, {"", "1", -1},
	}
	for _, test := range tests {
		if got := CompareOID(test.a, test.b); got != test.want {
			t.Errorf("CompareOID(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

const acme = `
-- A file as vendors write it: rulers, tabs, no blank where one is usual.
--------------------------------------------------------------------------
ACME-FRIDGE-MIB DEFINITIONS ::= BEGIN
IMPORTS enterprises, MODULE-IDENTITY, OBJECT-TYPE, Counter32, Integer32 FROM SNMPv2-SMI
	TEXTUAL-CONVENTION, DisplayString, TruthValue FROM SNMPv2-TC
	ifEntry FROM IF-MIB;
acme MODULE-IDENTITY LAST-UPDATED "202601010000Z" ORGANIZATION "ACME" CONTACT-INFO "none"
	DESCRIPTION "It says ""SYNTAX"" and ::= in its text." ::= { enterprises 99999 }
fridge OBJECT IDENTIFIER ::={acme 1}
Tenths ::= TEXTUAL-CONVENTION DISPLAY-HINT "d-1" STATUS current DESCRIPTION "x" SYNTAX Integer32 (-1000..1000)
Door ::= TEXTUAL-CONVENTION STATUS current DESCRIPTION "x" SYNTAX INTEGER { open(1), shut ( 2 ), broken(-1) }
fridgeTemperature OBJECT-TYPE SYNTAX Tenths UNITS "degrees Celsius" MAX-ACCESS read-only STATUS current
	DESCRIPTION "x" DEFVAL { 40 } ::= { fridge 1 }
fridgeName OBJECT-TYPE SYNTAX DisplayString (SIZE (0..255)) ACCESS read-only STATUS mandatory ::= { fridge 2 }
fridgeTable OBJECT-TYPE SYNTAX SEQUENCE OF FridgeEntry MAX-ACCESS not-accessible STATUS current DESCRIPTION "x" ::= { fridge 3 }
fridgeEntry OBJECT-TYPE SYNTAX FridgeEntry MAX-ACCESS not-accessible STATUS current DESCRIPTION "x"
	INDEX { fridgeShelf, IMPLIED fridgeLabel } ::= { fridgeTable 1 }
FridgeEntry ::= SEQUENCE { fridgeShelf Integer32, fridgeDoor Door }
fridgeShelf OBJECT-TYPE SYNTAX Integer32 (1..9) MAX-ACCESS not-accessible STATUS current DESCRIPTION "x" ::= { fridgeEntry 1 }
fridgeDoor OBJECT-TYPE SYNTAX Door MAX-ACCESS read-only STATUS current DESCRIPTION "x" ::= { fridgeEntry 2 }
fridgeOpenings OBJECT-TYPE SYNTAX Counter32 UNITS "openings" MAX-ACCESS read-only STATUS current DESCRIPTION "x" ::= { fridgeEntry 3 }
fridgeLit OBJECT-TYPE SYNTAX TruthValue MAX-ACCESS read-only STATUS current DESCRIPTION "x" ::= { fridgeEntry 4 }
fridgeAlarm NOTIFICATION-TYPE OBJECTS { fridgeDoor } STATUS current DESCRIPTION "x" ::= { acme 0 1 }
oldTrap TRAP-TYPE ENTERPRISE acme VARIABLES { fridgeDoor } DESCRIPTION "x" ::= 7
absolute OBJECT IDENTIFIER ::= { iso(1) org(3) dod(6) internet(1) private(4) enterprises(1) 99998 }
END
`

func TestParseTakesWhatAPollerNeeds(t *testing.T) {
	set, err := Parse("ACME.txt", acme)
	if err != nil {
		t.Fatal(err)
	}
	door := map[int64]string{1: "open", 2: "shut", -1: "broken"}
	index := []string{"fridgeShelf", "fridgeLabel"}
	want := []Object{
		{Name: "fridgeTemperature", OID: "1.3.6.1.4.1.99999.1.1", Syntax: Integer, Unit: "°C", Hint: "d-1", Accessible: true},
		{Name: "fridgeName", OID: "1.3.6.1.4.1.99999.1.2", Syntax: String, Hint: "255a", Accessible: true},
		{Name: "fridgeDoor", OID: "1.3.6.1.4.1.99999.1.3.1.2", Syntax: Integer, Enum: door, Column: true, Index: index, Accessible: true},
		{Name: "fridgeOpenings", OID: "1.3.6.1.4.1.99999.1.3.1.3", Syntax: Counter32, Unit: "openings", Column: true, Index: index, Accessible: true},
		{Name: "fridgeLit", OID: "1.3.6.1.4.1.99999.1.3.1.4", Syntax: Truth, Column: true, Index: index, Accessible: true},
		{Name: "fridgeAlarm", OID: "1.3.6.1.4.1.99999.0.1"},
		{Name: "absolute", OID: "1.3.6.1.4.1.99998"},
	}
	for _, w := range want {
		w.Module = "ACME-FRIDGE-MIB"
		_, got, _, err := set.Resolve(w.Name)
		if err != nil {
			t.Errorf("%s: %v", w.Name, err)
			continue
		}
		if diff := cmp.Diff(&w, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", w.Name, diff)
		}
	}
	if o, rest := set.Describe("1.3.6.1.4.1.99999.1.3.1.2.4.65"); o == nil || o.Name != "fridgeDoor" || rest != "4.65" {
		t.Errorf("Describe found %v, %q", o, rest)
	}
	if o, _ := set.Describe("1.3.6.1.4.1.99999.7.7"); o != nil {
		t.Errorf("Describe found %v for a number below no object that can be asked for", o)
	}
}

func TestParseNamesTheFault(t *testing.T) {
	begin := "X-MIB DEFINITIONS ::= BEGIN\n"
	tests := []struct{ name, text, want string }{
		{"empty", "", `x.txt:1:1: no MIB module in it`},
		{"not a MIB file", "{\"a\": 1}", `x.txt:1:1: "{" where the name of a module is expected`},
		{"cut off", begin + "a OBJECT-TYPE SYNTAX Integer32\n", `x.txt:2:3: the file ends inside of the definition of a`},
		{"cut off in a macro", begin + "A MACRO ::= BEGIN TYPE", `x.txt:2:23: the file ends inside of a macro`},
		{"cut off in imports", begin + "IMPORTS a, b", `x.txt:2:13: the file ends inside of IMPORTS`},
		{"cut off in a string", begin + "A ::= TEXTUAL-CONVENTION DESCRIPTION \"abc", `x.txt:2:1: the file ends inside of the definition of A`},
		{"no END", begin + "a OBJECT IDENTIFIER ::= { iso 1 }\n", `x.txt:3:1: the file ends inside of module X-MIB`},
		{"unknown parent", begin + "a OBJECT IDENTIFIER ::= { nowhere 1 }\nEND", `x.txt:2:1: the parent of a, nowhere, is not defined`},
		{"parent elsewhere", begin + "IMPORTS b FROM B-MIB;\na OBJECT IDENTIFIER ::= { b 1 }\nEND", `x.txt:3:1: the parent of a is b of module B-MIB, which is not among the MIB files`},
		{"circle", begin + "a OBJECT IDENTIFIER ::= { b 1 }\nb OBJECT IDENTIFIER ::= { a 1 }\nEND", "x.txt:2:1: the object identifier of a leads back to itself or to an unknown name\nx.txt:3:1: the object identifier of b leads back to itself or to an unknown name"},
		{"empty number", begin + "a OBJECT IDENTIFIER ::= { }\nEND", `x.txt:2:27: a has an empty object identifier`},
		{"bad enumeration", begin + "A ::= INTEGER { (1) }\nEND", `x.txt:2:18: "1" is no number of an enumeration`},
		{"number too large", begin + "a OBJECT IDENTIFIER ::= { iso 4294967296 }\nEND", `x.txt:2:1: a: "4294967296" is no part of an object identifier: 0 to 4294967295`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("x.txt", test.text)
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestLibraryReadsAgainOnlyWhatChanged(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ACME.mib")
	if err := os.WriteFile(file, []byte(acme), 0o600); err != nil {
		t.Fatal(err)
	}
	var l Library
	first, err := l.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := l.Load(dir); second != first {
		t.Error("an unchanged directory was read twice")
	}
	if err := os.WriteFile(file, []byte("BROKEN"), 0o600); err != nil {
		t.Fatal(err)
	}
	third, err := l.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, _, _, err = third.Resolve("fridgeDoors")
	want := `unknown object "fridgeDoors" (1 MIB files have faults; the first: ` + file + `:1:7: the end of the file where "DEFINITIONS" is expected)`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if _, err := l.Load(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing directory: %v", err)
	}
}

// The files that Debian's snmp packages bring are real, and net-snmp's own
// translation is the judge of the numbers.
func TestDebiansFilesAgreeWithSnmptranslate(t *testing.T) {
	const dir = "/usr/share/snmp/mibs"
	translate, err := exec.LookPath("snmptranslate")
	if _, statErr := os.Stat(filepath.Join(dir, "UCD-SNMP-MIB.txt")); err != nil || statErr != nil {
		t.Skip("snmptranslate or " + dir + " is not installed")
	}
	var l Library
	set, err := l.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if p := set.Problems(); len(p) > 0 {
		t.Errorf("problems: %v", p)
	}
	for name, builtin := range Builtin().byModule {
		if builtin.Module != "UCD-SNMP-MIB" && builtin.Module != "UCD-DISKIO-MIB" {
			continue
		}
		text, _ := os.ReadFile(filepath.Join(dir, builtin.Module+".txt"))
		alone, _ := parse(builtin.Module, string(text))
		found := false
		for _, n := range alone[0].nodes {
			found = found || n.name == builtin.Name
		}
		if !found {
			t.Errorf("%s is not in Debian's file", name)
		}
		out, _ := exec.Command(translate, "-M", dir, "-m", builtin.Module, "-On", name).Output()
		if got := strings.TrimSpace(string(out)); strings.HasPrefix(got, ".") && got != "."+builtin.OID {
			t.Errorf("%s is %s here and %s for snmptranslate", name, builtin.OID, got)
		}
	}
	for name, want := range map[string]string{
		"NET-SNMP-AGENT-MIB::nsCacheTimeout": "1.3.6.1.4.1.8072.1.5.3.1.2",
		"LM-SENSORS-MIB::lmTempSensorsValue": "1.3.6.1.4.1.2021.13.16.2.1.3",
		"UCD-SNMP-MIB::laLoad.1":             "1.3.6.1.4.1.2021.10.1.3.1",
	} {
		if got, _, _, err := set.Resolve(name); err != nil || got != want {
			t.Errorf("%s = %s, %v; want %s", name, got, err, want)
		}
	}
}

func TestTextOfOctets(t *testing.T) {
	tests := []struct {
		name, octets, hint, want string
	}{
		{"text without a hint", "eth0", "", "eth0"},
		{"zero at the end", "eth0\x00", "255a", "eth0"},
		{"six octets", "\x00\x1b\x21\x0a\xff\x02", "", "00:1b:21:0a:ff:02"},
		{"hardware address of printable octets", "abcdef", "1x:", "61:62:63:64:65:66"},
		{"octets", "\x00\x01\xff", "", "00 01 ff"},
		{"only zeros", "\x00\x00", "", "00 00"},
		{"UTF-8", "Köln", "255t", "Köln"},
		{"Latin 1", "K\xf6ln", "255a", "Köln"},
		{"escape sequence", "a\x1b[2J\xff", "255a", "a.[2Jÿ"},
		{"date", "\x07\xea\x0b\x15\x17\x05\x09\x00+\x01\x00", hintDate, "2026-11-21,23:5:9.0,+1:0"},
		{"date without a zone", "\x07\xea\x0b\x15\x17\x05\x09\x00", hintDate, "2026-11-21,23:5:9.0"},
		{"repeated pieces", "\x02\x01\x02\x03", "*1d./1d", "1.2/3"},
		{"a number longer than any", "123456789", "9d", "313233343536373839"},
		{"a bad hint", "\x01", "q", "01"},
		{"nothing", "", "1x:", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Text([]byte(test.octets), test.hint); got != test.want {
				t.Errorf("Text(%q, %q) = %q, want %q", test.octets, test.hint, got, test.want)
			}
		})
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("\x07\xea\x0b\x15\x17\x05\x09\x00+\x01\x00"), hintDate)
	f.Add([]byte("\x02\x01\x02\x03"), "*1d./1d")
	f.Add([]byte("abc"), "0a")
	f.Fuzz(func(t *testing.T, octets []byte, hint string) {
		if got := Text(octets, hint); len(got) > maxText {
			t.Errorf("%d bytes of text", len(got))
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(acme)
	f.Add("A DEFINITIONS ::= BEGIN X MACRO ::= BEGIN TYPE")
	f.Add("A DEFINITIONS ::= BEGIN a OBJECT IDENTIFIER ::= { a 1 } END")
	f.Fuzz(func(t *testing.T, text string) {
		set, err := Parse("fuzz", text)
		if set == nil {
			t.Fatalf("no set: %v", err)
		}
		for oid, o := range set.byOID {
			if o.OID != oid {
				t.Fatalf("%v is kept under %s", o, oid)
			}
		}
	})
}

package password

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ErrWeak is wrapped by the errors of passwords that anybody would try.
var ErrWeak = errors.New("the password is too weak")

// common are long ones that every list of stolen passwords has near its top, and the
// beginnings of what people make of them.
var common = []string{
	"password", "passwort", "1234567890", "0123456789", "0987654321", "qwertyuiop", "qwertzuiop", "1q2w3e4r5t", "q1w2e3r4t5",
	"administrator", "letmein", "iloveyou", "welcome", "changeme", "grove",
}

// Check says whether a user may have a password. There are no rules for kinds of
// characters, which make passwords no stronger (NIST SP 800-63B, section 3.1.1.2).
func Check(name, password string) error {
	low := strings.ToLower(password)
	// What is left of a common one when digits and signs around it are gone.
	core := strings.Trim(low, "0123456789!?.,;:-_+*#$%&@ ")
	different := map[rune]bool{}
	for _, r := range low {
		different[r] = true
	}
	switch {
	case len(password) < MinBytes:
		return fmt.Errorf("%w: %d characters at least, such as a few words", ErrWeak, MinBytes)
	case len(password) > MaxBytes:
		return fmt.Errorf("%w: it is longer than %d bytes", errForm, MaxBytes)
	case !utf8.ValidString(password) || strings.ContainsRune(password, 0):
		return fmt.Errorf("%w: it is no text", errForm)
	case len(different) < 5:
		return fmt.Errorf("%w: it has fewer than 5 different characters", ErrWeak)
	case name != "" && (low == strings.ToLower(name) || core == strings.ToLower(name)):
		return fmt.Errorf("%w: it is the name of the user", ErrWeak)
	}
	for _, c := range common {
		if core == c || low == c {
			return fmt.Errorf("%w: it is one of the first that anybody tries", ErrWeak)
		}
	}
	return nil
}

// errForm is a password that nobody can have. It is weak to those who ask.
var errForm = fmt.Errorf("%w, or cannot be one", ErrWeak)

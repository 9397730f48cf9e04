package ssh

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"grove/runtime/probe/answer"
	"grove/runtime/probe/secret"
)

// maxKnown bounds the lines of a file of known hosts.
const maxKnown = 20_000

// families are the algorithms of host keys in the order in which they are asked for. They
// are fixed, so that a server with several keys shows the same one each time.
var families = [][]string{
	{ssh.KeyAlgoED25519},
	{ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521},
	{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256},
}

// expected are the host keys that are right.
type expected struct {
	any          bool // every key is taken
	fingerprints []string
	keys         []ssh.PublicKey // of known hosts
	revoked      []ssh.PublicKey
	address      string
}

// expect reads what is right for a target now.
func expect(t *Target, secrets *secret.Policy) (*expected, error) {
	e := &expected{fingerprints: t.Fingerprints, address: t.Address}
	if t.KnownHosts == "" {
		e.any = len(e.fingerprints) == 0
		return e, nil
	}
	text, err := secrets.ReadFile(t.KnownHosts)
	if err != nil {
		return nil, fmt.Errorf("known_hosts: %w", err)
	}
	if err := e.read(text); err != nil {
		return nil, fmt.Errorf("known_hosts: %s: %w", t.KnownHosts, err)
	}
	if len(e.keys) == 0 {
		return nil, &answer.Fault{State: "host_key", Err: fmt.Errorf("%s holds no host key of %s: ssh-keyscan prints it", t.KnownHosts, knownhosts.Normalize(t.Address))}
	}
	return e, nil
}

// read takes the lines of a file of known hosts that are for the address; the format is
// of sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT". Authorities of certificates are left out.
func (e *expected) read(text []byte) error {
	name := knownhosts.Normalize(e.address)
	n := 0
	for line := range bytes.Lines(text) {
		if n++; n > maxKnown {
			return fmt.Errorf("has more than %d lines", maxKnown)
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		marker, hosts, key, _, _, err := ssh.ParseKnownHosts(line)
		switch {
		case err != nil:
			return fmt.Errorf("line %d: %w", n, err)
		case !names(hosts, name):
		case marker == "revoked":
			e.revoked = append(e.revoked, key)
		case marker == "":
			e.keys = append(e.keys, key)
		}
	}
	return nil
}

// names says whether the patterns of a line are for a host.
func names(patterns []string, host string) bool {
	found := false
	for _, p := range patterns {
		body, not := strings.CutPrefix(p, "!")
		fits := false
		if salted, ok := strings.CutPrefix(body, "|1|"); ok {
			fits = isHash(salted, host)
		} else {
			// The brackets of [host]:port are no class of letters.
			body = strings.NewReplacer("[", `\[`, "]", `\]`).Replace(strings.ToLower(body))
			fits, _ = path.Match(body, strings.ToLower(host))
		}
		if fits && not {
			return false
		}
		found = found || fits
	}
	return found
}

// isHash says whether "salt|hash" is the name of a host.
func isHash(salted, host string) bool {
	salt, hash, ok := strings.Cut(salted, "|")
	if !ok {
		return false
	}
	key, err1 := base64.StdEncoding.DecodeString(salt)
	want, err2 := base64.StdEncoding.DecodeString(hash)
	if err1 != nil || err2 != nil {
		return false
	}
	mac := hmac.New(sha1.New, key) // as ssh-keygen -H writes it
	mac.Write([]byte(host))
	return hmac.Equal(mac.Sum(nil), want)
}

// algorithms lists what to ask a server for, one list an attempt: those of the keys that
// are known, since a server shows only one of its keys.
func (e *expected) algorithms() [][]string {
	if len(e.fingerprints) > 0 {
		return families // a fingerprint does not say of which kind its key is
	}
	var wanted []string
	for _, family := range families {
		for _, a := range family {
			if e.any || slices.ContainsFunc(e.keys, func(k ssh.PublicKey) bool { return keyType(a) == k.Type() }) {
				wanted = append(wanted, a)
			}
		}
	}
	if len(wanted) == 0 {
		wanted = slices.Concat(families...)
	}
	return [][]string{wanted}
}

func keyType(algorithm string) string {
	if strings.HasPrefix(algorithm, "rsa-") {
		return ssh.KeyAlgoRSA
	}
	return algorithm
}

// check judges a key that a server showed.
func (e *expected) check(key ssh.PublicKey) error {
	same := func(k ssh.PublicKey) bool { return bytes.Equal(k.Marshal(), key.Marshal()) }
	shown := ssh.FingerprintSHA256(key)
	switch {
	case slices.ContainsFunc(e.revoked, same):
		return &answer.Fault{State: "host_key", Err: fmt.Errorf("the host key %s (%s) is revoked", shown, key.Type())}
	case e.any, slices.Contains(e.fingerprints, shown), slices.ContainsFunc(e.keys, same):
		return nil
	}
	return &answer.Fault{State: "host_key", Err: fmt.Errorf("the host key is %s (%s), not the one that is known: somebody else may be answering, or the key was changed", shown, key.Type())}
}

package ssh

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// offers are what a server says before anything is encrypted.
type offers struct {
	version  string // "SSH-2.0-OpenSSH_9.2p1 Debian-2"
	exchange []string
	hostKeys []string
	ciphers  []string
	macs     []string
}

// parseOffers reads the version of a server and its first packet, SSH_MSG_KEXINIT: RFC
// 4253 sections 4.2, 6 and 7.1.
func parseOffers(b []byte) (offers, error) {
	var o offers
	for {
		line, rest, ok := bytes.Cut(b, []byte("\n"))
		if !ok {
			return o, errors.New("the server did not send a version of SSH")
		}
		b = rest
		if bytes.HasPrefix(line, []byte("SSH-")) {
			o.version = strings.ToValidUTF8(string(bytes.TrimRight(line, "\r")), "�")
			break
		}
	}
	const header, kexInit, cookie = 5, 20, 16
	if len(b) < header {
		return o, errors.New("the server sent no offers")
	}
	length, padding := binary.BigEndian.Uint32(b), int(b[4])
	if length > maxStart || len(b) < int(length)+4 || int(length) < padding+1+1+cookie {
		return o, errors.New("the server's offers are cut or too long")
	}
	payload := b[header : 4+int(length)-padding]
	if payload[0] != kexInit {
		return o, errors.New("the server's first packet holds no offers")
	}
	payload = payload[1+cookie:]
	for _, list := range []*[]string{&o.exchange, &o.hostKeys, &o.ciphers, nil, &o.macs} {
		if len(payload) < 4 {
			return o, errors.New("the server's offers are cut")
		}
		n := binary.BigEndian.Uint32(payload)
		if uint64(n) > uint64(len(payload)-4) {
			return o, errors.New("the server's offers are cut")
		}
		if list != nil && n > 0 {
			*list = strings.Split(strings.ToValidUTF8(string(payload[4:4+n]), "�"), ",")
		}
		payload = payload[4+n:]
	}
	return o, nil
}

// weakParts mark algorithms that should not be offered any more: SHA-1, MD5, DES, RC4,
// DSA, ciphers in CBC mode and short MACs (RFC 8758, RFC 9142, NIST SP 800-131A).
var weakParts = []string{"-sha1", "md5", "3des", "arcfour", "blowfish", "cast128", "-cbc", "ssh-dss", "group1-", "umac-64", "-96", "none"}

// weak lists the algorithms that a server offers and should not.
func (o *offers) weak() []string {
	known := ssh.InsecureAlgorithms()
	named := slices.Concat(known.KeyExchanges, known.Ciphers, known.MACs, known.HostKeys)
	var found []string
	for _, a := range slices.Concat(o.exchange, o.hostKeys, o.ciphers, o.macs) {
		bad := slices.Contains(named, a) || slices.ContainsFunc(weakParts, func(part string) bool { return strings.Contains(a, part) })
		if bad && !slices.Contains(found, a) {
			found = append(found, a)
		}
	}
	return found
}

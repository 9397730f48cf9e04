package authority

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"grove/notify/peer"
)

// keys is who this manager is: the content of keysFile.
type keys struct {
	id       peer.ID
	identity *ecdsa.PrivateKey
	root     *ecdsa.PrivateKey // signs certificates of others
	// authority is the certificate of root, signed by itself.
	authority *x509.Certificate
}

// String names who it is; the keys are shown by no verb of fmt.
func (k *keys) String() string { return "keys of manager " + string(k.id) }

// GoString is String.
func (k *keys) GoString() string { return k.String() }

// keysFile has, in PEM, the key of the manager and that of its authority (RFC 5958), then the
// certificate of the authority.
const keysFile = "identity.pem"

// rootLife is that of the certificate of an authority. It is made again, for the same key,
// when a third of it is left.
const rootLife = 30 * 365 * 24 * time.Hour

// IDOf returns the ID that belongs to a public key: the first 8 bytes of the SHA-256 of its
// SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7), in hexadecimal.
func IDOf(key crypto.PublicKey) (peer.ID, error) {
	sum, err := fingerprint(key)
	return peer.ID(hex.EncodeToString(sum[:8])), err
}

// fingerprint is the SHA-256 of the SubjectPublicKeyInfo of a key, which has to be on P-256.
func fingerprint(key crypto.PublicKey) (sum [sha256.Size]byte, err error) {
	if k, ok := key.(*ecdsa.PublicKey); !ok || k.Curve != elliptic.P256() {
		return sum, errors.New("the key is not on the curve P-256")
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return sum, err
	}
	return sha256.Sum256(der), nil
}

// openKeys reads the keys, or makes them when the directory holds nothing of ours.
func openKeys(dir, name string, now time.Time) (*keys, error) {
	file := filepath.Join(dir, keysFile)
	text, err := readFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if others, globErr := filepath.Glob(filepath.Join(dir, "*.json")); globErr != nil || len(others) > 0 {
			return nil, fmt.Errorf("%s is missing, beside %s: bring it back from where it was saved, or move %s away, to begin as another manager that joins others anew",
				file, filepath.Base(others[0]), dir)
		}
		return makeKeys(file, name, now)
	}
	if err != nil {
		return nil, err
	}
	k, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: bring it back from where it was saved, or move %s away, to begin as another manager that joins others anew", file, err, dir)
	}
	if now.After(k.authority.NotAfter.Add(-rootLife / 3)) {
		if err := k.certifyRoot(name, now); err != nil {
			return nil, err
		}
		return k, k.write(file)
	}
	return k, nil
}

func makeKeys(file, name string, now time.Time) (*keys, error) {
	identity, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	root, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	k := &keys{identity: identity, root: root}
	if k.id, err = IDOf(identity.Public()); err != nil {
		return nil, err
	}
	if err := k.certifyRoot(name, now); err != nil {
		return nil, err
	}
	return k, k.write(file)
}

func (k *keys) write(file string) error {
	var b bytes.Buffer
	for _, key := range []*ecdsa.PrivateKey{k.identity, k.root} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		if err := pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: der}); err != nil {
			return err
		}
	}
	if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: k.authority.Raw}); err != nil {
		return err
	}
	return writeFile(file, b.Bytes())
}

// parseKeys reads what write writes. Its errors repeat nothing of the text.
func parseKeys(text []byte) (*keys, error) {
	var blocks [3]*pem.Block
	for i, want := range []string{"PRIVATE KEY", "PRIVATE KEY", "CERTIFICATE"} {
		blocks[i], text = pem.Decode(text)
		if blocks[i] == nil || blocks[i].Type != want {
			return nil, errors.New("it is damaged: two keys and a certificate have to be in it")
		}
	}
	if strings.TrimSpace(string(text)) != "" {
		return nil, errors.New("it is damaged: something follows after the certificate")
	}
	k := &keys{}
	var err error
	for i, to := range []**ecdsa.PrivateKey{&k.identity, &k.root} {
		if *to, err = parseKey(blocks[i].Bytes); err != nil {
			return nil, fmt.Errorf("it is damaged: key %d: %w", i+1, err)
		}
	}
	if k.authority, err = x509.ParseCertificate(blocks[2].Bytes); err != nil {
		return nil, errors.New("it is damaged: its certificate cannot be read")
	}
	if k.id, err = IDOf(k.identity.Public()); err != nil {
		return nil, err
	}
	if !k.root.PublicKey.Equal(k.authority.PublicKey) || nameIn(k.authority) != k.id {
		return nil, errors.New("it is damaged: its keys and its certificate do not belong together")
	}
	return k, nil
}

func parseKey(der []byte) (*ecdsa.PrivateKey, error) {
	any, err := x509.ParsePKCS8PrivateKey(der)
	key, ok := any.(*ecdsa.PrivateKey)
	if err != nil || !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("it is no key on the curve P-256")
	}
	return key, nil
}

// maxFile bounds the files of this package, bytes.
const maxFile = 4 << 20

// readFile reads a file that nobody but its owner may read.
func readFile(file string) ([]byte, error) {
	info, err := os.Lstat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: give it to the user that grove runs as", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", file)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s may be read or written by others (mode %#o): find out who did, then chmod 600 %[1]s", file, info.Mode().Perm())
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%s has more than %d bytes", file, maxFile)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w: give it to the user that grove runs as", err)
	}
	return text, nil
}

// unfinished begins the names of files that are being written.
const unfinished = ".new-"

// writeFile puts a whole file in the place of the one before, readable by its owner alone; it
// is on disk on return.
func writeFile(file string, text []byte) (err error) {
	dir := filepath.Dir(file)
	f, err := os.CreateTemp(dir, unfinished+"*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // It is no file of ours yet.
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), file); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes what happened to the names of files outlive a power cut.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// removeUnfinished takes out what a process left that was killed while it wrote.
func removeUnfinished(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, unfinished+"*"))
	for _, file := range left {
		err = errors.Join(err, os.Remove(file))
	}
	return err
}

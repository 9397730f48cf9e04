package authority

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"grove/notify/peer"
	"grove/tree/store"
)

// renewQuestion asks for the next certificate.
type renewQuestion struct {
	Request     []byte `json:"request"`     // PKCS #10, DER
	Certificate []byte `json:"certificate"` // the present one, DER
	Name        string `json:"name"`        // of the manager, for people
}

// HandleRenew answers "authority.renew": the present certificate, which may be over for up to
// Grace, and a request for the next one with the same key.
func (a *Authority) HandleRenew(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	if len(body) > maxBody {
		return nil, peer.Refuse(peer.Invalid, "a request to renew has at most %d bytes", maxBody)
	}
	var q renewQuestion
	if err := decode(body, &q); err != nil {
		return nil, err
	}
	key, err := readRequest(q.Request, from)
	if err != nil {
		return nil, peer.Refuse(peer.Invalid, "%v", err)
	}
	sum, err := fingerprint(key)
	if err != nil {
		return nil, peer.Refuse(peer.Invalid, "%v", err)
	}
	present, err := x509.ParseCertificate(q.Certificate)
	if err != nil {
		return nil, peer.Refuse(peer.Invalid, "the present certificate cannot be read")
	}
	// None is revoked between this look and the end.
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	a.issuing.Lock()
	defer a.issuing.Unlock()
	v, err := a.judge(present)
	switch {
	case err != nil:
		return nil, peer.Refuse(peer.Refused, "%v", err)
	case v.id != from || v.standing == joiner:
		return nil, peer.Refuse(peer.Refused, "the present certificate is not one of manager %s from here", from)
	}
	now := a.o.Now()
	number := a.next()
	c, err := a.keys.certify(from, key, number, x509.ExtKeyUsageClientAuth, now, a.o.Life)
	if err != nil {
		return nil, err
	}
	if err := a.o.Store.Write(ctx, func(tx *store.Tx) error {
		return a.writeRenewed(tx, from, q.Name, hex.EncodeToString(sum[:]), number, now, c.NotAfter)
	}); err != nil {
		return nil, err
	}
	a.saw(from, c.NotAfter)
	return json.Marshal(certificateAnswer{a.keys.id, a.o.Name, c.Raw, a.keys.authority.Raw})
}

// writeRenewed notes the new certificate. A member that the database has forgotten, since it
// is an older one, is taken in again: its certificate is from here and was not revoked.
func (a *Authority) writeRenewed(tx *store.Tx, id peer.ID, name, key string, number int64, now, ends time.Time) error {
	row, found, err := a.readMember(tx, id)
	if err != nil {
		return err
	}
	if found {
		if row.key != key {
			return peer.Refuse(peer.Refused, "manager %s joined with another key", id)
		}
		_, err := tx.Exec("UPDATE peer_lower SET renewed_at = $1, number = $2, ends_at = $3 WHERE manager = $4 AND authority = $5 AND id = $6",
			now.UnixMilli(), number, ends.UnixMilli(), tx.Manager(), string(a.keys.id), string(id))
		return err
	}
	if checkName(name) != nil {
		name = string(id)
	}
	if _, err := tx.Exec("INSERT INTO peer_lower (manager, authority, id, name, key, invited_by, joined_at, renewed_at, number, ends_at) VALUES ($1, $2, $3, $4, $5, '', $6, $7, $8, $9)",
		tx.Manager(), string(a.keys.id), string(id), name, key, now.UnixMilli(), now.UnixMilli(), number, ends.UnixMilli()); err != nil {
		return err
	}
	e := By{string(id), "peer"}.entry("peer join", string(id))
	e.Became = name + ", by a certificate from before the database was lost"
	_, err = a.o.Audit.Add(tx, e)
	return err
}

// renew gets the next certificate of an authority that this manager has joined; limited says
// that the authority finds the present one over.
func (a *Authority) renew(ctx context.Context, f peer.Fabric, u *upper, limited bool) error {
	request, err := a.keys.request()
	if err != nil {
		return err
	}
	body, err := json.Marshal(renewQuestion{request, u.certificate.Raw, a.o.Name})
	if err != nil {
		return err
	}
	answer, err := f.Ask(ctx, u.ID, kindRenew, body)
	if err != nil {
		return err
	}
	now := a.o.Now()
	over := limited || now.Sub(u.got) >= u.life()
	next := u.clone()
	if err := a.take(next, answer, now); err != nil {
		return err
	}
	if err := a.replaceUpper(u, next); err != nil {
		return err
	}
	if told := a.told().Renewed; over && told != nil {
		told(u.ID)
	}
	return nil
}

// take puts a certificate that an authority sent into what is known of it.
func (a *Authority) take(u *upper, answer []byte, now time.Time) error {
	var got certificateAnswer
	if err := json.Unmarshal(answer, &got); err != nil || got.Authority != u.ID {
		return fmt.Errorf("manager %s gave an answer that cannot be read", u.ID)
	}
	c, err := x509.ParseCertificate(got.Certificate)
	if err != nil {
		return fmt.Errorf("manager %s gave a certificate that cannot be read", u.ID)
	}
	root, err := x509.ParseCertificate(got.Root)
	if err != nil {
		return fmt.Errorf("manager %s gave a certificate of its authority that cannot be read", u.ID)
	}
	if string(root.RawSubjectPublicKeyInfo) != string(u.root.RawSubjectPublicKeyInfo) || !signsItself(root) {
		return fmt.Errorf("manager %s has another key for its authority than when it was joined: leave it and join it again if that is meant", u.ID)
	}
	if id, err := proven(c); err != nil || id != a.keys.id {
		return fmt.Errorf("manager %s gave a certificate that is not one of this manager", u.ID)
	}
	if err := signed(c, root, x509.ExtKeyUsageClientAuth); err != nil {
		return fmt.Errorf("manager %s gave a certificate that its authority did not make", u.ID)
	}
	if checkName(got.Name) == nil {
		u.Name = got.Name
	}
	u.certificate, u.root, u.got, u.Ends = c, root, now, c.NotAfter
	return nil
}

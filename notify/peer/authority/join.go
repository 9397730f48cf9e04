package authority

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"grove/notify/peer"
	"grove/tree/store"
)

// Errors of Join, each wrapped by one that says more.
var (
	// ErrToken is a text that is no token, or one of this manager itself. It says no more,
	// since what was given may be a secret with a typing error.
	ErrToken = errors.New("this is not a token for joining: it begins with " + TokenPrefix + ", and was perhaps not copied whole")
	// ErrUsed is a token by which nobody can join any more.
	ErrUsed = errors.New("the token was used, withdrawn or is over: invite again there")
	// ErrUnreachable is that nobody answered at the address as a manager does.
	ErrUnreachable = errors.New("no manager could be reached")
	// ErrSilent is that the right manager was reached, and did not answer.
	ErrSilent = errors.New("the manager there did not answer")
	// ErrFingerprint is that somebody else answered than who made the token.
	ErrFingerprint = errors.New("who answers is not the manager that made the token")
	// ErrClocks is that the clocks of the two are too far apart.
	ErrClocks = errors.New("the clocks are too far apart: set them")
)

// Cluster is the address of a manager that is joined over an external cluster, which carries
// what the two say: nobody is called. Who runs the cluster can read the token.
const Cluster = "cluster"

// repeatFor is how long the key that used a token may use it again, should the answer have
// been lost.
const repeatFor = time.Hour

// joinQuestion asks to be let in. Its bytes are a secret.
type joinQuestion struct {
	Secret  []byte       `json:"secret"`
	Request []byte       `json:"request"` // for a certificate: PKCS #10, DER
	Manager peer.Manager `json:"manager"`
}

// certificateAnswer brings a certificate.
type certificateAnswer struct {
	Authority   peer.ID `json:"authority"`
	Name        string  `json:"name"`        // of the manager that is the authority
	Certificate []byte  `json:"certificate"` // DER
	Root        []byte  `json:"root"`        // the authority's own, DER
}

// HandleJoin answers "authority.join": a token and a certificate request for a certificate.
// From is the ID that the caller proved by its key.
func (a *Authority) HandleJoin(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	now := a.o.Now()
	if wait := a.throttle.wait(from, now); wait > 0 {
		return nil, peer.Refuse(peer.Busy, "too many wrong tokens were tried: wait %v", wait.Round(time.Second)+time.Second)
	}
	if len(body) > maxBody {
		return nil, peer.Refuse(peer.Invalid, "a request to join has at most %d bytes", maxBody)
	}
	var q joinQuestion
	if err := decode(body, &q); err != nil {
		return nil, err
	}
	if err := a.checkJoin(from, &q); err != nil {
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
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	a.issuing.Lock()
	defer a.issuing.Unlock()
	number := a.next()
	c, err := a.keys.certify(from, key, number, x509.ExtKeyUsageClientAuth, now, a.o.Life)
	if err != nil {
		return nil, err
	}
	var s secret
	copy(s[:], q.Secret)
	j := joining{a: a, from: from, origin: q.Manager.Name, hash: s.hash(), key: hex.EncodeToString(sum[:]), certificate: c, number: number, now: now}
	if err := a.o.Store.Write(ctx, j.write); err != nil {
		if peer.IsRefusal(err, peer.Refused) || peer.IsRefusal(err, peer.NotFound) {
			a.log.Warn("a manager that wanted to join was refused", "manager", from, "error", err)
		}
		if j.wrong {
			a.throttle.wrong(from, now)
		}
		return nil, err
	}
	a.mu.Lock()
	for i, o := range a.open {
		if o.id == j.invitation && o.by == "" {
			a.open[i] = o.used(from, now)
		}
	}
	a.mu.Unlock()
	a.saw(from, c.NotAfter)
	a.log.Info("a manager has joined", "manager", from, "name", j.name)
	return json.Marshal(certificateAnswer{a.keys.id, a.o.Name, c.Raw, a.keys.authority.Raw})
}

// checkJoin says whether a question has the shape of one.
func (a *Authority) checkJoin(from peer.ID, q *joinQuestion) error {
	switch {
	case from == a.keys.id:
		return peer.Refuse(peer.Invalid, "a manager does not join itself")
	case q.Manager.ID != from:
		return peer.Refuse(peer.Invalid, "the manager says that it is %.40q and proved to be %s", string(q.Manager.ID), from)
	case q.Manager.Protocol < peer.Protocol-1 || q.Manager.Protocol > peer.Protocol+1:
		return peer.Refuse(peer.Refused, "the manager speaks generation %d, this one %d: managers of the same or of neighbouring generations can link", q.Manager.Protocol, peer.Protocol)
	case len(q.Secret) != secretBytes:
		return peer.Refuse(peer.Invalid, "the secret of the token has not %d bytes", secretBytes)
	}
	if err := checkName(q.Manager.Name); err != nil {
		return peer.Refuse(peer.Invalid, "the name of the manager: %v", err)
	}
	return nil
}

// joining is what is written when somebody joins.
type joining struct {
	a           *Authority
	from        peer.ID
	origin      string // as the manager calls itself
	hash, key   string
	certificate *x509.Certificate
	number      int64
	now         time.Time

	// What follows is found out.
	invitation, name string
	wrong            bool // the token is one that nobody made
}

// write uses the invitation up and takes the manager in. It may run more than once.
func (j *joining) write(tx *store.Tx) error {
	a, of := j.a, []any{tx.Manager(), string(j.a.keys.id)}
	j.wrong = false
	var by, usedBy string
	var ends, used int64
	found, err := tx.Row("SELECT id, name, made_by, ends_at, used_by, used_at FROM peer_invitation WHERE manager = $1 AND authority = $2 AND hash = $3",
		append(of, j.hash), &j.invitation, &j.name, &by, &ends, &usedBy, &used)
	if err != nil {
		return err
	}
	again := used != 0 && usedBy == string(j.from) && j.now.Sub(time.UnixMilli(used)) < repeatFor && !a.revokedSince(j.from, used)
	switch {
	case !found:
		j.wrong = true
		return peer.Refuse(peer.NotFound, "the token is not valid: it was withdrawn, or is not from here")
	case used != 0 && !again:
		j.wrong = true
		return peer.Refuse(peer.NotFound, "the token was used already: invite again")
	case !again && j.now.UnixMilli() >= ends:
		return peer.Refuse(peer.NotFound, "the token is over since %s: invite again", time.UnixMilli(ends).UTC().Format(time.RFC3339))
	}
	known, member, err := a.readMember(tx, j.from)
	if err != nil {
		return err
	}
	if member && known.key != j.key {
		return peer.Refuse(peer.Refused, "manager %s joined before with another key", j.from)
	}
	if !member {
		var count int
		if _, err := tx.Row("SELECT COUNT(*) FROM peer_lower WHERE manager = $1 AND authority = $2", of, &count); err != nil {
			return err
		}
		if count >= MaxMembers {
			return peer.Refuse(peer.Refused, "%d managers have joined, which is all there is room for", count)
		}
	}
	if !again {
		if n, err := tx.Exec("UPDATE peer_invitation SET used_by = $1, used_at = $2 WHERE manager = $3 AND authority = $4 AND hash = $5 AND used_at = 0",
			string(j.from), j.now.UnixMilli(), of[0], of[1], j.hash); err != nil || n != 1 {
			return orElse(err, peer.Refuse(peer.NotFound, "the token was used already: invite again"))
		}
	}
	if _, err := tx.Exec("INSERT INTO peer_lower (manager, authority, id, name, key, invited_by, joined_at, renewed_at, number, ends_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "+
		"ON CONFLICT (manager, authority, id) DO UPDATE SET name = excluded.name, invited_by = excluded.invited_by, joined_at = excluded.joined_at, "+
		"renewed_at = excluded.renewed_at, number = excluded.number, ends_at = excluded.ends_at",
		of[0], of[1], string(j.from), j.name, j.key, by, j.now.UnixMilli(), j.now.UnixMilli(), j.number, j.certificate.NotAfter.UnixMilli()); err != nil {
		return err
	}
	e := By{string(j.from), "peer " + j.origin}.entry("peer join", string(j.from))
	e.Became = fmt.Sprintf("%s, by invitation %s of %s", j.name, j.invitation, by)
	_, err = a.o.Audit.Add(tx, e)
	return err
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// revokedSince says whether a manager was revoked after a time, Unix milliseconds.
func (a *Authority) revokedSince(id peer.ID, since int64) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	e, ok := a.revoked.of[id]
	return ok && e.Time.UnixMilli() >= since
}

// AskOnce connects to an address, asks one question of the manager that is called to, and
// ends the connection.
type AskOnce func(ctx context.Context, address string, config *tls.Config, to peer.ID, kind string, body []byte) ([]byte, error)

// Join joins the manager at an address with a token that it made: when it returns, what is
// needed to link to it is on disk. It can be called again with the same token when it failed.
// Its errors wrap one of this package, or a *peer.Refusal.
func (a *Authority) Join(ctx context.Context, by By, address, text string, me peer.Manager, ask AskOnce) (Upper, error) {
	t, err := parseToken(text)
	if err != nil {
		return Upper{}, err
	}
	if t.authority == a.keys.id {
		return Upper{}, fmt.Errorf("%w: it is from this manager itself: run grove peer join on the other one", ErrToken)
	}
	if err := a.roomForUpper(t.authority); err != nil {
		return Upper{}, err
	}
	u, err := a.join(ctx, address, &t, me, ask)
	if err != nil {
		return Upper{}, fmt.Errorf("join %s: %w", address, err)
	}
	e := by.entry("peer join", string(u.ID))
	e.Became = u.Name + " at " + address
	if _, err := a.o.Audit.Append(ctx, e); err != nil {
		return Upper{}, fmt.Errorf("join %s: the audit log: %w: run the same again", address, err)
	}
	if err := a.keepUpper(u); err != nil {
		return Upper{}, fmt.Errorf("join %s: %w", address, err)
	}
	if told := a.told().Joined; told != nil {
		told(u.Upper)
	}
	a.nudge()
	return u.Upper, nil
}

func (a *Authority) join(ctx context.Context, address string, t *token, me peer.Manager, ask AskOnce) (*upper, error) {
	var f found
	config, err := a.joinConfig(t, &f)
	if err != nil {
		return nil, err
	}
	over := address == Cluster
	request, err := a.keys.request()
	if err != nil {
		return nil, err
	}
	me.ID, me.Protocol = a.keys.id, peer.Protocol
	body, err := json.Marshal(joinQuestion{t.secret[:], request, me})
	if err != nil {
		return nil, err
	}
	answer, err := ask(ctx, address, config, t.authority, kindJoin, body)
	root, wrong := f.out()
	if over && err == nil {
		root, wrong = t.rootIn(answer)
	}
	switch {
	case wrong != nil:
		return nil, wrong
	case err != nil:
		return nil, joinError(err, root != nil || over && !errors.Is(err, peer.ErrNobody))
	case root == nil:
		return nil, fmt.Errorf("%w: the connection did not prove to be one to manager %s", ErrFingerprint, t.authority)
	}
	now := a.o.Now()
	u := &upper{Upper: Upper{ID: t.authority, Address: address, Joined: now}, root: root}
	if err := a.take(u, answer, now); err != nil {
		return nil, err
	}
	return u, nil
}

// rootIn returns the certificate of the authority in an answer that came over a cluster, when
// it is the one that the token pins. That its manager has given the answer is proven by the
// certificate that it has signed, see take.
func (t *token) rootIn(answer []byte) (*x509.Certificate, error) {
	var got certificateAnswer
	if err := json.Unmarshal(answer, &got); err != nil {
		return nil, fmt.Errorf("manager %s gave an answer that cannot be read", t.authority)
	}
	root, err := x509.ParseCertificate(got.Root)
	if err != nil || !t.pins(sha256.Sum256(root.RawSubjectPublicKeyInfo)) || !signsItself(root) {
		return nil, fmt.Errorf("%w: manager %s did, and somebody else answers for it in the cluster", ErrFingerprint, t.authority)
	}
	return root, nil
}

// joinError says what it means that a question was not answered. Right is that the right
// manager was reached.
func joinError(err error, right bool) error {
	var refusal *peer.Refusal
	switch {
	case errors.As(err, &refusal) && refusal.Code == peer.NotFound:
		return fmt.Errorf("%w: %w", ErrUsed, err)
	case errors.As(err, &refusal):
		return err
	case right && strings.Contains(err.Error(), "bad certificate"):
		// It is all that TLS lets the other side say when it expects nobody.
		return fmt.Errorf("%w: %w", ErrUsed, err)
	case right:
		return fmt.Errorf("%w: %w", ErrSilent, err)
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

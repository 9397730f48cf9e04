package authority

import (
	"crypto/x509"
	"encoding/json"
	"testing"
	"time"

	"grove/notify/peer"
	"grove/tree/store/storetest"
)

func TestRenew(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		c := newClock()
		berlin, hamburg := open(t, db, "berlin", c, func(o *Options) { o.Life = 2 * time.Hour }), open(t, db, "hamburg", c)
		join(t, hamburg, berlin)
		first := hamburg.Uppers()[0].Ends
		c.add(90 * time.Minute)
		if err := renewed(t, hamburg, berlin); err != nil {
			t.Fatal(err)
		}
		ends := hamburg.Uppers()[0].Ends
		if ends.Sub(first) != 90*time.Minute {
			t.Errorf("it ends %v later", ends.Sub(first))
		}
		list, err := berlin.Lowers(t.Context())
		if err != nil || len(list) != 1 || !list[0].Ends.Equal(ends) || !list[0].Renewed.Equal(c.Now()) || !list[0].Joined.Equal(c.Now().Add(-90*time.Minute)) {
			t.Errorf("%+v: %v", list, err)
		}
		c.add(90 * time.Minute) // The first one is over, the link may go on.
		if err := berlin.Valid(hamburg.ID()); err != nil {
			t.Error(err)
		}
	})
}

func TestRenewRefuses(t *testing.T) {
	p := newPair(t)
	bremen := open(t, p.database, "bremen", p.hamburgs)
	join(t, bremen, p.berlin)
	own, err := p.hamburg.keys.introduce(p.hamburgs.Now())
	if err != nil {
		t.Fatal(err)
	}
	request := func(a *Authority) []byte {
		der, err := a.keys.request()
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	invite(t, p.berlin, "somebody") // Joiners may come, too.
	present := p.certificate(t).Raw
	for name, test := range map[string]struct {
		from  *Authority
		q     renewQuestion
		later time.Duration
		want  string
	}{
		"the certificate of another":  {p.hamburg, renewQuestion{Request: request(p.hamburg), Certificate: mustUpper(t, bremen, p.berlin).certificate.Raw}, 0, "is not one of manager"},
		"another's key":               {p.hamburg, renewQuestion{Request: request(bremen), Certificate: present}, 0, "is not one of manager"},
		"over the link of another":    {bremen, renewQuestion{Request: request(p.hamburg), Certificate: present}, 0, "is not one of manager"},
		"of another, who is told":     {bremen, renewQuestion{Request: request(bremen), Certificate: present}, 0, "is not one of manager"},
		"signed by itself":            {p.hamburg, renewQuestion{Request: request(p.hamburg), Certificate: own.Raw}, 0, "is not one of manager"},
		"no certificate":              {p.hamburg, renewQuestion{Request: request(p.hamburg)}, 0, "cannot be read"},
		"of another authority":        {p.hamburg, renewQuestion{Request: request(p.hamburg), Certificate: p.foreign(t)}, 0, "is not from here"},
		"over for a week":             {p.hamburg, renewQuestion{Request: request(p.hamburg), Certificate: present}, 8 * 24 * time.Hour, ""},
		"over for more than a month":  {p.hamburg, renewQuestion{Request: request(p.hamburg), Certificate: present}, 32 * 24 * time.Hour, "too long to be renewed"},
		"no request":                  {p.hamburg, renewQuestion{Certificate: present}, 0, "cannot be read"},
		"right, after all that":       {p.hamburg, renewQuestion{Request: request(p.hamburg), Certificate: present}, 0, ""},
		"right, and longer than need": {p.hamburg, renewQuestion{Request: request(p.hamburg), Certificate: present, Name: string(make([]byte, maxBody))}, 0, "has at most 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			p.berlins.add(test.later)
			defer p.berlins.add(-test.later)
			body, err := json.Marshal(test.q)
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.berlin.HandleRenew(t.Context(), test.from.ID(), body)
			if !has(err, test.want) || err != nil && !peer.IsRefusal(err, peer.Refused) && !peer.IsRefusal(err, peer.Invalid) {
				t.Errorf("%v; want %q", err, test.want)
			}
		})
	}
}

// foreign is a certificate of hamburg that another authority made.
func (p *pair) foreign(t *testing.T) []byte {
	t.Helper()
	c, err := p.hamburg.keys.certify(p.hamburg.ID(), p.hamburg.keys.identity.Public(), 1, x509.ExtKeyUsageClientAuth, p.hamburgs.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return c.Raw
}

// TestDue: by the clock here, whatever the authority's says.
func TestDue(t *testing.T) {
	p := newPair(t)
	u := mustUpper(t, p.hamburg, p.berlin)
	got := p.hamburgs.Now()
	const year = 365 * 24 * time.Hour
	for name, test := range map[string]struct {
		got, now time.Duration // as it was noted and as it is, against what the certificate says
		want     time.Duration // likewise
	}{
		"clocks that agree":              {0, time.Hour, 16 * time.Hour},
		"a clock that is an hour behind": {-time.Hour, 0, 15 * time.Hour},
		"a clock that is an hour ahead":  {time.Hour, 2 * time.Hour, 16 * time.Hour},
		"a clock of next year":           {year, year + time.Hour, year + 16*time.Hour},
		"one that was, and is right":     {year, time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			c := u.clone()
			c.got = got.Add(test.got)
			if due := c.due(got.Add(test.now)); !due.Equal(got.Add(test.want)) {
				t.Errorf("due at %v", due)
			}
		})
	}
}

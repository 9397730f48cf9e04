package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha512"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/template"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	whsec    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	whsecOld = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

func good(url string) *Options {
	o, _ := Kind().Options().(*Options)
	o.URL = url
	return o
}

// read makes a delivery of grove's own shape.
func read(r channeltest.Request) (channeltest.Delivery, bool) {
	var d document
	if json.Unmarshal(r.Body, &d) != nil || d.Version != 1 {
		return channeltest.Delivery{}, false
	}
	text, err := texts(r.Body)
	if d.Key != r.Header.Get("Idempotency-Key") {
		return channeltest.Delivery{}, false
	}
	return channeltest.Delivery{Key: r.Header.Get("webhook-id"), Group: d.Group, Text: text}, err == nil
}

// texts are all texts of a document of JSON.
func texts(body []byte) (string, error) {
	var all []string
	d := json.NewDecoder(bytes.NewReader(body))
	for {
		token, err := d.Token()
		if err == io.EOF {
			return strings.Join(all, "\n"), nil
		}
		if err != nil {
			return "", err
		}
		if text, ok := token.(string); ok {
			all = append(all, text)
		}
	}
}

func TestContractRecordingServer(t *testing.T) {
	bad := func(option string, change func(*Options)) channeltest.Bad {
		o := good("https://hooks.example.org/x")
		change(o)
		return channeltest.Bad{Options: o, Option: option}
	}
	channeltest.Run(t, channeltest.Subject{
		Kind: Kind(),
		Start: channeltest.HTTP(func(url string) any {
			o := good(url + "/hook?team=db")
			o.Sign, o.Bearer, o.Headers = []string{"env:SIGN"}, "env:BEARER", map[string]string{"X-Team": "db", "X-Token": "env:TOKEN"}
			o.HMAC = &HMAC{Secret: "env:HMAC"}
			return o
		}, read, nil),
		Secrets: map[string]string{"env:SIGN": whsec},
		Bad: []channeltest.Bad{
			bad("url", func(o *Options) { o.URL = "" }),
			bad("url", func(o *Options) { o.URL = "ftp://a/b" }),
			bad("url", func(o *Options) { o.URL = "https://me:open-sesame@a/b" }),
			bad("method", func(o *Options) { o.Method = "GET" }),
			bad("format", func(o *Options) { o.Format = "xml" }),
			bad("body", func(o *Options) { o.Format = "template" }),
			bad("body", func(o *Options) { o.Body = "x" }),
			bad("body", func(o *Options) { o.Format, o.Body = "template", "{{" }),
			bad("body", func(o *Options) { o.Format, o.Body = "template", `{"text": "{{.Title}}"}` }),
			bad("content_type", func(o *Options) { o.Type = "text/plain" }),
			bad("content_type", func(o *Options) { o.Format, o.Body, o.Type = "template", "x", "text/plain\r\nX: y" }),
			bad("password", func(o *Options) { o.User = "me" }),
			bad("password", func(o *Options) { o.User, o.Password = "me", "open-sesame" }),
			bad("user", func(o *Options) { o.Password = "env:X" }),
			bad("bearer", func(o *Options) { o.Bearer = "open-sesame" }),
			bad("bearer", func(o *Options) { o.User, o.Password, o.Bearer = "me", "env:X", "env:X" }),
			bad("headers.X-Token", func(o *Options) { o.Headers = map[string]string{"X-Token": "open-sesame"} }),
			bad("headers.Content-Type", func(o *Options) { o.Headers = map[string]string{"Content-Type": "x"} }),
			bad("headers.X", func(o *Options) { o.Headers = map[string]string{"X": "a\r\nb"} }),
			bad("headers", func(o *Options) { o.Headers = map[string]string{"a b": "x"} }),
			bad("headers.Authorization", func(o *Options) { o.Headers, o.Bearer = map[string]string{"Authorization": "env:X"}, "env:X" }),
			bad("sign[1]", func(o *Options) { o.Sign = []string{"env:X", "whsec_abc"} }),
			bad("hmac.secret", func(o *Options) { o.HMAC = &HMAC{} }),
			bad("hmac.hash", func(o *Options) { o.HMAC = &HMAC{Secret: "env:X", Hash: "md5"} }),
			bad("hmac.header", func(o *Options) { o.HMAC = &HMAC{Secret: "env:X", Header: "a b"} }),
			bad("timeout", func(o *Options) { o.Timeout = -time.Second }),
			bad("title", func(o *Options) { o.Title = "{{.Foo}}" }),
		},
	})
}

// exchange sends a message and returns the request that came of it.
func exchange(t *testing.T, o *Options, secrets map[string]string, m *channel.Message) channeltest.Request {
	t.Helper()
	s := channeltest.NewServer(t, nil)
	if o.URL == "" {
		o.URL = s.URL
	} else {
		secrets[o.URL] = s.URL + "/T00/B00/secret-path"
	}
	c, err := Kind().New(channeltest.NewWorld(t, channeltest.Subject{Secrets: secrets}), o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	return s.Requests()[0]
}

func TestSignaturesRecordingServer(t *testing.T) {
	m := template.Samples()["firing"]
	o := good("env:URL")
	o.Sign, o.User, o.Password = []string{"env:OLD", "env:NEW"}, "me", "env:PASSWORD"
	o.HMAC = &HMAC{Secret: "env:HMAC", Header: "X-Sig", Hash: "sha512", Prefix: "v1:"}
	r := exchange(t, o, map[string]string{"env:OLD": whsecOld, "env:NEW": whsec + "\n", "env:HMAC": "abc", "env:PASSWORD": "p"}, m)
	for _, secret := range []string{whsecOld, whsec} {
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := verifier.Verify(r.Body, r.Header); err != nil {
			t.Error(err)
		}
		if err := verifier.Verify(append(r.Body, ' '), r.Header); err == nil {
			t.Error("a body that was changed is taken")
		}
	}
	mac := hmac.New(sha512.New, []byte("abc"))
	mac.Write(r.Body)
	if want := "v1:" + hex.EncodeToString(mac.Sum(nil)); r.Header.Get("X-Sig") != want {
		t.Errorf("X-Sig is %s, want %s", r.Header.Get("X-Sig"), want)
	}
	if r.Header.Get("Authorization") != "Basic bWU6cA==" || r.Path != "/T00/B00/secret-path" || r.Header.Get("webhook-id") != identifier(m.Key) || r.Method != http.MethodPost {
		t.Errorf("%+v", r)
	}
	for key, same := range map[string]bool{"m1/route/1/2": true, "mäch/1": false, "a.b": false, "a b": false, "a\r\nb": false, "": false, strings.Repeat("x", 300): false} {
		if got := identifier(key); (got == key) != same || len(got) > 200 || got == "" {
			t.Errorf("%q becomes %q", key, got)
		}
	}
}

func TestSecretsThatCannotBeUsedAreNotTold(t *testing.T) {
	o := good("http://127.0.0.1:1/")
	o.Sign = []string{"env:SIGN"}
	c, err := Kind().New(channeltest.NewWorld(t, channeltest.Subject{Secrets: map[string]string{"env:SIGN": "whsec_not*base64"}}), o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Send(t.Context(), template.Samples()["firing"]); err == nil || strings.Contains(err.Error(), "not*base64") || channel.IsPermanent(err) {
		t.Errorf("%v", err)
	}
}

// TestTLSRecordingServer posts to a server with a certificate that is known, and to a stranger.
func TestTLSRecordingServer(t *testing.T) {
	ca, certificate, key := channeltest.Certificate(t)
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(channeltest.NewServer(t, nil))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	for _, tt := range []struct {
		ca        string
		delivered bool
	}{{ca, true}, {"", false}} {
		o := good(s.URL)
		o.TLS.CA = tt.ca
		c, err := Kind().New(channeltest.NewWorld(t, channeltest.Subject{}), o)
		if err != nil {
			t.Fatal(err)
		}
		err = c.Send(t.Context(), template.Samples()["firing"])
		if (err == nil) != tt.delivered || channel.IsPermanent(err) || err != nil && !strings.Contains(err.Error(), "certificate") {
			t.Errorf("ca %q: %v", tt.ca, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestFormatsRecordingServer(t *testing.T) {
	many := template.Samples()["firing, many"]
	t.Run("grove", func(t *testing.T) {
		o := good("")
		o.Title = "{{upper .Manager}}"
		r := exchange(t, o, nil, many)
		var d struct {
			Version int
			channel.Message
		}
		if err := json.Unmarshal(r.Body, &d); err != nil || d.Version != 1 || d.Message.Title != "GROVE" || len(d.Alerts) != 3 || d.Firing != 70 || d.Alerts[0].ID != 1 {
			t.Errorf("%s, %v", r.Body, err)
		}
	})
	t.Run("alertmanager", func(t *testing.T) {
		o := good("")
		o.Format = "alertmanager"
		var n notification
		r := exchange(t, o, nil, many)
		if err := json.Unmarshal(r.Body, &n); err != nil {
			t.Fatal(err)
		}
		if n.Version != "4" || n.Status != "firing" || n.Receiver != "databases" || n.GroupKey != many.Group || n.TruncatedAlerts != 68 || len(n.Alerts) != 3 ||
			n.Alerts[0].Status != "firing" || !n.Alerts[0].EndsAt.IsZero() || n.Alerts[2].Status != "resolved" || n.Alerts[0].Fingerprint != n.Alerts[2].Fingerprint ||
			n.CommonLabels["site"] != "berlin" || n.CommonLabels["path"] != "" || n.GroupLabels["instance"] != "shop-web1" || n.CommonAnnotations["grove_group"] != many.Group {
			t.Errorf("%s", r.Body)
		}
		if n := alertmanager(template.Samples()["resolved"]); n.Status != "resolved" {
			t.Errorf("%+v", n)
		}
		if n := alertmanager(template.Samples()["announcement"]); len(n.Alerts) != 1 || n.Alerts[0].Labels["alertname"] != "GroveAnnouncement" {
			t.Errorf("%+v", n)
		}
	})
	t.Run("cloudevents", func(t *testing.T) {
		o := good("")
		o.Format = "cloudevents"
		r := exchange(t, o, nil, many)
		e := cloudevents.NewEvent()
		if err := json.Unmarshal(r.Body, &e); err != nil {
			t.Fatalf("%v: %s", err, r.Body)
		}
		if err := e.Validate(); err != nil || e.ID() != many.Key || e.Type() != "grove.alert.firing" || e.Source() != "/grove/grove" || e.Subject() != many.Group ||
			fmt.Sprint(e.Extensions()["severitynumber"]) != "17" || r.Header.Get("Content-Type") != "application/cloudevents+json; charset=utf-8" {
			t.Errorf("%v, %s", err, e)
		}
	})
	t.Run("template", func(t *testing.T) {
		o := good("")
		o.Format, o.Method, o.Body = "template", http.MethodPut, `{"text": {{json .Title}}, "paths": [{{range $i, $a := .Alerts}}{{if $i}},{{end}}{{json .Path}}{{end}}]}`
		r := exchange(t, o, nil, many)
		want := `{"text": "[RED] /shop/web1/Connections/Active is red: 1200 connections, which is \u003e 1000", "paths": ["/shop/web1/Connections/Active","/shop/web1/Answer","/shop/web1/Connections/Active"]}`
		if diff := cmp.Diff(want, string(r.Body)); diff != "" || r.Method != http.MethodPut || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s", r.Method, diff)
		}
		o = good("")
		o.Format, o.Type, o.Body = "template", "text/plain; charset=utf-8", `{{.Title}}`
		if r := exchange(t, o, nil, channeltest.HostileMessage()); strings.ContainsAny(string(r.Body), "\r\n\x00\x1b") || r.Header.Get("Content-Type") != o.Type {
			t.Errorf("%q", r.Body)
		}
	})
}

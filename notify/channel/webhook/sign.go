package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"strconv"
	"strings"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"grove/notify/channel"
	"grove/notify/channel/post"
)

// authenticate adds the header fields of the options, and those that say who grove is.
func (h *hook) authenticate(r *post.Request) error {
	for name, text := range h.o.Headers {
		if h.world.CheckSecret(text) == nil {
			secret, err := h.Secret("headers."+name, text)
			if err != nil {
				return err
			}
			r.Secrets, text = append(r.Secrets, secret), secret
		}
		r.Header[name] = text
	}
	switch {
	case h.o.Bearer != "":
		secret, err := h.Secret("bearer", h.o.Bearer)
		if err != nil {
			return err
		}
		r.Secrets = append(r.Secrets, secret)
		r.Header["Authorization"] = "Bearer " + secret
	case h.o.User != "":
		secret, err := h.Secret("password", h.o.Password)
		if err != nil {
			return err
		}
		r.Secrets = append(r.Secrets, secret)
		r.Header["Authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(h.o.User+":"+secret))
	}
	return nil
}

// sign adds the signatures of a request.
func (h *hook) sign(r *post.Request, id string) error {
	if len(h.o.Sign) > 0 {
		now := h.world.Time()
		var signatures []string
		for i, ref := range h.o.Sign {
			option := "sign[" + strconv.Itoa(i) + "]"
			secret, err := h.Secret(option, ref)
			if err != nil {
				return err
			}
			r.Secrets = append(r.Secrets, secret, strings.TrimPrefix(secret, "whsec_"))
			// The error of the library may have a piece of the secret.
			signer, err := standardwebhooks.NewWebhook(secret)
			if err != nil {
				return channel.BadOption(option, "what it refers to is no secret of Standard Webhooks: whsec_ and base64")
			}
			signature, err := signer.Sign(id, now, r.Raw)
			if err != nil {
				return channel.BadOption(option, "signing fails")
			}
			signatures = append(signatures, signature)
		}
		r.Header[standardwebhooks.HeaderWebhookID] = id
		r.Header[standardwebhooks.HeaderWebhookTimestamp] = strconv.FormatInt(now.Unix(), 10)
		r.Header[standardwebhooks.HeaderWebhookSignature] = strings.Join(signatures, " ")
	}
	if h.o.HMAC == nil {
		return nil
	}
	secret, err := h.Secret("hmac.secret", h.o.HMAC.Secret)
	if err != nil {
		return err
	}
	r.Secrets = append(r.Secrets, secret)
	header, name, function := h.o.HMAC.Header, h.o.HMAC.Hash, func() hash.Hash { return sha256.New() }
	if header == "" {
		header = "X-Hub-Signature-256"
	}
	if name == "" {
		name = "sha256"
	}
	if name == "sha512" {
		function = func() hash.Hash { return sha512.New() }
	}
	prefix := h.o.HMAC.Prefix
	if prefix == "" {
		prefix = name + "="
	}
	mac := hmac.New(function, []byte(secret))
	mac.Write(r.Raw)
	r.Header[header] = prefix + hex.EncodeToString(mac.Sum(nil))
	return nil
}

// identifier is the key of a message as a header field takes it: printable ASCII, or its
// hash. A point would end it in what Standard Webhooks sign.
func identifier(key string) string {
	if key != "" && len(key) <= 200 && !strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' || r == '.' }) {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

package cloudevents

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
)

// cover hides numbers that count events, those of others among them: it puts a text in the
// place of each that tells nothing but is the same each time. It is one block of AES
// (FIPS 197) under a key of this life of the manager.
type cover struct{ block cipher.Block }

func newCover() (*cover, error) {
	var key [16]byte
	_, _ = rand.Read(key[:]) // It never fails, or ends the program.
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("cloudevents: %w", err)
	}
	return &cover{block}, nil
}

// What a covered number is one of: equal numbers of two kinds have different texts.
const (
	ofStream byte = iota + 1
	ofSource
)

func (c *cover) text(kind byte, n uint64) string {
	var b [aes.BlockSize]byte
	b[0] = kind
	binary.BigEndian.PutUint64(b[8:], n)
	c.block.Encrypt(b[:], b[:])
	return hex.EncodeToString(b[:])
}

// close covers the number of an event in the stream.
func (c *cover) close(n uint64) string { return c.text(ofStream, n) }

// open is the number that close covered.
func (c *cover) open(text string) (n uint64, ok bool) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != aes.BlockSize {
		return 0, false
	}
	c.block.Decrypt(b, b)
	for i, v := range b[:8] {
		if i == 0 && v != ofStream || i > 0 && v != 0 {
			return 0, false
		}
	}
	return binary.BigEndian.Uint64(b[8:]), true
}

// event is an event as JSON without the number that it has at its source, which goes on
// with every event of that source.
func (c *cover) event(e event.Event, run string) []byte {
	e = e.Clone()
	if n, err := strconv.ParseUint(strings.TrimPrefix(e.ID(), run+"-"), 10, 64); err == nil {
		e.SetID(run + "-" + c.text(ofSource, n))
	}
	var data payload
	var plain struct {
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data,omitempty"`
	}
	_ = json.Unmarshal(e.Data(), &plain) // It was made of just these.
	data.Message = plain.Message
	if plain.Data != nil {
		data.Data = plain.Data
	}
	if text, err := json.Marshal(data); err == nil {
		_ = e.SetData(event.ApplicationJSON, json.RawMessage(text)) // JSON always fits.
	}
	text, err := json.Marshal(e)
	if err != nil {
		return []byte("{}") // Cannot be: it was written with its numbers before.
	}
	return text
}

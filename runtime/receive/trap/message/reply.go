package message

import "fmt"

// Reply is the answer to an inform that was taken. In version 2c it is the message itself
// with another tag: RFC 3416 section 4.2.7 has the varbinds come back as they were. A
// message with an error status was refused before.
func Reply(datagram []byte) ([]byte, error) {
	in := Reader(datagram)
	content, err := in.Expect(TagSequence, "message")
	if err != nil {
		return nil, err
	}
	body := Reader(content)
	for range 2 { // version and community
		if _, _, err := body.Element(); err != nil {
			return nil, err
		}
	}
	at := len(datagram) - len(body)
	if datagram[at] != TagInform {
		return nil, fmt.Errorf("a message of kind %#x is no inform", datagram[at])
	}
	out := append([]byte(nil), datagram...)
	out[at] = tagResponse
	return out, nil
}

package redis

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// The bounds of answers. A server says how long its answers are before it sends them, so
// that what it says is not to be trusted with memory.
const (
	maxLine = 64 << 10 // bytes of a line
	maxBulk = 4 << 20  // bytes of a text
	maxRun  = 8 << 20  // bytes that one run may read
)

// refusal is an error that the server answers: "WRONGPASS invalid username-password pair".
type refusal string

func (r refusal) Error() string { return string(r) }

var errProtocol = errors.New("the answer is not one of Redis")

// send writes a command as an array of bulk strings: RESP, version 2.
func send(w io.Writer, args ...string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// receive reads an answer: a text, an int64, nil, or a refusal as the error. Arrays are
// none of the answers of the commands that are sent.
func receive(r *bufio.Reader) (any, error) {
	line, err := readLine(r)
	if err != nil {
		return nil, err
	}
	if line == "" {
		return nil, errProtocol
	}
	switch rest := line[1:]; line[0] {
	case '+':
		return rest, nil
	case '-':
		return nil, refusal(rest)
	case ':':
		n, err := strconv.ParseInt(rest, 10, 64)
		if err != nil {
			return nil, errProtocol
		}
		return n, nil
	case '$':
		n, err := strconv.Atoi(rest)
		switch {
		case err != nil || n < -1:
			return nil, errProtocol
		case n == -1:
			return nil, nil
		case n > maxBulk:
			return nil, fmt.Errorf("an answer of %d bytes, more than %d", n, maxBulk)
		}
		text := make([]byte, n+2)
		if _, err := io.ReadFull(r, text); err != nil {
			return nil, err
		}
		if string(text[n:]) != "\r\n" {
			return nil, errProtocol
		}
		return string(text[:n]), nil
	}
	return nil, errProtocol
}

func readLine(r *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return "", fmt.Errorf("a line of more than %d bytes", maxLine)
		case err == nil:
			text, ok := strings.CutSuffix(string(line), "\r\n")
			if !ok {
				return "", errProtocol
			}
			return text, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		}
	}
}

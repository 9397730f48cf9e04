package dial

import (
	"errors"
	"net"
	"strconv"
)

// Split takes an address apart into host and port, and says what is wrong with it.
func Split(address string) (host, port string, err error) {
	if address == "" {
		return "", "", errors.New("is needed: host and port, such as db1:5432")
	}
	host, port, err = net.SplitHostPort(address)
	if err != nil {
		return "", "", errors.New("is not a host and a port, such as db1:5432 or [2001:db8::1]:22")
	}
	if host == "" || len(host) > 253 {
		return "", "", errors.New("the host is empty or longer than 253 bytes")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", "", errors.New("the port is not a number from 1 to 65535")
	}
	return host, port, nil
}

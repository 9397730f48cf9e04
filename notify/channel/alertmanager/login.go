package alertmanager

import "encoding/base64"

// login returns the header fields that say who grove is, and the secrets in them.
func (f *feeder) login() (header map[string]string, secrets []string, err error) {
	var text, secret string
	switch {
	case f.o.Bearer != "":
		if secret, err = f.Secret("bearer", f.o.Bearer); err != nil {
			return nil, nil, err
		}
		text = "Bearer " + secret
	case f.o.User != "":
		if secret, err = f.Secret("password", f.o.Password); err != nil {
			return nil, nil, err
		}
		text = "Basic " + base64.StdEncoding.EncodeToString([]byte(f.o.User+":"+secret))
	default:
		return nil, nil, nil
	}
	return map[string]string{"Authorization": text}, []string{secret}, nil
}

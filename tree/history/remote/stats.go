package remote

import "time"

// Stats tell how a target is served, since the start unless they say otherwise.
type Stats struct {
	Name string
	// Sent are samples that the store took, Failed those that it refused for good.
	// Repeated are refused ones, too, but may have been sent before a restart: a store
	// that takes no older samples refuses what it has. Lost are segments of the log
	// that were dropped or damaged before they were sent.
	Sent, Failed, Repeated, Lost int64
	Requests, Retries            int64
	Bytes                        int64 // of requests, compressed
	// Pending are the bytes of the log that are still to be read; about 8 are a sample.
	Pending int64
	// Behind is how old the oldest sample is that was read and is not taken yet; it is
	// zero when everything is.
	Behind time.Duration
	// Error is why the newest request was not taken; empty when it was. It never holds
	// a secret.
	Error string
}

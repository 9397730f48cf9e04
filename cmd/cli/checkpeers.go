package cli

import (
	"fmt"

	"grove/notify/peer/settings"
	"grove/tree/definition/source"
)

// maxPeersFile bounds a file of peers.
const maxPeersFile = 1 << 20

// checkPeers checks those of the files that are files of peers. It returns what is in each of
// them, the files that are others, and what is wrong.
func checkPeers(files []string) (said, others []string, errs source.Errors) {
	for _, file := range files {
		text, err := readRegular(file, maxPeersFile)
		if err != nil || !settings.Is(file, text) {
			others = append(others, file) // Who reads definitions says what is wrong.
			continue
		}
		s, bad := settings.Read(file, text)
		if len(bad) > 0 {
			errs.Append(bad...)
			continue
		}
		listens := "listens nowhere"
		if len(s.Listen) > 0 {
			listens = "listens at " + s.Listen[0]
		}
		said = append(said, fmt.Sprintf("peers: %s, %s, %s", listens, count(len(s.Branches), "branch rule"), count(len(s.StandIn), "stand-in")))
	}
	return said, others, errs
}

package branch

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"grove/notify/peer"
	"grove/tree"
)

// The kinds of messages.
const (
	kindOpen     = "branch.open"     // openQuestion -> openAnswer: follow a part of the tree
	kindSnapshot = "branch.snapshot" // feedQuestion -> snapshotAnswer: what it is now
	kindPiece    = "branch.piece"    // pieceQuestion -> a frame
	kindDeltas   = "branch.deltas"   // feedQuestion -> the frames after a number, each with its length before it
	kindKeep     = "branch.keep"     // feedQuestion -> openAnswer: I still follow
	kindClose    = "branch.close"    // feedQuestion, sent: I do not any more
)

// openQuestion asks for a part of the tree.
type openQuestion struct {
	Protocol int       `json:"protocol"`
	Under    tree.Path `json:"under"`
	// Chain is who asks, and for whom he asks; Joined are those whose trees he joins
	// himself. Their trees are left out.
	Chain  []peer.ID `json:"chain"`
	Joined []peer.ID `json:"joined"`
}

// openAnswer names a feed, and its latest delta. Its stream is "branch/<feed>".
type openAnswer struct {
	Feed   string `json:"feed"`
	Number uint64 `json:"number"`
}

// feedQuestion is about a feed, and the deltas after a number.
type feedQuestion struct {
	Feed   string `json:"feed"`
	Number uint64 `json:"number,omitempty"`
}

// snapshotAnswer says how many pieces a snapshot has, and which deltas it covers.
type snapshotAnswer struct {
	Number uint64 `json:"number"`
	Pieces int    `json:"pieces"`
	Nodes  int    `json:"nodes"`
}

// pieceQuestion asks for one piece of a snapshot.
type pieceQuestion struct {
	Feed   string `json:"feed"`
	Number uint64 `json:"number"`
	Piece  int    `json:"piece"`
}

// maxIDs bounds the lists of an openQuestion.
const maxIDs = 10_000

func decode[T any](body []byte) (v T, err error) {
	if err := json.Unmarshal(body, &v); err != nil {
		return v, peer.Refuse(peer.Invalid, "the question about a joined tree: %v", err)
	}
	return v, nil
}

// appendDelta puts a frame into an answer to kindDeltas; eachDelta takes them out again.
func appendDelta(b, delta []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(delta)))
	return append(b, delta...)
}

var errDeltas = errors.New("deltas of a joined tree that cannot be read")

func eachDelta(body []byte, take func([]byte) error) error {
	for len(body) > 0 {
		n, used := binary.Uvarint(body)
		if used <= 0 || n > uint64(len(body)-used) {
			return fmt.Errorf("%w: they end too early", errDeltas)
		}
		if err := take(body[used : used+int(n)]); err != nil {
			return err
		}
		body = body[used+int(n):]
	}
	return nil
}

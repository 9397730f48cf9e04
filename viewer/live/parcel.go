package live

import (
	"sync"
	"sync/atomic"

	"github.com/gorilla/websocket"
)

// parcel is an encoded frame on its way to clients, of which most often there is either
// one or all. Preparing a message takes a write buffer of its own, so that it is done for
// the second client.
type parcel struct {
	kind int    // of message, as the websocket package numbers them
	data []byte // not changed any more
	sent atomic.Bool

	once     sync.Once
	prepared *websocket.PreparedMessage
	wrong    error
}

// write sends the parcel to one more client.
func (p *parcel) write(ws *websocket.Conn) error {
	if !p.sent.Swap(true) {
		return ws.WriteMessage(p.kind, p.data)
	}
	p.once.Do(func() { p.prepared, p.wrong = websocket.NewPreparedMessage(p.kind, p.data) })
	if p.wrong != nil {
		return p.wrong
	}
	return ws.WritePreparedMessage(p.prepared)
}

package definitions_test

import (
	"fmt"
	"os/exec"
	"testing"

	"grove/tree"
)

const socketServer = `
import asyncio, sys, websockets
async def handle(ws, path=None):
    async for message in ws:
        pass
async def main():
    async with websockets.serve(handle, "127.0.0.1", int(sys.argv[1])):
        await asyncio.Future()
asyncio.run(main())
`

// TestWebServiceSocket runs the definition of a web service on pages of nginx and a
// WebSocket of Debian's python3-websockets, which is taken away.
func TestWebServiceSocket(t *testing.T) {
	if err := exec.Command("/usr/bin/python3", "-c", "import websockets").Run(); err != nil {
		t.Skip("python3-websockets is not installed")
	}
	s := startNginx(t)
	port := freePort(t)
	d := newDaemon(t, func() *exec.Cmd { return exec.Command("/usr/bin/python3", "-c", socketServer, fmt.Sprint(port)) })
	d.start()
	reachable(t, loopback(port))
	w := grow(t, fmt.Sprintf(`
use: web-service
at: /shop/prices
with: { url: "http://%s/", socket: true, socket_url: "ws://%s/prices", every: 200ms }
`, s.plain, loopback(port)))
	w.is("/shop/prices/Socket/State", tree.Green)
	w.within("/shop/prices/Socket/Handshake", 1e-6, 5)
	w.within("/shop/prices/Socket/Ping", 1e-6, 5)
	w.within("/shop/prices/Steps/Connecting", 1e-6, 5)
	w.until("every node has a reading", func() bool { return len(w.white("/shop/prices")) == 0 })
	w.is("/shop/prices", tree.Green)

	d.stop()
	w.is("/shop/prices/Socket/State", tree.Red)
	w.says("/shop/prices/Socket/Error", "connection refused")
	w.is("/shop/prices/Up", tree.Green)
	w.is("/shop/prices", tree.Red)
}

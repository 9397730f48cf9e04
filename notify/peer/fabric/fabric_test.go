package fabric_test

import (
	"testing"

	"grove/notify/peer"
	"grove/notify/peer/fabric"
	"grove/notify/peer/peertest"
)

// TestFabricKeepsTheContract runs the contract over servers inside managers: the first one
// listens, both others call it.
func TestFabricKeepsTheContract(t *testing.T) {
	for _, scheme := range []string{"tls://127.0.0.1:0", "wss://127.0.0.1:0/peer"} {
		t.Run(scheme[:3], func(t *testing.T) {
			t.Parallel()
			peertest.Contract(t, func(t *testing.T) peertest.World {
				ca := newCA(t)
				hub := manager(t, fabric.Options{Self: first, Security: ca.security(t, first, hour), Listen: []string{scheme}, Pings: patient})
				address := hub.Addresses()[0]
				between := newPass(t, hostOf(t, address))
				fabrics := []*fabric.Fabric{hub}
				for _, id := range []peer.ID{second, third} {
					f := manager(t, fabric.Options{Self: id, Security: ca.security(t, id, hour), Pings: patient})
					to := address
					if id == second {
						to = scheme[:3] + "://" + between.listener.Addr().String()
					}
					if err := f.Connect(to, first); err != nil {
						t.Fatal(err)
					}
					linked(t, f, hub)
					fabrics = append(fabrics, f)
				}
				return peertest.World{
					Fabrics: [3]peer.Fabric{fabrics[0], fabrics[1], fabrics[2]},
					Break:   func(*testing.T) { between.set(true, false) },
					Mend:    func(*testing.T) { between.set(false, false) },
				}
			})
		})
	}
}

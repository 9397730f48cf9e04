package trap

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"grove/notify/channel/channeltest"
)

// acknowledger is a receiver of informs of version 2c that plays a part.
func acknowledger(t *testing.T, m channeltest.Mood) *channeltest.Counterpart {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex // guards got
	var got []channeltest.Delivery
	var done sync.WaitGroup
	done.Go(func() {
		b := make([]byte, maxAnswer)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			p, err := (&gosnmp.GoSNMP{Version: gosnmp.Version2c}).SnmpDecodePacket(b[:n])
			if err != nil {
				continue
			}
			d := channeltest.Delivery{Size: n}
			for _, v := range p.Variables {
				text, ok := v.Value.([]byte)
				switch name := strings.TrimPrefix(v.Name, "."+DefaultEnterprise); {
				case !ok || strings.HasPrefix(name, ".1.1.1.18.") || strings.HasPrefix(name, ".1.1.1.19."): // times
				case name == ".1.2.1.0":
					d.Key = string(text)
				case name == ".1.2.2.0":
					d.Group = string(text)
				default:
					d.Text += string(text) + "\n"
				}
			}
			mu.Lock()
			got = append(got, d)
			mu.Unlock()
			if m == channeltest.Silent {
				continue
			}
			p.PDUType = gosnmp.GetResponse
			if m == channeltest.Refusing {
				p.Error = gosnmp.AuthorizationError
			}
			if out, err := p.MarshalMsg(); err == nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	})
	t.Cleanup(func() { conn.Close(); done.Wait() })
	return &channeltest.Counterpart{
		Options: options(func(o *Options) {
			o.Targets, o.Inform, o.Timeout = []string{conn.LocalAddr().String()}, true, 10*time.Second
		}),
		Received: func() []channeltest.Delivery {
			mu.Lock()
			defer mu.Unlock()
			return append([]channeltest.Delivery(nil), got...)
		},
	}
}

func TestContractStandIn(t *testing.T) {
	channeltest.Run(t, channeltest.Subject{
		Kind: Kind(),
		Start: func(t *testing.T, m channeltest.Mood) *channeltest.Counterpart {
			switch m {
			case channeltest.Well, channeltest.Silent, channeltest.Refusing:
				return acknowledger(t, m)
			case channeltest.Reset:
				return &channeltest.Counterpart{Options: options(func(o *Options) { o.Targets, o.Inform = []string{gone(t)}, true })}
			case channeltest.Broken, channeltest.Busy: // a receiver has no such answer
			}
			return nil
		},
		Bad: []channeltest.Bad{
			{Options: options(func(o *Options) { o.Targets = nil }), Option: "targets"},
			{Options: options(func(o *Options) { o.Targets = []string{"a:1", " "} }), Option: "targets[1]"},
			{Options: options(func(o *Options) { o.Community = "public" }), Option: "community"},
		},
	})
}

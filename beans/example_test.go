package beans_test

import (
	"context"
	"fmt"
	"sync"

	"grove/beans"
)

// Reader is a component: it holds its lock where it uses its fields.
type Reader struct {
	mu      sync.Mutex
	Address string `bean:"address,rw" doc:"Where the feed is read from."`
	Lines   int    `bean:"lines" unit:"lines" doc:"Lines read so far."`
}

func (r *Reader) CheckAddress(a string) error {
	if a == "" {
		return fmt.Errorf("the feed needs an address")
	}
	return nil
}

func (r *Reader) Start(context.Context) error { return nil }
func (r *Reader) Stop(context.Context) error  { return nil }

func ExampleServer() {
	server, err := beans.NewServer(beans.ServerOptions{DefaultDomain: "grove"})
	if err != nil {
		fmt.Println(err)
		return
	}
	cancel, err := server.Subscribe(beans.DelegateName, func(n beans.Notification) {
		fmt.Println(n.Type, n.Data.(beans.Registration).Name)
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cancel()

	reader := &Reader{Address: "feed:1"}
	bean, err := beans.NewStandard(reader, beans.StandardOptions{Lock: &reader.mu})
	if err != nil {
		fmt.Println(err)
		return
	}
	name, err := server.Register(bean, beans.MustName(":type=Reader,name=first"))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	names, _ := server.Query(ctx, beans.MustName("grove:type=Reader,*"), beans.InitialSubstring(beans.Attr("address"), "feed"))
	fmt.Println(names)
	fmt.Println(server.Attribute(ctx, name, "lines"))
	fmt.Println(server.SetAttribute(ctx, name, "lines", 7))
	// Output:
	// JMX.mbean.registered grove:type=Reader,name=first
	// [grove:type=Reader,name=first]
	// 0 <nil>
	// set grove:name=first,type=Reader: read-only attribute "lines"
}

func ExampleNewStandard() {
	reader := &Reader{Address: "feed:1"}
	bean, err := beans.NewStandard(reader, beans.StandardOptions{Lock: &reader.mu})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, a := range bean.Info().Attributes {
		fmt.Println(a.Name, a.Type, a.Writable)
	}
	ctx := context.Background()
	fmt.Println(bean.SetAttribute(ctx, "address", ""))
	_, err = bean.Invoke(ctx, "start", nil)
	state, _ := bean.Attribute(ctx, "state")
	fmt.Println(state, err)
	// Output:
	// address string true
	// lines int64 false
	// state string false
	// attribute "address": invalid value: the feed needs an address
	// running <nil>
}

package notify_test

import (
	"context"
	"fmt"

	"grove/beans"
	"grove/notify"
)

func ExampleBus() {
	bus := notify.NewBus()
	sub, err := bus.Subscribe(notify.Options{
		Name:   "shop pager",
		Types:  []string{"grove.status."},
		Source: notify.Within("path", "/shop"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	web1 := bus.Source(beans.MustName("grove:type=Node,path=/shop/web1"))
	disk := bus.Source(beans.MustName("grove:type=Node,path=/host/disk"))
	web1.Publish("grove.status.changed", "/shop/web1 turned red", "red")
	disk.Publish("grove.status.changed", "/host/disk turned yellow", "yellow")

	n, err := sub.Next(context.Background())
	fmt.Println(n.Sequence, n.Source, n.Message, n.Lost, err)
	sub.Close()
	fmt.Println(bus.Close(context.Background()))
	// Output:
	// 1 grove:type=Node,path=/shop/web1 /shop/web1 turned red 0 <nil>
	// <nil>
}

package beans

import "time"

// Notification is a typed record that a bean emits (javax.management.Notification).
type Notification struct {
	Type     string    // dotted, "grove.status.changed"
	Source   Name      // the bean that emitted it; the server fills it in
	Sequence int64     // rises by one per source
	Time     time.Time // when it was emitted
	Message  string    // for people
	Data     Value     // user data; nil when there is none
}

// Listener receives notifications. It is called from a goroutine that emits, one
// call at a time per subscription and in the order of emission. It must return
// soon, and must not wait for anything that the emitting bean does.
type Listener func(n Notification)

// Filter lets a notification through when it returns true; a nil Filter lets
// everything through. See [TypePrefixes] and [AttributeNames].
type Filter func(n Notification) bool

// Emitter is a bean that emits notifications. The function that Subscribe
// returns ends the subscription; it may be called more than once, and no call of
// the listener begins after it returned.
type Emitter interface {
	Bean
	Subscribe(listener Listener, filter Filter) (cancel func())
}

// Notification types that beans of every kind share, as in JMX.
const (
	TypeRegistered      = "JMX.mbean.registered"
	TypeUnregistered    = "JMX.mbean.unregistered"
	TypeAttributeChange = "jmx.attribute.change"
	TypeInfoChanged     = "jmx.mbean.info.changed"
)

// AttributeChange is the Data of a notification of TypeAttributeChange.
type AttributeChange struct {
	Attribute string
	Type      Type
	Old, New  Value
}

// Registration is the Data of a notification of TypeRegistered and
// TypeUnregistered.
type Registration struct {
	Name Name
}

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

// Detailed is the Data of a notification that has fields of its own, which in JMX
// makes it an instance of a subclass. NotificationFields returns them under their
// names in JMX, and the user data beside them.
type Detailed interface {
	NotificationFields() (fields []AttributeValue, userData Value)
}

// AttributeChange is the Data of a notification of TypeAttributeChange.
type AttributeChange struct {
	Attribute string
	Type      Type
	Old, New  Value
}

// NotificationFields implements Detailed (AttributeChangeNotification). The type is
// in Go's words, as in Info.
func (c AttributeChange) NotificationFields() ([]AttributeValue, Value) {
	return []AttributeValue{
		{"attributeName", c.Attribute}, {"attributeType", c.Type}, {"oldValue", c.Old}, {"newValue", c.New},
	}, nil
}

// Registration is the Data of a notification of TypeRegistered and
// TypeUnregistered.
type Registration struct {
	Name Name
}

// NotificationFields implements Detailed (MBeanServerNotification).
func (r Registration) NotificationFields() ([]AttributeValue, Value) {
	return []AttributeValue{{"mBeanName", r.Name}}, nil
}

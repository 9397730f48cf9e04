package value

import "grove/beans"

// javaTypes are the names of types that JMX clients expect (javax.management.MBeanInfo).
// A duration is a number of seconds.
var javaTypes = map[beans.Type]string{
	beans.TypeVoid:     "void",
	beans.TypeBool:     "boolean",
	beans.TypeInt:      "long",
	beans.TypeFloat:    "double",
	beans.TypeString:   "java.lang.String",
	beans.TypeTime:     "java.util.Date",
	beans.TypeDuration: "double",
	beans.TypeName:     "javax.management.ObjectName",
	beans.TypeStrings:  "[Ljava.lang.String;",
	beans.TypeFloats:   "[D",
	beans.TypeInts:     "[J",
	beans.TypeList:     "java.util.List",
	beans.TypeMap:      "java.util.Map",
	beans.TypeTable:    "[Ljavax.management.openmbean.CompositeData;",
	beans.TypeAny:      "java.lang.Object",
}

// JavaType is the Java name of a type.
func JavaType(t beans.Type) string {
	if name, ok := javaTypes[t]; ok {
		return name
	}
	return "java.lang.Object"
}

// AttributeType is the Java name of the type of an attribute.
func AttributeType(a beans.AttributeInfo) string {
	if original := a.Descriptor[beans.FieldOriginalType]; original != "" {
		return original
	}
	if a.Type == beans.TypeTable && a.Key != "" {
		return "javax.management.openmbean.TabularData"
	}
	return JavaType(a.Type)
}

// ParameterType is the Java name of the type of a parameter.
func ParameterType(p beans.ParameterInfo) string {
	if original := p.Descriptor[beans.FieldOriginalType]; original != "" {
		return original
	}
	return JavaType(p.Type)
}

// ReturnType is the Java name of the type of a result.
func ReturnType(o beans.OperationInfo) string {
	if original := o.Descriptor[beans.FieldOriginalType]; original != "" {
		return original
	}
	return JavaType(o.Returns)
}

// simpleTypes are the names of javax.management.openmbean.SimpleType.
var simpleTypes = map[beans.Type]string{
	beans.TypeVoid:     "java.lang.Void",
	beans.TypeBool:     "java.lang.Boolean",
	beans.TypeInt:      "java.lang.Long",
	beans.TypeFloat:    "java.lang.Double",
	beans.TypeString:   "java.lang.String",
	beans.TypeTime:     "java.util.Date",
	beans.TypeDuration: "java.lang.Double",
	beans.TypeName:     "javax.management.ObjectName",
}

// OpenType is the open type of a type, as the list shows it: a name or an Object; nil
// if there is none, as for lists and maps of anything.
func OpenType(t beans.Type) any {
	array := func(class string, primitive bool, of beans.Type) any {
		return Object{
			{"kind", "array"}, {"type", class}, {"class", class}, {"desc", "1-dimension array of " + simpleTypes[of]},
			{"primitive", primitive}, {"dimension", 1}, {"elemType", simpleTypes[of]},
		}
	}
	switch t {
	case beans.TypeStrings:
		return array("[Ljava.lang.String;", false, beans.TypeString)
	case beans.TypeFloats:
		return array("[D", true, beans.TypeFloat)
	case beans.TypeInts:
		return array("[J", true, beans.TypeInt)
	}
	if name, ok := simpleTypes[t]; ok {
		return name
	}
	return nil
}

// AttributeOpenType is OpenType for an attribute: a table with columns of open types
// is an array of composites, or tabular if it has a key.
func AttributeOpenType(a beans.AttributeInfo) any {
	if a.Type != beans.TypeTable {
		return OpenType(a.Type)
	}
	if len(a.Columns) == 0 {
		return nil
	}
	const composite = "javax.management.openmbean.CompositeData"
	items := Object{}
	for _, c := range a.Columns {
		item := AttributeOpenType(c)
		if item == nil {
			return nil
		}
		items = append(items, Member{c.Name, item})
	}
	row := Object{{"kind", "composite"}, {"type", a.Name}, {"class", composite}, {"desc", a.Description}, {"items", items}}
	if a.Key == "" {
		return Object{
			{"kind", "array"}, {"type", "[L" + a.Name + ";"}, {"class", "[L" + composite + ";"}, {"desc", a.Description},
			{"primitive", false}, {"dimension", 1}, {"elemType", row},
		}
	}
	return Object{
		{"kind", "tabular"}, {"type", a.Name}, {"class", "javax.management.openmbean.TabularData"}, {"desc", a.Description},
		{"index", []any{a.Key}}, {"rowType", row},
	}
}

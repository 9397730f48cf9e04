package process

import (
	"grove/beans"
)

func number(name, unit, description string) beans.AttributeInfo {
	return beans.AttributeInfo{Name: name, Type: beans.TypeFloat, Unit: unit, Description: description, Readable: true}
}

func count(name, unit, description string) beans.AttributeInfo {
	return beans.AttributeInfo{Name: name, Type: beans.TypeInt, Unit: unit, Description: description, Readable: true}
}

func text(name, description string) beans.AttributeInfo {
	return beans.AttributeInfo{Name: name, Type: beans.TypeString, Description: description, Readable: true}
}

// sums describes what all processes come to.
var sums = []beans.AttributeInfo{
	count("count", "processes", "How many processes fit; zombies do not count."),
	{Name: "up", Type: beans.TypeBool, Description: "Whether at least one process fits.", Readable: true},
	count("zombies", "processes", "How many fit that have ended while their parent has not noticed."),
	number("cpu", "%", "Processor time of all of them; 100 % is one processor."),
	number("memory", "bytes", "Resident memory of all of them; memory that they share counts several times."),
	count("threads", "threads", "Threads of all of them."),
	count("fds", "files", "Open files of all of them; only root and the same user may count them."),
	number("age", "s", "Time since the oldest started."),
	number("youngest_age", "s", "Time since the youngest started."),
	text("started", "When the oldest started, as RFC 3339 in UTC."),
}

// tableByPID describes a row a process.
func tableByPID(arguments bool) beans.AttributeInfo {
	columns := []beans.AttributeInfo{
		text("pid", "Number of the process."),
		text("name", "Name of the program."),
		text("user", "Name of the user that it runs as."),
		text("state", "Its state: running, sleeping, waiting for disk, stopped, idle."),
		number("cpu", "%", "Processor time; 100 % is one processor."),
		number("memory", "bytes", "Resident memory."),
		count("threads", "threads", "Threads."),
		count("fds", "files", "Open files."),
		number("age", "s", "Time since it started."),
	}
	if arguments {
		columns = append(columns, text("arguments", "Command line, cut at 1000 bytes."))
	}
	return beans.AttributeInfo{
		Name: "processes", Type: beans.TypeTable, Description: "One row a process, the oldest first.", Readable: true,
		Columns: columns, Key: "pid",
	}
}

// tableByName describes a row a name.
var tableByName = beans.AttributeInfo{
	Name: "processes", Type: beans.TypeTable, Description: "One row a name of programs.", Readable: true,
	Columns: []beans.AttributeInfo{
		text("name", "Name of the program."),
		count("count", "processes", "Processes of this name."),
		number("cpu", "%", "Processor time of all of them; 100 % is one processor."),
		number("memory", "bytes", "Resident memory of all of them."),
		count("threads", "threads", "Threads of all of them."),
		count("fds", "files", "Open files of all of them."),
		number("age", "s", "Time since the oldest of them started."),
	},
	Key: "name",
}

// columnNames lists the columns of a table's description.
func columnNames(t beans.AttributeInfo) []string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return names
}

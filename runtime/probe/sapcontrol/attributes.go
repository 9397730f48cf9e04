package sapcontrol

import (
	"strings"

	"grove/beans"
)

func attribute(name string, t beans.Type, unit, description string) beans.AttributeInfo {
	return beans.AttributeInfo{Name: name, Type: t, Unit: unit, Description: description, Readable: true}
}

func text(name, description string) beans.AttributeInfo {
	return attribute(name, beans.TypeString, "", description)
}

func count(name, unit, description string) beans.AttributeInfo {
	return attribute(name, beans.TypeInt, unit, description)
}

func counter(name, unit, description string) beans.AttributeInfo {
	a := count(name, unit, description)
	a.Descriptor = map[string]string{"metricType": "counter"}
	return a
}

func tableOf(name, key, description string, columns ...beans.AttributeInfo) beans.AttributeInfo {
	a := attribute(name, beans.TypeTable, "", description)
	a.Key, a.Columns = key, columns
	return a
}

// fixed are what every probe of the kind yields.
var fixed = []beans.AttributeInfo{
	attribute("up", beans.TypeBool, "", "Whether the start service answers."),
	text("error", "Why it is not up, or what it did not answer; empty when all is well."),
	attribute("duration", beans.TypeFloat, "s", "Time of all questions and answers of one round."),
	text("system", "The system's identifier, such as T10."),
	text("number", "The instance number, such as 00."),
	text("instance", "The instance's name, such as D00."),
	text("hostname", "The host that the instance runs on."),
}

const colour = "green, yellow, red, or white where the system says gray"

var (
	alertTable = tableOf("alerts", "path", "The attributes of the alert tree.",
		text("path", `The names from the context down to the attribute, joined by \; shortened when they are too long for a node.`),
		text("system", "The first name of all."),
		text("context", "The first name below the system."),
		text("object", "The name above the attribute."),
		text("attribute", "The last name."),
		text("status", "Its colour: "+colour+"."),
		text("high", "The colour of its highest open alert."),
		attribute("value", beans.TypeFloat, "", "The number at the beginning of the description, if there is one."),
		attribute("numeric", beans.TypeBool, "", "Whether there is such a number."),
		text("unit", "What follows that number."),
		text("text", "The whole description."),
		text("time", "When it was reported, in the system's own time."),
		text("alert", "The text of its highest open alert."),
		text("alert_time", "When that alert was opened."),
		text("tool", "The tool for its analysis."),
		text("level", "To whom it is shown: operator, expert, developer."),
		text("tid", "Its identifier."),
	)
	processTable = tableOf("processes", "name", "The processes of the instance.",
		text("name", "The name; a number follows when there are several."),
		text("description", "What the process is."),
		text("status", "Its colour: "+colour+"."),
		text("text", "What it does, such as Running."),
		text("started", "When it was started, in the system's own time."),
		attribute("elapsed", beans.TypeFloat, "s", "How long it has been running."),
		count("pid", "", "Its process number."),
	)
	instanceTable = tableOf("instances", "name", "The instances of the system.",
		text("name", "Host and number."),
		text("hostname", "The host."),
		count("number", "", "The instance number."),
		count("http_port", "", "The port of its start service."),
		count("https_port", "", "The same with TLS; 0 is none."),
		text("priority", "The order in which instances are started."),
		text("features", "What it has, such as ABAP|GATEWAY|ICMAN|IGS."),
		text("status", "Its colour: "+colour+"."),
	)
	queueTable = tableOf("queues", "type", "The queues of the dispatcher and the ICM.",
		text("type", "What is queued, such as ABAP/DIA."),
		count("now", "requests", "Length of the queue."),
		count("high", "requests", "The greatest length so far."),
		count("max", "requests", "The length that it may have."),
		counter("writes", "requests", "Requests that were put in."),
		counter("reads", "requests", "Requests that were taken out."),
	)
	workTable = tableOf("work_processes", "name", "The work processes of all instances.",
		text("name", "Instance and number."),
		text("instance", "The instance."),
		count("number", "", "Number within the instance."),
		text("type", "What it is for: DIA, UPD, BTC, ENQ, SPO."),
		count("pid", "", "Its process number."),
		text("status", "What it does: Wait, Run, Stop, Ended."),
		text("reason", "Why it waits."),
		text("start", "Whether it is started again when it ends."),
		count("errors", "", "How often it ended."),
		count("time", "s", "How long the present request takes so far."),
		text("program", "The program."),
		text("client", "The client."),
		text("user", "The user."),
		text("action", "What the program does."),
		text("table", "The table that it reads or writes."),
	)
)

// enqueueElements are the values of EnqStatistic; an attribute's name is "enq_" and the
// element's with underscores, but "enq_replication_state" and the like are statuses.
var enqueueElements = []string{
	"owner-now", "owner-high", "owner-max", "owner-state", "arguments-now", "arguments-high", "arguments-max", "arguments-state",
	"locks-now", "locks-high", "locks-max", "locks-state",
	"enqueue-requests", "enqueue-rejects", "enqueue-errors", "dequeue-requests", "dequeue-errors", "dequeue-all-requests",
	"cleanup-requests", "backup-requests", "reporting-requests", "compress-requests", "verify-requests",
	"lock-time", "lock-wait-time", "server-time", "replication-state",
}

var enqueueAttributes = func() (all []beans.AttributeInfo) {
	for _, element := range enqueueElements {
		name := "enq_" + strings.ReplaceAll(element, "-", "_")
		what := "The enqueue server's " + strings.ReplaceAll(element, "-", " ") + "."
		switch {
		case strings.HasSuffix(element, "-state"):
			all = append(all, text(name, "Colour of "+strings.TrimSuffix(element, "-state")+": "+colour+"."))
		case strings.HasSuffix(element, "-time"):
			all = append(all, attribute(name, beans.TypeFloat, "s", what))
		case strings.HasSuffix(element, "-now"), strings.HasSuffix(element, "-high"), strings.HasSuffix(element, "-max"):
			all = append(all, count(name, "", what))
		default:
			all = append(all, counter(name, "", what))
		}
	}
	return all
}()

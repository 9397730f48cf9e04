package definitions_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync"
	"testing"

	"grove/runtime/probe/javatest"
	"grove/tree"
)

// javaServer is one Java server with Debian's Jolokia agent for all tests here. Beside the
// MBeans of its JVM it has some that stand in for servers which Debian does not have, or
// not with an agent: of the names and shapes that their makers document.
var javaServer = sync.OnceValues(func() (*javatest.Server, error) {
	var files []string
	for _, name := range []string{"kafka", "cassandra", "activemq", "j2ee-server"} {
		files = append(files, filepath.Join("testdata", "mbeans", name+".txt"))
	}
	return javatest.Agent(files...)
})

// java is that server and a way to it which a test can close.
type java struct {
	*javatest.Server
	t     *testing.T
	front *httptest.Server
}

func newJava(t *testing.T) *java {
	t.Helper()
	s, err := javaServer()
	j := &java{Server: javatest.Need(t, s, err), t: t}
	to, err := url.Parse(j.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.Transport = &http.Transport{DisableKeepAlives: true}
	j.front = httptest.NewServer(proxy)
	t.Cleanup(j.front.Close)
	return j
}

// write changes an attribute, and changes it back with the test's end.
func (j *java) write(mbean, attribute, value, back string) {
	j.t.Helper()
	if err := j.Write(mbean, attribute, value); err != nil {
		j.t.Fatal(err)
	}
	if back != "" {
		j.t.Cleanup(func() { _ = j.Write(mbean, attribute, back) })
	}
}

// down closes the way to the server.
func (j *java) down() {
	j.front.CloseClientConnections()
	j.front.Close()
}

// grow makes an instance that asks the server through its way.
func (j *java) grow(application string) *world {
	j.t.Helper()
	return grow(j.t, fmt.Sprintf("{ use: %s, at: /it, with: { url: %q, every: 1s, timeout: 900ms } }", application, j.front.URL+"/jolokia/"))
}

// full waits until every node has a reading.
func (w *world) full(path string) {
	w.t.Helper()
	w.until("every node has a reading", func() bool { return len(w.white(path)) == 0 })
}

// TestJVM runs the definition on a JVM, makes a deadlock in it, and ends it.
func TestJVM(t *testing.T) {
	t.Parallel()
	j := newJava(t)
	w := j.grow("jvm")
	w.within("/it/Memory/Heap used", 0.1, 100)
	w.within("/it/Threads/Live", 3, 1000)
	w.within("/it/Threads/Deadlocked", 0, 0)
	w.within("/it/Classes/Loaded", 100, 1e6)
	w.within("/it/Process/Open files", 1e-6, 100)
	w.within("/it/Process/Up for", 0.01, 1e6)
	w.within("/it/Memory/Pools/Tenured Gen/After collection", 0, 100)
	w.says("/it/Process/Machine", "OpenJDK")
	w.full("/it")
	w.is("/it", tree.Green)
	if n, _ := w.node("/it/Answer/Missing"); n.Value.String() != "" {
		t.Errorf("missing: %s", n.Value)
	}
	w.exported()

	if err := j.Ask(http.MethodPost, "/trouble", ""); err != nil {
		t.Fatal(err)
	}
	w.within("/it/Threads/Deadlocked", 2, 2)
	w.is("/it", tree.Red)
	if err := j.Ask(http.MethodDelete, "/trouble", ""); err != nil {
		t.Fatal(err)
	}
	w.is("/it/Threads/Deadlocked", tree.Green)
	w.is("/it", tree.Green)

	j.down()
	w.is("/it/Answer/Up", tree.Red)
	w.says("/it/Answer/Error", "refused")
	w.is("/it/Memory/Heap used", tree.White)
	w.is("/it", tree.Red)
}

// TestTomcat runs the definition on Debian's Tomcat: visitors come, some go astray, an
// application is stopped, and so is the server.
func TestTomcat(t *testing.T) {
	t.Parallel()
	s, err := javatest.Tomcat(t.TempDir())
	s = javatest.Need(t, s, err)
	defer s.Stop()
	password := configure(t, filepath.Join(t.TempDir(), "password"), javatest.Password)
	w := grow(t, fmt.Sprintf(`
use: tomcat
at: /web1
with: { url: %q, user: %s, password: "file:%s", every: 1s, timeout: 900ms }
`, s.URL+"/manager/jmxproxy/", javatest.User, password))
	to, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	connector := "/web1/Connectors/http-nio-127.0.0.1-" + to.Port()
	w.within(connector+"/Busy threads", 5, 100) // the proxy's own request is one of 20
	w.within(connector+"/Connections", 0.001, 10)
	w.within("/web1/Sessions/~1manager/Active", 0, 0)
	w.is("/web1/Applications/~1~1localhost~1", tree.Green)
	w.within("/web1/Data sources/jdbc~1shop/Used", 0, 0)
	w.within("/web1/Server/Heap used", 0.1, 100)
	w.says("/web1/Server/Version", "Apache Tomcat/10.")
	w.full("/web1")
	w.is("/web1", tree.Green)
	w.exported()

	ask := func(path string) {
		t.Helper()
		if err := s.Ask(http.MethodGet, path, ""); err != nil {
			t.Fatal(err)
		}
	}
	ask("/manager/html") // its page for people begins a session
	w.within("/web1/Sessions/~1manager/Active", 1, 1)
	ask("/astray")
	w.within(connector+"/Errors", 0.01, 10)
	ask("/manager/jmxproxy/?invoke=" + url.QueryEscape("Catalina:j2eeType=WebModule,name=//localhost/,J2EEApplication=none,J2EEServer=none") + "&op=stop")
	w.is("/web1/Applications/~1~1localhost~1", tree.Red)
	w.is("/web1", tree.Red)

	s.Stop()
	w.is("/web1/Answer/Up", tree.Red)
	w.is(connector+"/Busy threads", tree.White)
}

func TestKafkaStandIn(t *testing.T) {
	t.Parallel()
	j := newJava(t)
	w := j.grow("kafka")
	w.is("/it/Broker/State", tree.Green)
	w.within("/it/Replication/Partitions", 42, 42)
	w.within("/it/Requests/Produce time", 0.0125, 0.0125)
	w.within("/it/Threads/Handlers idle", 98, 98)
	w.within("/it/Topics/orders/Size", 3000, 3000) // of two partitions
	w.within("/it/Topics/bills/Messages", 0, 0)
	w.full("/it")
	w.is("/it", tree.Green)
	w.exported()
	j.write("kafka.server:type=BrokerTopicMetrics,name=MessagesInPerSec,topic=bills", "Count", "1000000", "")
	w.within("/it/Topics/bills/Messages", 1000, 1e9)
	j.write("kafka.server:type=ReplicaManager,name=UnderMinIsrPartitionCount", "Value", "2", "0")
	w.is("/it/Replication/Under minimum", tree.Red)
	w.is("/it", tree.Red)
	j.down()
	w.is("/it/Answer/Up", tree.Red)
	w.is("/it/Replication/Under minimum", tree.White)
}

func TestCassandraStandIn(t *testing.T) {
	t.Parallel()
	j := newJava(t)
	w := j.grow("cassandra")
	w.is("/it/Ring/State", tree.Green)
	w.within("/it/Ring/Live", 3, 3)
	w.within("/it/Requests/Read/Time", 0.0025, 0.0025)
	w.within("/it/Storage/Keyspaces/shop", 100000, 100000)
	w.within("/it/Load/Pools/ReadStage/Active", 1, 1)
	w.full("/it")
	w.is("/it", tree.Green)
	w.exported()
	j.write("org.apache.cassandra.db:type=StorageService", "UnreachableNodes", "10.0.0.2,10.0.0.3", "")
	w.within("/it/Ring/Unreachable", 2, 2)
	j.write("org.apache.cassandra.metrics:type=ClientRequest,scope=Write,name=Unavailables", "Count", "500", "")
	w.is("/it/Requests/Write/Unavailable", tree.Red)
	w.is("/it", tree.Red)
	j.write("org.apache.cassandra.db:type=StorageService", "OperationMode", "JOINING", "NORMAL")
	w.is("/it/Ring/State", tree.Yellow)
	j.down()
	w.is("/it/Answer/Up", tree.Red)
}

func TestActiveMQStandIn(t *testing.T) {
	t.Parallel()
	const broker = "org.apache.activemq:type=Broker,brokerName=localhost"
	j := newJava(t)
	w := j.grow("activemq")
	w.within("/it/Broker/Connections", 7, 7)
	w.says("/it/Broker/Version", "5.17.2")
	w.within("/it/Queues/orders/Waiting", 12, 12)
	w.within("/it/Dead letters/ActiveMQ.DLQ", 0, 0)
	w.within("/it/Topics/news/Subscribers", 2, 2)
	w.full("/it")
	w.is("/it", tree.Green)
	if _, there := w.node("/it/Topics/ActiveMQ.Advisory.Connection"); there {
		t.Error("the broker's own topics are shown")
	}
	w.exported()
	j.write(broker+",destinationType=Queue,destinationName=ActiveMQ.DLQ", "QueueSize", "1", "0")
	w.is("/it/Dead letters/ActiveMQ.DLQ", tree.Yellow)
	w.is("/it", tree.Yellow)
	j.write(broker, "StorePercentUsage", "95", "4")
	w.is("/it/Broker/Store", tree.Red)
	w.is("/it", tree.Red)
	j.down()
	w.is("/it/Answer/Up", tree.Red)
}

func TestJ2EEServerStandIn(t *testing.T) {
	t.Parallel()
	j := newJava(t)
	w := j.grow("j2ee-server")
	w.is("/it/Servers/server0", tree.Green)
	w.is("/it/Applications/shop", tree.Green)
	w.is("/it/Applications/old", tree.Yellow) // stopped
	w.within("/it/Sessions/All", 17, 17)
	w.within("/it/Sessions/Applications/shop/Active", 17, 17)
	w.within("/it/Threads/Pools/application/Busy", 4, 4)
	w.within("/it/Memory/Heap used", 0.1, 100)
	w.within("/it/Database connections/SAPJ2EDB/Used", 10, 10)
	w.within("/it/Transactions/Active", 1, 1)
	w.within("/it/HTTP cache/http/Hits of all", 90, 90)
	w.within("/it/JMS/orders/Waiting", 3, 3)
	w.within("/it/Class loaders/Loaders/shop", 321, 321)
	w.full("/it")
	w.is("/it", tree.Yellow)
	w.exported()
	j.write("com.sap.default:j2eeType=J2EEServer,name=server0", "state", "4", "1")
	w.is("/it/Servers/server0", tree.Red)
	w.is("/it", tree.Red)
	j.write("com.sap.default:j2eeType=WebModule,name=shop,J2EEApplication=shop,J2EEServer=server0", "ActiveSessions", "2000", "17")
	w.is("/it/Sessions/Applications/shop/Active", tree.Yellow)
	w.within("/it/Sessions/All", 2000, 2000)
	j.down()
	w.is("/it/Answer/Up", tree.Red)
}

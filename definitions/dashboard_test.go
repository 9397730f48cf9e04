package definitions_test

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql/parser"

	"grove/tree"
	"grove/tree/metric"
	"grove/viewer/export/grafana"
)

var update = flag.Bool("update", false, "write the dashboards and rules that are checked in")

// golden compares a file that is checked in with what makes it now.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil { //nolint:gosec // It is checked in.
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s is not what its definition makes (go test ./definitions -update writes it): -want +got\n%s", name, d)
	}
}

// dashboards are those that come with grove, by the file that they are checked in as.
func dashboards(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, app := range applications(t) {
		text, err := grafana.Dashboard(one(t, app))
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Join(app, "dashboard.json")] = text
	}
	text, err := grafana.Overview()
	if err != nil {
		t.Fatal(err)
	}
	out["grove/overview.json"] = text
	return out
}

func TestDashboardsAreCheckedIn(t *testing.T) {
	for name, text := range dashboards(t) {
		golden(t, name, text)
	}
}

func parsePromQL(expr string) error {
	_, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	return err
}

func TestDashboardsAreClean(t *testing.T) {
	uids := map[string]string{}
	uid := regexp.MustCompile(`(?m)^  "uid": "(.*)"`)
	for name, text := range dashboards(t) {
		for _, p := range grafana.Lint(text, parsePromQL) {
			t.Errorf("%s: %v", name, p)
		}
		id := uid.FindStringSubmatch(string(text))[1]
		if uids[id] != "" {
			t.Errorf("%s has the identity of %s", name, uids[id])
		}
		uids[id] = name
	}
}

// TestDashboardsAskForWhatIsExported holds every name of a series in a query against the
// families of a tree that has all definitions.
func TestDashboardsAskForWhatIsExported(t *testing.T) {
	tr := tree.New(tree.Options{})
	plant(t, tr)
	there := map[string]bool{}
	for _, f := range metric.Describe(metric.Nodes(tr)) {
		there[f.Name] = true
	}
	for name, text := range dashboards(t) {
		queries, err := grafana.Queries(text, map[string]string{"instance": "/x", "subtree": "/x"})
		if err != nil {
			t.Fatal(err)
		}
		if len(queries) < 5 {
			t.Errorf("%s asks for little", name)
		}
		for _, q := range queries {
			expr, err := parser.NewParser(parser.Options{}).ParseExpr(q.Expr)
			if err != nil {
				t.Errorf("%s: %s: %v", name, q.Panel, err)
				continue
			}
			for _, s := range parser.ExtractSelectors(expr) {
				for _, m := range s {
					if m.Name == "__name__" && !there[m.Value] {
						t.Errorf("%s: panel %q asks for %s, which no tree has", name, q.Panel, m.Value)
					}
				}
			}
		}
	}
}

// planted are the places of the instances in a tree with everything.
const planted = "/site"

// plant grows everything that the definitions write below /site/<application>, with rows
// for every table, and gives each attribute a reading.
func plant(t *testing.T, tr *tree.Tree) {
	t.Helper()
	newGarden(t, tr)
	water(tr, isRed)
}

// newGarden does the first half of plant, and says where each application grows.
func newGarden(t *testing.T, tr *tree.Tree) map[string]tree.Path {
	t.Helper()
	places := map[string]tree.Path{}
	for _, app := range applications(t) {
		if reds[app].path == "" {
			t.Fatalf("%s: choose which of its nodes is red, in reds", app)
		}
		d := one(t, app)
		at := tree.MustPath(planted + "/" + app)
		if app == "grove" {
			at = tree.MustPath("/grove")
		}
		places[app] = at
		add := func(path tree.Path, spec *tree.Spec) {
			below, _ := tree.MustPath("/test").Below(path)
			full, err := at.Join(below)
			if err != nil {
				t.Fatal(err)
			}
			if _, there := tr.Lookup(full); there {
				return
			}
			if err := tr.Change(tree.Add(full, spec)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range d.Tests {
			test := &d.Tests[i]
			instance, errs := d.ForTest(test)
			if err := errs.Err(); err != nil {
				t.Fatal(err)
			}
			for _, n := range instance.Nodes {
				add(n.Path, n.Spec)
			}
			for _, l := range instance.Loops {
				for _, s := range test.Steps {
					for _, r := range s.Rows {
						if r.Probe != l.Probe || r.Table != l.Table {
							continue
						}
						for _, row := range r.Rows {
							nodes, err := l.Expand(row)
							if err != nil {
								t.Fatal(err)
							}
							for _, n := range nodes {
								add(n.Path, n.Spec)
							}
						}
					}
				}
			}
		}
	}
	return places
}

// reds are what is red in a planted tree: of each application a node that turns red at
// once, and what an alert says of it.
var reds = map[string]struct{ path, alert, value string }{
	"activemq":           {planted + "/activemq/Answer/Up", "ActivemqAnswerUp", "0"},
	"apache":             {planted + "/apache/Answer/Up", "ApacheAnswerUp", "0"},
	"bind":               {planted + "/bind/Statistics/Up", "BindStatisticsUp", "0"},
	"cassandra":          {planted + "/cassandra/Answer/Up", "CassandraAnswerUp", "0"},
	"content-delivery":   {planted + "/content-delivery/Streaming/Up", "ContentDeliveryStreamingUp", "0"},
	"docker-host":        {planted + "/docker-host/Containers/web/Killed", "DockerHostContainersKilled", "2 processes"},
	"go-application":     {planted + "/go-application/Answer/Up", "GoApplicationAnswerUp", "0"},
	"grove":              {"/grove/Answers/Healthy", "GroveAnswersHealthy", "0"},
	"haproxy":            {planted + "/haproxy/Answer/Up", "HaproxyAnswerUp", "0"},
	"j2ee-server":        {planted + "/j2ee-server/Answer/Up", "J2eeServerAnswerUp", "0"},
	"jvm":                {planted + "/jvm/Answer/Up", "JvmAnswerUp", "0"},
	"kafka":              {planted + "/kafka/Answer/Up", "KafkaAnswerUp", "0"},
	"kubernetes-cluster": {planted + "/kubernetes-cluster/API server/Answers", "KubernetesClusterAPIServerAnswers", "0"},
	"kubernetes-node":    {planted + "/kubernetes-node/Kubelet/Answers", "KubernetesNodeKubeletAnswers", "0"},
	"linux-host":         {planted + "/linux-host/File systems/~1var/Used", "LinuxHostFileSystemsUsed", "191%"},
	"mariadb":            {planted + "/mariadb/Answer/Up", "MariadbAnswerUp", "0"},
	"memcached":          {planted + "/memcached/Answer/Up", "MemcachedAnswerUp", "0"},
	"nats":               {planted + "/nats/Answer/Up", "NatsAnswerUp", "0"},
	"nginx":              {planted + "/nginx/Answer/Up", "NginxAnswerUp", "0"},
	"openldap":           {planted + "/openldap/Answer/Up", "OpenldapAnswerUp", "0"},
	"postfix":            {planted + "/postfix/Answer/State", "PostfixAnswerState", ""},
	"postgresql":         {planted + "/postgresql/Answer/Up", "PostgresqlAnswerUp", "0"},
	"rabbitmq":           {planted + "/rabbitmq/Answer/Up", "RabbitmqAnswerUp", "0"},
	"redis":              {planted + "/redis/Answer/Up", "RedisAnswerUp", "0"},
	"sap-instance":       {planted + "/sap-instance/Answer/Up", "SapInstanceAnswerUp", "0"},
	"snmp-printer":       {planted + "/snmp-printer/Printer/Answers", "SnmpPrinterPrinterAnswers", "0"},
	"snmp-router":        {planted + "/snmp-router/Router/Answers", "SnmpRouterRouterAnswers", "0"},
	"snmp-switch":        {planted + "/snmp-switch/Agent/Answers", "SnmpSwitchAgentAnswers", "0"},
	"snmp-ups":           {planted + "/snmp-ups/Device/Answers", "SnmpUpsDeviceAnswers", "0"},
	"spring-boot":        {planted + "/spring-boot/Answer/Up", "SpringBootAnswerUp", "0"},
	"ssh-server":         {planted + "/ssh-server/Answer/Up", "SshServerAnswerUp", "0"},
	"tomcat":             {planted + "/tomcat/Answer/Up", "TomcatAnswerUp", "0"},
	"web-service":        {planted + "/web-service/Up", "WebServiceUp", "0"},
	"windows-host":       {planted + "/windows-host/Answer/Up", "WindowsHostAnswerUp", "0"},
	"windows-host-snmp":  {planted + "/windows-host-snmp/Host/Answers", "WindowsHostSnmpHostAnswers", "0"},
}

func isRed(p tree.Path) bool {
	for _, r := range reds {
		if r.path == p.String() {
			return true
		}
	}
	return false
}

// water gives every attribute a reading; bad says which are to be red, if they can be
// at once.
func water(tr *tree.Tree, bad func(tree.Path) bool) {
	var reports []tree.Report
	_ = tr.Walk(tree.Root, -1, func(n *tree.Node) bool {
		r := tree.Report{Node: n.Ref, Value: reading(n, tree.Green)}
		if bad(n.Path) {
			r.Value = reading(n, tree.Red)
		}
		if n.Kind != tree.Group && n.Kind != tree.Log && (bad(n.Path) || !alwaysBad(n)) {
			reports = append(reports, r)
		}
		return true
	})
	tr.Report(reports...)
	tr.Flush()
}

// alwaysBad says whether a node has a colour for every text, and none of them is green: it
// is there only while something is wrong.
func alwaysBad(n *tree.Node) bool {
	if n.Kind != tree.State || n.Threshold == nil {
		return false
	}
	_, every := n.Threshold.States["*"]
	return every && !slices.Contains(slices.Collect(maps.Values(n.Threshold.States)), tree.Green)
}

// reading makes a value that gives a node a status, if it can have it.
func reading(n *tree.Node, s tree.Status) tree.Value {
	th := n.Threshold
	switch n.Kind {
	case tree.Performance:
		switch {
		case s == tree.Red && th.Red.Form == tree.Above:
			return tree.Number(th.Red.High*2 + 1)
		case s == tree.Red && th.Red.Form == tree.Below:
			return tree.Number(th.Red.Low - 1)
		case th.Yellow.Form == tree.Below:
			return tree.Number(th.Yellow.Low + 1)
		}
		return tree.Number(0.0005)
	case tree.State:
		for _, text := range slices.Sorted(maps.Keys(th.States)) {
			if th.States[text] != s || text == "*" {
				continue
			}
			if number, err := strconv.ParseFloat(text, 64); err == nil {
				return tree.Number(number)
			}
			return tree.Text(text)
		}
		return tree.Text(s.String())
	}
	return tree.Text("words")
}

// boardVariables is the part of a dashboard that says how instances are found.
type boardVariables struct {
	Templating struct {
		List []struct {
			Name  string `json:"name"`
			Regex string `json:"regex"`
			Query any    `json:"query"`
		} `json:"list"`
	} `json:"templating"`
}

// instancesOf does what Grafana does: it takes the label path of all series that the
// variable's query selects, and of each what the group of its regular expression matches.
func instancesOf(t *testing.T, tr *tree.Tree, dashboard []byte) []string {
	t.Helper()
	var b boardVariables
	if err := json.Unmarshal(dashboard, &b); err != nil {
		t.Fatal(err)
	}
	for _, v := range b.Templating.List {
		if v.Name != "instance" {
			continue
		}
		text := v.Query.(map[string]any)["query"].(string)
		name := strings.TrimSuffix(strings.TrimPrefix(text, "label_values("), ", path)")
		cut := regexp.MustCompile(strings.Trim(v.Regex, "/"))
		var found []string
		_ = tr.Walk(tree.Root, -1, func(n *tree.Node) bool {
			if n.Spec != nil && metric.SeriesOf(n.Path, n.Spec).Name == name {
				if m := cut.FindStringSubmatch(n.Path.String()); m != nil {
					found = append(found, m[1])
				}
			}
			return true
		})
		slices.Sort(found)
		return slices.Compact(found)
	}
	t.Fatal("there is no variable instance")
	return nil
}

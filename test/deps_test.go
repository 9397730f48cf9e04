package test

import (
	"fmt"
	slash "path"
	"slices"
	"strings"
	"testing"
)

// order says which of our packages may import which: a package may import what stands
// on its left, and everything that those may import. Each entry ends with a semicolon;
// # begins a comment. Imports run one way,
//
//	beans < tree < runtime, notify, viewer < cmd
//
// and what stands between two "<" on one floor never imports its neighbours on that
// floor: cmd/app connects them. A new edge is a decision: it belongs in the same change
// as the import and has its reason in the commit message.
const order = `
	# The component model stands on the standard library alone.
	none < beans;
	beans < beans/timer, beans/monitor, beans/beanstest;

	# The live tree, and the language that grows it.
	beans < tree < tree/monitor, tree/metric, tree/grant, tree/quantity, tree/alert;
	none < tree/definition/source, tree/definition/watch, tree/week;
	tree < tree/whatif;
	tree, tree/definition/source
		< tree/definition/expression, tree/definition/rule, tree/definition/variable;
	tree/definition/variable < tree/definition/file;
	tree/definition/expression, tree/definition/file, tree/definition/rule
		< tree/definition
		< tree/definition/diff, tree/definition/rolluptest, tree/definition/schema, tree/definition/kindstest, tree/definition/outline, tree/definition/portable;

	# What was: samples, and facts.
	none < tree/history/fold, tree/history/shelf;
	tree/metric, tree/history/fold < tree/history/rollup;
	tree/history/rollup, tree/history/shelf < tree/history;
	tree/metric, tree/grant < tree/history/promql;
	tree/metric, tree/history/fold < tree/history/remote;
	none < tree/store/journal/block < tree/store/journal;
	tree < tree/store < tree/store/journal, tree/store/audit, tree/store/revision, tree/store/memory, tree/store/drawer, tree/store/storetest;
	tree/history, tree/grant, tree/store/journal < tree/history/past;
	tree/store/drawer, tree/definition/source < tree/maintenance;
	tree/grant, tree/store/audit < tree/store/account;

	# Probes and receivers: one folder a kind, and none knows another.
	none < runtime, runtime/schedule, runtime/receive/allowance, runtime/probe/dial, runtime/probe/files, runtime/probe/program, runtime/probe/snmp/mib, runtime/probe/snmp/ber;
	runtime/probe/files < runtime/probe/secret;
	tree < runtime/probe
		< runtime/probe/gostats, runtime/probe/host, runtime/probe/probetest;
	runtime/probe, runtime/probe/files < runtime/probe/process;
	runtime/probe < runtime/probe/series;
	runtime/probe, runtime/probe/dial < runtime/probe/answer;
	runtime/probe < runtime/probe/pattern;
	runtime/probe/pattern, runtime/probe/files, runtime/probe/program < runtime/probe/journal;
	none < runtime/probe/ssh/sshtest;
	runtime/probe/answer, runtime/probe/secret, runtime/probe/files < runtime/probe/ssh;
	runtime/probe/program, runtime/probe/ssh < runtime/probe/command;
	runtime/probe/pattern < runtime/probe/follow;
	runtime/probe, runtime/probe/secret < runtime/probe/secure;
	runtime/probe/follow, runtime/probe/secure, runtime/probe/ssh < runtime/probe/remotelog;
	runtime/probe/follow, runtime/probe/files < runtime/probe/logfile;
	runtime/probe, runtime/probe/files < runtime/probe/cgroup;
	runtime/probe < runtime/probe/extract;
	runtime/probe/answer, runtime/probe/secure < runtime/probe/session;
	none < runtime/probe/servertest, runtime/probe/javatest;
	runtime/probe/extract, runtime/probe/session < runtime/probe/sql, runtime/probe/redis, runtime/probe/memcached, runtime/probe/ldap;
	beans, runtime/probe < runtime/probe/mbean;
	runtime/probe/answer, runtime/probe/secure < runtime/probe/endpoint;
	runtime/probe/extract, runtime/probe/endpoint < runtime/probe/document;
	runtime/probe/endpoint, runtime/probe/series < runtime/probe/prometheus, runtime/probe/promquery;
	runtime/probe/mbean, runtime/probe/endpoint < runtime/probe/jolokia, runtime/probe/jmxproxy;
	runtime/probe/endpoint < runtime/probe/kubernetes, runtime/probe/kubelet;
	runtime/probe/answer, runtime/probe/secure, runtime/probe/extract < runtime/probe/tcp, runtime/probe/http, runtime/probe/sapcontrol;
	runtime/probe/snmp/ber < runtime/probe/snmp/exchange;
	runtime/probe, runtime/probe/dial, runtime/probe/secret, runtime/probe/files, runtime/probe/snmp/mib, runtime/probe/snmp/exchange < runtime/probe/snmp;
	tree/grant, runtime/probe < runtime/receive < runtime/receive/push;
	runtime/receive, runtime/probe/series < runtime/receive/sample < runtime/receive/remotewrite;
	runtime/receive, runtime/probe/pattern < runtime/receive/record < runtime/receive/cloudevent;
	runtime/receive/sample, runtime/receive/record < runtime/receive/otlp;
	runtime/receive < runtime/receive/alertmanager;
	runtime/receive/sample, runtime/receive/allowance < runtime/receive/plaintext < runtime/receive/statsd, runtime/receive/graphite;
	runtime/probe/snmp/mib < runtime/receive/trap/message;
	runtime/probe, runtime/probe/secret, runtime/receive/trap/message < runtime/receive/trap/usm;
	runtime/receive, runtime/receive/allowance, runtime/receive/trap/usm < runtime/receive/trap;
	runtime/receive, runtime/receive/allowance, runtime/probe/pattern < runtime/receive/syslog;
	runtime/probe/answer < runtime/probe/icmp;
	runtime/probe/answer, runtime/probe/secure < runtime/probe/dns;
	runtime/probe/answer < runtime/probe/ntp;
	runtime/probe/answer, runtime/probe/secure < runtime/probe/certificate;
	runtime/probe < runtime/discover/group;
	runtime/discover/group, runtime/probe/files, runtime/probe/answer < runtime/discover/targets;
	runtime/discover/group, runtime/probe/endpoint < runtime/discover/httpsd;
	runtime/probe/answer < runtime/discover/dnssrv;
	runtime/probe/answer, runtime/probe/secret, runtime/probe/snmp/exchange < runtime/discover/snmprange;
	runtime/probe, tree/definition < runtime/discover;
	runtime/probe/answer, runtime/probe/secure < runtime/probe/websocket;
	runtime/probe/answer, runtime/probe/secure < runtime/probe/grpchealth;
	runtime/probe/answer, runtime/probe/secure < runtime/probe/mail;
	tree/definition,
	runtime/probe/gostats, runtime/probe/host, runtime/probe/process, runtime/probe/command,
	runtime/probe/prometheus, runtime/probe/promquery, runtime/receive/remotewrite,
	runtime/probe/tcp, runtime/probe/http, runtime/probe/snmp, runtime/probe/sapcontrol, runtime/receive/push, runtime/receive/trap,
	runtime/probe/cgroup,
	runtime/probe/icmp
		
		, runtime/probe/sql, runtime/probe/redis, runtime/probe/memcached, runtime/probe/ldap, runtime/probe/document
		, runtime/probe/jolokia,
	runtime/probe/kubernetes, runtime/probe/kubelet,
	runtime/probe/logfile
		, runtime/probe/jmxproxy,
	runtime/probe/dns,
	runtime/probe/ntp,
	runtime/probe/ssh,
	runtime/probe/certificate,
	runtime/discover/targets, runtime/discover/httpsd, runtime/discover/dnssrv, runtime/discover/snmprange,
	runtime/probe/remotelog,
	runtime/probe/websocket,
	runtime/probe/grpchealth,
	runtime/probe/journal,
	runtime/receive/syslog,
	runtime/receive/otlp,
	runtime/probe/mail,
	runtime/receive/statsd, runtime/receive/graphite,
	runtime/receive/cloudevent, runtime/receive/alertmanager
		< runtime/probe/builtin;
	runtime/probe, runtime/schedule, tree/definition, beans/monitor, tree/monitor < runtime/bind;

	# The bus of notifications; who is told of alerts, and how.
	beans < notify;
	tree/alert < notify/channel;
	tree/alert < notify/cause;
	tree/alert, tree/grant, tree/quantity < notify/subject;
	tree/alert, tree/store < notify/ledger;
	notify/cause, notify/subject, notify/ledger, tree/store/journal < notify/book;
	notify/channel, tree/store, tree/definition/source < notify/outbox/message < notify/outbox/throttle, notify/outbox/queue;
	notify/outbox/throttle < notify/outbox/shelf;
	notify/outbox/queue, notify/outbox/shelf < notify/outbox;
	notify/outbox < notify/heartbeat;
	notify/channel < notify/template;
	notify/channel, tree/definition/source, tree/week < notify/route/match;
	notify/channel < notify/route/grouping;
	tree/store, notify/route/grouping < notify/route/told;
	notify/template, notify/route/grouping < notify/route/compose;
	notify/outbox, notify/route/match, notify/route/told, notify/route/compose, tree/store/journal < notify/route;
	notify/channel < notify/oncall;
	notify/template, tree/definition/source < notify/channel/channeltest;
	notify/template < notify/channel/mail, notify/channel/syslog, notify/channel/command;
	notify/template < notify/channel/trap;
	notify/template < notify/channel/post
		< notify/channel/slack, notify/channel/mattermost, notify/channel/teams, notify/channel/discord, notify/channel/telegram,
		notify/channel/pagerduty, notify/channel/opsgenie, notify/channel/ntfy, notify/channel/jira, notify/channel/servicenow;
	notify/template < notify/channel/labelled;
	notify/channel/labelled, notify/channel/post < notify/channel/webhook, notify/channel/alertmanager;
	notify/channel/channeltest < notify/channel/post/posttest;
	notify/channel/mail, notify/channel/syslog, notify/channel/command, notify/channel/webhook, notify/channel/alertmanager,
	notify/channel/trap, notify/channel/slack, notify/channel/mattermost, notify/channel/teams, notify/channel/discord, notify/channel/telegram,
	notify/channel/pagerduty, notify/channel/opsgenie, notify/channel/ntfy, notify/channel/jira, notify/channel/servicenow
		< notify/channel/builtin;

	# All of it together.
	notify/channel/builtin, notify/heartbeat, notify/oncall, notify/route, notify/outbox, tree/maintenance < notify/settings;
	notify/settings, notify/book < notify/center;
	notify/settings, tree/definition/schema < notify/settings/schema;

	# Other managers: one room does one thing, and none knows another.
	none < notify/peer < notify/peer/peertest, notify/peer/fabric;
	notify/peer < notify/peer/meter;
	notify/peer, tree/store < notify/peer/lease;
	notify/peer, tree/store/drawer < notify/peer/registry;
	notify/peer, tree/store/audit < notify/peer/authority;
	tree/alert, notify/peer < notify/peer/twin;
	beans < notify/peer/remote/value;
	tree/monitor, tree/grant, notify/peer, notify/peer/remote/value < notify/peer/remote;
	tree < notify/peer/branch/frame;
	notify/peer, notify/peer/branch/frame < notify/peer/branch;
	none < notify/peer/record/pack;
	tree/store/journal, notify/peer < notify/peer/record;
	tree/store, tree/history, notify/peer, notify/peer/record/pack < notify/peer/record/sample;
	tree/history, notify/peer/record, notify/peer/record/pack < notify/peer/record/question;
	tree/history, notify/peer/record, notify/peer/record/sample < notify/peer/record/past;
	tree, notify/peer < notify/peer/duty/parcel;
	tree/store, notify/peer/duty/parcel < notify/peer/duty/book;
	notify/peer < notify/peer/duty/stand;
	notify/peer/duty/book, notify/peer/duty/stand < notify/peer/duty;
	tree/grant, tree/definition/source < notify/peer/settings;
	notify/peer/settings, notify/peer/authority, notify/peer/fabric, notify/peer/registry, notify/peer/branch, notify/peer/record, notify/peer/remote, notify/peer/twin,
	notify/peer/duty, notify/peer/lease, notify/peer/meter, notify/peer/record/sample, notify/peer/record/question < notify/peer/member;
	notify/peer/settings, notify/peer/duty, tree/definition/portable, tree/maintenance, tree/store/memory, tree/alert, runtime/probe/secret < cmd/device;

	# Who may come in.
	none < viewer/access/attempt, viewer/access/password, viewer/access/oidc/oidctest;
	tree/grant < viewer/access/oidc;
	tree/store/account, viewer/access/attempt, viewer/access/password, viewer/access/oidc < viewer/access < viewer/access/rest;

	# What people and programs see.
	none < viewer/web, viewer/certificate;
	tree < viewer/live/frame < viewer/live/client;
	tree/grant < viewer, viewer/live/shape;
	viewer/live/shape, viewer/live/frame < viewer/live;
	tree/grant, tree/metric < viewer/export/prometheus;
	none < viewer/record/archive;
	viewer, tree/definition/rule < viewer/act;
	viewer, tree/monitor < viewer/bean;
	viewer, tree/store/drawer < viewer/desk;
	viewer, tree/store < viewer/deed;
	viewer < viewer/stream;
	tree/grant < viewer/viewertest;
	tree/alert, tree/grant < viewer/alert/sight;
	viewer/alert/sight, viewer/deed, viewer/stream < viewer/alert;
	viewer/alert/sight, viewer/deed < viewer/route, viewer/whatif;
	tree/maintenance, viewer/deed < viewer/maintenance;
	viewer/deed < viewer/outbox;
	viewer/deed, tree/definition/source < viewer/peer;
	viewer < viewer/system;
	viewer, tree/store/journal < viewer/moment;
	viewer, tree/history, tree/store/journal, tree/store/audit, tree/store/revision, viewer/record/archive < viewer/record;
	none < viewer/export/prometheus/prometheustest, viewer/export/goldentest, viewer/export/sapcontrol/listener, viewer/export/document/markup;
	tree/grant < viewer/export/document/reply;
	tree/history/promql < viewer/export/promql;
	beans < viewer/export/jolokia/policy, viewer/export/jolokia/value;
	viewer/export/jolokia/value < viewer/export/jolokia/request, viewer/export/jolokia/notification, viewer/export/jolokia/history;
	tree/monitor, tree/grant, viewer/export/jolokia/policy, viewer/export/jolokia/request, viewer/export/jolokia/notification, viewer/export/jolokia/history < viewer/export/jolokia;
	tree/grant < viewer/export/ccms/name < viewer/export/ccms/measure, viewer/export/ccms/alert < viewer/export/ccms
		< viewer/export/ccms/rest, viewer/export/sapcontrol/soap, viewer/export/ccms/ccmstest;
	viewer/export/sapcontrol/soap < viewer/export/sapcontrol;
	tree/grant < viewer/export/cloudevents;
	tree/metric < viewer/export/otlp;
	tree, viewer/export/document/markup < viewer/export/document/page < viewer/export/document/static;
	tree/grant, viewer/export/document/markup, tree/quantity < viewer/export/document;
	viewer/export/document, viewer/export/document/static < viewer/export/document/documenttest;
	viewer/export/document, viewer/export/document/static, viewer/export/document/reply
		< viewer/export/document/form < viewer/export/document/rest;
	viewer/export/document, viewer/export/document/page, viewer/export/document/reply, tree/store/journal < viewer/export/report;
	viewer/export/report, viewer/export/document/form < viewer/export/document/publish;
	tree/metric, tree/definition/outline < viewer/export/grafana, viewer/export/rules;

	# The catalogue is files; the wiring may import everything.
	none < definitions;
	beans/timer, tree/monitor, tree/definition/watch, tree/definition/diff,
	runtime/probe/builtin, runtime/receive/push, runtime/receive/trap, runtime/bind, runtime/discover,
	tree/history, tree/history/remote, tree/store/audit, tree/store/revision, tree/store/memory, tree/store/drawer,
	notify, notify/center, tree/whatif,
	tree/history/past, viewer/access/rest, viewer/certificate,
	viewer/record, viewer/act, viewer/bean, viewer/desk, viewer/system, viewer/moment, viewer/alert, viewer/maintenance, viewer/route, viewer/outbox, viewer/peer, viewer/whatif, viewer/web, viewer/live, viewer/export/prometheus, viewer/export/promql, viewer/export/jolokia,
	viewer/export/ccms/rest, viewer/export/sapcontrol, viewer/export/sapcontrol/listener, viewer/export/cloudevents, viewer/export/otlp, viewer/export/document/rest, viewer/export/document/publish,
	definitions, notify/peer/member, notify/peer/record/past, cmd/device
		< cmd/app;
	viewer/live/client, viewer/record < cmd/terminal;
	cmd/app, cmd/terminal, tree/definition/rolluptest, tree/definition/schema, viewer/export/grafana, viewer/export/rules, notify/channel/builtin, notify/settings/schema < cmd/cli < cmd/grove;
`

// modules says which packages may import which module directly, tests aside. A module
// is a weight that all carry: it stays in the room that needs it.
var modules = map[string][]string{
	"github.com/VictoriaMetrics/metrics":                       {"viewer/export/prometheus", "viewer", "viewer/live", "viewer/export/jolokia", "viewer/export/cloudevents", "runtime/receive/push", "cmd/app"},
	"github.com/teambition/rrule-go":                           {"tree/maintenance", "notify/oncall"},
	"github.com/agnivade/levenshtein":                          {"tree", "tree/definition/source", "runtime/probe/snmp/mib"},
	"github.com/alecthomas/kong":                               {"cmd/cli"},
	"github.com/danielgtaylor/huma/v2":                         {"viewer", "viewer/record", "viewer/act", "viewer/bean", "viewer/desk", "viewer/system", "viewer/moment", "viewer/deed", "viewer/viewertest", "viewer/alert", "viewer/maintenance", "viewer/route", "viewer/outbox", "viewer/peer", "viewer/whatif", "viewer/access/rest", "runtime/receive/push", "cmd/app"},
	"github.com/expr-lang/expr":                                {"tree/definition/expression"},
	"github.com/fsnotify/fsnotify":                             {"tree/definition/watch", "runtime/probe/logfile"},
	"github.com/gorilla/websocket":                             {"viewer/live", "viewer/live/client", "runtime/probe/websocket"},
	"github.com/gosnmp/gosnmp":                                 {"runtime/probe/snmp", "runtime/receive/trap", "runtime/receive/trap/usm", "notify/channel/trap"},
	"github.com/invopop/jsonschema":                            {"tree/definition/schema", "notify/settings/schema", "runtime/probe/http", "runtime/probe/probetest"},
	"github.com/jlaffaye/ftp":                                  {"runtime/probe/remotelog"},
	"github.com/pkg/sftp":                                      {"runtime/probe/remotelog"},
	"github.com/leodido/go-syslog/v4":                          {"runtime/receive/syslog"},
	"github.com/antchfx/xmlquery":                              {"runtime/probe/document"},
	"github.com/antchfx/xpath":                                 {"runtime/probe/document"},
	"github.com/magiconair/properties":                         {"runtime/probe/document"},
	"gopkg.in/ini.v1":                                          {"runtime/probe/document"},
	"golang.org/x/text":                                        {"runtime/probe/document"},
	"github.com/ohler55/ojg":                                   {"runtime/receive/cloudevent", "runtime/probe/http", "runtime/probe/command", "runtime/probe/extract", "runtime/probe/document"},
	"github.com/prometheus/client_golang":                      {"viewer/export/prometheus", "viewer/live", "tree/history/shelf", "tree/history/remote", "cmd/app"},
	"github.com/prometheus/client_model":                       {"viewer/export/prometheus", "tree/history/shelf"},
	"github.com/prometheus/common":                             {"viewer/export/prometheus", "viewer/record", "tree/history/remote", "cmd/cli"},
	"github.com/shirou/gopsutil/v4":                            {"runtime/probe/host"},
	"golang.org/x/net":                                         {"runtime/probe/snmp/exchange", "runtime/receive/trap", "runtime/receive/syslog", "runtime/receive/otlp"},
	"github.com/miekg/dns":                                     {"runtime/discover/dnssrv", "runtime/probe/dns"},
	"github.com/beevik/ntp":                                    {"runtime/probe/ntp"},
	"google.golang.org/grpc":                                   {"runtime/probe/grpchealth", "runtime/receive/otlp"},
	"github.com/standard-webhooks/standard-webhooks/libraries": {"notify/channel/webhook"},
	"github.com/wneessen/go-mail":                              {"notify/channel/mail"},
	"github.com/nats-io/nats-server/v2":                        {"notify/peer/fabric"},
	"github.com/nats-io/nats.go":                               {"notify/peer/fabric"},
	"github.com/emersion/go-ical":                              {"notify/oncall"},
	"github.com/emersion/go-imap/v2":                           {"runtime/probe/mail"},
	"go.yaml.in/yaml/v4":                                       {"runtime/discover/group", "tree/definition/source", "tree/definition", "runtime/probe/probetest", "viewer/export/grafana", "viewer/export/rules", "cmd/app"},
	"golang.org/x/sys":                                         {"runtime/probe/program", "cmd/app", "runtime/probe/icmp"},
	"golang.org/x/term":                                        {"cmd/cli"},
	"golang.org/x/crypto":                                      {"viewer/access/password", "runtime/probe/ssh", "runtime/probe/certificate", "runtime/probe/remotelog"},
	"golang.org/x/oauth2":                                      {"viewer/access/oidc"},
	"github.com/coreos/go-oidc/v3":                             {"viewer/access/oidc"},
	"charm.land/bubbletea/v2":                                  {"cmd/terminal"},
	"charm.land/lipgloss/v2":                                   {"cmd/terminal"},
	"github.com/creack/pty":                                    nil, // tests only
	"github.com/google/go-cmp":                                 {"notify/channel/channeltest", "notify/channel/post/posttest", "runtime/probe/probetest", "viewer/export/goldentest"},
	"go.uber.org/goleak":                                       {"notify/channel/channeltest", "runtime/probe/probetest", "tree/store/storetest"},
	"github.com/rogpeppe/go-internal":                          nil, // tests only
	"github.com/santhosh-tekuri/jsonschema/v6":                 nil, // tests only
	"github.com/prometheus/prometheus":                         {"tree/history", "tree/history/fold", "tree/history/rollup", "tree/history/shelf", "tree/history/promql", "tree/history/remote", "runtime/probe/series", "runtime/probe/prometheus", "runtime/probe/promquery", "runtime/receive/sample", "runtime/receive/remotewrite", "runtime/receive/otlp"},
	"github.com/golang/snappy":                                 {"tree/history/remote", "runtime/receive/remotewrite"},
	"github.com/oklog/ulid/v2":                                 {"tree/history/shelf"},
	"github.com/jackc/pgx/v5":                                  {"tree/store", "tree/store/storetest", "runtime/probe/sql", "runtime/probe/servertest"},
	"github.com/go-ldap/ldap/v3":                               {"runtime/probe/ldap"},
	"github.com/redis/go-redis/v9":                             nil, // tests only
	"github.com/go-sql-driver/mysql":                           {"runtime/probe/sql", "runtime/probe/servertest"},
	"github.com/pressly/goose/v3":                              {"tree/store"},
	"modernc.org/sqlite":                                       {"tree/store"},
	"github.com/cloudevents/sdk-go/v2":                         {"viewer/export/cloudevents", "runtime/receive/cloudevent"},
	"go.opentelemetry.io/otel":                                 {"viewer/export/otlp"},
	"go.opentelemetry.io/collector/pdata":                      {"runtime/receive/otlp"},
	"github.com/prometheus/otlptranslator":                     {"runtime/receive/otlp"},
	"github.com/klauspost/compress":                            {"viewer/export/prometheus", "viewer/record/archive"},
	"github.com/grafana/grafana-foundation-sdk/go":             {"viewer/export/grafana"},
	"github.com/guptarohit/asciigraph":                         {"cmd/cli"},
}

// suites are packages that only tests import.
var suites = []string{"notify/peer/peertest", "notify/channel/channeltest", "notify/channel/post/posttest", "runtime/probe/ssh/sshtest", "runtime/probe/javatest", "runtime/probe/servertest", "beans/beanstest", "runtime/probe/probetest", "tree/definition/kindstest", "tree/store/storetest", "viewer/export/prometheus/prometheustest", "viewer/export/ccms/ccmstest", "viewer/export/document/documenttest", "viewer/export/goldentest", "test/grovetest", "test/witness"}

// floors are the floors of the house from the ground up. The test files of a package may
// import everything on their own room of the floor and on the floors below.
var floors = [][]string{{"beans"}, {"tree"}, {"runtime", "notify", "viewer"}}

// parseOrder returns for each package all packages that it may import.
func parseOrder(text string) (map[string]map[string]bool, error) {
	may := map[string]map[string]bool{}
	var plain strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		plain.WriteString(line + "\n")
	}
	for entry := range strings.SplitSeq(plain.String(), ";") {
		if strings.TrimSpace(entry) == "" {
			continue
		}
		var left []string
		for i, side := range strings.Split(entry, "<") {
			var names []string
			for name := range strings.SplitSeq(side, ",") {
				name = strings.TrimSpace(name)
				switch {
				case name == "none" && i == 0:
				case name == "" || strings.ContainsAny(name, " \t\n"):
					return nil, fmt.Errorf("%q in the entry %q is no package", name, strings.TrimSpace(entry))
				case i == 0 && may[name] == nil:
					return nil, fmt.Errorf("%s stands on the left before it stood on the right", name)
				default:
					names = append(names, name)
				}
			}
			for _, name := range names {
				if i == 0 {
					continue
				}
				if may[name] == nil {
					may[name] = map[string]bool{}
				}
				for _, l := range left {
					if l == name || may[l][name] {
						return nil, fmt.Errorf("%s and %s stand left of each other", l, name)
					}
					may[name][l] = true
					for below := range may[l] {
						may[name][below] = true
					}
				}
			}
			left = names
		}
	}
	return may, nil
}

// TestImportsRunOneWay holds every import of every Go file, whatever system it is built
// for, to the tables above.
func TestImportsRunOneWay(t *testing.T) {
	may, err := parseOrder(order)
	if err != nil {
		t.Fatal(err)
	}
	seen, used := map[string]bool{}, map[string]bool{}
	for _, file := range goFiles(t) {
		from := slash.Dir(file.name)
		seen[from] = true
		if from == "test" || strings.HasPrefix(from, "test/") {
			continue
		}
		if may[from] == nil {
			t.Errorf("%s: package %s is not in the order of packages: add it to test/deps_test.go", file.name, from)
			continue
		}
		for _, imported := range file.imports {
			if module := moduleOf(imported); module != "" && !strings.HasSuffix(file.name, "_test.go") {
				used[module+" in "+from] = true
			}
			if problem := judge(may, from, imported, strings.HasSuffix(file.name, "_test.go")); problem != "" {
				t.Errorf("%s: %s", file.name, problem)
			}
		}
	}
	for name := range may {
		if !seen[name] {
			t.Errorf("package %s is in the order of packages and not in the repository: remove it from test/deps_test.go", name)
		}
	}
	for module, rooms := range modules {
		for _, room := range rooms {
			if !used[module+" in "+room] {
				t.Errorf("%s no longer imports %s: remove it from the modules in test/deps_test.go", room, module)
			}
		}
	}
}

// moduleOf returns the listed module that an imported package is of, or nothing.
func moduleOf(imported string) string {
	for module := range modules {
		if imported == module || strings.HasPrefix(imported, module+"/") {
			return module
		}
	}
	return ""
}

// judge says what is wrong with an import; empty is nothing.
func judge(may map[string]map[string]bool, from, imported string, inTest bool) string {
	first, _, _ := strings.Cut(imported, "/")
	if first == "grove" {
		to := strings.TrimPrefix(imported, "grove/")
		switch {
		case inTest && (to == from || reaches(from, to)):
		case !inTest && slices.Contains(suites, to) && !slices.Contains(suites, from):
			return fmt.Sprintf("imports %s, which is for tests only", to)
		case !may[from][to]:
			return fmt.Sprintf("imports %s, and the order of packages in test/deps_test.go does not let %s do that: declare "+
				"the small interface that is needed and let cmd/app pass the value, or add the edge with its reason", to, from)
		}
		return ""
	}
	if !strings.Contains(first, ".") {
		return "" // the standard library
	}
	if module := moduleOf(imported); module != "" {
		rooms := modules[module]
		if inTest || slices.Contains(rooms, from) {
			return ""
		}
		if len(rooms) == 0 {
			return fmt.Sprintf("imports %s, which is for tests only", imported)
		}
		return fmt.Sprintf("imports %s, which only %s may: use what that package offers, or add %s to the modules in "+
			"test/deps_test.go with the reason", imported, strings.Join(rooms, ", "), from)
	}
	return fmt.Sprintf("imports %s, a module that is not in the list of modules in test/deps_test.go: a new module is a decision, "+
		"list it with the packages that may import it", imported)
}

// reaches tells whether the test files of from may import to.
func reaches(from, to string) bool {
	room := func(p string) string { first, _, _ := strings.Cut(p, "/"); return first }
	floor := func(p string) int {
		return slices.IndexFunc(floors, func(rooms []string) bool { return slices.Contains(rooms, room(p)) })
	}
	switch a, b := floor(from), floor(to); {
	case a < 0: // cmd, definitions: on top of all
		return true
	case b < 0:
		return false
	default:
		return b < a || room(from) == room(to)
	}
}

// TestFloorsNeverMeet holds the order itself to the house: whatever is added to it,
// nothing lets a floor import a higher one or a neighbour.
func TestFloorsNeverMeet(t *testing.T) {
	may, err := parseOrder(order)
	if err != nil {
		t.Fatal(err)
	}
	for from, all := range may {
		for to := range all {
			if !reaches(from, to) {
				t.Errorf("the order of packages lets %s import %s", from, to)
			}
		}
	}
}

func TestJudgeSaysWhatToDo(t *testing.T) {
	may, err := parseOrder(`none < beans < tree < viewer, viewer/live, runtime/probe; none < beans/beanstest;`)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		from, imported string
		inTest         bool
		want           string // a part of the message; empty: fine
	}{
		"down":                     {"tree", "grove/beans", false, ""},
		"two floors down":          {"viewer", "grove/beans", false, ""},
		"up":                       {"beans", "grove/tree", false, "does not let beans do that"},
		"up in a test":             {"tree", "grove/viewer", true, "does not let tree do that"},
		"neighbour":                {"viewer", "grove/runtime/probe", false, "let cmd/app pass the value"},
		"neighbour in a test":      {"viewer", "grove/runtime/probe", true, "let cmd/app pass the value"},
		"same room":                {"viewer", "grove/viewer/live", false, "does not let viewer do that"},
		"same room in a test":      {"viewer", "grove/viewer/live", true, ""},
		"itself in a test":         {"tree", "grove/tree", true, ""},
		"a suite":                  {"tree", "grove/beans/beanstest", false, "for tests only"},
		"a suite in a test":        {"tree", "grove/beans/beanstest", true, ""},
		"standard library":         {"beans", "encoding/json", false, ""},
		"own module":               {"viewer/live", "github.com/gorilla/websocket", false, ""},
		"another room's module":    {"tree", "github.com/gorilla/websocket", false, "which only viewer/live, viewer/live/client, runtime/probe/websocket may"},
		"module of a test":         {"tree", "github.com/google/go-cmp/cmp", true, ""},
		"module for tests":         {"tree", "github.com/rogpeppe/go-internal/txtar", false, "for tests only"},
		"unknown module":           {"tree", "example.com/left/pad", false, "a new module is a decision"},
		"unknown module in a test": {"tree", "example.com/left/pad", true, "a new module is a decision"},
	} {
		t.Run(name, func(t *testing.T) {
			got := judge(may, tc.from, tc.imported, tc.inTest)
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	for text, want := range map[string]string{
		`none < a b;`:                     `"a b" in the entry "none < a b" is no package`,
		`beans < tree;`:                   `beans stands on the left before it stood on the right`,
		`none < a < b; b < a;`:            `b and a stand left of each other`,
		`none < a < b < c; c < a;`:        `c and a stand left of each other`,
		`none < a; none < b; a < b, , c;`: `"" in the entry "a < b, , c" is no package`,
	} {
		if _, err := parseOrder(text); err == nil || err.Error() != want {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}

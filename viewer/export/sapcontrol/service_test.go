package sapcontrol

import (
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/viewer/export/ccms/alert"
	"grove/viewer/export/sapcontrol/soap"
)

// exporterRequest is what SUSE's sap_host_exporter sends for a function: written from
// its sources (hooklift/gowsdl's soap client, which marshals an envelope in a default
// namespace and sends the credentials also when they are empty), not taken off a wire.
func exporterRequest(function, parameters string) string {
	return `<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body xmlns="http://schemas.xmlsoap.org/soap/envelope/">` +
		`<` + function + ` xmlns="urn:SAPControl">` + parameters + `</` + function + `></Body></Envelope>`
}

func exporterHeaders(r *http.Request) {
	r.Header.Set("Content-Type", `text/xml; charset="utf-8"`)
	r.Header.Set("SOAPAction", "''")
	r.Header.Set("User-Agent", "gowsdl/0.1")
	r.Header.Set("Authorization", "Basic Og==")
}

// TestRecordedShapesOfSAPHostExporter sends its requests and reads the answers into
// structs that are tagged as its own are.
func TestRecordedShapesOfSAPHostExporter(t *testing.T) {
	w := newWorld(t)
	ask := func(t *testing.T, function, parameters string, into any) {
		t.Helper()
		status, message := w.post("/SAPControl.cgi", exporterRequest(function, parameters), exporterHeaders)
		var envelope struct {
			XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
			Body    struct {
				Content []byte `xml:",innerxml"`
			} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Body"`
		}
		if err := xml.Unmarshal([]byte(message), &envelope); err != nil || status != http.StatusOK {
			t.Fatalf("%d %v\n%s", status, err, message)
		}
		body := strings.Replace(string(envelope.Body.Content), ">", ` xmlns:SAPControl="urn:SAPControl">`, 1)
		if err := xml.Unmarshal([]byte(body), into); err != nil {
			t.Fatalf("%v\n%s", err, body)
		}
	}
	t.Run("GetInstanceProperties, which is asked at the start", func(t *testing.T) {
		var answer struct {
			XMLName    xml.Name `xml:"urn:SAPControl GetInstancePropertiesResponse"`
			Properties []struct {
				Property string `xml:"property,omitempty"`
				Value    string `xml:"value,omitempty"`
			} `xml:"properties>item,omitempty"`
		}
		ask(t, "GetInstanceProperties", "", &answer)
		got := map[string]string{}
		for _, p := range answer.Properties[:4] {
			got[p.Property] = p.Value
		}
		want := map[string]string{"SAPSYSTEM": "07", "SAPSYSTEMNAME": "GRV", "INSTANCE_NAME": "GROVE07", "SAPLOCALHOST": "alpha"}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	})
	t.Run("GetProcessList", func(t *testing.T) {
		type process struct {
			Name        string `xml:"name,omitempty"`
			Dispstatus  string `xml:"dispstatus,omitempty"`
			Textstatus  string `xml:"textstatus,omitempty"`
			Starttime   string `xml:"starttime,omitempty"`
			Elapsedtime string `xml:"elapsedtime,omitempty"`
		}
		var answer struct {
			XMLName   xml.Name  `xml:"urn:SAPControl GetProcessListResponse"`
			Processes []process `xml:"process>item,omitempty"`
		}
		ask(t, "GetProcessList", "", &answer)
		want := []process{
			{"grove", "SAPControl-GREEN", "Running", "2026 03 01 12:00:00", "0:00:04"},
			{"web1", "SAPControl-RED", "Fault", "2026 03 01 12:00:00", "0:00:04"},
		}
		if d := cmp.Diff(want, answer.Processes); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	})
	t.Run("GetSystemInstanceList, with and without what is 0", func(t *testing.T) {
		type instance struct {
			Hostname      string `xml:"hostname,omitempty"`
			InstanceNr    int32  `xml:"instanceNr,omitempty"`
			HTTPPort      int32  `xml:"httpPort,omitempty"`
			HTTPSPort     int32  `xml:"httpsPort,omitempty"`
			StartPriority string `xml:"startPriority,omitempty"`
			Features      string `xml:"features,omitempty"`
			Dispstatus    string `xml:"dispstatus,omitempty"`
		}
		for _, parameters := range []string{"", "<timeout>5</timeout>"} {
			var answer struct {
				XMLName   xml.Name   `xml:"urn:SAPControl GetSystemInstanceListResponse"`
				Instances []instance `xml:"instance>item,omitempty"`
			}
			ask(t, "GetSystemInstanceList", parameters, &answer)
			if d := cmp.Diff([]instance{{"alpha", 7, 50713, 0, "1", "GROVE", "SAPControl-RED"}}, answer.Instances); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		}
	})
	t.Run("EnqGetStatistic", func(t *testing.T) {
		var answer struct {
			XMLName  xml.Name `xml:"urn:SAPControl EnqStatistic"`
			LocksNow int32    `xml:"locks-now,omitempty"`
			State    string   `xml:"replication-state,omitempty"`
			LockTime float64  `xml:"lock-time,omitempty"`
		}
		ask(t, "EnqGetStatistic", "", &answer)
		if answer.State != "SAPControl-GRAY" || answer.LocksNow != 0 {
			t.Errorf("got %+v", answer)
		}
	})
	t.Run("GetQueueStatistic", func(t *testing.T) {
		var answer struct {
			XMLName xml.Name `xml:"urn:SAPControl GetQueueStatisticResponse"`
			Queues  []string `xml:"queue>item,omitempty"`
		}
		ask(t, "GetQueueStatistic", "", &answer)
		if len(answer.Queues) != 0 {
			t.Errorf("got %+v", answer)
		}
	})
}

func envelope(body string) string {
	return `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>` + body + `</e:Body></e:Envelope>`
}

const call1 = `<GetProcessList xmlns="urn:SAPControl"/>`

func TestFaults(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct{ name, message, code, want string }{
		{"nothing", "", "Client", "the body ends within the message"},
		{"no XML", "hello", "Client", `the text "hello" stands where an element is expected`},
		{"broken XML", "<a></b>", "Client", "the body is no SOAP envelope"},
		{"broken XML within", `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body></x>`, "Client", "the body is not well-formed XML: line 1: element <Body> closed by </x>"},
		{"a document type", `<!DOCTYPE x [<!ENTITY a "b">]>` + envelope(call1), "Client", "a SOAP message has no document type declaration"},
		{"an entity", envelope(`<GetAlerts xmlns="urn:SAPControl"><RootTid>&a;</RootTid></GetAlerts>`), "Client", "the body is not well-formed XML: line 1: invalid character entity &a;"},
		{"a processing instruction", "<?php ?>" + envelope(call1), "Client", "a SOAP message has no processing instructions"},
		{"SOAP 1.2", `<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"/>`, "VersionMismatch", "the service speaks SOAP 1.1, not 1.2"},
		{"another envelope", `<Envelope/>`, "VersionMismatch", "the envelope is not one of SOAP 1.1"},
		{"no body", `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Header/></e:Envelope>`, "Client", "the envelope has no body"},
		{"an empty body", envelope(""), "Client", "the body of the envelope is empty"},
		{"two calls", envelope(call1 + call1), "Client", "the body of the envelope has more than one element"},
		{"something behind it", envelope(call1) + "<x/>", "Client", "something follows the envelope"},
		{"a header that matters", `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Header><s:Security xmlns:s="urn:s" e:mustUnderstand="1"/></e:Header><e:Body>` + call1 + `</e:Body></e:Envelope>`,
			"MustUnderstand", `the header "Security" is not understood`},
		{"another namespace", envelope(`<GetProcessList xmlns="urn:other"/>`), "Client", "Method 'GetProcessList' not implemented: method name or namespace not recognized"},
		{"an unknown function", envelope(`<J2EEGetThreadList xmlns="urn:SAPControl"/>`), "Client", "Method 'J2EEGetThreadList' not implemented: method name or namespace not recognized"},
		{"a function that is refused", envelope(`<StopSystem xmlns="urn:SAPControl"/>`), "Client", "StopSystem: permission denied: grove watches and does not control"},
		{"a program to run", envelope(`<OSExecute xmlns="urn:SAPControl"><command>id</command></OSExecute>`), "Client", "OSExecute: permission denied: grove watches and does not control"},
		{"too deep", envelope(`<GetAlerts xmlns="urn:SAPControl">` + strings.Repeat("<a>", 20)), "Client", "elements are deeper than 16"},
		{"deep parameters", envelope(`<GetAlerts xmlns="urn:SAPControl"><RootTid><item><item>x</item></item></RootTid></GetAlerts>`), "Client", "RootTid has elements within its items"},
		{"a parameter twice", envelope(`<GetAlerts xmlns="urn:SAPControl"><RootTid/><RootTid/></GetAlerts>`), "Client", `the parameter "RootTid" is there twice`},
		{"a long parameter", envelope(`<GetAlerts xmlns="urn:SAPControl"><RootTid>` + strings.Repeat("x", 5000) + `</RootTid></GetAlerts>`), "Client", "RootTid has more than 4096 bytes"},
		{"many items", envelope(`<ABAPAcknowledgeAlerts xmlns="urn:SAPControl"><Aid>` + strings.Repeat("<item/>", 1001) + `</Aid></ABAPAcknowledgeAlerts>`), "Client", "Aid has more than 1000 items"},
		{"a long body", envelope("<!--" + strings.Repeat("x", soap.MaxBody) + "-->" + call1), "Client", "the body has more than 1048576 bytes"},
		{"no number", envelope(`<GetSystemInstanceList xmlns="urn:SAPControl"><timeout>soon</timeout></GetSystemInstanceList>`), "Client", `timeout: "soon" is no whole number of 32 bits`},
		{"an unknown parameter", envelope(`<ParameterValue xmlns="urn:SAPControl"><parameter>rsdb/password</parameter></ParameterValue>`), "Client", `Invalid parameter: "rsdb/password"`},
		{"a file", envelope(`<ReadLogFile xmlns="urn:SAPControl"><filename>/etc/passwd</filename></ReadLogFile>`), "Client", "/etc/passwd: no such log: ListLogFiles names those that there are"},
		{"a node that is no log", envelope(`<ReadLogFile xmlns="urn:SAPControl"><filename>/shop/web1</filename></ReadLogFile>`), "Client", "/shop/web1: no such log: ListLogFiles names those that there are"},
		{"a cookie of another's", envelope(`<ReadLogFile xmlns="urn:SAPControl"><filename>/shop/web1/Log</filename><statecookie>x</statecookie></ReadLogFile>`), "Client", `statecookie: "x" is none that ReadLogFile gave`},
		{"a strange user", envelope("<ABAPAcknowledgeAlerts xmlns=\"urn:SAPControl\"><R3User>a\tb</R3User></ABAPAcknowledgeAlerts>"), "Client", "R3User: has more than 100 bytes, or control characters"},
		{"an element that is not there", envelope(`<GetAlerts xmlns="urn:SAPControl"><RootTid>/nowhere</RootTid></GetAlerts>`), "Client", "/nowhere: no such node"},
		{"a function to check", envelope(`<AccessCheck xmlns="urn:SAPControl"><function>Fly</function></AccessCheck>`), "Client", `Invalid function: "Fly"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, message := w.post("/", tt.message)
			var got struct {
				Code string `xml:"Body>Fault>faultcode"`
				Text string `xml:"Body>Fault>faultstring"`
			}
			if err := xml.Unmarshal([]byte(message), &got); err != nil {
				t.Fatalf("%v: %s", err, message)
			}
			if status != http.StatusInternalServerError || got.Code != "SOAP-ENV:"+tt.code || got.Text != tt.want {
				t.Errorf("got  %d %s %s\nwant 500 SOAP-ENV:%s %s", status, got.Code, got.Text, tt.code, tt.want)
			}
		})
	}
}

func TestWhatIsNoSOAP(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name, method, address string
		header                [2]string
		status                int
		want                  string
	}{
		{"a page", "GET", "/", [2]string{}, 404, "the web service SAPControl: ?wsdl describes it, a POST of a SOAP message asks it"},
		{"another method", "PUT", "/", [2]string{}, 405, "a request is a POST of a SOAP message; GET ?wsdl describes it"},
		{"a form of another site", "POST", "/", [2]string{"Content-Type", "text/plain"}, 415, "a SOAP message is of the type text/xml"},
		{"a script", "POST", "/", [2]string{"Origin", "http://127.0.0.1:50713"}, 403, "requests of web pages are not answered"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := httptest.NewRequest(tt.method, tt.address, strings.NewReader(envelope(call1)))
			req.Header.Set("Content-Type", "text/xml")
			if tt.header[0] != "" {
				req.Header.Set(tt.header[0], tt.header[1])
			}
			rec := httptest.NewRecorder()
			w.service.ServeHTTP(rec, req.WithContext(everyone(req.Context())))
			if got := strings.TrimSpace(rec.Body.String()); rec.Code != tt.status || got != tt.want {
				t.Errorf("got  %d %s\nwant %d %s", rec.Code, got, tt.status, tt.want)
			}
		})
	}
}

func TestWSDLSaysWhereItIs(t *testing.T) {
	w := newWorld(t)
	for _, address := range []string{"http://alpha:50713/?wsdl", "http://alpha:50713/SAPControl?WSDL", "http://alpha:50713/SAPControl.cgi?wsdl=1"} {
		rec := httptest.NewRecorder()
		w.service.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, address, nil))
		location, _, _ := strings.Cut(address, "?")
		if want := `<soap:address location="` + location + `"/>`; !strings.Contains(rec.Body.String(), want) {
			t.Errorf("%s: no %s", address, want)
		}
	}
}

func TestAlertsOfAPart(t *testing.T) {
	w := newWorld(t)
	status, message := w.post("/?path=/shop/web1/Connections", envelope(`<GetAlertTree xmlns="urn:SAPControl"/>`))
	if got := strings.Count(message, "<item>"); status != 200 || got != 2 || !strings.Contains(message, "<name>Connections</name><parent>-1</parent>") {
		t.Errorf("%d, %d elements\n%s", status, got, message)
	}
	_, message = w.ask(`<GetAlerts xmlns="urn:SAPControl"><RootTid>` + w.tid("/shop/web1/Connections") + `</RootTid></GetAlerts>`)
	if strings.Count(message, "<item>") != 1 || !strings.Contains(message, `<RootTidName>GRV\shop\...\web1/Connections\...</RootTidName>`) || !strings.Contains(message, "<Attribute>Open</Attribute>") {
		t.Error(message)
	}
	_, message = w.ask(`<GetAlerts xmlns="urn:SAPControl"/>`)
	if strings.Count(message, "<item>") != 3 {
		t.Error(message)
	}
	_, message = w.post("/?path=/nowhere", envelope(`<GetAlertTree xmlns="urn:SAPControl"/>`))
	if !strings.Contains(message, "<faultstring>/nowhere: no such node</faultstring>") {
		t.Error(message)
	}
}

func TestAcknowledge(t *testing.T) {
	w := newWorld(t)
	aid := w.aid("Up")
	ask := `<ABAPAcknowledgeAlerts xmlns="urn:SAPControl"><R3Client>000</R3Client><R3User>ERIKA</R3User><R3Password>geheim</R3Password><Aid><item>` + aid + `</item><item>x</item></Aid></ABAPAcknowledgeAlerts>`
	for _, want := range []string{"<item>1</item><item>0</item>", "<item>0</item><item>0</item>"} {
		if _, message := w.ask(ask); !strings.Contains(message, want) {
			t.Errorf("no %s in %s", want, message)
		}
	}
	if len(w.acknowledged) != 1 || w.acknowledged[0].By != "ERIKA" || w.acknowledged[0].Alert.Attribute != "Up" {
		t.Errorf("the audit was told %+v", w.acknowledged)
	}
	if open, _, _ := w.elements.Alerts(everyone(w.Context()), alert.Filter{State: alert.Open}); len(open) != 2 {
		t.Errorf("%d alerts are open, want 2", len(open))
	}
}

func TestReadLogFileGoesOn(t *testing.T) {
	w := newWorld(t)
	ask := func(rest string) string {
		_, message := w.ask(`<ReadLogFile xmlns="urn:SAPControl"><filename>/shop/web1/Log</filename>` + rest + `</ReadLogFile>`)
		return strings.TrimSuffix(strings.TrimPrefix(inner(message), "<SAPControl:ReadLogFileResponse>"), "</SAPControl:ReadLogFileResponse>")
	}
	first := "<format>grove</format><startcookie>0</startcookie><endcookie>1</endcookie><fields><item>2026 03 01 12:00:03&#x9;green&#x9;started</item></fields>"
	if got := ask("<maxentries>1</maxentries>"); got != first {
		t.Errorf("got %s", got)
	}
	second := "<format>grove</format><startcookie>1</startcookie><endcookie>EOF</endcookie><fields><item>2026 03 01 12:00:04&#x9;yellow&#x9;slow \ufffd[31m answer</item></fields>"
	if got := ask("<maxentries>1</maxentries><statecookie>1</statecookie>"); got != second {
		t.Errorf("got %s", got)
	}
	if got := ask("<filter>nothing</filter>"); got != "<format>grove</format><startcookie>0</startcookie><endcookie>EOF</endcookie><fields></fields>" {
		t.Errorf("got %s", got)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.MaxElements = 3 })
	_, message := w.ask(`<GetAlertTree xmlns="urn:SAPControl"/>`)
	if want := "9 elements are more than the bound of 3: ask for a smaller part of the tree, with the path in the URL, such as /?path=/shop"; !strings.Contains(message, want) {
		t.Errorf("no %q in %s", want, message)
	}
	for range cap(w.service.slots) {
		w.service.slots <- struct{}{}
	}
	status, message := w.ask(call1)
	if want := "<faultcode>SOAP-ENV:Server</faultcode><faultstring>8 requests are under way, which is the bound</faultstring>"; status != http.StatusServiceUnavailable || !strings.Contains(message, want) {
		t.Errorf("%d %s", status, message)
	}
}

func TestEachFunctionIsAnsweredOrRefused(t *testing.T) {
	answered := 0
	for _, f := range soap.Functions {
		if _, ok := answers[f.Name]; ok == f.Refused {
			t.Errorf("%s: refused: %t, answered: %t", f.Name, f.Refused, ok)
		} else if ok {
			answered++
		}
	}
	if answered != len(answers) {
		t.Errorf("%d answers are of no function", len(answers)-answered)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	w := newWorld(t)
	for want, o := range map[string]Options{
		"sapcontrol: no monitoring tree":                   {},
		"sapcontrol: instance number 100 is outside 0..99": {Elements: w.elements, Instance: 100},
		"sapcontrol: a bound is negative":                  {Elements: w.elements, Concurrent: -1},
	} {
		if _, err := New(o); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

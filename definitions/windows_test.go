package definitions_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"grove/tree"
)

// windowsMetrics is written by hand after the documentation of windows_exporter's
// collectors, since no Windows runs where the tests do: the names and labels are those of
// its version 0.31.
const windowsMetrics = `# HELP windows_exporter_collector_success windows_exporter: Whether the collector was successful.
# TYPE windows_exporter_collector_success gauge
windows_exporter_collector_success{collector="cpu"} 1
windows_exporter_collector_success{collector="memory"} 1
# TYPE windows_cpu_time_total counter
windows_cpu_time_total{core="0,0",mode="idle"} 9000
windows_cpu_time_total{core="0,0",mode="privileged"} 300
windows_cpu_time_total{core="0,0",mode="user"} 700
windows_cpu_time_total{core="0,1",mode="idle"} 9500
windows_cpu_time_total{core="0,1",mode="user"} 500
# TYPE windows_logical_disk_free_bytes gauge
windows_logical_disk_free_bytes{volume="C:"} 4e+10
windows_logical_disk_free_bytes{volume="HarddiskVolume1"} 1e+06
# TYPE windows_logical_disk_read_bytes_total counter
windows_logical_disk_read_bytes_total{volume="C:"} 1e+09
# TYPE windows_logical_disk_requests_queued gauge
windows_logical_disk_requests_queued{volume="C:"} 0
# TYPE windows_logical_disk_size_bytes gauge
windows_logical_disk_size_bytes{volume="C:"} 1e+11
windows_logical_disk_size_bytes{volume="HarddiskVolume1"} 1e+08
# TYPE windows_logical_disk_write_bytes_total counter
windows_logical_disk_write_bytes_total{volume="C:"} 2e+09
# TYPE windows_memory_available_bytes gauge
windows_memory_available_bytes 6e+09
# TYPE windows_memory_commit_limit gauge
windows_memory_commit_limit 2e+10
# TYPE windows_memory_committed_bytes gauge
windows_memory_committed_bytes 8e+09
# TYPE windows_memory_physical_total_bytes gauge
windows_memory_physical_total_bytes 1.6e+10
# TYPE windows_net_bytes_received_total counter
windows_net_bytes_received_total{nic="Intel Ethernet"} 1e+09
# TYPE windows_net_bytes_sent_total counter
windows_net_bytes_sent_total{nic="Intel Ethernet"} 5e+08
# TYPE windows_net_packets_outbound_errors_total counter
windows_net_packets_outbound_errors_total{nic="Intel Ethernet"} 0
# TYPE windows_net_packets_received_errors_total counter
windows_net_packets_received_errors_total{nic="Intel Ethernet"} 0
# TYPE windows_os_info gauge
windows_os_info{build_number="20348",installation_type="Server",major_version="10",minor_version="0",product="Windows Server 2022 Standard",revision="2700",version="10.0.20348"} 1
# TYPE windows_service_state gauge
windows_service_state{name="W32Time",state="running"} 1
windows_service_state{name="W32Time",state="stopped"} 0
windows_service_state{name="Spooler",state="running"} 1
windows_service_state{name="Spooler",state="stopped"} 0
# TYPE windows_system_boot_time_timestamp gauge
windows_system_boot_time_timestamp 1.76e+09
# TYPE windows_system_processor_queue_length gauge
windows_system_processor_queue_length 1
`

// TestRecordedWindowsHost runs the definition of a Windows host on the metrics of one.
func TestRecordedWindowsHost(t *testing.T) {
	t.Parallel()
	var text atomic.Value
	text.Store(windowsMetrics)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprint(w, text.Load())
	}))
	defer s.Close()
	w := grow(t, fmt.Sprintf("use: windows-host\nat: /files1\nwith: { url: \"%s/metrics\", every: 200ms, services: [W32Time, Spooler], idle_yellow: 0, idle_red: 0 }\n", s.URL))
	w.is("/files1/Answer/Up", tree.Green)
	w.is("/files1/Answer/Collectors", tree.Green)
	w.says("/files1/System/Product", "Windows Server 2022")
	w.within("/files1/Processor/Queue", 0.5, 0.5)
	w.within("/files1/Processor/Idle", 0, 0)
	w.within("/files1/Memory/Size", 1.6e10, 1.6e10)
	w.within("/files1/Memory/Used", 62.5, 62.5)
	w.within("/files1/Memory/Committed", 40, 40)
	w.within("/files1/Volumes/C:/Used", 60, 60)
	w.within("/files1/Network/Intel Ethernet/Received", 0, 0)
	w.is("/files1/Services/W32Time", tree.Green)
	w.is("/files1", tree.Green)
	if _, there := w.node("/files1/Volumes/HarddiskVolume1"); there {
		t.Error("a volume without a letter is shown")
	}
	w.exported()

	change := func(old, now string) {
		before := text.Load().(string)
		if strings.Count(before, old) != 1 {
			t.Fatalf("%q is not there once", old)
		}
		text.Store(strings.Replace(before, old, now, 1))
	}
	change(`windows_service_state{name="Spooler",state="running"} 1`, `windows_service_state{name="Spooler",state="running"} 0`)
	w.is("/files1/Services/Spooler", tree.Red)
	change(`windows_logical_disk_free_bytes{volume="C:"} 4e+10`, `windows_logical_disk_free_bytes{volume="C:"} 1e+10`)
	w.is("/files1/Volumes/C:/Used", tree.Yellow)
	change(`windows_exporter_collector_success{collector="memory"} 1`, `windows_exporter_collector_success{collector="memory"} 0`)
	w.is("/files1/Answer/Collectors", tree.Yellow)
	change("windows_system_boot_time_timestamp 1.76e+09", "windows_system_boot_time_timestamp 1.7601e+09")
	w.is("/files1/System/Restarted", tree.Yellow)

	// A version before 0.30 has other names for some.
	change("windows_memory_physical_total_bytes 1.6e+10", "windows_cs_physical_memory_bytes 1.2e+10")
	w.within("/files1/Memory/Used", 50, 50)
	s.CloseClientConnections()
	s.Close()
	w.is("/files1/Answer/Up", tree.Red)
}

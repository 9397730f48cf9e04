package definitions_test

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"

	"grove/tree"
)

// TestApache runs the definition of Apache on Debian's apache2: on a server that is not
// there yet, comes, is visited and goes.
func TestApache(t *testing.T) {
	t.Parallel()
	program, dir, address := installed(t, "apache2", "apache2"), t.TempDir(), loopback(freePort(t))
	config := configure(t, filepath.Join(dir, "apache.conf"), fmt.Sprintf(`
ServerRoot %[1]s
ServerName localhost
DocumentRoot /usr/share/apache2
PidFile %[1]s/pid
Listen %[2]s
ErrorLog %[1]s/error.log
User nobody
Group nogroup
StartServers 1
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule authz_host_module /usr/lib/apache2/modules/mod_authz_host.so
LoadModule status_module /usr/lib/apache2/modules/mod_status.so
ExtendedStatus On
<Location "/server-status">
SetHandler server-status
Require local
</Location>
`, dir, address))
	server := newDaemon(t, func() *exec.Cmd { return exec.Command(program, "-f", config, "-DFOREGROUND") })
	w := grow(t, fmt.Sprintf("use: apache\nat: /web1\nwith: { status_url: \"http://%s/server-status?auto\", every: 200ms }\n", address))
	w.is("/web1/Answer/Up", tree.Red)

	server.start()
	w.is("/web1/Answer/Up", tree.Green)
	w.within("/web1/Workers/Busy", 1, 1) // the one that answers us
	w.within("/web1/Workers/Idle", 1, 1000)
	w.within("/web1/Workers/Used", 0.6, 0.7)
	w.within("/web1/Connections", 0, 10)
	w.within("/web1/Requests", 1, 1e6)
	w.is("/web1", tree.Green)
	for range 20 {
		res, err := http.Get("http://" + address + "/none")
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	w.within("/web1/Sent", 1, 1e9)
	http.DefaultClient.CloseIdleConnections()
	w.exported()

	server.stop()
	w.is("/web1/Answer/Up", tree.Red)
	w.is("/web1/Workers/Busy", tree.White)
}

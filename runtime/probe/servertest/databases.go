package servertest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // the driver mysql
	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
)

// Password is that of every user of the servers here.
const Password = "tree-of-secrets"

// Database is a server of SQL and what its administrator does there.
type Database struct {
	*Server
	Admin *sql.DB // as its superuser
}

// await waits until the administrator gets an answer.
func (d *Database) await() {
	d.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(patience); ; <-tick.C {
		err := d.Admin.PingContext(context.Background())
		if err == nil {
			return
		}
		if time.Now().After(late) {
			d.t.Fatalf("the database does not answer: %v", err)
		}
	}
}

// Start starts the server, and waits until it answers.
func (d *Database) Start() {
	d.t.Helper()
	d.Server.Start()
	d.await()
}

// Exec does statements as the superuser.
func (d *Database) Exec(statements ...string) {
	d.t.Helper()
	for _, s := range statements {
		if _, err := d.Admin.ExecContext(context.Background(), s); err != nil {
			d.t.Fatalf("%s: %v", s, err)
		}
	}
}

// PostgreSQL starts Debian's PostgreSQL with TLS. Its superuser is postgres, and there is
// the user grove with the rights of pg_monitor. Settings are such as "max_connections=20".
func PostgreSQL(t testing.TB, settings ...string) *Database {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // The pattern is right.
	if len(found) == 0 {
		t.Skip("PostgreSQL is not installed (apt-get install postgresql)")
	}
	bin := filepath.Dir(found[len(found)-1])
	s, as := newServer(t, "postgres")
	certificate, key := s.certificate()
	secret := s.write("password", Password)
	if as != nil {
		for _, f := range []string{certificate, key, secret} {
			s.own(f, int(as.Uid), int(as.Gid))
		}
	}
	data := filepath.Join(s.Dir, "data")
	s.run(as, filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "scram-sha-256", "--pwfile", secret, "-E", "UTF8", "--locale=C.UTF-8", "-N")
	args := []string{"-D", data, "-k", s.Dir, "-p", s.Port(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off",
		"-c", "ssl=on", "-c", "ssl_cert_file=" + certificate, "-c", "ssl_key_file=" + key}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	s.command = func() *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, "postgres"), args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
		return cmd
	}
	u := url.URL{Scheme: "postgres", User: url.UserPassword("postgres", Password), Host: s.Address, Path: "/postgres", RawQuery: "sslmode=disable"}
	d := s.database("pgx", u.String())
	d.Exec("CREATE ROLE grove LOGIN PASSWORD '"+Password+"'", "GRANT pg_monitor TO grove")
	return d
}

// MariaDB starts Debian's MariaDB with TLS. Its superuser is root, and there is the user
// grove who may see processes and the state of replication.
func MariaDB(t testing.TB, settings ...string) *Database {
	t.Helper()
	install := find(t, "mariadb-server", "mariadb-install-db")
	program := find(t, "mariadb-server", "mariadbd")
	s, _ := newServer(t, "")
	certificate, key := s.certificate()
	me := "--user=root"
	if os.Geteuid() != 0 {
		me = "--log-warnings=2" // It takes a user from root alone.
	}
	data := filepath.Join(s.Dir, "data")
	s.run(nil, install, "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db", me)
	users := s.write("users.sql", fmt.Sprintf(`CREATE USER IF NOT EXISTS boss@'%%' IDENTIFIED BY '%[1]s';
GRANT ALL ON *.* TO boss@'%%' WITH GRANT OPTION;
CREATE USER IF NOT EXISTS grove@'%%' IDENTIFIED BY '%[1]s';
GRANT PROCESS, SLAVE MONITOR ON *.* TO grove@'%%';
`, Password))
	args := append([]string{"--no-defaults", "--datadir=" + data, "--port=" + s.Port(), "--bind-address=127.0.0.1", "--socket=" + filepath.Join(s.Dir, "socket"),
		"--pid-file=" + filepath.Join(s.Dir, "pid"), "--skip-name-resolve", "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=4M", "--innodb-flush-log-at-trx-commit=0",
		"--init-file=" + users, "--ssl-cert=" + certificate, "--ssl-key=" + key, me}, settings...)
	s.command = func() *exec.Cmd { return exec.Command(program, args...) }
	return s.database("mysql", "boss:"+Password+"@tcp("+s.Address+")/")
}

// database starts the server and logs in as its superuser.
func (s *Server) database(driver, source string) *Database {
	s.t.Helper()
	admin, err := sql.Open(driver, source)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = admin.Close() })
	d := &Database{Server: s, Admin: admin}
	d.Start()
	return d
}

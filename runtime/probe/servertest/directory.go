package servertest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// DirectoryAdmin may do everything in the directory, and DirectoryReader may read what
// cn=Monitor says.
const (
	DirectoryAdmin  = "cn=admin,dc=example,dc=org"
	DirectoryReader = "cn=grove,dc=example,dc=org"
)

const slapdConfig = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload back_monitor
pidfile %[1]s/pid
argsfile %[1]s/args
TLSCACertificateFile %[2]s
TLSCertificateFile %[3]s
TLSCertificateKeyFile %[4]s
threads 4
sizelimit 2000
database monitor
access to * by dn.exact="%[5]s" read by dn.exact="%[6]s" read by * none
database mdb
suffix dc=example,dc=org
rootdn "%[6]s"
rootpw %[7]s
directory %[1]s/data
maxsize 10485760
monitoring on
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=people,dc=example,dc=org" by dn.exact="%[5]s" read by * none
access to * by dn.exact="%[5]s" search by * none
`

// OpenLDAP starts Debian's slapd with TLS (StartTLS), cn=Monitor and a directory
// dc=example,dc=org of ten people, Person 0 to Person 9.
func OpenLDAP(t testing.TB) *Server {
	t.Helper()
	program := find(t, "slapd", "slapd")
	add := find(t, "slapd", "slapadd")
	s, _ := newServer(t, "")
	certificate, key := s.certificate()
	if err := os.Mkdir(filepath.Join(s.Dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	config := s.write("slapd.conf", fmt.Sprintf(slapdConfig, s.Dir, s.CA, certificate, key, DirectoryReader, DirectoryAdmin, Password))
	ldif := `dn: dc=example,dc=org
objectClass: organization
objectClass: dcObject
o: Example
dc: example

dn: ` + DirectoryReader + `
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: grove
userPassword: ` + Password + `

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people
`
	for i := range 10 {
		ldif += fmt.Sprintf("\ndn: uid=p%[1]d,ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: p%[1]d\ncn: Person %[1]d\nsn: Person\nemployeeNumber: %[1]d\n", i)
	}
	s.run(nil, add, "-f", config, "-l", s.write("data.ldif", ldif))
	s.command = func() *exec.Cmd { return exec.Command(program, "-f", config, "-h", "ldap://"+s.Address, "-d", "0") }
	s.Start()
	return s
}

package javatest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

const (
	tomcatHome    = "/usr/share/tomcat10"
	tomcatManager = "/usr/share/tomcat10-admin/manager"
	tomcatConf    = "/etc/tomcat10"
)

const tomcatServer = `<Server port="-1">
  <Listener className="org.apache.catalina.mbeans.GlobalResourcesLifecycleListener"/>
  <GlobalNamingResources>
    <Resource name="UserDatabase" auth="Container" type="org.apache.catalina.UserDatabase"
      factory="org.apache.catalina.users.MemoryUserDatabaseFactory" pathname="conf/tomcat-users.xml"/>
    <Resource name="jdbc/shop" auth="Container" type="javax.sql.DataSource" url="jdbc:none:shop" maxTotal="20"/>
  </GlobalNamingResources>
  <Service name="Catalina">
    <Connector address="127.0.0.1" port="PORT" maxThreads="20"/>
    <Engine name="Catalina" defaultHost="localhost">
      <Realm className="org.apache.catalina.realm.UserDatabaseRealm" resourceName="UserDatabase"/>
      <Host name="localhost" appBase="webapps"/>
    </Engine>
  </Service>
</Server>
`

const tomcatUsers = `<tomcat-users>
  <role rolename="manager-jmx"/><role rolename="manager-gui"/>
  <user username="USER" password="PASSWORD" roles="manager-jmx,manager-gui"/>
</tomcat-users>
`

// Tomcat starts Debian's Tomcat with its manager and an empty web application, in a base
// directory of its own, which the caller removes. The proxy is at /manager/jmxproxy/.
func Tomcat(base string) (*Server, error) {
	if err := installed(
		MissingError{"/usr/bin/java", "openjdk-17-jdk-headless"},
		MissingError{filepath.Join(tomcatHome, "bin/bootstrap.jar"), "tomcat10"},
		MissingError{filepath.Join(tomcatManager, "WEB-INF/web.xml"), "tomcat10-admin"},
	); err != nil {
		return nil, err
	}
	address, err := free()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	files := map[string]string{
		"conf/server.xml":                     strings.ReplaceAll(tomcatServer, "PORT", port),
		"conf/tomcat-users.xml":               strings.NewReplacer("USER", User, "PASSWORD", Password).Replace(tomcatUsers),
		"conf/Catalina/localhost/manager.xml": fmt.Sprintf("<Context docBase=%q privileged=\"true\"/>\n", tomcatManager),
		"conf/logging.properties":             "handlers = java.util.logging.ConsoleHandler\n.level = WARNING\n",
		"conf/catalina.properties":            "",
		"conf/web.xml":                        "",
		"conf/context.xml":                    "",
		"webapps/ROOT/index.html":             "<h1>Welcome</h1>\n",
		"temp/readme":                         "for what the server writes\n",
	}
	for name, text := range files {
		if text == "" {
			b, err := os.ReadFile(filepath.Join(tomcatConf, filepath.Base(name)))
			if err != nil {
				return nil, err
			}
			text = string(b)
		}
		if name == "conf/catalina.properties" {
			// Looking through all archives takes most of the start.
			text += "\ntomcat.util.scan.StandardJarScanFilter.jarsToSkip=*.jar\n"
		}
		file := filepath.Join(base, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	s := &Server{URL: "http://" + address}
	bin := filepath.Join(tomcatHome, "bin")
	if err := s.start(append(quick[:len(quick):len(quick)],
		"-cp", filepath.Join(bin, "bootstrap.jar")+":"+filepath.Join(bin, "tomcat-juli.jar"),
		"-Dcatalina.home="+tomcatHome, "-Dcatalina.base="+base, "-Djava.io.tmpdir="+filepath.Join(base, "temp"),
		"-Djava.util.logging.config.file="+filepath.Join(base, "conf/logging.properties")),
		"org.apache.catalina.startup.Bootstrap", "start"); err != nil {
		return nil, err
	}
	for range s.sayings() {
		if err := s.Ask("GET", "/index.html", ""); err == nil {
			return s, nil
		}
	}
	said := s.said()
	s.Stop()
	return nil, errors.New("Tomcat does not start: " + said)
}

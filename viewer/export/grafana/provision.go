package grafana

import (
	"bytes"
	"fmt"
	"net/url"
	"path"

	"go.yaml.in/yaml/v4"
)

// DatasourceUID is the stable identity of the data source that Provisioning makes.
const DatasourceUID = "grove"

// Provisioning makes the files that tell a Grafana of grove, by their names below its
// directory "provisioning": the data source at grove's address url, such as
// "http://127.0.0.1:7440", and the dashboards in the directory dir of Grafana's machine.
// Credentials do not belong into them: Grafana adds them from its own environment.
func Provisioning(address, dir string) (map[string][]byte, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("grafana: address %.200q is no http or https URL of grove, such as %s", address, DefaultPage)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("grafana: address of grove: only scheme, host and path; a password is given to Grafana in its environment")
	}
	if !path.IsAbs(dir) {
		return nil, fmt.Errorf("grafana: directory %.200q of the dashboards is not absolute, as Grafana needs it", dir)
	}
	sources, err := document("Where grove answers queries. Put it into provisioning/datasources.", map[string]any{
		"apiVersion": 1,
		"datasources": []map[string]any{{
			"name": "Grove", "uid": DatasourceUID, "type": "prometheus", "access": "proxy", "editable": false,
			"url": u.JoinPath("prometheus").String(),
			// Questions travel in addresses, and Grafana asks for no finer steps than
			// probes run.
			"jsonData": map[string]any{"httpMethod": "GET", "timeInterval": "10s", "prometheusType": "Prometheus", "manageAlerts": false, "disableMetricsLookup": false},
		}},
	})
	if err != nil {
		return nil, err
	}
	boards, err := document("Where the dashboards are. Put it into provisioning/dashboards.", map[string]any{
		"apiVersion": 1,
		"providers": []map[string]any{{
			"name": "Grove", "folder": "Grove", "folderUid": "grove", "type": "file", "disableDeletion": false, "allowUiUpdates": true, "updateIntervalSeconds": 60,
			"options": map[string]any{"path": dir, "foldersFromFilesStructure": false},
		}},
	})
	if err != nil {
		return nil, err
	}
	return map[string][]byte{"datasources/grove.yaml": sources, "dashboards/grove.yaml": boards}, nil
}

func document(about string, content any) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("# " + about + "\n")
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(content); err != nil {
		return nil, fmt.Errorf("grafana: %w", err)
	}
	if err := e.Close(); err != nil {
		return nil, fmt.Errorf("grafana: %w", err)
	}
	return out.Bytes(), nil
}

package kubernetes

import (
	"encoding/json"
	"slices"
	"strings"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

var nodeTable = table("nodes", "name", "The nodes of the cluster.",
	column("name", beans.TypeString, "", "Name of the node."),
	column("ready", beans.TypeString, "", "ready, not ready, or unknown when the node fell silent."),
	column("reason", beans.TypeString, "", "Why it is not ready, in the kubelet's words; empty when it is."),
	column("schedulable", beans.TypeBool, "", "1 when pods may be put on it; 0 when it is cordoned."),
	column("memory_pressure", beans.TypeBool, "", "1 when its memory is running out."),
	column("disk_pressure", beans.TypeBool, "", "1 when its disks are running full."),
	column("pid_pressure", beans.TypeBool, "", "1 when it has too many processes."),
	column("network_unavailable", beans.TypeBool, "", "1 when its network is not set up."),
	column("roles", beans.TypeString, "", "Its roles, such as control-plane."),
	column("version", beans.TypeString, "", "Version of its kubelet."),
	column("cpu", beans.TypeFloat, "cores", "Processors that pods may have."),
	column("memory", beans.TypeFloat, "bytes", "Memory that pods may have."),
	column("pods", beans.TypeFloat, "pods", "Pods that it may have."),
	column("age", beans.TypeFloat, "s", "How long it has been in the cluster."),
)

var nodes = &object{
	name: "nodes", paths: []apiPath{{"/api/v1", "nodes"}},
	attributes: []beans.AttributeInfo{
		column("node_count", beans.TypeFloat, "nodes", "Nodes."),
		column("nodes_ready", beans.TypeFloat, "nodes", "Nodes that are ready."),
		nodeTable,
	},
	begin: func() pour { return &nodePour{rows: rows{attribute: nodeTable}} },
}

type nodePour struct {
	rows
	count, ready int
}

func (n *nodePour) take(l *look, _ apiPath, item json.RawMessage) error {
	var node struct {
		Metadata meta
		Spec     struct{ Unschedulable bool }
		Status   struct {
			Allocatable map[string]string
			NodeInfo    struct{ KubeletVersion string }
			Conditions  []struct{ Type, Status, Reason, Message string }
		}
	}
	if err := json.Unmarshal(item, &node); err != nil {
		return err
	}
	n.count++
	ready, reason, is := "unknown", "", map[string]string{}
	for _, c := range node.Status.Conditions {
		is[c.Type] = c.Status
		if c.Type == "Ready" {
			switch c.Status {
			case "True":
				ready = "ready"
				n.ready++
			case "False":
				ready = "not ready"
			}
			if c.Status != "True" {
				reason = strings.TrimSuffix(c.Reason+": "+c.Message, ": ")
			}
		}
	}
	if l.full(len(n.list)) {
		return nil
	}
	condition := func(name string) tree.Value {
		if is[name] == "" {
			return tree.Value{}
		}
		return tree.Bool(is[name] == "True")
	}
	s := &node.Status
	n.add(tree.Text(node.Metadata.Name), tree.Text(ready), tree.Text(reason), tree.Bool(!node.Spec.Unschedulable),
		condition("MemoryPressure"), condition("DiskPressure"), condition("PIDPressure"), condition("NetworkUnavailable"),
		tree.Text(roles(node.Metadata.Labels)), tree.Text(s.NodeInfo.KubeletVersion),
		quantity(s.Allocatable["cpu"]), quantity(s.Allocatable["memory"]), quantity(s.Allocatable["pods"]), l.age(node.Metadata.CreationTimestamp))
	return nil
}

func (n *nodePour) end(r *probe.Result) {
	r.Number("node_count", float64(n.count))
	r.Number("nodes_ready", float64(n.ready))
	n.into(r)
}

func roles(labels map[string]string) string {
	var list []string
	for label := range labels {
		if role, ok := strings.CutPrefix(label, "node-role.kubernetes.io/"); ok {
			list = append(list, role)
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

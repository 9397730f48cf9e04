// Package kubelet is the probe kind "kubelet": what one node of a Kubernetes cluster and
// its pods use, as its kubelet measures.
//
// It reads /stats/summary, whose form is package k8s.io/kubelet/pkg/apis/stats/v1alpha1.
package kubelet

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/endpoint"
	"grove/runtime/probe/secret"
	"grove/tree"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// maxRows bounds the rows of a table; a node has a few hundred pods at most.
const maxRows = 10_000

// Options are the options of the kind "kubelet".
type Options struct {
	endpoint.Options `yaml:",inline"`
}

// Kind returns the kind "kubelet". Its probes connect where the policy allows and read
// the secrets that theirs allows; nil is the default of each.
func Kind(policy *dial.Policy, secrets *secret.Policy) probe.Kind {
	return probe.Kind{
		Name:       "kubelet",
		Title:      "What a Kubernetes node and its pods use, by its kubelet",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return &Options{endpoint.Defaults()} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			u, err := o.Check()
			if err != nil {
				return nil, err
			}
			return &nodeProbe{client: endpoint.New(o.Options, u, policy, secrets)}, nil
		},
	}
}

// nodeProbe keeps one connection.
type nodeProbe struct{ client *endpoint.Client }

// Target implements probe.Probe.
func (p *nodeProbe) Target() string { return p.client.Target() }

// Close implements probe.Probe.
func (p *nodeProbe) Close() error {
	p.client.Close()
	return nil
}

// Run implements probe.Probe.
func (p *nodeProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	err := p.client.Ready()
	if err == nil {
		err = p.ask(ctx, &r)
	}
	err = p.client.Finish(ctx, &r, start, err)
	return r, err
}

func (p *nodeProbe) ask(ctx context.Context, r *probe.Result) error {
	body, err := p.client.Ask(ctx, endpoint.Request{Path: "/stats/summary"})
	if err != nil {
		return err
	}
	var s summary
	if err := json.Unmarshal(body, &s); err != nil {
		return &answer.Fault{State: "status", Err: fmt.Errorf("the answer to /stats/summary is not a kubelet's: %w", err)}
	}
	s.into(r)
	return nil
}

// Attributes implements probe.Probe.
func (p *nodeProbe) Attributes() []beans.AttributeInfo {
	list := append(answer.Attributes(endpoint.States()...), nodeAttributes...)
	return append(list, podTable, volumeTable)
}

// The shapes of a summary, as far as they are read. What a kubelet does not know is not
// there, and so has no value.
type (
	summary struct {
		Node struct {
			NodeName  string
			StartTime time.Time
			usage
			Fs      *filesystem
			Runtime struct{ ImageFs *filesystem }
			Rlimit  struct{ MaxPID, CurProc *float64 }
		}
		Pods []pod
	}
	pod struct {
		PodRef struct{ Name, Namespace string }
		usage
		EphemeralStorage *filesystem `json:"ephemeral-storage"`
		Volume           []struct {
			filesystem
			Name   string
			PVCRef *struct{ Name, Namespace string }
		}
		ProcessStats struct {
			Count *float64 `json:"process_count"`
		} `json:"process_stats"`
	}
	usage struct {
		CPU struct {
			UsageNanoCores, UsageCoreNanoSeconds *float64
		}
		Memory struct {
			AvailableBytes, UsageBytes, WorkingSetBytes, RSSBytes, MajorPageFaults *float64
		}
		Network struct {
			RxBytes, TxBytes, RxErrors, TxErrors *float64
		}
	}
	filesystem struct {
		AvailableBytes, CapacityBytes, UsedBytes, InodesFree, Inodes, InodesUsed *float64
	}
)

func number(name, unit, description string) beans.AttributeInfo {
	return beans.AttributeInfo{Name: name, Type: beans.TypeFloat, Unit: unit, Readable: true, Description: description}
}

func counting(name, unit, description string) beans.AttributeInfo {
	a := number(name, unit, description)
	a.Descriptor = map[string]string{"metricType": "counter"}
	return a
}

func text(name, description string) beans.AttributeInfo {
	return beans.AttributeInfo{Name: name, Type: beans.TypeString, Readable: true, Description: description}
}

var nodeAttributes = []beans.AttributeInfo{
	text("node", "Name of the node."),
	number("uptime", "s", "How long the node has been up."),
	number("cpu", "cores", "Processors in use."),
	number("memory", "bytes", "Memory in use that cannot be given up at once (the working set)."),
	number("memory_available", "bytes", "Memory that pods can still have; below the kubelet's border it evicts them."),
	counting("received", "bytes", "What came over the network."),
	counting("sent", "bytes", "What went over the network."),
	number("disk_used", "%", "How full the node's file system is."),
	number("disk_available", "bytes", "What is free of it."),
	number("inodes_used", "%", "How many of its inodes are in use."),
	number("images_used", "%", "How full the file system of images is."),
	number("processes", "processes", "Processes of the node."),
	number("processes_used", "%", "Of how many there may be."),
	number("pod_count", "pods", "Pods that it measures."),
}

var podTable = beans.AttributeInfo{Name: "pods", Type: beans.TypeTable, Key: "id", Readable: true, Description: "The pods of the node.", Columns: []beans.AttributeInfo{
	text("id", "Namespace and name, with / between them."),
	text("namespace", "Its namespace."),
	text("name", "Its name."),
	number("cpu", "cores", "Processors in use."),
	number("memory", "bytes", "Its working set."),
	counting("received", "bytes", "What came over its network."),
	counting("sent", "bytes", "What went over its network."),
	number("storage", "bytes", "Ephemeral storage in use: layers, logs, empty directories."),
	number("processes", "processes", "Its processes."),
}}

var volumeTable = beans.AttributeInfo{Name: "volumes", Type: beans.TypeTable, Key: "id", Readable: true, Description: "The claimed volumes that pods of the node have mounted.", Columns: []beans.AttributeInfo{
	text("id", "Namespace and name of the claim, with / between them."),
	text("namespace", "Its namespace."),
	text("name", "Name of the claim."),
	text("pod", "A pod that has it mounted."),
	number("used", "%", "How full it is."),
	number("available", "bytes", "What is free."),
	number("capacity", "bytes", "Its size."),
	number("inodes_used", "%", "How many of its inodes are in use."),
}}

func (s *summary) into(r *probe.Result) {
	n := &s.Node
	r.Text("node", n.NodeName)
	if !n.StartTime.IsZero() {
		r.Number("uptime", max(0, r.Time.Sub(n.StartTime).Seconds()))
	}
	for _, v := range []struct {
		name  string
		value tree.Value
	}{
		{"cpu", scaled(n.CPU.UsageNanoCores, 1e-9)}, {"memory", scaled(n.Memory.WorkingSetBytes, 1)}, {"memory_available", scaled(n.Memory.AvailableBytes, 1)},
		{"received", scaled(n.Network.RxBytes, 1)}, {"sent", scaled(n.Network.TxBytes, 1)},
		{"disk_used", n.Fs.full()}, {"disk_available", n.Fs.available()}, {"inodes_used", n.Fs.inodes()}, {"images_used", n.Runtime.ImageFs.full()},
		{"processes", scaled(n.Rlimit.CurProc, 1)}, {"processes_used", share(n.Rlimit.CurProc, n.Rlimit.MaxPID)},
	} {
		if !v.value.IsNone() {
			r.Add(v.name, v.value)
		}
	}
	r.Number("pod_count", float64(len(s.Pods)))
	pods, volumes, seen := rowsOf(podTable), rowsOf(volumeTable), map[string]bool{}
	for i := range s.Pods {
		p := &s.Pods[i]
		id := p.PodRef.Namespace + "/" + p.PodRef.Name
		if len(pods.Rows) < maxRows {
			storage := tree.Value{}
			if p.EphemeralStorage != nil {
				storage = scaled(p.EphemeralStorage.UsedBytes, 1)
			}
			pods.Rows = append(pods.Rows, []tree.Value{tree.Text(id), tree.Text(p.PodRef.Namespace), tree.Text(p.PodRef.Name),
				scaled(p.CPU.UsageNanoCores, 1e-9), scaled(p.Memory.WorkingSetBytes, 1), scaled(p.Network.RxBytes, 1), scaled(p.Network.TxBytes, 1),
				storage, scaled(p.ProcessStats.Count, 1)})
		}
		for k := range p.Volume {
			v := &p.Volume[k]
			if v.PVCRef == nil || len(volumes.Rows) >= maxRows {
				continue // Secrets, config maps and the like are no bigger than the node's own disk.
			}
			claim := v.PVCRef.Namespace + "/" + v.PVCRef.Name
			if seen[claim] {
				continue
			}
			seen[claim] = true
			volumes.Rows = append(volumes.Rows, []tree.Value{tree.Text(claim), tree.Text(v.PVCRef.Namespace), tree.Text(v.PVCRef.Name), tree.Text(id),
				v.full(), v.available(), scaled(v.CapacityBytes, 1), v.inodes()})
		}
	}
	r.Tables = append(r.Tables, pods, volumes)
}

func rowsOf(a beans.AttributeInfo) probe.Table {
	t := probe.Table{Attribute: a.Name}
	for _, c := range a.Columns {
		t.Columns = append(t.Columns, c.Name)
	}
	return t
}

func scaled(v *float64, by float64) tree.Value {
	if v == nil {
		return tree.Value{}
	}
	return tree.Number(*v * by)
}

// share is a part of a whole in percent; no value when either is not known.
func share(part, whole *float64) tree.Value {
	if part == nil || whole == nil || *whole <= 0 {
		return tree.Value{}
	}
	return tree.Number(*part / *whole * 100)
}

// full is how much cannot be had any more, which counts what is reserved, too.
func (f *filesystem) full() tree.Value {
	if f == nil || f.AvailableBytes == nil || f.CapacityBytes == nil || *f.CapacityBytes <= 0 {
		return tree.Value{}
	}
	return tree.Number((1 - *f.AvailableBytes / *f.CapacityBytes) * 100)
}

func (f *filesystem) available() tree.Value {
	if f == nil {
		return tree.Value{}
	}
	return scaled(f.AvailableBytes, 1)
}

func (f *filesystem) inodes() tree.Value {
	if f == nil {
		return tree.Value{}
	}
	return share(f.InodesUsed, f.Inodes)
}

package kubernetes

import (
	"encoding/json"
	"strings"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

var podTable = table("pods", "id", "Pods that have not ended well.",
	column("id", beans.TypeString, "", "Namespace and name, with / between them."),
	column("namespace", beans.TypeString, "", "Its namespace."),
	column("name", beans.TypeString, "", "Its name."),
	column("state", beans.TypeString, "", "What people ask first: running, not ready, pending, failed, unknown, or the reason for which a container waits, such as CrashLoopBackOff or ImagePullBackOff."),
	column("ready", beans.TypeBool, "", "1 when it takes requests."),
	counting("restarts", "restarts", "How often its containers were started again."),
	column("last_end", beans.TypeString, "", "Why a container of it ended last: OOMKilled, Error; empty when none did."),
	column("owner", beans.TypeString, "", "What made it, such as ReplicaSet/shop-7d4b."),
	column("node", beans.TypeString, "", "Where it runs."),
	column("cpu_request", beans.TypeFloat, "cores", "Processors that it was promised."),
	column("cpu_limit", beans.TypeFloat, "cores", "Processors that it may use."),
	column("memory_request", beans.TypeFloat, "bytes", "Memory that it was promised."),
	column("memory_limit", beans.TypeFloat, "bytes", "Memory that it may use."),
	column("age", beans.TypeFloat, "s", "How long it has been there."),
)

var podStates = []string{"running", "pending", "failed", "succeeded", "unknown"}

var pods = &object{
	name: "pods", paths: []apiPath{{"/api/v1", "pods"}}, namespaced: true, labelled: true,
	attributes: append(podCounts(), podTable),
	begin:      func() pour { return &podPour{rows: rows{attribute: podTable}, phases: map[string]int{}} },
}

func podCounts() (list []beans.AttributeInfo) {
	for _, phase := range podStates {
		list = append(list, column("pods_"+phase, beans.TypeFloat, "pods", "Pods in the phase "+phase+"."))
	}
	return list
}

type podPour struct {
	rows
	phases map[string]int
}

// container is the state of one container.
type container struct {
	Ready        bool
	RestartCount float64
	State        struct {
		Waiting    *struct{ Reason string }
		Terminated *struct{ Reason string }
	}
	LastState struct{ Terminated *struct{ Reason string } }
}

type resources struct {
	Resources struct{ Requests, Limits map[string]string }
}

func (p *podPour) take(l *look, _ apiPath, item json.RawMessage) error {
	var pod struct {
		Metadata meta
		Spec     struct {
			NodeName   string
			Containers []resources
		}
		Status struct {
			Phase, Reason                            string
			Conditions                               []struct{ Type, Status string }
			ContainerStatuses, InitContainerStatuses []container
		}
	}
	if err := json.Unmarshal(item, &pod); err != nil {
		return err
	}
	phase := strings.ToLower(pod.Status.Phase)
	p.phases[phase]++
	if phase == "succeeded" || l.full(len(p.list)) {
		return nil // What a job has done is seen at the job.
	}
	ready := false
	for _, c := range pod.Status.Conditions {
		ready = ready || c.Type == "Ready" && c.Status == "True"
	}
	state := phase
	switch {
	case pod.Status.Reason != "": // Evicted
		state = pod.Status.Reason
	case phase == "running" && !ready:
		state = "not ready"
	}
	restarts, lastEnd := 0.0, ""
	for _, c := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		restarts += c.RestartCount
		if t := c.LastState.Terminated; t != nil {
			lastEnd = t.Reason
		}
		if w := c.State.Waiting; w != nil && w.Reason != "" && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
			state = w.Reason
		}
	}
	owner := ""
	for _, o := range pod.Metadata.OwnerReferences {
		if o.Controller {
			owner = o.Kind + "/" + o.Name
		}
	}
	c := pod.Spec.Containers
	p.add(tree.Text(pod.Metadata.id()), tree.Text(pod.Metadata.Namespace), tree.Text(pod.Metadata.Name), tree.Text(state), tree.Bool(ready),
		tree.Number(restarts), tree.Text(lastEnd), tree.Text(owner), tree.Text(pod.Spec.NodeName),
		promised(c, "cpu"), limited(c, "cpu"), promised(c, "memory"), limited(c, "memory"), l.age(pod.Metadata.CreationTimestamp))
	return nil
}

// promised sums what the containers request; none is no value.
func promised(containers []resources, resource string) tree.Value {
	sum, any := 0.0, false
	for _, c := range containers {
		if v, ok := ParseQuantity(c.Resources.Requests[resource]); ok {
			sum, any = sum+v, true
		}
	}
	if !any {
		return tree.Value{}
	}
	return tree.Number(sum)
}

// limited sums the limits; the pod has none unless every container has one.
func limited(containers []resources, resource string) tree.Value {
	sum := 0.0
	for _, c := range containers {
		v, ok := ParseQuantity(c.Resources.Limits[resource])
		if !ok {
			return tree.Value{}
		}
		sum += v
	}
	return tree.Number(sum)
}

func (p *podPour) end(r *probe.Result) {
	for _, phase := range podStates {
		r.Number("pods_"+phase, float64(p.phases[phase]))
	}
	p.into(r)
}

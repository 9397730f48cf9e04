package kubernetes

import (
	"encoding/json"
	"strings"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

var workloadTable = table("workloads", "id", "Deployments, stateful sets and daemon sets.",
	column("id", beans.TypeString, "", "Namespace, kind and name, with / between them."),
	column("namespace", beans.TypeString, "", "Its namespace."),
	column("name", beans.TypeString, "", "Its name."),
	column("kind", beans.TypeString, "", "deployment, statefulset or daemonset."),
	column("desired", beans.TypeFloat, "pods", "Pods that there should be."),
	column("ready", beans.TypeFloat, "pods", "Pods that take requests."),
	column("updated", beans.TypeFloat, "pods", "Pods that are of the present version."),
	column("missing", beans.TypeFloat, "pods", "Pods that should take requests and do not."),
	column("stuck", beans.TypeBool, "", "1 when a deployment gave up going on to its present version."),
	column("age", beans.TypeFloat, "s", "How long it has been there."),
)

var workloads = &object{
	name: "workloads", namespaced: true, labelled: true,
	paths:      []apiPath{{"/apis/apps/v1", "deployments"}, {"/apis/apps/v1", "statefulsets"}, {"/apis/apps/v1", "daemonsets"}},
	attributes: []beans.AttributeInfo{workloadTable},
	begin:      func() pour { return &workloadPour{rows{attribute: workloadTable}} },
}

type workloadPour struct{ rows }

func (w *workloadPour) take(l *look, from apiPath, item json.RawMessage) error {
	var x struct {
		Metadata meta
		Spec     struct{ Replicas *float64 }
		Status   struct {
			ReadyReplicas, UpdatedReplicas                              float64
			DesiredNumberScheduled, NumberReady, UpdatedNumberScheduled float64
			Conditions                                                  []struct{ Type, Status, Reason string }
		}
	}
	if err := json.Unmarshal(item, &x); err != nil {
		return err
	}
	if l.full(len(w.list)) {
		return nil
	}
	kind, s := strings.TrimSuffix(from.resource, "s"), &x.Status
	desired, ready, updated := 1.0, s.ReadyReplicas, s.UpdatedReplicas // replicas are 1 when not given
	if kind == "daemonset" {
		desired, ready, updated = s.DesiredNumberScheduled, s.NumberReady, s.UpdatedNumberScheduled
	} else if x.Spec.Replicas != nil {
		desired = *x.Spec.Replicas
	}
	stuck := false
	for _, c := range s.Conditions {
		stuck = stuck || c.Type == "Progressing" && c.Status == "False"
	}
	m := &x.Metadata
	w.add(tree.Text(m.Namespace+"/"+kind+"/"+m.Name), tree.Text(m.Namespace), tree.Text(m.Name), tree.Text(kind),
		tree.Number(desired), tree.Number(ready), tree.Number(updated), tree.Number(max(0, desired-ready)), tree.Bool(stuck), l.age(m.CreationTimestamp))
	return nil
}

func (w *workloadPour) end(r *probe.Result) { w.into(r) }

var jobTable = table("jobs", "id", "Jobs.",
	column("id", beans.TypeString, "", "Namespace and name, with / between them."),
	column("namespace", beans.TypeString, "", "Its namespace."),
	column("name", beans.TypeString, "", "Its name."),
	column("state", beans.TypeString, "", "running, complete, failed or suspended."),
	column("reason", beans.TypeString, "", "Why it failed."),
	column("failed", beans.TypeFloat, "pods", "Attempts that failed."),
	column("duration", beans.TypeFloat, "s", "How long it took, or has been running."),
	column("age", beans.TypeFloat, "s", "How long it has been there."),
)

var jobs = &object{
	name: "jobs", paths: []apiPath{{"/apis/batch/v1", "jobs"}}, namespaced: true, labelled: true,
	attributes: []beans.AttributeInfo{jobTable},
	begin:      func() pour { return &jobPour{rows{attribute: jobTable}} },
}

type jobPour struct{ rows }

func (j *jobPour) take(l *look, _ apiPath, item json.RawMessage) error {
	var x struct {
		Metadata meta
		Status   struct {
			Failed                    float64
			StartTime, CompletionTime time.Time
			Conditions                []struct {
				Type, Status, Reason, Message string
				LastTransitionTime            time.Time
			}
		}
	}
	if err := json.Unmarshal(item, &x); err != nil {
		return err
	}
	if l.full(len(j.list)) {
		return nil
	}
	state, reason, end := "running", "", x.Status.CompletionTime
	for _, c := range x.Status.Conditions {
		if c.Status != "True" {
			continue
		}
		switch c.Type {
		case "Complete", "Suspended":
			state = strings.ToLower(c.Type)
		case "Failed":
			state, reason, end = "failed", strings.TrimSuffix(c.Reason+": "+c.Message, ": "), c.LastTransitionTime
		}
	}
	if end.IsZero() {
		end = l.now
	}
	took := tree.Value{}
	if !x.Status.StartTime.IsZero() {
		took = tree.Number(max(0, end.Sub(x.Status.StartTime).Seconds()))
	}
	m := &x.Metadata
	j.add(tree.Text(m.id()), tree.Text(m.Namespace), tree.Text(m.Name), tree.Text(state), tree.Text(reason), tree.Number(x.Status.Failed), took, l.age(m.CreationTimestamp))
	return nil
}

func (j *jobPour) end(r *probe.Result) { j.into(r) }

var volumeTable = table("volumes", "id", "Claims of persistent volumes.",
	column("id", beans.TypeString, "", "Namespace and name, with / between them."),
	column("namespace", beans.TypeString, "", "Its namespace."),
	column("name", beans.TypeString, "", "Its name."),
	column("state", beans.TypeString, "", "bound, pending or lost."),
	column("size", beans.TypeFloat, "bytes", "Size of the volume."),
	column("class", beans.TypeString, "", "Its storage class."),
	column("age", beans.TypeFloat, "s", "How long it has been there."),
)

var volumes = &object{
	name: "volumes", paths: []apiPath{{"/api/v1", "persistentvolumeclaims"}}, namespaced: true, labelled: true,
	attributes: []beans.AttributeInfo{volumeTable},
	begin:      func() pour { return &volumePour{rows{attribute: volumeTable}} },
}

type volumePour struct{ rows }

func (v *volumePour) take(l *look, _ apiPath, item json.RawMessage) error {
	var x struct {
		Metadata meta
		Spec     struct{ StorageClassName string }
		Status   struct {
			Phase    string
			Capacity map[string]string
		}
	}
	if err := json.Unmarshal(item, &x); err != nil {
		return err
	}
	if l.full(len(v.list)) {
		return nil
	}
	m := &x.Metadata
	v.add(tree.Text(m.id()), tree.Text(m.Namespace), tree.Text(m.Name), tree.Text(strings.ToLower(x.Status.Phase)),
		quantity(x.Status.Capacity["storage"]), tree.Text(x.Spec.StorageClassName), l.age(m.CreationTimestamp))
	return nil
}

func (v *volumePour) end(r *probe.Result) { v.into(r) }

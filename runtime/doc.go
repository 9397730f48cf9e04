// Package runtime holds the runtime beans: the beans that watch a resource and
// yield readings. Nobody imports this package, since its name is the standard
// library's: its rooms are probe (polled), receive (pushed to), schedule (when
// probes run) and bind (which nodes they feed).
package runtime

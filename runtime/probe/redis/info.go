package redis

import (
	"strings"

	"grove/runtime/probe"
	"grove/runtime/probe/extract"
)

// known are the fields of INFO that the kind describes by itself: those that people ask
// about. A server has those of its version; definitions can declare others.
var known = []extract.Field{
	extract.Text("redis_version", "Version of the server."),
	extract.Text("redis_mode", "standalone, sentinel or cluster."),
	extract.Number("uptime_in_seconds", "s", "Since the server was started."),

	extract.Number("connected_clients", "connections", "Connections of clients, without those of replicas."),
	extract.Number("maxclients", "connections", "The most connections that are allowed."),
	extract.Number("blocked_clients", "connections", "Clients that wait in a blocking command such as BLPOP."),
	extract.Number("client_recent_max_input_buffer", "bytes", "The largest input buffer of a connection lately."),
	extract.Number("client_recent_max_output_buffer", "bytes", "The largest output buffer of a connection lately."),

	extract.Number("used_memory", "bytes", "Memory that the server has allocated."),
	extract.Number("used_memory_rss", "bytes", "Memory that the system gives to the process."),
	extract.Number("used_memory_peak", "bytes", "The most memory that was ever allocated."),
	extract.Number("used_memory_dataset", "bytes", "Memory of the data alone."),
	extract.Number("maxmemory", "bytes", "The most memory that may be allocated; 0 is no limit."),
	extract.Text("maxmemory_policy", "What is evicted when there is no more memory."),
	extract.Number("total_system_memory", "bytes", "Memory of the machine."),
	extract.Number("mem_fragmentation_ratio", "", "Memory of the process by memory that is allocated."),
	extract.Number("mem_fragmentation_bytes", "bytes", "Memory of the process that is not allocated."),
	extract.Number("allocator_frag_ratio", "", "Fragmentation inside of the allocator."),
	extract.Number("mem_not_counted_for_evict", "bytes", "Memory that maxmemory does not count, such as buffers of replicas."),

	extract.Bool("loading", "Whether the data are being loaded."),
	extract.Counter("rdb_changes_since_last_save", "changes", "Changes since the last snapshot."),
	extract.Bool("rdb_bgsave_in_progress", "Whether a snapshot is being written."),
	extract.Number("rdb_last_save_time", "s", "When the last snapshot was written, in seconds since 1970."),
	extract.Bool("rdb_last_bgsave_status", "Whether the last snapshot was written."),
	extract.Number("rdb_last_bgsave_time_sec", "s", "How long the last snapshot took; -1 before the first."),
	extract.Bool("aof_enabled", "Whether commands are appended to a file."),
	extract.Bool("aof_last_bgrewrite_status", "Whether the last rewriting of that file worked."),
	extract.Bool("aof_last_write_status", "Whether the last write to that file worked."),
	extract.Number("aof_current_size", "bytes", "Size of that file."),
	extract.Number("aof_delayed_fsync", "", "How often the disk was too slow for an fsync."),

	extract.Counter("total_connections_received", "connections", "Connections that were accepted."),
	extract.Counter("rejected_connections", "connections", "Connections that were refused because of maxclients."),
	extract.Counter("total_commands_processed", "commands", "Commands that were done."),
	extract.Number("instantaneous_ops_per_sec", "commands/s", "Commands a second, by the server's own count."),
	extract.Counter("total_net_input_bytes", "bytes", "Bytes that came from clients."),
	extract.Counter("total_net_output_bytes", "bytes", "Bytes that went to clients."),
	extract.Counter("total_error_replies", "errors", "Commands that were answered with an error."),
	extract.Counter("expired_keys", "keys", "Keys whose time had come."),
	extract.Counter("evicted_keys", "keys", "Keys that were evicted because of maxmemory."),
	extract.Counter("evicted_clients", "connections", "Connections that were closed because of maxmemory-clients."),
	extract.Counter("keyspace_hits", "", "Keys that were looked up and found."),
	extract.Counter("keyspace_misses", "", "Keys that were looked up and not found."),
	extract.Number("pubsub_channels", "channels", "Channels with subscribers."),
	extract.Number("latest_fork_usec", "us", "How long the last fork took: the server stands still for it."),
	extract.Counter("sync_full", "", "Full resynchronisations with replicas."),
	extract.Counter("sync_partial_ok", "", "Partial resynchronisations that worked."),
	extract.Counter("sync_partial_err", "", "Partial resynchronisations that were refused and became full ones."),
	extract.Counter("acl_access_denied_auth", "", "Logins that were refused."),

	extract.Text("role", "master or slave."),
	extract.Number("connected_slaves", "replicas", "Replicas that are connected."),
	extract.Text("master_link_status", "up or down; only of a replica."),
	extract.Number("master_link_down_since_seconds", "s", "Since the link to the master is down; only of a replica without."),
	extract.Number("master_last_io_seconds_ago", "s", "Since something came from the master; -1 without a link."),
	extract.Bool("master_sync_in_progress", "Whether the replica fetches all data from its master."),
	extract.Number("master_repl_offset", "bytes", "Position in the stream of replication."),
	extract.Number("slave_repl_offset", "bytes", "Position of a replica in the stream of its master."),

	extract.Counter("used_cpu_sys", "s", "Time of the processor in the system."),
	extract.Counter("used_cpu_user", "s", "Time of the processor in the server."),
	extract.Bool("cluster_enabled", "Whether it is a node of a cluster."),
}

func mustTable(name, description, key string, columns ...extract.Field) *extract.Table {
	return &extract.Table{Name: name, Key: key, Columns: append([]extract.Field{extract.Text(key, "What tells the rows apart.")}, columns...), Description: description}
}

// The tables of INFO.
var (
	databases = mustTable("databases", "The numbered databases that have keys.", "name",
		extract.Number("keys", "keys", "Keys."),
		extract.Number("expires", "keys", "Keys that will expire."),
		extract.Number("avg_ttl", "ms", "How long keys that expire still live, on average."))
	replicas = mustTable("replicas", "Replicas that are connected, by address and port.", "name",
		extract.Text("state", "online, wait_bgsave, send_bulk."),
		extract.Number("offset", "bytes", "Position in the stream of replication."),
		extract.Number("lag", "s", "Since the replica was heard of."),
		extract.Number("behind", "bytes", "What of the stream it has not acknowledged."))
	commands = mustTable("commands", "Commands that were used.", "name",
		extract.Counter("calls", "calls", "How often."),
		extract.Counter("usec", "us", "Time of the processor."),
		extract.Number("usec_per_call", "us", "The same a call, on average."),
		extract.Counter("rejected_calls", "calls", "Calls that were refused before they were done."),
		extract.Counter("failed_calls", "calls", "Calls that failed."))
	faults = mustTable("errors", "Errors that were answered, by their first word.", "name",
		extract.Counter("count", "errors", "How often."))
)

// info is what INFO says: fields by name.
type info map[string]string

// parseInfo reads lines of the form name:value; # begins a comment.
func parseInfo(text string) info {
	m := info{}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if name, value, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, "#") {
			m[name] = value
		}
	}
	return m
}

// cells takes a value such as "keys=1,expires=0,avg_ttl=0" apart.
func cells(value string) map[string]string {
	m := map[string]string{}
	for part := range strings.SplitSeq(value, ",") {
		if name, v, ok := strings.Cut(part, "="); ok {
			m[name] = v
		}
	}
	return m
}

// tables adds the tables of INFO to a result. A line that is none of a table's is left out.
func (m info) tables(names []string, r *probe.Result) error {
	all := map[*extract.Table]*extract.Rows{}
	for _, t := range []*extract.Table{databases, replicas, commands, faults} {
		all[t] = t.Rows()
	}
	for _, name := range names {
		var table *extract.Table
		key, row := "", cells(m[name])
		switch {
		case strings.HasPrefix(name, "db") && row["keys"] != "":
			table, key = databases, name
		case strings.HasPrefix(name, "slave") && row["ip"] != "":
			table, key = replicas, row["ip"]+":"+row["port"]
			row["behind"] = m.behind(row["offset"])
		case strings.HasPrefix(name, "cmdstat_"):
			table, key = commands, strings.TrimPrefix(name, "cmdstat_")
		case strings.HasPrefix(name, "errorstat_"):
			table, key = faults, strings.TrimPrefix(name, "errorstat_")
		default:
			continue
		}
		row["name"] = key
		err := all[table].Add(func(f extract.Field) any {
			if v := row[f.From]; v != "" {
				return v
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, t := range []*extract.Table{databases, replicas, commands, faults} {
		if err := all[t].Result(r); err != nil {
			return err
		}
	}
	return nil
}

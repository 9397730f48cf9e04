package memcached

import (
	"bufio"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"grove/runtime/probe"
	"grove/runtime/probe/extract"
)

// The bounds of answers.
const (
	maxLine  = 4096    // bytes
	maxLines = 20_000  // of one answer
	maxRun   = 4 << 20 // bytes that one run may read
)

// refusal is an error that the server answers: "ERROR", "SERVER_ERROR out of memory".
type refusal string

func (r refusal) Error() string { return string(r) }

var errProtocol = errors.New("the answer is not one of memcached")

// stats are what the server says: figures by name.
type stats map[string]string

// receive reads the answer to a stats command: lines "STAT name value" up to "END", as
// doc/protocol.txt of memcached has it. Lines end in \r\n.
func receive(r *bufio.Reader) (stats, error) {
	m := stats{}
	for range maxLines {
		part, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) || len(part) > maxLine {
			return nil, fmt.Errorf("a line of more than %d bytes", maxLine)
		}
		if err != nil {
			return nil, err
		}
		line := strings.TrimRight(string(part), "\r\n")
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "STAT":
			name, value, _ := strings.Cut(rest, " ")
			m[name] = value
		case "END", "RESET":
			return m, nil
		case "ERROR", "CLIENT_ERROR", "SERVER_ERROR":
			return nil, refusal(line)
		default:
			return nil, errProtocol
		}
	}
	return nil, fmt.Errorf("an answer of more than %d lines", maxLines)
}

// known are the figures that the kind describes by itself: those of doc/protocol.txt
// that people ask about. A server has those of its version.
var known = []extract.Field{
	extract.Text("version", "Version of the server."),
	extract.Number("uptime", "s", "Since the server was started."),
	extract.Number("threads", "threads", "Threads that do the work."),
	extract.Counter("rusage_user", "s", "Time of the processor in the server."),
	extract.Counter("rusage_system", "s", "Time of the processor in the system."),

	extract.Number("curr_connections", "connections", "Connections that are open."),
	extract.Number("max_connections", "connections", "The most connections that are allowed."),
	extract.Counter("total_connections", "connections", "Connections that were opened."),
	extract.Counter("rejected_connections", "connections", "Connections that were refused, when the server was told to refuse and not to wait."),
	extract.Counter("listen_disabled_num", "", "How often the server stopped to accept connections, since there were too many."),
	extract.Counter("time_in_listen_disabled_us", "us", "How long it did not accept any."),
	extract.Bool("accepting_conns", "Whether connections are accepted now."),
	extract.Counter("conn_yields", "", "How often a connection had to let others go first."),

	extract.Number("limit_maxbytes", "bytes", "The most memory for data."),
	extract.Number("bytes", "bytes", "Memory of data that is in use."),
	extract.Number("curr_items", "items", "Items that are stored."),
	extract.Counter("total_items", "items", "Items that were ever stored."),
	extract.Counter("evictions", "items", "Valid items that were removed to make room."),
	extract.Counter("reclaimed", "items", "Items whose time had come and whose place was used again."),
	extract.Counter("expired_unfetched", "items", "Items that expired and were never asked for."),
	extract.Counter("evicted_unfetched", "items", "Items that were evicted and never asked for."),
	extract.Counter("evicted_active", "items", "Items that were evicted although they were asked for lately."),
	extract.Number("hash_bytes", "bytes", "Memory of the table of keys."),
	extract.Bool("hash_is_expanding", "Whether that table grows now."),

	extract.Counter("cmd_get", "", "Keys that were asked for."),
	extract.Counter("cmd_set", "", "Items that were to be stored."),
	extract.Counter("cmd_flush", "", "How often everything was thrown away."),
	extract.Counter("cmd_touch", "", "Keys whose time was to be changed."),
	extract.Counter("get_hits", "", "Keys that were asked for and found."),
	extract.Counter("get_misses", "", "Keys that were asked for and not found."),
	extract.Counter("get_expired", "", "Keys that were asked for and had expired."),
	extract.Counter("delete_hits", "", "Keys that were deleted."),
	extract.Counter("delete_misses", "", "Keys that were to be deleted and not found."),
	extract.Counter("cas_badval", "", "Items that somebody else had changed first."),
	extract.Counter("auth_errors", "", "Logins that failed."),
	extract.Counter("store_too_large", "", "Items that were larger than an item may be."),
	extract.Counter("store_no_memory", "", "Items for which there was no memory."),

	extract.Counter("bytes_read", "bytes", "Bytes that came from clients."),
	extract.Counter("bytes_written", "bytes", "Bytes that went to clients."),
}

func mustTable(name, description string, columns ...extract.Field) *extract.Table {
	key := extract.Text("class", "Number of the class of sizes.")
	return &extract.Table{Name: name, Key: key.Name, Columns: append([]extract.Field{key}, columns...), Description: description}
}

// The tables: what stats items and stats slabs say of each class.
var (
	items = mustTable("items", "Items by class of sizes.",
		extract.Number("number", "items", "Items that are stored."),
		extract.Number("age", "s", "Age of the oldest item that was not asked for."),
		extract.Number("mem_requested", "bytes", "Memory that the items need."),
		extract.Counter("evicted", "items", "Valid items that were removed to make room."),
		extract.Number("evicted_time", "s", "How long the last item that was evicted had not been asked for."),
		extract.Counter("outofmemory", "items", "Items for which nothing could be evicted."),
		extract.Counter("reclaimed", "items", "Items whose time had come and whose place was used again."))
	slabs = mustTable("slabs", "Memory by class of sizes.",
		extract.Number("chunk_size", "bytes", "Size of a chunk: the largest item of the class."),
		extract.Number("total_pages", "pages", "Pages of 1 MiB that the class has."),
		extract.Number("total_chunks", "chunks", "Chunks that the class has."),
		extract.Number("used_chunks", "chunks", "Chunks with items."),
		extract.Number("free_chunks", "chunks", "Chunks that are free again."),
		extract.Counter("get_hits", "", "Keys that were found in the class."),
		extract.Counter("cmd_set", "", "Items that were stored in the class."))
)

// classes adds a table of what is said by class: figures of names such as
// "items:3:number", after the prefix "items:", or "3:chunk_size".
func (m stats) classes(t *extract.Table, prefix string, r *probe.Result) error {
	byClass := map[int]map[string]string{}
	most := 0
	for name, value := range m {
		class, column, ok := strings.Cut(strings.TrimPrefix(name, prefix), ":")
		n, err := strconv.Atoi(class)
		if !ok || err != nil || n < 0 || n > 255 { // Classes are numbered by a byte.
			continue
		}
		if byClass[n] == nil {
			byClass[n] = map[string]string{"class": class}
		}
		byClass[n][column] = value
		most = max(most, n)
	}
	rows := t.Rows()
	for n := range most + 1 {
		row, there := byClass[n]
		if !there {
			continue
		}
		if err := rows.Add(func(f extract.Field) any {
			if v, ok := row[f.From]; ok {
				return v
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return rows.Result(r)
}

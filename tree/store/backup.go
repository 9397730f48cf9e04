package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"
)

// A backup is lines of JSON, the same for both engines:
//
//	{"grove_backup":1,"schema":3,"time":"2026-03-01T12:00:00Z"}
//	{"table":"definition","columns":["site","name","revision"]}
//	["","shop",3]
//	{"end":"definition","rows":1,"sha256":"..."}
//	{"end":"backup","rows":1,"sha256":"..."}
//
// The sum of a table is over the lines of its rows, that of the backup over all lines
// before the last. A value is a text or a whole number.
const backupVersion = 1

// maxLine bounds a line of a backup in bytes: a definition of a megabyte in escapes.
const maxLine = 8 << 20

// ErrBackup is wrapped by every error about a backup that cannot be read.
var ErrBackup = errors.New("backup")

// allTables are those of a backup, with their columns, those of the primary key first.
// What was kept later than the first backups stays as it is when one of those is loaded:
// nobody comes in without a login because an old backup knows of no users.
var allTables = []table{
	{name: "manager", key: 1, kinds: "itii", columns: []string{"id", "name", "epoch", "opened"}},
	{name: "node", key: 2, kinds: "iit", columns: []string{"manager", "id", "path"}},
	{name: "definition", key: 2, kinds: "tti", columns: []string{"site", "name", "revision"}},
	{name: "definition_revision", key: 3, kinds: "ttiitttit", columns: []string{"site", "name", "revision", "removed", "text", "sha256", "who", "made_at", "comment"}},
	{name: "audit_head", key: 1, kinds: "iit", columns: []string{"id", "seq", "hash"}},
	{name: "audit", key: 1, kinds: "iitttttttttt", columns: []string{"seq", "made_at", "manager", "who", "origin", "action", "target", "was", "became", "outcome", "previous", "hash"}},
	{name: "account", key: 1, kinds: "tttttitiii", since: 3, columns: []string{"name", "title", "source", "subject", "grants", "disabled", "password", "made_at", "changed_at", "login_at"}},
	{name: "token", key: 1, kinds: "tttttiii", since: 3, columns: []string{"id", "account", "name", "hash", "grants", "made_at", "ends_at", "used_at"}},
	{name: "session", key: 1, kinds: "ttttttiii", since: 3, passing: true, columns: []string{"id", "account", "hash", "method", "address", "agent", "made_at", "seen_at", "ends_at"}},
	{name: "account_version", key: 1, kinds: "ii", since: 3, columns: []string{"id", "version"}},
	{name: "tuning", key: 2, kinds: "iitti", columns: []string{"manager", "node", "defined", "threshold", "tuned_at"}},
	{name: "memory", key: 2, kinds: "iiiiitii", columns: []string{"manager", "node", "status", "since", "form", "value", "read_at", "seen_at"}},
	{name: "drawer", key: 3, kinds: "ittt", columns: []string{"manager", "kind", "name", "text"}},
	{name: "alert", key: 2, kinds: "iittiiiiiittt", since: 4, columns: []string{"manager", "id", "path", "kind", "status", "severity", "opened", "resolved", "closed", "cause", "instance", "customers", "document"}},
	{name: "outbox", key: 2, kinds: "iittiiiiiiittttt", since: 5, columns: []string{"manager", "id", "key", "channel", "precedence", "state", "made", "ends", "settled", "attempts", "next", "title", "path", "purpose", "error", "body"}},
	{name: "outbox_channel", key: 2, kinds: "itiiii", since: 5, columns: []string{"manager", "channel", "stopped", "began", "messages", "bytes"}},
	{name: "outbox_memory", key: 1, kinds: "ii", since: 5, passing: true, columns: []string{"manager", "messages"}},
	{name: "route_group", key: 2, kinds: "itttiiiii", since: 6, columns: []string{"manager", "id", "route", "common", "precedence", "merged", "began_at", "told_at", "step"}},
	{name: "route_channel", key: 3, kinds: "itti", since: 6, columns: []string{"manager", "route_group", "channel", "sequence"}},
	{name: "route_alert", key: 3, kinds: "itiiiiit", since: 6, columns: []string{"manager", "route_group", "alert", "status", "severity", "since", "told_at", "owed"}},
	{name: "peer_device", key: 3, kinds: "ittt", since: 11, columns: []string{"manager", "owner", "name", "document"}},
	{name: "peer_hold", key: 3, kinds: "ittt", since: 11, columns: []string{"manager", "owner", "name", "document"}},
	{name: "peer_member", key: 2, kinds: "itt", since: 11, columns: []string{"manager", "id", "document"}},
	{name: "peer_parcel", key: 4, kinds: "itttt", since: 11, columns: []string{"manager", "place", "owner", "name", "parcel"}},
	{name: "peer_move", key: 2, kinds: "iittt", since: 11, columns: []string{"manager", "id", "owner", "name", "document"}},
	{name: "journal_block", key: 2, kinds: "iiittt", since: 7, passing: true, columns: []string{"manager", "last", "stale", "words", "numbers", "entries"}},
	{name: "peer_invitation", key: 3, kinds: "itttttiiti", since: 8, passing: true, columns: []string{"manager", "authority", "id", "hash", "name", "made_by", "made_at", "ends_at", "used_by", "used_at"}},
	{name: "peer_lower", key: 3, kinds: "itttttiiii", since: 8, columns: []string{"manager", "authority", "id", "name", "key", "invited_by", "joined_at", "renewed_at", "number", "ends_at"}},
	{name: "peer_revocation", key: 3, kinds: "ittiiitt", since: 8, columns: []string{"manager", "authority", "id", "entry", "up_to", "made_at", "made_by", "comment"}},
	{name: "peer_lease", key: 1, kinds: "titiiii", since: 9, passing: true, columns: []string{"name", "manager", "holder", "token", "ttl", "beat", "taken"}},
	{name: "peer_token", key: 1, kinds: "ii", since: 9, columns: []string{"id", "token"}},
	{name: "peer_database", key: 1, kinds: "it", since: 13, passing: true, columns: []string{"id", "mark"}},
	{name: "peer_record", key: 3, kinds: "itii", since: 10, passing: true, columns: []string{"manager", "lane", "number", "entry"}},
	{name: "peer_record_head", key: 1, kinds: "iii", since: 10, passing: true, columns: []string{"manager", "last", "newest"}},
	{name: "peer_follower", key: 2, kinds: "ittiii", since: 10, passing: true, columns: []string{"manager", "follower", "token", "start", "mark", "asked_at"}},
	{name: "peer_source", key: 2, kinds: "ittii", since: 10, columns: []string{"manager", "source", "token", "newest", "known_at"}},
	{name: "peer_range", key: 3, kinds: "itii", since: 10, columns: []string{"manager", "source", "low", "high"}},
	{name: "peer_heard", key: 2, kinds: "iti", since: 10, columns: []string{"manager", "source", "heard_at"}},
	{name: "peer_owed", key: 3, kinds: "itiit", since: 10, columns: []string{"manager", "source", "begins", "ends", "node"}},
	{name: "peer_stay", key: 4, kinds: "ittiittti", since: 12, columns: []string{"manager", "owner", "name", "begins", "ends", "place", "source", "heir", "beside"}},
	{name: "peer_past", key: 4, kinds: "itttiiitiii", since: 12, columns: []string{"manager", "owner", "name", "source", "up_to", "begins", "entry", "node", "least", "owed", "made_at"}},
	{name: "journal", key: 2, kinds: "iiiiiiitt", columns: []string{"manager", "id", "node", "kind", "was", "status", "form", "value", "text"}},
}

type table struct {
	name    string
	key     int    // columns of the primary key
	kinds   string // of the columns: i for a whole number, t for a text
	columns []string
	// since is the version of the tables that brought it; zero is from the beginning.
	since int64
	// passing is what no backup holds, so that it is gone once one is loaded: sessions
	// that were ended meanwhile must not come back.
	passing bool
}

// header is the first line.
type header struct {
	Version int       `json:"grove_backup"`
	Schema  int64     `json:"schema"`
	Time    time.Time `json:"time"`
}

// mark begins or ends a table, and ends the backup.
type mark struct {
	Table   string   `json:"table,omitempty"`
	Columns []string `json:"columns,omitempty"`
	End     string   `json:"end,omitempty"`
	Rows    int64    `json:"rows"`
	Sum     string   `json:"sha256,omitempty"`
}

// Dump writes everything in the database as it is at this moment, while it goes on being
// used.
func (s *Store) Dump(ctx context.Context, w io.Writer) error {
	return s.Read(ctx, func(tx *Tx) error {
		if s.engine == enginePostgres {
			if _, err := tx.Exec("SET LOCAL statement_timeout = 0"); err != nil {
				return err
			}
		}
		d := &dump{out: bufio.NewWriterSize(w, 1<<16), all: sha256.New()}
		err := d.line(header{backupVersion, s.schema.Load(), s.options.Now().UTC()})
		for _, t := range allTables {
			if err == nil {
				err = d.table(tx, t)
			}
		}
		if err == nil {
			err = d.line(mark{End: "backup", Rows: d.rows, Sum: hex.EncodeToString(d.all.Sum(nil))})
		}
		return errors.Join(err, d.out.Flush())
	})
}

// dump is a backup that is being written.
type dump struct {
	out  *bufio.Writer
	all  hash.Hash
	one  hash.Hash // of the table; nil between tables
	rows int64
}

func (d *dump) line(value any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil { // with a line feed
		return err
	}
	d.all.Write(b.Bytes())
	if d.one != nil {
		d.one.Write(b.Bytes())
	}
	_, err := d.out.Write(b.Bytes())
	return err
}

func (d *dump) table(tx *Tx, t table) error {
	if err := d.line(mark{Table: t.name, Columns: t.columns}); err != nil {
		return err
	}
	d.one = sha256.New()
	var rows int64
	values := make([]any, len(t.columns))
	pointers := make([]any, len(t.columns))
	for i := range values {
		pointers[i] = &values[i]
	}
	query := "SELECT " + strings.Join(t.columns, ", ") + " FROM " + t.name + " ORDER BY " + strings.Join(t.columns[:t.key], ", ")
	if t.passing {
		query += " LIMIT 0"
	}
	err := tx.Each(query, nil, func(r *sql.Rows) error {
		if err := r.Scan(pointers...); err != nil {
			return err
		}
		for i, v := range values {
			switch v := v.(type) {
			case int64, string:
			case []byte:
				values[i] = string(v)
			default:
				return fmt.Errorf("table %s: column %s holds a %T", t.name, t.columns[i], v)
			}
		}
		rows++
		return d.line(values)
	})
	if err != nil {
		return err
	}
	end := mark{End: t.name, Rows: rows, Sum: hex.EncodeToString(d.one.Sum(nil))}
	d.one, d.rows = nil, d.rows+rows
	return d.line(end)
}

// Load puts what a backup holds in place of everything in the database, all or nothing.
// Nobody else writes meanwhile. Other managers that share a server are refused from then
// on, until they are started again.
func (s *Store) Load(ctx context.Context, r io.Reader) error {
	ran := false
	return s.write(&work{ctx: ctx, alone: true, done: make(chan error, 1), do: func(tx *Tx) error {
		if ran { // what was read is gone
			return fmt.Errorf("%w: the connection broke while a backup was read", errLost)
		}
		ran = true
		l := &load{in: bufio.NewReaderSize(r, 1<<16), all: sha256.New(), schema: s.schema.Load(), tx: tx}
		if err := l.everything(); err != nil {
			return err
		}
		tx.ForgetKnown()
		tx.Notify(Notice{Topic: everyTopic, All: true})
		id, epoch, err := s.takeOver(ctx, tx.conn)
		tx.committed = func() {
			if s.options.Manager != "" {
				s.manager.Store(id)
				s.epoch = epoch
			}
			s.replaced.Add(1)
		}
		return err
	}})
}

// load is a backup that is being read.
type load struct {
	in     *bufio.Reader
	all    hash.Hash
	one    hash.Hash // of the table; nil between tables
	number int       // of the line
	rows   int64
	schema int64
	tx     *Tx
}

func (l *load) fail(format string, args ...any) error {
	return fmt.Errorf("%w: line %d: %w", ErrBackup, l.number, fmt.Errorf(format, args...))
}

// next reads a line, of which the sums do not know yet.
func (l *load) next() ([]byte, error) {
	l.number++
	var line []byte
	for {
		part, err := l.in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return nil, l.fail("is longer than %d bytes", maxLine)
		case err == nil:
			return line, nil
		case errors.Is(err, io.EOF):
			return nil, l.fail("the file ends here: it is not whole")
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("%w: line %d: %w", ErrBackup, l.number, err)
		}
	}
}

// count adds a line to the sums.
func (l *load) count(line []byte) {
	l.all.Write(line)
	if l.one != nil {
		l.one.Write(line)
	}
}

func (l *load) everything() error {
	line, err := l.next()
	if err != nil {
		return err
	}
	var h header
	if err := json.Unmarshal(line, &h); err != nil || h.Version <= 0 {
		return l.fail("this is no backup of grove")
	}
	if h.Version > backupVersion || h.Schema > l.schema {
		return fmt.Errorf("%w: %w: it has format %d with tables of version %d, this grove reads up to %d with %d: use the newer grove",
			ErrBackup, ErrNewer, h.Version, h.Schema, backupVersion, l.schema)
	}
	l.count(line)
	for _, t := range allTables {
		if t.since > h.Schema && !t.passing {
			continue
		}
		if _, err := l.tx.Exec("DELETE FROM " + t.name); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	for {
		line, err := l.next()
		if err != nil {
			return err
		}
		var m mark
		if err := strict(line, &m); err != nil {
			return l.fail("%w", err)
		}
		if m.End == "backup" {
			if sum := hex.EncodeToString(l.all.Sum(nil)); m.Sum != sum || m.Rows != l.rows {
				return l.fail("the sum over all lines differs: the file is damaged")
			}
			if _, err := l.in.ReadByte(); !errors.Is(err, io.EOF) {
				l.number++
				return l.fail("something follows after the end: the file is damaged")
			}
			return nil
		}
		k := slices.IndexFunc(allTables, func(t table) bool { return t.name == m.Table })
		switch {
		case k < 0:
			return l.fail("there is no table %q", clip(m.Table))
		case seen[m.Table]:
			return l.fail("the table %s comes twice", m.Table)
		case allTables[k].since > h.Schema:
			return l.fail("the table %s is newer than version %d of the tables", m.Table, h.Schema)
		}
		kinds := ""
		for _, c := range m.Columns {
			i := slices.Index(allTables[k].columns, c)
			if i < 0 {
				return l.fail("the table %s has no column %q", m.Table, clip(c))
			}
			kinds += allTables[k].kinds[i : i+1]
		}
		seen[m.Table] = true
		l.count(line)
		if err := l.table(table{name: m.Table, kinds: kinds, columns: m.Columns}); err != nil {
			return err
		}
	}
}

// table reads the rows of a table up to its end.
func (l *load) table(t table) error {
	l.one = sha256.New()
	head := "INSERT INTO " + t.name + " (" + strings.Join(t.columns, ", ") + ")"
	var args []any
	var rows int64
	for {
		line, err := l.next()
		if err != nil {
			return err
		}
		if line[0] == '[' {
			values, err := l.row(line, t)
			if err != nil {
				return err
			}
			l.count(line)
			rows++
			if args = append(args, values...); len(args) == insertRows*len(t.columns) {
				if _, err := l.tx.Insert(head, "", len(t.columns), args); err != nil {
					return l.fail("%w", err)
				}
				args = args[:0]
			}
			continue
		}
		var m mark
		if err := strict(line, &m); err != nil {
			return l.fail("%w", err)
		}
		if sum := hex.EncodeToString(l.one.Sum(nil)); m.End != t.name || m.Rows != rows || m.Sum != sum {
			return l.fail("the sum over the table %s differs: the file is damaged", t.name)
		}
		l.one, l.rows = nil, l.rows+rows
		l.count(line)
		if _, err := l.tx.Insert(head, "", len(t.columns), args); err != nil {
			return l.fail("%w", err)
		}
		return nil
	}
}

// row reads the values of a row.
func (l *load) row(line []byte, t table) ([]any, error) {
	var values []any
	if err := strict(line, &values); err != nil {
		return nil, l.fail("%w", err)
	}
	if len(values) != len(t.columns) {
		return nil, l.fail("%d values for the %d columns of %s", len(values), len(t.columns), t.name)
	}
	for i, v := range values {
		if _, isText := v.(string); isText != (t.kinds[i] == 't') {
			return nil, l.fail("column %s holds a value of another kind", t.columns[i])
		}
		switch v := v.(type) {
		case json.Number:
			n, err := v.Int64()
			if err != nil {
				return nil, l.fail("%s is no whole number", v)
			}
			values[i] = n
		case string:
			values[i] = Clean(v)
		default:
			return nil, l.fail("column %s holds neither a text nor a number", t.columns[i])
		}
	}
	return values, nil
}

// strict decodes one value and nothing else.
func strict(line []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("is not as a backup has it: %w", err)
	}
	if d.More() {
		return errors.New("is not as a backup has it: more than one value")
	}
	return nil
}

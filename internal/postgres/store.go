package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Bounds that the database itself keeps, each below the deadline of an RPC, so that nothing waits for longer than a
// caller does.
const (
	lockTimeout      = 1 * time.Second // Many times what a batch of another process takes.
	statementTimeout = 5 * time.Second
	connectTimeout   = 3 * time.Second
	reportTimeout    = 8 * time.Second
)

// Config says where the database is and how it is used.
type Config struct {
	// URL is a connection string as pgx reads it.
	URL string
	// Readers is how many connections answer reads; 0: 4.
	Readers int
	// TestClock adds the test clock's shift to the database's clock. Only for --dev.
	TestClock bool
	// DueLimit bounds how many lapsed reservations of an organization one batch looks at; 0: 1000.
	DueLimit int
	// EntriesLooked bounds how many entries, or reservations, one page of those of a kind or state looks at; 0: 50,000.
	EntriesLooked int
	// Background is told which process of the database serves a connection whose work is to give way to the turns'; nil: nobody is.
	Background func(backend uint32)
	// Foreground is told which process serves a session's connection, on which all turns of its organizations wait; nil: nobody is.
	Foreground func(backend uint32)
	// Logger is told of connections that are lost; nil: nobody is.
	Logger *slog.Logger
}

// Store answers reads and makes the sessions that write.
type Store struct {
	config  Config
	writers *pgx.ConnConfig
	readers *pgxpool.Pool
	reports *pgxpool.Pool
	sql     statements
	books   books
}

// Open connects to a database that was migrated. Its error is one line.
func Open(ctx context.Context, config Config) (*Store, error) {
	writers, err := pgx.ParseConfig(config.URL)
	if err != nil {
		return nil, fmt.Errorf("the database URL cannot be read: %w", err)
	}
	readers, err := pgxpool.ParseConfig(config.URL)
	if err != nil {
		return nil, fmt.Errorf("the database URL cannot be read: %w", err)
	}
	if config.DueLimit == 0 {
		config.DueLimit = 1000
	}
	if config.EntriesLooked == 0 {
		config.EntriesLooked = 50_000
	}
	if config.Background == nil {
		config.Background = func(uint32) {}
	}
	if config.Foreground == nil {
		config.Foreground = func(uint32) {}
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	reports := readers.Copy()
	tuneWriter(writers)
	tuneReader(readers, config.Readers)
	tuneReports(reports, config.Background)
	s := &Store{config: config, writers: writers, sql: newStatements(config.TestClock)}
	if s.readers, err = pgxpool.NewWithConfig(ctx, readers); err != nil {
		return nil, unreachable(err)
	}
	if s.reports, err = pgxpool.NewWithConfig(ctx, reports); err != nil {
		s.readers.Close()
		return nil, unreachable(err)
	}
	if err := s.readers.Ping(ctx); err != nil {
		s.Close()
		return nil, unreachable(err)
	}
	return s, nil
}

// tuneWriter pins the plans of the hot path. A batch's statements take arrays through unnest, which the planner cannot
// estimate: left to itself it plans a scan while tables are empty and keeps it once they are full, or plans anew at each
// execution. Every one of these statements is right when it goes by index.
func tuneWriter(c *pgx.ConnConfig) {
	c.ConnectTimeout = connectTimeout
	c.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	for name, value := range map[string]string{
		"application_name":                    "meterd lane",
		"timezone":                            "UTC",
		"synchronous_commit":                  "on",             // An answer means that it is on disk,
		"default_transaction_isolation":       "read committed", // and what is loaded is as of the lock: see load.go.
		"plan_cache_mode":                     "force_generic_plan",
		"enable_seqscan":                      "off",
		"enable_hashjoin":                     "off",
		"enable_mergejoin":                    "off",
		"jit":                                 "off",
		"lock_timeout":                        millis(lockTimeout),
		"statement_timeout":                   millis(statementTimeout),
		"idle_in_transaction_session_timeout": millis(statementTimeout),
	} {
		c.RuntimeParams[name] = value
	}
}

func tuneReader(c *pgxpool.Config, connections int) {
	if connections == 0 {
		connections = 4
	}
	c.MaxConns = int32(min(connections, 1<<10))
	c.ConnConfig.ConnectTimeout = connectTimeout
	for name, value := range map[string]string{
		"application_name":   "meterd reader",
		"timezone":           "UTC",
		"jit":                "off",
		"synchronous_commit": "on", // Plans are written beside the lanes.
		"statement_timeout":  millis(statementTimeout),
	} {
		c.ConnConfig.RuntimeParams[name] = value
	}
	// Not as a parameter above: target_session_attrs=read-write would take a primary for a standby then.
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SET default_transaction_read_only = on")
		return err
	}
}

// tuneReports makes a connection for reports, which run one after the other, so that other reads never wait for one. It has memory
// for their groups, one processor, and nearly as long for a statement as a call has by default.
func tuneReports(c *pgxpool.Config, background func(backend uint32)) {
	tuneReader(c, 1)
	for name, value := range map[string]string{
		"application_name":                "meterd report",
		"work_mem":                        "64MB",
		"max_parallel_workers_per_gather": "0",
		"statement_timeout":               millis(reportTimeout),
	} {
		c.ConnConfig.RuntimeParams[name] = value
	}
	readOnly := c.AfterConnect
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		background(conn.PgConn().PID())
		return readOnly(ctx, conn)
	}
}

func millis(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

// Close ends the readers' connections. Sessions are closed by whoever made them.
func (s *Store) Close() {
	s.readers.Close()
	s.reports.Close()
}

// Ping says whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return fault(s.readers.Ping(ctx)) }

// now is the time that the rules see, as an SQL expression.
func now(testClock bool) string {
	if testClock {
		return "(clock_timestamp() + coalesce((SELECT shift FROM test_clock), interval '0'))"
	}
	return "clock_timestamp()"
}

// statements are those that tell the time, with the time's expression in place.
type statements struct{ frame, writeRemembered, firm, seat, insertBook, mark, now string }

func newStatements(testClock bool) statements {
	with := func(sql string) string { return strings.ReplaceAll(sql, "{now}", now(testClock)) }
	return statements{
		frame: with(loadFrame), writeRemembered: with(writeRemembered), firm: with(readFirm), seat: with(readSeat), insertBook: with(insertBook), mark: with(readMark),
		now: with("SELECT {now}"),
	}
}

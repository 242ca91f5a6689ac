package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/alecthomas/kong"

	"github.com/spillway-metering/spillway/internal/server"
)

// settings are the flags of meterd. Each can be given as the environment variable that --help names beside it.
type settings struct {
	Listen     string `env:"METER_LISTEN" default:"127.0.0.1:7400" placeholder:"ADDRESS" help:"Where to serve gRPC: host:port, or unix:/path (${default}). Without TLS only this machine can be let in."`
	HTTPListen string `env:"METER_HTTP_LISTEN" placeholder:"ADDRESS" help:"Where to serve the page, the API as JSON, /openapi.yaml, /metrics, /healthz and /readyz: host:port, or unix:/path. Without TLS only this machine can be let in. Not served unless given."`

	DatabaseURL string `env:"METER_DATABASE_URL" placeholder:"URL" help:"PostgreSQL to use, 15 or later. Unless given, meterd starts a private one."`
	DataDir     string `env:"METER_DATA_DIR" placeholder:"DIR" help:"Where the private PostgreSQL keeps its data. Default: /var/lib/spillway for root, else $XDG_STATE_HOME/spillway or ~/.local/state/spillway."`
	PostgresBin string `env:"METER_POSTGRES_BIN" placeholder:"DIR" help:"Where the private PostgreSQL's programs are. Searched unless given."`

	identity `embed:""`
	signIn   `embed:""`

	Dev     bool   `env:"METER_DEV" help:"For development on this machine: every caller is an operator, no TLS, and the test clock is served."`
	Demo    bool   `env:"METER_DEMO" help:"Make a firm to try things on, and print calls to try. Needs --dev."`
	Grpcurl string `env:"METER_GRPCURL" default:"${grpcurl}" placeholder:"PROGRAM" help:"How --demo writes grpcurl in what it prints (${default})."`

	Lanes       int           `env:"METER_LANES" default:"${lanes}" help:"Transactions in flight at a time, each on a connection of its own; unless given, half the cores of this machine (${default})."`
	MaxBatch    int           `env:"METER_MAX_BATCH" default:"512" help:"Most requests in one transaction (${default})."`
	QueueLength int           `env:"METER_QUEUE_LENGTH" default:"2048" help:"Most requests that wait for one lane; when there are more, those who ask for most are told to come again (${default})."`
	QueueAge    time.Duration `env:"METER_QUEUE_AGE" default:"3s" help:"Longest wait for a lane; those who waited longer are told to come again (${default})."`

	DefaultDeadline   time.Duration `env:"METER_DEFAULT_DEADLINE" default:"10s" help:"Deadline of a call whose caller gives none (${default})."`
	CallerRate        int           `env:"METER_CALLER_RATE" default:"100000" help:"Most calls a second of one caller; more are told to come again; 0: no bound (${default})."`
	MemberRate        int           `env:"METER_MEMBER_RATE" default:"1000" help:"The same of one owner, admin or member of an organization; 0: as any caller (${default})."`
	CallerConcurrency int           `env:"METER_CALLER_CONCURRENCY" default:"4096" help:"Most calls of one caller at a time; more are told to come again; 0: no bound (${default})."`
	Reflection        bool          `env:"METER_REFLECTION" default:"true" negatable:"" help:"Let callers ask for the contract, as grpcurl does (${default})."`
	DrainTimeout      time.Duration `env:"METER_DRAIN_TIMEOUT" default:"15s" help:"How long running calls may go on once meterd is told to stop (${default})."`
	SweepInterval     time.Duration `env:"METER_SWEEP_INTERVAL" default:"1s" help:"How often expired holds are looked for (${default})."`
	RollUpInterval    time.Duration `env:"METER_ROLL_UP_INTERVAL" default:"5s" help:"How often usage is rolled up for reports, which are exact without it but slower (${default})."`

	LogLevel  string `env:"METER_LOG_LEVEL" enum:"debug,info,warn,error" default:"info" help:"Least level that is logged: ${enum} (${default})."`
	LogFormat string `env:"METER_LOG_FORMAT" enum:"text,json" default:"text" help:"Form of the log on stderr: ${enum} (${default})."`

	Version kong.VersionFlag `help:"Print the version and end."`
}

// parse reads the settings. told is true if the arguments only asked for help or the version, which has been printed.
func parse(args []string, stdout, stderr io.Writer) (s settings, told bool, err error) {
	parser, err := kong.New(&s,
		kong.Name("meterd"),
		kong.Description("Serves meter.v1: metering, allowances and pools for turns of an AI assistant."),
		kong.Vars{"version": version(), "grpcurl": grpcurl(), "lanes": lanes()},
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { told = true }),
	)
	if err != nil {
		return s, false, fmt.Errorf("settings: %w", err)
	}
	_, err = parser.Parse(args)
	if told {
		return s, true, nil
	}
	return s, false, err
}

// Validate is called by kong once all settings are read.
func (s *settings) Validate() error {
	if s.Demo && !s.Dev {
		return errors.New("--demo needs --dev")
	}
	for name, n := range map[string]int{
		"--lanes": s.Lanes, "--max-batch": s.MaxBatch, "--queue-length": s.QueueLength,
	} {
		if n < 1 {
			return fmt.Errorf("%s must be at least 1, not %d", name, n)
		}
	}
	if s.CallerRate < 0 || s.MemberRate < 0 || s.CallerConcurrency < 0 {
		return errors.New("--caller-rate, --member-rate and --caller-concurrency must not be negative")
	}
	for name, d := range map[string]time.Duration{
		"--queue-age": s.QueueAge, "--default-deadline": s.DefaultDeadline,
		"--drain-timeout": s.DrainTimeout, "--sweep-interval": s.SweepInterval,
		"--roll-up-interval": s.RollUpInterval,
	} {
		if d < time.Millisecond {
			return fmt.Errorf("%s must be at least 1ms, not %s", name, d)
		}
	}
	if err := s.identity.check(s.Dev); err != nil {
		return err
	}
	return s.signIn.check(s.Dev, s.HTTPListen, s.OIDCIssuer)
}

func (s *settings) server() server.Config {
	return server.Config{
		Listen: s.Listen, HTTPListen: s.HTTPListen, BuyMoreURL: s.BuyMoreURL,
		DatabaseURL: s.DatabaseURL, DataDir: s.DataDir, PostgresBin: s.PostgresBin,
		Dev: s.Dev, Identity: s.identity.server(), SignIn: s.signIn.server(),
		Lanes: s.Lanes, MaxBatch: s.MaxBatch, QueueLength: s.QueueLength, QueueAge: s.QueueAge,
		CallerLimits:    server.CallerLimits{Rate: s.CallerRate, MemberRate: s.MemberRate, Concurrency: s.CallerConcurrency},
		NoReflection:    !s.Reflection,
		DefaultDeadline: s.DefaultDeadline, DrainTimeout: s.DrainTimeout, SweepInterval: s.SweepInterval,
		RollUpInterval: s.RollUpInterval,
	}
}

// lanes is how many transactions suit this machine: the fewer there are, the more requests share each one's lock, round
// trips and fsync, and the other half of the cores have PostgreSQL and the calls to serve.
func lanes() string { return strconv.Itoa(max(1, runtime.NumCPU()/2)) }

// grpcurl is the one that make built beside this program, if this was started by its path, or whichever the shell finds.
func grpcurl() string {
	dir, _ := filepath.Split(os.Args[0])
	if dir == "" {
		return "grpcurl"
	}
	if _, err := os.Stat(dir + "grpcurl"); err != nil {
		return "grpcurl"
	}
	return dir + "grpcurl"
}

// version is that of the build: the module's, and the commit it was made from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "meterd, version unknown"
	}
	v := "meterd " + info.Main.Version
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			v += " " + setting.Value
		}
	}
	return v
}

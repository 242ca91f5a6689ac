package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/spillway-metering/spillway/internal/dial"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/replay"
)

// replayCommand is `meterctl replay`.
type replayCommand struct {
	Trace string `arg:"" type:"existingfile" placeholder:"TRACE" help:"Turns to replay: a .csv or .csv.gz file with the columns trace, row, t_ms, input_tokens, output_tokens, failed, model, session, duration_ms."`

	dial.Server

	Speed   speed `default:"max" help:"How many times faster than recorded, or max: as fast as the server answers (${default})."`
	Callers int   `default:"64" help:"Turns that run at once at --speed max (${default})."`
	Limit   int   `placeholder:"ROWS" help:"Replay only so many turns, the first to arrive."`
	JSON    bool  `name:"json" help:"Print one JSON object instead of tables."`

	Skew          string   `type:"existingfile" placeholder:"CLIENTS.csv" help:"Shares of real clients to spread the turns over organizations by. Unless given, Zipf's law over 200."`
	Organizations string   `enum:"all,one" default:"all" help:"Whether to spread the turns at all, or send them to one hot organization: ${enum} (${default})."`
	Prefix        string   `default:"replay-" help:"Begins the ids of the plan and of every organization: another one replays into fresh organizations (${default})."`
	FailureRate   float64  `default:"0" help:"Part of the turns to fail, 0 to 1, where the trace does not say. Synthetic."`
	TimeToLive    lifetime `name:"time-to-live" placeholder:"DURATION" help:"Of each reservation: 1s to 24h. Unless given, the server's default."`

	Book          string        `xor:"amounts,input,output" placeholder:"NAME" help:"Price book of the server by which tokens are priced. Unless given: default, or where the server has none as with --amounts."`
	Model         string        `default:"gpt-4o" help:"Model of turns of which the trace names none (${default})."`
	Estimate      string        `enum:"maximum,learned" default:"maximum" help:"How many output tokens an estimate expects: ${enum} (${default})."`
	OutputMaximum int64         `default:"4096" help:"Output tokens that a turn may have at most (${default})."`
	Amounts       bool          `xor:"amounts" help:"Tell amounts instead of tokens, at these prices:"`
	PriceInput    *replay.Price `xor:"input" placeholder:"USD" help:"Per million input tokens (2.50). Implies --amounts."`
	PriceOutput   *replay.Price `xor:"output" placeholder:"USD" help:"Per million output tokens (10.00). Implies --amounts."`

	Setup     bool          `default:"true" negatable:"" help:"Make the plan, organizations, members, access and top-ups first; again changes nothing."`
	Allowance replay.Amount `default:"5.00" help:"Allowance of each seat, in USD (${default})."`
	Pool      pool          `default:"ample" help:"Top-up of each organization, in USD; 0: none; ample: whatever its turns need (${default})."`
	Access    replay.Access `default:"unlimited" help:"Access of each seat to the pool: none, capped:MICROS, unlimited (${default})."`

	RetryFor time.Duration `default:"60s" help:"How long a call is sent again while the server does not answer (${default})."`
}

// Run is called by kong. The result is printed also when the replay was cut off or went wrong.
func (c *replayCommand) Run(ctx context.Context, to terminal) error {
	dialing, err := c.Server.Options()
	if err != nil {
		return err
	}
	options := c.options()
	options.DialOptions = dialing
	shown := showProgress(to.stderr)
	options.Progress = shown.tell
	options.Notice = func(line string) { _, _ = fmt.Fprintln(to.stderr, line) }
	report, err := replay.Run(ctx, options)
	shown.end()
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(to.stdout).Encode(report)
	} else {
		_, err = fmt.Fprintln(to.stdout, replayTables(report))
	}
	if err != nil {
		return fmt.Errorf("printing the result: %w", err)
	}
	return report.Problem()
}

func (c *replayCommand) options() replay.Options {
	o := replay.Defaults()
	o.Trace, o.Clients, o.Address = c.Trace, c.Skew, c.Address
	o.Speed, o.Callers, o.Limit = float64(c.Speed), c.Callers, c.Limit
	o.Model, o.Learned = c.Model, c.Estimate == "learned"
	c.price(&o)
	o.OutputMaximum, o.TimeToLive, o.FailureRate = c.OutputMaximum, time.Duration(c.TimeToLive), c.FailureRate
	o.SkipSetup, o.Prefix, o.OneOrganization = !c.Setup, c.Prefix, c.Organizations == "one"
	o.Allowance, o.Pool, o.Access = c.Allowance, replay.Amount(c.Pool), c.Access
	o.RetryFor = c.RetryFor
	return o
}

// price says by what the turns are priced: by the book that is named; by amounts where they are asked for, or one of their
// prices is; otherwise by the default book, if the server has it.
func (c *replayCommand) price(o *replay.Options) {
	o.Book, o.BookOptional = cmp.Or(c.Book, meter.DefaultPriceBook), c.Book == ""
	if c.Amounts || c.PriceInput != nil || c.PriceOutput != nil {
		o.Book, o.BookOptional = "", false
	}
	if c.PriceInput != nil {
		o.Prices.Input = *c.PriceInput
	}
	if c.PriceOutput != nil {
		o.Prices.Output = *c.PriceOutput
	}
}

// speed is how many times faster than recorded; 0 is max.
type speed float64

// UnmarshalText reads a number above 0, or max.
func (s *speed) UnmarshalText(text []byte) error {
	*s = 0
	if string(text) == "max" {
		return nil
	}
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(n >= 1e-3 && n <= 1e9) {
		return fmt.Errorf("%q is neither max nor a number from 0.001 to 1000000000", text)
	}
	*s = speed(n)
	return nil
}

// lifetime is a time to live that the contract allows; 0 leaves it to the server.
type lifetime time.Duration

// UnmarshalText reads a duration such as 90s.
func (l *lifetime) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil || d < time.Second || d > 24*time.Hour {
		return fmt.Errorf("%q is not a duration from 1s to 24h", text)
	}
	*l = lifetime(d)
	return nil
}

// pool is the top-up of an organization.
type pool replay.Amount

// UnmarshalText reads an amount in units, or ample.
func (p *pool) UnmarshalText(text []byte) error {
	if string(text) == "ample" {
		*p = pool(replay.AmplePool)
		return nil
	}
	return (*replay.Amount)(p).UnmarshalText(text)
}

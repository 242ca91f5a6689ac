package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

const (
	// leastAsked is how often a question is asked at least.
	leastAsked = 10
	// A server rests after a report for as many times as long as it took. Questions are asked after such a pause, as by somebody who
	// reads what is answered.
	reportRest, mostReportRest = 2, 3 * time.Second
	// hotSeats are those of the organization whose turns are measured beside the reports.
	hotSeats = 64
)

// ReportsReport is how long questions about many turns take, and what they cost the turns beside them.
type ReportsReport struct {
	Turns            int64       `json:"turns"`
	Seats            int         `json:"seats"`
	Days             int         `json:"days"`
	FillSeconds      float64     `json:"fill_seconds"`
	RollUpSeconds    float64     `json:"roll_up_seconds"`
	DatabaseBytes    int64       `json:"database_bytes"`
	RollUpBytes      int64       `json:"roll_up_bytes"`
	Questions        []Question  `json:"questions"`
	TurnsPerSecond   float64     `json:"turns_per_second"`              // Of a hot organization, without reports.
	WithReports      float64     `json:"turns_per_second_with_reports"` // With a caller that asks for reports in a loop.
	ReportsPerSecond float64     `json:"reports_per_second"`            // How many it was answered, beside the turns.
	ReportsRefused   int64       `json:"reports_refused"`               // How many it was refused, beside the turns.
	Ratio            float64     `json:"with_to_without"`
	CPUs             int         `json:"cpus"`
	Connections      int         `json:"connections"`
	DurationSeconds  float64     `json:"duration_seconds"`
	Durability       *Durability `json:"durability,omitempty"`
}

// Question is how long the answers to one question took.
type Question struct {
	Name   string  `json:"name"`
	Asked  int64   `json:"asked"`
	Errors int64   `json:"errors"`
	P50    float64 `json:"p50_ms"`
	P99    float64 `json:"p99_ms"`
	Most   float64 `json:"max_ms"`
}

// RunReports fills a server with turns, and measures questions about them.
func RunReports(ctx context.Context, options Options) (report *ReportsReport, err error) {
	if err := options.validateLoad(); err != nil {
		return nil, err
	}
	lanes := 0
	if len(options.Lanes) > 0 {
		lanes = options.Lanes[0]
	}
	s, err := newStage(ctx, options, lanes)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	r := &reports{stage: s, firm: s.name + "-reports", report: &ReportsReport{
		Seats: filledSeats, Days: filledDays, CPUs: runtime.NumCPU(), Connections: options.Connections,
		DurationSeconds: options.Duration.Seconds(),
	}}
	if err := r.measure(ctx); err != nil {
		return nil, err
	}
	var wrong error
	r.report.Durability, wrong = s.check(ctx)
	return r.report, wrong
}

// reports is a run under way.
type reports struct {
	*stage
	firm   string
	report *ReportsReport
}

func (r *reports) measure(ctx context.Context) error {
	if err := r.fill(ctx); err != nil {
		return err
	}
	for _, q := range r.questions() {
		r.say("asking: %s", q.name)
		answered, err := r.ask(ctx, q)
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		r.report.Questions = append(r.report.Questions, answered)
	}
	return r.compare(ctx)
}

// fill makes the firm and has it rolled up.
func (r *reports) fill(ctx context.Context) error {
	f := &filling{Options: r.Options, database: r.database, id: r.firm, turns: r.Reports}
	began := time.Now()
	if err := f.fill(ctx); err != nil {
		return err
	}
	filled := time.Now()
	if err := f.rolledUp(ctx); err != nil {
		return err
	}
	r.report.Turns, r.report.FillSeconds = f.turns, filled.Sub(began).Seconds()
	r.report.RollUpSeconds = time.Since(filled).Seconds()
	return r.database.QueryRow(ctx, `SELECT pg_database_size(current_database()),
		pg_total_relation_size('usage_rollup') + pg_total_relation_size('usage_day')`).
		Scan(&r.report.DatabaseBytes, &r.report.RollUpBytes)
}

// question is something to ask the n-th time.
type question struct {
	name string
	ask  func(ctx context.Context, n int) error
}

// questions are those of the page and of its exports.
func (r *reports) questions() (all []question) {
	now := time.Now().UTC()
	month := time.Date(now.Year(), now.Month()-1, 1, 0, 0, 0, 0, time.UTC)
	ragged := now.AddDate(0, 0, -40).Truncate(24 * time.Hour).Add(11 * time.Hour)
	for _, span := range []struct {
		name     string
		from, to time.Time
	}{{"a month", month, month.AddDate(0, 1, 0)}, {"a ragged span of 30 days", ragged, ragged.AddDate(0, 0, 30).Add(2 * time.Hour)}} {
		for _, group := range []meterv1.UsageGrouping{
			meterv1.UsageGrouping_USAGE_GROUPING_DAY, meterv1.UsageGrouping_USAGE_GROUPING_MODEL,
			meterv1.UsageGrouping_USAGE_GROUPING_MEMBER, meterv1.UsageGrouping_USAGE_GROUPING_CONVERSATION,
			meterv1.UsageGrouping_USAGE_GROUPING_LABEL,
		} {
			request := &meterv1.ReportUsageRequest{
				OrganizationId: r.firm, From: timestamppb.New(span.from), To: timestamppb.New(span.to), GroupBy: group,
				Order: meterv1.UsageOrder_USAGE_ORDER_BY_COST,
			}
			if group == meterv1.UsageGrouping_USAGE_GROUPING_LABEL {
				request.LabelKey = "team"
			}
			all = append(all, question{"ReportUsage by " + groupName(group) + ", " + span.name, r.reportUsage(request)})
		}
	}
	seats := &meterv1.ReportUsageRequest{
		OrganizationId: r.firm, From: timestamppb.New(month), To: timestamppb.New(month.AddDate(0, 1, 0)),
		GroupBy: meterv1.UsageGrouping_USAGE_GROUPING_MEMBER, Order: meterv1.UsageOrder_USAGE_ORDER_BY_COST, PageSize: 1000,
	}
	return append(all,
		question{"ReportUsage by member, a month, 1000 a page", r.reportUsage(seats)},
		question{"ListMembers by name, 25 a page", r.listMembers(meterv1.MemberOrder_MEMBER_ORDER_NAME, 25)},
		question{"ListMembers by pool use, 25 a page", r.listMembers(meterv1.MemberOrder_MEMBER_ORDER_POOL_USED_PERIOD, 25)},
		question{"ListMembers, pages of 1000", r.listMembers(meterv1.MemberOrder_MEMBER_ORDER_ID, 1000)},
		question{"ListLedgerEntries, 1000 of a day", r.listEntries(now)},
		question{"ListLedgerEntries, top-ups", r.listTopUps},
		question{"EstimateRunway", r.estimateRunway})
}

func groupName(g meterv1.UsageGrouping) string {
	return map[meterv1.UsageGrouping]string{
		meterv1.UsageGrouping_USAGE_GROUPING_DAY: "day", meterv1.UsageGrouping_USAGE_GROUPING_MODEL: "model",
		meterv1.UsageGrouping_USAGE_GROUPING_MEMBER:       "member",
		meterv1.UsageGrouping_USAGE_GROUPING_CONVERSATION: "conversation",
		meterv1.UsageGrouping_USAGE_GROUPING_LABEL:        "label",
	}[g]
}

func (r *reports) reportUsage(request *meterv1.ReportUsageRequest) func(context.Context, int) error {
	client := meterv1.NewUsageServiceClient(r.server.setup())
	return func(ctx context.Context, _ int) error {
		answer, err := client.ReportUsage(ctx, request)
		if err == nil && (len(answer.GetRows()) == 0 || answer.GetTotals().GetTurns() == 0) {
			return errors.New("the report is empty")
		}
		return err
	}
}

// listMembers asks for page after page, and again from the first after the last.
func (r *reports) listMembers(order meterv1.MemberOrder, pageSize int32) func(context.Context, int) error {
	client := meterv1.NewOrganizationServiceClient(r.server.setup())
	request := &meterv1.ListMembersRequest{OrganizationId: r.firm, OrderBy: order, PageSize: pageSize}
	return func(ctx context.Context, _ int) error {
		answer, err := client.ListMembers(ctx, request)
		if request.PageToken = answer.GetNextPageToken(); err == nil && len(answer.GetMembers()) == 0 {
			return errors.New("the page has no members")
		}
		return err
	}
}

// listEntries asks for a day's entries. A page that looked at many of the days beside it may hold none, and says where to go on.
func (r *reports) listEntries(now time.Time) func(context.Context, int) error {
	client := meterv1.NewPoolServiceClient(r.server.setup())
	return func(ctx context.Context, n int) error {
		from := now.AddDate(0, 0, -1-n%(filledDays-2))
		request := &meterv1.ListLedgerEntriesRequest{
			OrganizationId: r.firm, PageSize: 1000, From: timestamppb.New(from), To: timestamppb.New(from.Add(24 * time.Hour)),
		}
		for {
			answer, err := client.ListLedgerEntries(ctx, request)
			if err != nil || len(answer.GetEntries()) > 0 {
				return err
			}
			if request.PageToken = answer.GetNextPageToken(); request.PageToken == "" {
				return errors.New("the day has no entries")
			}
		}
	}
}

func (r *reports) listTopUps(ctx context.Context, _ int) error {
	answer, err := meterv1.NewPoolServiceClient(r.server.setup()).ListLedgerEntries(ctx, &meterv1.ListLedgerEntriesRequest{
		OrganizationId: r.firm, Kinds: []meterv1.LedgerEntryKind{meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_TOP_UP},
	})
	if err == nil && len(answer.GetEntries()) != 1 {
		return fmt.Errorf("there are %d top-ups", len(answer.GetEntries()))
	}
	return err
}

func (r *reports) estimateRunway(ctx context.Context, _ int) error {
	_, err := meterv1.NewUsageServiceClient(r.server.setup()).EstimateRunway(ctx,
		&meterv1.EstimateRunwayRequest{OrganizationId: r.firm})
	return err
}

// ask asks a question for as long as a row lasts, with a pause after each answer.
func (r *reports) ask(ctx context.Context, q question) (Question, error) {
	took := newTally().whole
	began := time.Now()
	var refused int64
	for n := 0; n < leastAsked || time.Since(began) < r.Duration; n++ {
		asked := time.Now()
		if err := q.ask(ctx, n); err != nil {
			// A machine that is busy with other work may not answer in time. That is a figure, too, but for none at all.
			refused++
			if ctx.Err() != nil || refused == leastAsked {
				return Question{}, err
			}
			continue
		}
		answered := time.Since(asked)
		if err := took.RecordValue(int64(micros(answered))); err != nil {
			return Question{}, err
		}
		pause(ctx, min(reportRest*answered, mostReportRest))
	}
	return Question{
		Name: q.name, Asked: took.TotalCount(), Errors: refused, P50: millis(took, 50), P99: millis(took, 99), Most: millis(took, 100),
	}, nil
}

// compare measures the turns of a hot organization without reports, then with a caller beside them who asks for one after the
// other, and without again.
func (r *reports) compare(ctx context.Context) error {
	hot, err := r.populate(ctx, "hot", 1, hotSeats)
	if err != nil {
		return err
	}
	r.say("measuring turns with and without reports, with %d callers", capacityCallers)
	turns := func(name string) *contestant {
		return newContestant(capacityCallers, r.server.busy, func(i int) work {
			return newTurns(r.server.connection(i), hot, name+strconv.Itoa(i))
		})
	}
	without, with := turns("without"), turns("with")
	half := slice{length: r.Duration / 2}
	without.slice(ctx, slice{length: r.Warmup})
	without.tally = newTally()
	without.slice(ctx, half)
	answered, refused, err := r.beside(ctx, func() { with.slice(ctx, slice{length: r.Duration}) })
	if err != nil {
		return err
	}
	without.slice(ctx, half)
	r.count(len(r.populations)-1, without.totals)
	r.count(len(r.populations)-1, with.totals)
	r.report.TurnsPerSecond, r.report.WithReports = without.tally.perSecond(), with.tally.perSecond()
	r.report.ReportsPerSecond, r.report.ReportsRefused = float64(answered)/r.Duration.Seconds(), refused
	r.report.Ratio = ratio(r.report.WithReports, r.report.TurnsPerSecond)
	return ctx.Err()
}

// beside asks for reports of every kind, one after the other, for as long as work lasts, and tells how many were answered and how
// many were refused.
func (r *reports) beside(ctx context.Context, work func()) (answered, refused int64, err error) {
	var over atomic.Bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		answered, refused, err = takeTurns(ctx, r.questions(), &over)
	}()
	work()
	over.Store(true)
	<-ended
	return answered, refused, err
}

// takeTurns asks one question after the other until it is over. None answered is an error: the last refusal.
func takeTurns(ctx context.Context, questions []question, over *atomic.Bool) (answered, refused int64, err error) {
	var refusal error
	for n := 0; !over.Load() && ctx.Err() == nil; n++ {
		switch err := questions[n%len(questions)].ask(ctx, n); {
		case err == nil:
			answered++
		case ctx.Err() == nil:
			refused++
			refusal = err
		}
	}
	if answered == 0 {
		return 0, refused, errors.Join(errors.New("no report was answered beside the turns"), refusal)
	}
	return answered, refused, nil
}

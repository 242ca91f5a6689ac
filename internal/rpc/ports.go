package rpc

import (
	"context"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

// Writer carries a command to where it is applied, durably and once, and answers its outcome. Its error is a
// *meter.Refusal, transient ones included, or that of the context.
type Writer interface {
	Do(ctx context.Context, c meter.Command) (meter.Outcome, error)
}

// Reader answers what is stored. A missing thing is a *meter.Refusal, and so is a database that cannot be reached. The
// lists go on after the key given, in the order of the key unless they say otherwise, and answer limit items at most.
type Reader interface {
	Plan(ctx context.Context, id string) (meter.Plan, error)
	Plans(ctx context.Context, after string, limit int) ([]meter.Plan, error)
	Organization(ctx context.Context, id string) (meter.Organization, error)
	Organizations(ctx context.Context, after string, limit int) ([]meter.Organization, error)
	Member(ctx context.Context, organizationID, memberID string) (meter.MemberView, error)
	Members(ctx context.Context, q meter.MemberQuery) (found []meter.MemberView, all int64, err error)
	Meter(ctx context.Context, organizationID, memberID string) (meter.Meter, error)
	Reservation(ctx context.Context, organizationID string, id meter.UUID) (meter.Reservation, error)
	// Reservations are answered newest first. It may find fewer than there are where a query is narrowed by state, and says
	// where to go on.
	Reservations(ctx context.Context, q meter.ReservationQuery) (meter.ReservationPage, error)
	// Entries may find fewer than there are where a query is narrowed, and says where to go on.
	Entries(ctx context.Context, q meter.EntryQuery) (meter.EntryPage, error)
	// AccessChanges are those of one member, or of all if memberID is empty.
	AccessChanges(
		ctx context.Context, organizationID, memberID string, after meter.UUID, limit int,
	) ([]meter.AccessChange, error)
	// Turn is all that is on record of a turn.
	Turn(ctx context.Context, q meter.TurnQuery) (meter.TurnRecord, error)
	// PlanUsage is a row for each kind of resource.
	PlanUsage(ctx context.Context, organizationID string) ([]meter.PlanUsage, error)
	// Usage reports what turns used.
	Usage(ctx context.Context, q meter.UsageQuery) (meter.UsageReport, error)
	// Runway estimates from the use of so many days.
	Runway(ctx context.Context, organizationID string, days int) (meter.Runway, error)
	// AuditEntries are an organization's record, or the service's own if organizationID is empty.
	AuditEntries(ctx context.Context, organizationID string, after int64, limit int) ([]meter.AuditEntry, error)
}

// PlanWriter stores a plan. Plans belong to no organization, so they are no command.
type PlanWriter interface {
	PutPlan(ctx context.Context, p meter.Plan, by meter.Actor) error
}

// PriceBooks keeps the price books. Version 0 is the current one; a version that is missing is a *meter.Refusal.
type PriceBooks interface {
	// PutPriceBook adds a version unless the book already is as given, and answers what then is current, without models. It
	// refuses if expected is not nil and not the current version.
	PutPriceBook(ctx context.Context, b price.Book, expected *int64, by meter.Actor) (price.Book, error)
	PriceBook(ctx context.Context, id string, version int64) (price.Book, error)
	// PriceBooks are the current versions, without models.
	PriceBooks(ctx context.Context, after string, limit int) ([]price.Book, error)
	PriceTable(ctx context.Context, id string, version int64) (*price.Table, error)
	// Now is the time at which turns are priced.
	Now(ctx context.Context) (time.Time, error)
}

// Learner expects of a model's answers in an organization what they were like of late.
type Learner interface {
	Observe(organization, model string, output int64)
	Expect(organization, model string, maximum int64) (tokens int64, learned bool)
}

// Clock is the time that the rules see, and the two ways of moving it that only a test may use.
type Clock interface {
	Now(ctx context.Context) (time.Time, error)
	ShiftClock(ctx context.Context, by time.Duration) (time.Time, error)
	SetClock(ctx context.Context, to time.Time) (time.Time, error)
}

// Sweeper gives back what is due, and returns once it has.
type Sweeper interface {
	SweepOnce(ctx context.Context) error
}

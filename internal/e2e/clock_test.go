package e2e

import (
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	testingv1 "github.com/spillway-metering/spillway/gen/meter/testing/v1"
	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/audit/audittest"
)

// Months of the firm begin at midnight of each month's last day in Berlin.
var (
	thisMonth = time.Date(2030, time.January, 30, 23, 0, 0, 0, time.UTC)
	nextMonth = time.Date(2030, time.February, 27, 23, 0, 0, 0, time.UTC)
)

// traveller is a client of a server whose clock it moves.
type traveller struct {
	*client
	t *testing.T
}

// travel starts a server for development at a moment in a firm's month.
func travel(t *testing.T, at time.Time, f firm) (traveller, string) {
	t.Helper()
	url := postgres.Database(t)
	server := start(t, "--dev", "--database-url="+url)
	c := traveller{dial(t, server.address), t}
	c.setTime(at)
	c.furnish(t, f)
	return c, url
}

func (c traveller) setTime(to time.Time) {
	c.t.Helper()
	must(c.SetTime(c.t.Context(), &testingv1.SetTimeRequest{Time: timestamppb.New(to)}))(c.t)
}

func (c traveller) advance(by time.Duration) {
	c.t.Helper()
	must(c.Advance(c.t.Context(), &testingv1.AdvanceRequest{Duration: durationpb.New(by)}))(c.t)
}

func (c traveller) hold(request string, estimate int64, ttl time.Duration) *meterv1.Reservation {
	c.t.Helper()
	return must(c.Reserve(c.t.Context(), &meterv1.ReserveRequest{
		OrganizationId: "acme", MemberId: seat(0), RequestId: request, EstimateMicros: estimate,
		TimeToLive: durationpb.New(ttl),
	}))(c.t).GetReservation()
}

// TestExpiry moves the time past a hold's time to live.
func TestExpiry(t *testing.T) {
	t.Parallel()
	c, url := travel(t, thisMonth.AddDate(0, 0, 5), firm{id: "acme", allowance: 100, pool: 100, seats: 1})
	lapsing := c.hold("lapsing", 150, time.Minute)
	lasting := c.hold("lasting", 20, time.Hour)
	c.advance(time.Minute)
	if r := c.reservation(t, "acme", lapsing.GetReservationId()); r.GetCharge() != nil ||
		r.GetState() != meterv1.ReservationState_RESERVATION_STATE_EXPIRED {
		t.Errorf("after its time to live it is %v", r)
	}
	if r := c.reservation(t, "acme", lasting.GetReservationId()); r.GetState() != meterv1.ReservationState_RESERVATION_STATE_HELD {
		t.Errorf("within its time to live it is %v", r)
	}
	m, p := c.meter(t, "acme", seat(0)), c.pool(t, "acme")
	if m.GetHeldMicros() != 0 || m.GetPoolHeldMicros() != 20 || p.GetHeldMicros() != 20 || p.GetBalanceMicros() != 100 {
		t.Errorf("once it has lapsed: %v, %v", m, p)
	}
	must(c.commit(t.Context(), lasting, 20))(t)
	late := must(c.commit(t.Context(), lapsing, 150))(t)
	if charge := late.GetCharge(); !late.GetLate() || charge.GetAllowanceMicros() != 80 || charge.GetPoolMicros() != 70 {
		t.Errorf("committed late it is %v", late)
	}
	audittest.Check(t, url)
}

// TestNextMonth moves the time over the end of a month in which turns were left open.
func TestNextMonth(t *testing.T) {
	t.Parallel()
	c, url := travel(t, thisMonth.Add(-10*time.Hour), firm{id: "acme", allowance: 1000, pool: 10_000, seats: 1})
	must(c.GrantAccess(t.Context(), &meterv1.GrantAccessRequest{
		OrganizationId: "acme", MemberId: seat(0), Access: &meterv1.GrantAccessRequest_CapMicros{CapMicros: 500},
	}))(t)
	must(c.commit(t.Context(), c.hold("whole", 1000, time.Hour), 1000))(t)
	old, lapsed := c.hold("old", 300, 24*time.Hour), c.hold("lapsed", 200, time.Hour)
	if _, err := c.reserve(t.Context(), "acme", seat(0), "more", 1); reasonOf(err) != "MEMBER_CAP_REACHED" {
		t.Errorf("past the cap: %v", err)
	}

	c.setTime(thisMonth)
	fresh := func(when string) {
		t.Helper()
		m := c.meter(t, "acme", seat(0))
		if m.GetRemainingMicros() != 1000 || m.GetUsedMicros()+m.GetHeldMicros()+m.GetOverrunMicros() != 0 ||
			m.GetPoolUsedMicros()+m.GetPoolHeldMicros() != 0 ||
			!m.GetPeriodStart().AsTime().Equal(thisMonth) || !m.GetResetsAt().AsTime().Equal(nextMonth) {
			t.Errorf("in the new month, %s: %v", when, m)
		}
	}
	fresh("at its first instant")
	// The allowance of the old month is used, so the cap of the old month bounds both: 500 in all.
	dear := must(c.commit(t.Context(), old, 350))(t)
	late := must(c.commit(t.Context(), lapsed, 200))(t)
	if charge := dear.GetCharge(); dear.GetLate() || charge.GetPoolMicros() != 350 || charge.GetOverrunMicros() != 0 {
		t.Errorf("the turn of the old month was charged %v", dear)
	}
	if charge := late.GetCharge(); !late.GetLate() || charge.GetPoolMicros() != 150 || charge.GetOverrunMicros() != 50 {
		t.Errorf("the lapsed turn of the old month was charged %v", late)
	}
	if !dear.GetPeriodStart().AsTime().Before(thisMonth) || !late.GetPeriodStart().AsTime().Before(thisMonth) {
		t.Errorf("they belong to %v and %v", dear.GetPeriodStart().AsTime(), late.GetPeriodStart().AsTime())
	}
	fresh("after turns of the old one were charged")
	if p := c.pool(t, "acme"); p.GetBalanceMicros() != 9_500 || p.GetHeldMicros() != 0 {
		t.Errorf("the pool is %v", p)
	}
	must(c.commit(t.Context(), c.hold("new", 1500, time.Hour), 1400))(t)
	if m := c.meter(t, "acme", seat(0)); m.GetUsedMicros() != 1000 || m.GetPoolUsedMicros() != 400 {
		t.Errorf("after a turn of the new month: %v", m)
	}
	audittest.Check(t, url)
}

// TestAbuseWindowCloses moves the time past the end of a window in which a seat used too many tokens.
func TestAbuseWindowCloses(t *testing.T) {
	t.Parallel()
	limit := &meterv1.AbuseLimit{Tokens: 1000, Window: durationpb.New(time.Hour)}
	c, url := travel(t, thisMonth.AddDate(0, 0, 5), firm{id: "acme", allowance: 1000, seats: 2, abuse: limit})
	must(c.Release(t.Context(), &meterv1.ReleaseRequest{
		OrganizationId: "acme", ReservationId: c.hold("first", 10, time.Minute).GetReservationId(),
		TokenUsage: &meterv1.TokenUsage{InputTokens: 900, ReasoningTokens: 100},
	}))(t)
	c.advance(30 * time.Minute)
	_, err := c.reserve(t.Context(), "acme", seat(0), "second", 10)
	retry := detail[*errdetails.RetryInfo](err).GetRetryDelay().AsDuration()
	if reasonOf(err) != "ABUSE_LIMIT" || retry > 30*time.Minute || retry < 25*time.Minute {
		t.Errorf("at the limit: %v, retry after %v", err, retry)
	}
	if _, err := c.reserve(t.Context(), "acme", seat(1), "of-another-seat", 10); err != nil {
		t.Errorf("another seat: %v", err)
	}
	c.advance(retry)
	if _, err := c.reserve(t.Context(), "acme", seat(0), "second", 10); err != nil {
		t.Errorf("once the window has closed: %v", err)
	}
	audittest.Check(t, url)
}

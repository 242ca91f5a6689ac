package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"

	testingv1 "github.com/spillway-metering/spillway/gen/meter/testing/v1"
	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/audit/audittest"
	"github.com/spillway-metering/spillway/internal/auth"
)

// TestExplainTurn tells of turns of every end, by their reservations and by their request ids, over gRPC and with meterctl.
func TestExplainTurn(t *testing.T) {
	t.Parallel()
	url := postgres.Database(t)
	server := start(t, "--dev", "--database-url="+url)
	c := dial(t, server.address)
	c.furnish(t, firm{id: "acme", allowance: 1_000_000, pool: 500_000, seats: 2})
	ctx := t.Context()
	both := must(c.reserve(ctx, "acme", seat(0), "both", 1_200_000))(t)
	must(c.Extend(ctx, &meterv1.ExtendRequest{
		OrganizationId: "acme", ReservationId: both.GetReservationId(), RequestId: "more", AdditionalMicros: 50_000,
	}))(t)
	must(c.commit(ctx, both, 1_400_000))(t)
	story := c.explain(t, &meterv1.ExplainTurnRequest{ReservationId: both.GetReservationId()})
	wantTold(t, story, "The monthly allowance had room for 1 ACU, which was held.",
		"0.2 ACU was held of the organization's pool (0.5 ACU was available; the member had no limit).",
		"it was extended by 0.05 ACU", "The allowance paid 1 ACU, and the pool 0.4 ACU.", "The pool then had a balance of 0.1 ACU.")
	if turn := story.GetTurn(); turn.GetBound() != meterv1.HoldBound_HOLD_BOUND_ALLOWANCE || len(turn.GetLedgerSequences()) != 2 {
		t.Errorf("the turn is %v", turn)
	}

	for range 3 {
		if _, err := c.reserve(ctx, "acme", seat(0), "again", 200_000); reasonOf(err) != "POOL_EMPTY" {
			t.Fatal(err)
		}
	}
	refused := c.explain(t, &meterv1.ExplainTurnRequest{RequestId: "again"})
	if no := refused.GetRefusals(); len(no) != 3 || no[2].GetHealed() || no[2].GetReasonNow() != "POOL_EMPTY" || refused.GetTurn() != nil {
		t.Errorf("told is %v", refused)
	}
	must(c.TopUp(ctx, &meterv1.TopUpRequest{OrganizationId: "acme", RequestId: "refill", AmountMicros: 1_000_000}))(t)
	wantTold(t, c.explain(t, &meterv1.ExplainTurnRequest{RequestId: "again"}), "It would be let run now: the pool has more.")
	passed := must(c.reserve(ctx, "acme", seat(0), "again", 200_000))(t)
	if got := c.explain(t, &meterv1.ExplainTurnRequest{ReservationId: passed.GetReservationId()}); len(got.GetRefusals()) != 3 ||
		!got.GetRefusals()[0].GetHealed() || got.GetTurn() == nil {
		t.Errorf("told is %v", got)
	}

	lapsed := must(c.Reserve(ctx, &meterv1.ReserveRequest{
		OrganizationId: "acme", MemberId: seat(1), RequestId: "lapsed", EstimateMicros: 10, TimeToLive: durationpb.New(time.Minute),
	}))(t).GetReservation()
	must(c.Advance(ctx, &testingv1.AdvanceRequest{Duration: durationpb.New(2 * time.Minute)}))(t)
	wantTold(t, c.explain(t, &meterv1.ExplainTurnRequest{RequestId: "lapsed"}), "because nobody had settled it by")
	must(c.commit(ctx, lapsed, 0))(t)
	late := c.explain(t, &meterv1.ExplainTurnRequest{MemberId: seat(1), RequestId: "lapsed"})
	wantTold(t, late, "It expired on ", "it gave its answer, late, and cost 0 ACU", "Nothing was charged.")
	if late.GetTurn().GetExpiredAt() == nil {
		t.Errorf("when it expired is not told: %v", late)
	}

	for _, in := range []*meterv1.ExplainTurnRequest{
		{RequestId: "never"},
		{ReservationId: uuid.Must(uuid.NewV7()).String()},
		{MemberId: seat(1), RequestId: "both"},
		{MemberId: seat(1), ReservationId: both.GetReservationId()},
		{MemberId: seat(1), RequestId: "again"},
	} {
		in.OrganizationId = "acme"
		if _, err := c.ExplainTurn(ctx, in); reasonOf(err) != "RESERVATION_NOT_FOUND" {
			t.Errorf("%v: %v", in, err)
		}
	}
	tellsWithMeterctl(t, server, both.GetReservationId(), story.GetStory())
	audittest.Check(t, url)
}

func (c *client) explain(t *testing.T, in *meterv1.ExplainTurnRequest) *meterv1.Receipt {
	t.Helper()
	in.OrganizationId = "acme"
	return must(c.ExplainTurn(t.Context(), in))(t).GetReceipt()
}

func wantTold(t *testing.T, r *meterv1.Receipt, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(strings.Join(r.GetStory(), "\n"), part) {
			t.Errorf("%q is not told: %q", part, r.GetStory())
		}
	}
}

// tellsWithMeterctl prints a story, and what there is none of.
func tellsWithMeterctl(t *testing.T, server *meterd, id string, story []string) {
	t.Helper()
	tool := launch(t, meterctlProgram(), "explain", "acme", "--reservation="+id, "--address="+server.address)
	if code := tool.wait(t); code != 0 || tool.stdout.String() != strings.Join(story, "\n")+"\n" {
		t.Errorf("meterctl explain: exit code %d, %s%s", code, tool.stdout, tool.stderr)
	}
	var receipt struct {
		RequestID string `json:"requestId"`
	}
	meterctl(t, &receipt, "explain", "acme", "--request=again", "--address="+server.address)
	if receipt.RequestID != "again" {
		t.Errorf("meterctl explain prints %+v", receipt)
	}
	none := launch(t, meterctlProgram(), "explain", "acme", "--request=never", "--address="+server.address)
	if code := none.wait(t); code != 1 || !strings.Contains(none.stderr.String(), "no such reservation") || none.stdout.String() != "" {
		t.Errorf("meterctl explain of nothing: exit code %d, %s%s", code, none.stdout, none.stderr)
	}
}

// tryReceipts looks for a pool's balance in the stories of a member's own turns, in fields and in words, and asks for those
// of another: they are as if they were not there.
func (g *guarded) tryReceipts(t *testing.T, h home) {
	t.Helper()
	for _, r := range []resident{mia, adam} {
		c := clientOn(g.byToken(t, r.claim(), h.id, r.id))
		for _, request := range []string{"charged", "open", "stopped"} {
			in := &meterv1.ExplainTurnRequest{OrganizationId: h.id, MemberId: mia.id, RequestId: request}
			found := figuresTold(t, must(c.ExplainTurn(t.Context(), in))(t).GetReceipt())
			if sees := h.shown || r.is() == auth.Admin; sees != (len(found) > 0) {
				t.Errorf("%s of %s finds %v in the story of %s", r.id, h.id, found, request)
			}
		}
	}
	c, olgas := clientOn(g.byToken(t, mia.claim(), h.id, mia.id)), "olgas-own"
	if _, err := g.as(t, auth.Orchestrator).reserve(t.Context(), h.id, olga.id, olgas, 1); reasonOf(err) != "EXTRA_USAGE_NOT_ENABLED" {
		t.Fatal(err)
	}
	var answers []string
	for _, request := range []string{olgas, "no-turn"} {
		_, err := c.ExplainTurn(t.Context(), &meterv1.ExplainTurnRequest{OrganizationId: h.id, MemberId: mia.id, RequestId: request})
		answers = append(answers, strings.ReplaceAll(fmt.Sprint(reasonOf(err), err), request, ""))
	}
	if answers[0] != answers[1] || !strings.HasPrefix(answers[0], "RESERVATION_NOT_FOUND") {
		t.Errorf("of another's turn and of none a member hears %q", answers)
	}
}

// figuresTold are the hidden figures that a receipt tells as micros, or as an amount in a sentence.
func figuresTold(t *testing.T, r *meterv1.Receipt) []int64 {
	t.Helper()
	text := string(must(protojson.Marshal(r))(t))
	return slices.DeleteFunc(slices.Clone(hiddenFigures), func(figure int64) bool {
		whole, part := strconv.FormatInt(figure/1_000_000, 10), fmt.Sprintf("%06d", figure%1_000_000)
		return !strings.Contains(text, whole+part) && !strings.Contains(text, whole+"."+part)
	})
}

package replay

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

const reasonRequestIDReused = "REQUEST_ID_REUSED"

// playTurn reserves, waits as long as the turn took, and settles. The error is that of the call that got no answer, or
// whose answer ends the turn; the turn keeps what it means.
func (r *replayer) playTurn(ctx context.Context, t *turn) error {
	t.fate = unsettled
	reservation, err := r.reserve(ctx, t)
	if err != nil {
		t.endReserve(err)
		return err
	}
	t.replayed = final(reservation.GetState())
	if !t.replayed && !wait(ctx, r.scaled(t.Length)) {
		return ctx.Err()
	}
	if t.Failed {
		reservation, err = r.release(ctx, t, reservation.GetReservationId())
	} else {
		reservation, err = r.commit(ctx, t, reservation.GetReservationId())
	}
	if err != nil {
		t.endSettle(err)
		return err
	}
	t.settle(reservation)
	return nil
}

func final(state meterv1.ReservationState) bool {
	return state == meterv1.ReservationState_RESERVATION_STATE_COMMITTED ||
		state == meterv1.ReservationState_RESERVATION_STATE_RELEASED
}

func (r *replayer) reserve(ctx context.Context, t *turn) (*meterv1.Reservation, error) {
	request := &meterv1.ReserveRequest{
		OrganizationId: t.organizationID,
		MemberId:       t.memberID,
		RequestId:      t.requestID,
		EstimateMicros: t.estimateMicros,
		Turn:           &meterv1.Turn{Model: t.model, TurnId: t.requestID, Labels: map[string]string{"trace": t.Trace}},
	}
	if r.byTokens() {
		request.EstimateMicros, request.EstimateUsage = 0, r.estimateUsage(t)
	}
	if identifier.MatchString(t.Session) {
		request.Turn.ConversationId = t.Session
	}
	if r.options.TimeToLive > 0 {
		request.TimeToLive = durationpb.New(r.options.TimeToLive)
	}
	var answer *meterv1.ReserveResponse
	err := r.client.do(ctx, "Reserve", func(ctx context.Context, s stub) (err error) {
		answer, err = s.Reserve(ctx, request)
		return err
	})
	return answer.GetReservation(), err
}

func (r *replayer) commit(ctx context.Context, t *turn, reservationID string) (*meterv1.Reservation, error) {
	request := &meterv1.CommitRequest{
		OrganizationId: t.organizationID,
		ReservationId:  reservationID,
		ActualMicros:   r.told(t),
		TokenUsage:     t.usage(),
	}
	var answer *meterv1.CommitResponse
	err := r.client.do(ctx, "Commit", func(ctx context.Context, s stub) (err error) {
		answer, err = s.Commit(ctx, request)
		return err
	})
	return answer.GetReservation(), err
}

func (r *replayer) release(ctx context.Context, t *turn, reservationID string) (*meterv1.Reservation, error) {
	request := &meterv1.ReleaseRequest{
		OrganizationId: t.organizationID,
		ReservationId:  reservationID,
		Reason:         "failed in the trace",
		TokenUsage:     t.usage(),
		ActualMicros:   r.told(t),
	}
	var answer *meterv1.ReleaseResponse
	err := r.client.do(ctx, "Release", func(ctx context.Context, s stub) (err error) {
		answer, err = s.Release(ctx, request)
		return err
	})
	return answer.GetReservation(), err
}

func (r *replayer) byTokens() bool { return r.options.Book != "" }

// told is what the caller says that a turn cost: nothing, where its tokens are priced.
func (r *replayer) told(t *turn) *int64 {
	if r.byTokens() {
		return nil
	}
	return &t.actualMicros
}

func (r *replayer) estimateUsage(t *turn) *meterv1.EstimateUsage {
	policy := meterv1.EstimatePolicy_ESTIMATE_POLICY_MAXIMUM
	if r.options.Learned {
		policy = meterv1.EstimatePolicy_ESTIMATE_POLICY_LEARNED
	}
	return &meterv1.EstimateUsage{
		Model: t.model, InputTokens: t.InputTokens, MaxOutputTokens: r.options.OutputMaximum, EstimatePolicy: policy,
	}
}

func (t *turn) usage() *meterv1.TokenUsage {
	return &meterv1.TokenUsage{InputTokens: t.InputTokens, OutputTokens: t.OutputTokens}
}

// endReserve takes the error of a Reserve for what it is: a refusal of the semantics ends a turn as it should, anything
// else is a fault of one side or the other.
func (t *turn) endReserve(err error) {
	reason, ours := reasonOf(err)
	if code := status.Code(err); ours && (code == codes.ResourceExhausted || code == codes.FailedPrecondition) {
		t.fate, t.reason = refused, reason
		return
	}
	t.endSettle(err)
}

// endSettle takes the error of a Commit or a Release, which no turn should get. Without an answer a turn stays unsettled,
// and when the replay was cut off there is nothing more to say about it.
func (t *turn) endSettle(err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return
	}
	if !errors.Is(err, errUnanswered) {
		t.fate = faulty
		t.reason, _ = reasonOf(err)
	}
	t.differ("%v", err)
}

// settle keeps the answer and holds it to what was asked.
func (t *turn) settle(answer *meterv1.Reservation) {
	t.fate, t.late, t.charge = committed, answer.GetLate(), chargeOf(answer.GetCharge())
	want, actual := meterv1.ReservationState_RESERVATION_STATE_COMMITTED, t.actualMicros
	if t.Failed {
		t.fate, want, actual = released, meterv1.ReservationState_RESERVATION_STATE_RELEASED, t.charge.ActualMicros
	}
	switch {
	case answer.GetRequestId() != t.requestID || answer.GetState() != want:
		t.differ("the answer is about %s, %v", answer.GetRequestId(), answer.GetState())
	case t.charge.ActualMicros != actual:
		t.differ("charged %d micros instead of %d", t.charge.ActualMicros, actual)
	case t.charge.AllowanceMicros+t.charge.PoolMicros+t.charge.OverrunMicros != t.charge.ActualMicros:
		t.differ("the layers do not add up: %+v", t.charge)
	case t.Failed && t.charge.PoolMicros != 0:
		t.differ("a failed turn was charged to the pool: %+v", t.charge)
	}
}

func (t *turn) differ(format string, args ...any) {
	t.difference = fmt.Sprintf("%s of %s: ", t.requestID, t.organizationID) + fmt.Sprintf(format, args...)
}

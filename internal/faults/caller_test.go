package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

const (
	// attemptPatience bounds one attempt.
	attemptPatience = 2500 * time.Millisecond
	// extendedTime is the time to live of every Extend that has one: more than any Reserve's, so that it always shows.
	extendedTime = 40 * time.Minute
)

// caller sends requests, one after the other, to whichever server answers.
type caller struct {
	number int
	random *rand.Rand
	world  *world
	firms  []*firm
	at     int // The server it speaks to.
	made   int // Request ids made.
}

// seeded is the random source of one part of a round: the same seed makes the same choices.
func seeded(seed uint64, part uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, part)) }

// run makes so many choices and carries each out, as far as there is time.
func (c *caller) run(ctx context.Context, choices int, pause time.Duration) {
	for over := time.Now().Add(callersTime); choices > 0 && time.Now().Before(over); choices-- {
		f := c.firms[c.random.IntN(len(c.firms))]
		choice, tries := c.choose(f), 2+c.random.IntN(4)
		wait := time.Duration(c.random.Int64N(int64(2*pause) + 1))
		if choice != nil {
			c.carry(ctx, f, choice, tries)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// carry sends a request until it is answered or refused, or given up as unknown. A server that did not answer is left for
// the other one.
func (c *caller) carry(ctx context.Context, f *firm, request proto.Message, tries int) *attempt {
	for i := 0; ; i++ {
		a := c.send(ctx, f, request)
		switch a.fate() {
		case answered:
			f.note(a)
			return a
		case unknown:
			c.at = (c.at + 1) % replicas
		default:
			return a
		}
		if i+1 >= tries {
			return a
		}
		select {
		case <-time.After(poll << i):
		case <-ctx.Done():
			return a
		}
	}
}

func (c *caller) send(ctx context.Context, f *firm, request proto.Message) *attempt {
	r, h := c.world.replicas[c.at], &f.history
	switch q := request.(type) {
	case *meterv1.ReserveRequest:
		return send(ctx, h, c.number, q, untold(r.metering.Reserve))
	case *meterv1.CommitRequest:
		return send(ctx, h, c.number, q, untold(r.metering.Commit))
	case *meterv1.ReleaseRequest:
		return send(ctx, h, c.number, q, untold(r.metering.Release))
	case *meterv1.ExtendRequest:
		return send(ctx, h, c.number, q, untold(r.metering.Extend))
	case *meterv1.GetReservationRequest:
		return send(ctx, h, c.number, q, untold(r.metering.GetReservation))
	case *meterv1.TopUpRequest:
		return send(ctx, h, c.number, q, untold(r.pools.TopUp))
	case *meterv1.RefundRequest:
		return send(ctx, h, c.number, q, untold(r.pools.Refund))
	case *meterv1.GetPoolRequest:
		return send(ctx, h, c.number, q, untold(r.pools.GetPool))
	case *meterv1.GrantAccessRequest:
		return send(ctx, h, c.number, q, untold(r.pools.GrantAccess))
	case *meterv1.RevokeAccessRequest:
		return send(ctx, h, c.number, q, untold(r.pools.RevokeAccess))
	case *meterv1.GetMeterRequest:
		return send(ctx, h, c.number, q, untold(r.usage.GetMeter))
	default:
		panic(fmt.Sprintf("no caller sends %T", request))
	}
}

// newID is a request id that nobody else makes.
func (c *caller) newID(what string) string {
	c.made++
	return fmt.Sprintf("%s-%d-%d", what, c.number, c.made)
}

func (c *caller) amount(most int64) int64 { return 1 + c.random.Int64N(most) }

func (c *caller) chance(percent int) bool { return c.random.IntN(100) < percent }

// choices are what callers do, and how often of a hundred times.
var choices = []struct {
	weight int
	make   func(*caller, *firm) proto.Message
}{
	{34, (*caller).reserve},
	{20, (*caller).commit},
	{8, (*caller).release},
	{7, (*caller).extend},
	{4, (*caller).topUp},
	{5, (*caller).refund},
	{4, (*caller).grant},
	{2, (*caller).revoke},
	{3, (*caller).getPool},
	{3, (*caller).getMeter},
	{3, (*caller).getReservation},
	{4, (*caller).replay},
	{3, (*caller).replayOther},
}

// choose makes a request; nil if there is nothing to make it of.
func (c *caller) choose(f *firm) proto.Message {
	draw := c.random.IntN(100)
	for _, choice := range choices {
		if draw -= choice.weight; draw < 0 {
			return choice.make(c, f)
		}
	}
	return nil
}

func (c *caller) seat(f *firm) string { return seatID(c.random.IntN(f.seats())) }

func (c *caller) reserve(f *firm) proto.Message {
	q := &meterv1.ReserveRequest{
		OrganizationId: f.id, MemberId: c.seat(f), RequestId: c.newID("turn"), EstimateMicros: c.amount(600),
	}
	if c.chance(30) {
		q.MinimumMicros = proto.Int64(c.amount(q.GetEstimateMicros()))
	}
	switch {
	case c.chance(35):
		q.TimeToLive = durationpb.New(time.Second + time.Duration(c.random.IntN(1500))*time.Millisecond)
	case c.chance(50):
		q.TimeToLive = durationpb.New(30 * time.Minute)
	}
	return q
}

// commit charges what was held, or another amount, or what tokens cost: without a price book, what was held.
func (c *caller) commit(f *firm) proto.Message {
	t, cost, tokens, how := f.anyTurn(c.random), c.amount(500), c.amount(400), c.random.IntN(10)
	if t == nil {
		return nil
	}
	q := &meterv1.CommitRequest{OrganizationId: f.id, ReservationId: t.id}
	if how >= 6 {
		q.TokenUsage = &meterv1.TokenUsage{InputTokens: tokens, OutputTokens: tokens / 3}
	}
	switch {
	case how == 9:
	case how < 5:
		q.ActualMicros = proto.Int64(t.reserve.GetEstimateMicros())
	case how == 5:
		q.ActualMicros = proto.Int64(0)
	default:
		q.ActualMicros = proto.Int64(cost)
	}
	return q
}

func (c *caller) release(f *firm) proto.Message {
	t, cost, tokens, how := f.anyTurn(c.random), c.amount(300), c.amount(400), c.random.IntN(4)
	if t == nil {
		return nil
	}
	q := &meterv1.ReleaseRequest{OrganizationId: f.id, ReservationId: t.id, Reason: "the model failed"}
	if how >= 2 {
		q.TokenUsage = &meterv1.TokenUsage{InputTokens: tokens}
	}
	if how%2 == 1 {
		q.ActualMicros = proto.Int64(cost)
	}
	return q
}

// extend extends a turn that nobody has tried to extend.
func (c *caller) extend(f *firm) proto.Message {
	t, more, longer, id := f.anyTurn(c.random), c.amount(200), c.chance(50), c.newID("extension")
	if t == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if t.extend != nil {
		return proto.Clone(t.extend)
	}
	q := &meterv1.ExtendRequest{OrganizationId: f.id, ReservationId: t.id, RequestId: id, AdditionalMicros: more}
	if longer {
		q.TimeToLive = durationpb.New(extendedTime)
	}
	t.extend = q
	return q
}

func (c *caller) topUp(f *firm) proto.Message {
	return &meterv1.TopUpRequest{
		OrganizationId: f.id, RequestId: c.newID("pack"), AmountMicros: c.amount(700), Reference: "invoice",
	}
}

func (c *caller) refund(f *firm) proto.Message {
	of, amount := pick(f, &f.topUps, c.random.Float64()), c.amount(600)
	q := &meterv1.RefundRequest{
		OrganizationId: f.id, RequestId: c.newID("refund"), AmountMicros: amount, Reference: "credit",
		TopUpRequestId: of.GetRequestId(),
	}
	if of == nil {
		q.TopUpRequestId = "never-bought"
	}
	return q
}

func (c *caller) grant(f *firm) proto.Message {
	q := &meterv1.GrantAccessRequest{OrganizationId: f.id, MemberId: c.seat(f)}
	if capped, most := c.chance(60), c.amount(1500); capped {
		q.Access = &meterv1.GrantAccessRequest_CapMicros{CapMicros: most}
	} else {
		q.Access = &meterv1.GrantAccessRequest_Unlimited{Unlimited: true}
	}
	return q
}

func (c *caller) revoke(f *firm) proto.Message {
	return &meterv1.RevokeAccessRequest{OrganizationId: f.id, MemberId: c.seat(f)}
}

func (c *caller) getPool(f *firm) proto.Message { return &meterv1.GetPoolRequest{OrganizationId: f.id} }

func (c *caller) getMeter(f *firm) proto.Message {
	return &meterv1.GetMeterRequest{OrganizationId: f.id, MemberId: c.seat(f)}
}

func (c *caller) getReservation(f *firm) proto.Message {
	t := f.anyTurn(c.random)
	if t == nil {
		return nil
	}
	return &meterv1.GetReservationRequest{OrganizationId: f.id, ReservationId: t.id}
}

// replay sends what was answered once more.
func (c *caller) replay(f *firm) proto.Message {
	if old := pick(f, &f.answered, c.random.Float64()); old != nil {
		return proto.Clone(old)
	}
	return nil
}

// replayOther uses a request id again that was answered, with other content.
func (c *caller) replayOther(f *firm) proto.Message {
	more := c.amount(50)
	switch q := c.replay(f).(type) {
	case *meterv1.ReserveRequest:
		q.EstimateMicros += more
		return q
	case *meterv1.TopUpRequest:
		q.AmountMicros += more
		return q
	case *meterv1.RefundRequest:
		q.AmountMicros += more
		return q
	case *meterv1.ExtendRequest:
		q.AdditionalMicros += more
		return q
	default:
		return nil
	}
}

// untold leaves out a call's options, of which there are none.
func untold[Q, A any](
	call func(context.Context, Q, ...grpc.CallOption) (A, error),
) func(context.Context, Q) (A, error) {
	return func(ctx context.Context, q Q) (A, error) { return call(ctx, q) }
}

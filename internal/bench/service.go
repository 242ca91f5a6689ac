package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// turns is work through the service: Reserve, then Commit. Its messages are used again for each turn, because the caller
// shares the machine with what it measures.
type turns struct {
	conn       grpc.ClientConnInterface
	population population
	random     *rand.Rand
	id         []byte // What request ids begin with; unique to this caller and run.
	count      int64

	reserve   meterv1.ReserveRequest
	reserved  meterv1.ReserveResponse
	commit    meterv1.CommitRequest
	committed meterv1.CommitResponse
}

func newTurns(conn grpc.ClientConnInterface, p population, name string) *turns {
	cost := int64(turnCost)
	return &turns{
		conn: conn, population: p, random: newRandom(), id: []byte(name + "-"),
		reserve: meterv1.ReserveRequest{EstimateMicros: turnEstimate},
		commit:  meterv1.CommitRequest{ActualMicros: &cost},
	}
}

// tellTokens has turns tell their model and tokens beside the amounts, for the record.
func (t *turns) tellTokens() {
	t.reserve.Turn = &meterv1.Turn{Model: turnModel}
	t.commit.TokenUsage = &meterv1.TokenUsage{InputTokens: turnInput, OutputTokens: turnCost - turnInput}
}

// newTokenTurns is the same turns, told by their tokens alone and priced by the service.
func newTokenTurns(conn grpc.ClientConnInterface, p population, name string) *turns {
	t := newTurns(conn, p, name)
	t.tellTokens()
	t.reserve.Turn, t.reserve.EstimateMicros = nil, 0
	t.reserve.EstimateUsage = &meterv1.EstimateUsage{
		Model: turnModel, InputTokens: turnInput, MaxOutputTokens: turnEstimate - turnInput,
	}
	t.commit.ActualMicros = nil
	return t
}

func newRandom() *rand.Rand { return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) }

// do runs one turn. The latency of its Commit counts from the answer to its Reserve. One that is turned away comes again when
// it was told to, which is part of its latency.
func (t *turns) do(ctx context.Context, began time.Time) (sample, error) {
	for err := t.begin(ctx); err != nil; err = t.begin(ctx) {
		if again, _, busy := overloaded(err); !busy || !pause(ctx, again) {
			return sample{}, err
		}
	}
	reserved := time.Now()
	if err := t.settle(ctx); err != nil {
		return sample{}, err
	}
	committed := time.Now()
	return sample{micros(reserved.Sub(began)), micros(committed.Sub(reserved)), micros(committed.Sub(began))}, nil
}

// begin reserves for a new turn.
func (t *turns) begin(ctx context.Context) error {
	organization, seat := t.population.pick(t.random)
	t.count++
	t.reserve.OrganizationId, t.reserve.MemberId = organization, seat
	t.reserve.RequestId = string(strconv.AppendInt(t.id, t.count, 10))
	if err := t.conn.Invoke(ctx, meterv1.MeteringService_Reserve_FullMethodName, &t.reserve, &t.reserved); err != nil {
		return fmt.Errorf("reserving: %w", err)
	}
	t.commit.OrganizationId, t.commit.ReservationId = organization, t.reserved.GetReservation().GetReservationId()
	return nil
}

// settle commits the turn that was begun; again, if it was refused.
func (t *turns) settle(ctx context.Context) error {
	if err := t.conn.Invoke(ctx, meterv1.MeteringService_Commit_FullMethodName, &t.commit, &t.committed); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	if charged := t.committed.GetReservation().GetCharge().GetPoolMicros(); charged != turnCost {
		return fmt.Errorf("committing: the pool was charged %d micros instead of %d", charged, turnCost)
	}
	return nil
}

// emptyCalls is work that only crosses the wire: a health check, which answers from memory.
type emptyCalls struct {
	conn     grpc.ClientConnInterface
	question healthv1.HealthCheckRequest
	answer   healthv1.HealthCheckResponse
}

func (e *emptyCalls) do(ctx context.Context, began time.Time) (sample, error) {
	if err := e.conn.Invoke(ctx, healthv1.Health_Check_FullMethodName, &e.question, &e.answer); err != nil {
		return sample{}, fmt.Errorf("checking the health: %w", err)
	}
	return sample{whole: micros(time.Since(began))}, nil
}

package bench

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// mostNaiveConnections is how many connections the callers of the naive way share at most.
const mostNaiveConnections = 64

// The statements of the naive way, each a round trip of its own; pgx prepares them once per connection. They keep the
// same rows true as the service does, for turns that the pool alone pays, and do no more than that: no allowance, no
// abuse window, no expiry.
const (
	naiveLock = `SELECT pool_balance_micros - pool_held_micros, pool_balance_micros, ledger_sequence
		FROM organization WHERE organization_id = $1 AND state = 1 FOR UPDATE`

	naiveMember = `SELECT access_kind FROM member WHERE organization_id = $1 AND member_id = $2 AND state = 1`

	naiveInsertReservation = `INSERT INTO reservation (organization_id, reservation_id, member_id, request_id,
			request_fingerprint, estimate_micros, held_allowance_micros, held_pool_micros, period_start, created_at, expires_at,
			model, conversation_id, turn_id)
		VALUES ($1, $2, $3, $4, $5, $6, 0, $6, $7, now(), now() + interval '10 minutes', '', '', '')`

	naiveHoldMember = `UPDATE member SET pool_held_micros = pool_held_micros + $3, period_start = $4
		WHERE organization_id = $1 AND member_id = $2`

	naiveHoldPool = `UPDATE organization SET pool_held_micros = pool_held_micros + $2 WHERE organization_id = $1`

	naiveReservation = `SELECT r.member_id, r.request_id, r.held_pool_micros, m.access_kind
		FROM reservation r JOIN member m ON m.organization_id = r.organization_id AND m.member_id = r.member_id
		WHERE r.organization_id = $1 AND r.reservation_id = $2 AND r.state = 1`

	naiveSettle = `UPDATE reservation SET state = 2, cost_basis = 1, settled_at = now(), actual_micros = $3, pool_micros = $3
		WHERE organization_id = $1 AND reservation_id = $2`

	naiveChargeMember = `UPDATE member SET pool_held_micros = pool_held_micros - $3, pool_used_micros = pool_used_micros + $4,
			pool_used_lifetime_micros = pool_used_lifetime_micros + $4
		WHERE organization_id = $1 AND member_id = $2`

	naiveChargePool = `UPDATE organization SET pool_held_micros = pool_held_micros - $2,
			pool_balance_micros = pool_balance_micros - $3, pool_consumed_micros = pool_consumed_micros + $3,
			ledger_sequence = ledger_sequence + 1
		WHERE organization_id = $1`

	naiveInsertEntry = `INSERT INTO ledger_entry (organization_id, sequence, at, kind, amount_micros,
			pool_balance_after_micros, member_id, reservation_id, reference, request_id)
		VALUES ($1, $2, now(), 3, $3, $4, $5, $6, '', $7)`
)

// accessUnlimited is how the tables write access up to the pool's balance.
const accessUnlimited = 3

var errNoRoom = errors.New("the pool has no room for the turn")

// openDatabase makes the connections that so many callers of the naive way share. Their settings are the database's own.
func openDatabase(ctx context.Context, url string, callers int) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("the database URL cannot be read: %w", err)
	}
	config.MaxConns = int32(min(callers, mostNaiveConnections)) //nolint:gosec // At most 64.
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("the database cannot be reached: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("the database cannot be reached: %w", err)
	}
	return pool, nil
}

// naive is work the naive way: a transaction for each request of a turn, which locks the organization's row first.
type naive struct {
	pool        *pgxpool.Pool
	population  population
	random      *rand.Rand
	periodStart time.Time
	id          []byte
	count       int64
}

func (n *naive) do(ctx context.Context, began time.Time) (sample, error) {
	organization, seat := n.population.pick(n.random)
	n.count++
	reservation, err := uuid.NewV7()
	if err != nil {
		return sample{}, err
	}
	request := string(strconv.AppendInt(n.id, n.count, 10))
	err = pgx.BeginFunc(ctx, n.pool, func(tx pgx.Tx) error {
		return n.reserve(ctx, tx, organization, seat, reservation, request)
	})
	if err != nil {
		return sample{}, fmt.Errorf("reserving the naive way: %w", err)
	}
	reserved := time.Now()
	err = pgx.BeginFunc(ctx, n.pool, func(tx pgx.Tx) error { return n.commit(ctx, tx, organization, reservation) })
	if err != nil {
		return sample{}, fmt.Errorf("committing the naive way: %w", err)
	}
	committed := time.Now()
	return sample{micros(reserved.Sub(began)), micros(committed.Sub(reserved)), micros(committed.Sub(began))}, nil
}

func (n *naive) reserve(
	ctx context.Context, tx pgx.Tx, organization, seat string, reservation uuid.UUID, request string,
) error {
	var room, balance, sequence int64
	if err := tx.QueryRow(ctx, naiveLock, organization).Scan(&room, &balance, &sequence); err != nil {
		return err
	}
	var access int16
	if err := tx.QueryRow(ctx, naiveMember, organization, seat).Scan(&access); err != nil {
		return err
	}
	if room < turnEstimate || access != accessUnlimited {
		return errNoRoom
	}
	fingerprint := sha256.Sum256([]byte(request))
	_, err := tx.Exec(ctx, naiveInsertReservation,
		organization, reservation, seat, request, fingerprint[:], turnEstimate, n.periodStart)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, naiveHoldMember, organization, seat, turnEstimate, n.periodStart); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, naiveHoldPool, organization, turnEstimate)
	return err
}

func (n *naive) commit(ctx context.Context, tx pgx.Tx, organization string, reservation uuid.UUID) error {
	var room, balance, sequence, held int64
	if err := tx.QueryRow(ctx, naiveLock, organization).Scan(&room, &balance, &sequence); err != nil {
		return err
	}
	var seat, request string
	var access int16
	row := tx.QueryRow(ctx, naiveReservation, organization, reservation)
	if err := row.Scan(&seat, &request, &held, &access); err != nil {
		return err
	}
	if turnCost > held && (access != accessUnlimited || turnCost > held+room) {
		return errNoRoom
	}
	if _, err := tx.Exec(ctx, naiveSettle, organization, reservation, turnCost); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, naiveChargeMember, organization, seat, held, turnCost); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, naiveChargePool, organization, held, turnCost); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, naiveInsertEntry,
		organization, sequence+1, turnCost, balance-turnCost, seat, reservation, request)
	return err
}

package lane_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spillway-metering/spillway/internal/lane"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/pgtest"
	"github.com/spillway-metering/spillway/internal/postgres"
)

var server *pgtest.Server

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m, func(s *pgtest.Server) { server = s })) }

func TestTry(t *testing.T) {
	ctx := context.Background()
	store, err := postgres.Open(ctx, postgres.Config{URL: server.Database(t)})
	if err != nil { t.Fatal(err) }
	var sessions []lane.Session
	for range 2 { sessions = append(sessions, store.NewSession()) }
	var mu sync.Mutex
	var load, apply, save time.Duration
	var n, cmds int
	l := lane.New(sessions, lane.Config{Observe: func(b lane.BatchStats) { mu.Lock(); load += b.Load; apply += b.Apply; save += b.Save; n++; cmds += b.Commands; mu.Unlock(); if b.Err != nil { fmt.Println(b.Err) } }})
	defer func() { l.Close(ctx); store.Close() }()
	zone, _ := meter.LoadZone("Europe/Berlin")
	if err := store.PutPlan(ctx, meter.Plan{ID: "team", Kind: 1, SeatAllowance: 1000, FailedTurns: 1}); err != nil { t.Fatal(err) }
	do := func(c meter.Command) meter.Outcome {
		o, err := l.Do(ctx, c)
		if err != nil { t.Errorf("%T: %v", c, err) }
		return o
	}
	do(meter.PutOrganization{OrganizationID: "acme", PlanID: "team", Unit: 1, Anchor: meter.Anchor{Date: meter.Date{2026, 1, 31}, Zone: zone}, State: 1})
	do(meter.TopUp{OrganizationID: "acme", RequestID: "t1", Amount: 1e12})
	for i := range 64 {
		do(meter.PutMember{OrganizationID: "acme", MemberID: fmt.Sprint("m", i), Role: 3})
		do(meter.SetAccess{OrganizationID: "acme", MemberID: fmt.Sprint("m", i), Access: meter.Access{Kind: 3}, ChangeID: uuid.Must(uuid.NewV7())})
	}
	began := time.Now()
	n, cmds, load, apply, save = 0, 0, 0, 0, 0
	var wg sync.WaitGroup
	const callers, turns = 256, 100
	for c := range callers {
		wg.Go(func() {
			for i := range turns {
				id := uuid.Must(uuid.NewV7())
				do(meter.Reserve{OrganizationID: "acme", ReservationID: id, MemberID: fmt.Sprint("m", c%64), RequestID: fmt.Sprint("r", c, ".", i), Estimate: 100, Minimum: 100, TimeToLive: time.Minute})
				do(meter.Commit{OrganizationID: "acme", ReservationID: id, Actual: 80})
			}
		})
	}
	wg.Wait()
	d := time.Since(began)
	fmt.Printf("%d turns in %v: %.0f turns/s; %d batches of %.1f; load %v apply %v save %v per batch\n", callers*turns, d, callers*turns/d.Seconds(), n, float64(cmds)/float64(n), load/time.Duration(n), apply/time.Duration(n), save/time.Duration(n))
	m, err := store.Meter(ctx, "acme", "m1")
	fmt.Printf("%+v %v\n", m, err)
	o, err := store.Organization(ctx, "acme")
	fmt.Printf("%+v %v\n", o.Pool, err)
}

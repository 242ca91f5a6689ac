package rpc

import (
	"context"
	"time"

	testingv1 "github.com/spillway-metering/spillway/gen/meter/testing/v1"
)

// endOfTime is the first moment that the test clock does not reach, however often it is moved on.
var endOfTime = time.Date(2200, time.January, 1, 0, 0, 0, 0, time.UTC)

// testClock answers TestClockService.
type testClock struct {
	testingv1.UnimplementedTestClockServiceServer
	TestClock
}

func (s *testClock) GetTime(ctx context.Context, _ *testingv1.GetTimeRequest) (*testingv1.GetTimeResponse, error) {
	now, err := s.Clock.Now(ctx)
	if err != nil {
		return nil, err
	}
	return &testingv1.GetTimeResponse{Time: moment(now)}, nil
}

func (s *testClock) Advance(ctx context.Context, in *testingv1.AdvanceRequest) (*testingv1.AdvanceResponse, error) {
	by := durationOf(in.GetDuration())
	if err := s.reachable(ctx, by); err != nil {
		return nil, err
	}
	now, err := s.Clock.ShiftClock(ctx, by)
	if err != nil {
		return nil, err
	}
	if err := s.Sweeper.SweepOnce(ctx); err != nil {
		return nil, err
	}
	return &testingv1.AdvanceResponse{Time: moment(now)}, nil
}

func (s *testClock) SetTime(ctx context.Context, in *testingv1.SetTimeRequest) (*testingv1.SetTimeResponse, error) {
	now, err := s.Clock.SetClock(ctx, momentOf(in.GetTime()))
	if err != nil {
		return nil, err
	}
	if err := s.Sweeper.SweepOnce(ctx); err != nil {
		return nil, err
	}
	return &testingv1.SetTimeResponse{Time: moment(now)}, nil
}

// reachable refuses a step that would lead past the end of time.
func (s *testClock) reachable(ctx context.Context, by time.Duration) error {
	now, err := s.Clock.Now(ctx)
	if err != nil {
		return err
	}
	if !now.Add(by).Before(endOfTime) {
		return invalidField("duration", "must not lead past the year 2199")
	}
	return nil
}

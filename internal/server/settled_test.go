package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/telemetry"
)

// TestSettledTurnsAreShown: how well holds fitted is told by how they came about, of committed turns that cost something;
// of a turn without a price, which costs what it held, it is told that there was one.
func TestSettledTurnsAreShown(t *testing.T) {
	t.Parallel()
	s := &server{metrics: telemetry.NewMetrics()}
	turn := func(state meter.ReservationState, basis meter.CostBasis, policy meter.EstimatePolicy, held, cost meter.Micros) meter.Reservation {
		return meter.Reservation{
			State: state, Basis: basis, Policy: policy, HeldAllowance: 1, HeldPool: held - 1, Charge: meter.Charge{Actual: cost},
		}
	}
	for _, r := range []meter.Reservation{
		turn(meter.Committed, meter.CostAmount, 0, 40, 10),
		turn(meter.Committed, meter.CostTokens, 0, 20, 20),
		turn(meter.Committed, meter.CostTokens, meter.EstimateMaximum, 60, 10),
		turn(meter.Committed, meter.CostTokens, meter.EstimateLearned, 10, 20),
		turn(meter.Committed, meter.CostTokens, meter.EstimateLearned, 10, 0), // It says nothing of its hold.
		turn(meter.Committed, meter.CostHeld, meter.EstimateLearned, 10, 10),
		turn(meter.Released, meter.CostTokens, meter.EstimateMaximum, 10, 10),
		turn(meter.Released, meter.CostHeld, 0, 10, 10),
	} {
		s.settled(r)
	}
	answer := httptest.NewRecorder()
	s.metrics.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	for _, line := range []string{
		`meter_hold_to_cost_ratio_count{estimate="amount"} 2`, `meter_hold_to_cost_ratio_sum{estimate="amount"} 5`,
		`meter_hold_to_cost_ratio_count{estimate="maximum"} 1`, `meter_hold_to_cost_ratio_sum{estimate="maximum"} 6`,
		`meter_hold_to_cost_ratio_count{estimate="learned"} 1`, `meter_hold_to_cost_ratio_sum{estimate="learned"} 0.5`,
		`meter_unpriced_turns_total 2`,
	} {
		if !strings.Contains(answer.Body.String(), "\n"+line+"\n") {
			t.Errorf("there is no line %q", line)
		}
	}
}

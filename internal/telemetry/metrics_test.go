package telemetry

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// scrape is what Prometheus would read.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	m.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	if recorder.Code != 200 {
		t.Fatalf("got %d: %s", recorder.Code, recorder.Body)
	}
	return recorder.Body.String()
}

func wantLines(t *testing.T, scraped string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(scraped, "\n"+line+"\n") {
			t.Errorf("the metrics lack %q", line)
		}
	}
}

// TestBegin shows everything at zero before anything happened.
func TestBegin(t *testing.T) {
	m, server := NewMetrics(), grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	m.Begin(server, []string{"POOL_EMPTY"})
	m.Queue(func() int { return 7 })
	wantLines(
		t, scrape(t, m),
		`meter_refusals_total{reason="POOL_EMPTY"} 0`,
		`meter_grpc_server_handled_total{grpc_code="OK",grpc_method="Check",grpc_service="grpc.health.v1.Health",grpc_type="unary"} 0`,
		`meter_grpc_server_handling_seconds_count{grpc_method="Check",grpc_service="grpc.health.v1.Health",grpc_type="unary"} 0`,
		`meter_lane_batch_commands_count 0`, `meter_lane_retries_total 0`, `meter_lane_failures_total 0`,
		`meter_expired_reservations_total 0`, `meter_lane_queued_commands 7`,
	)
}

// TestBatch counts a batch that went well at the second try, one that was given up, and one that is carried again in parts.
func TestBatch(t *testing.T) {
	m := NewMetrics()
	m.Batch(Batch{
		Commands: 5, Organizations: 2, Expired: 3, Attempts: 2, Stale: 1,
		Load: time.Second, Apply: 2 * time.Second, Save: 3 * time.Second, OldestWait: 4 * time.Second,
	})
	m.Batch(Batch{Commands: 1, Organizations: 1, Expired: 9, Attempts: 4, Err: errors.New("lost"), GivenUp: true})
	m.Batch(Batch{Commands: 2, Organizations: 2, Attempts: 1, Err: errors.New("locked")})
	m.Refused("POOL_EMPTY")
	m.Settled(EstimateLearned, 30, 20)
	m.Settled(EstimateLearned, 30, 0) // Free: it says nothing of how the hold fitted.
	m.Unpriced()
	wantLines(
		t, scrape(t, m),
		`meter_lane_batch_commands_sum 8`, `meter_lane_batch_organizations_sum 5`, `meter_lane_load_seconds_sum 1`,
		`meter_lane_apply_seconds_sum 2`, `meter_lane_save_seconds_sum 3`, `meter_lane_save_seconds_count 1`,
		`meter_lane_oldest_wait_seconds_sum 4`, `meter_lane_retries_total 4`, `meter_lane_failures_total 1`,
		`meter_lane_stale_total 1`, `meter_expired_reservations_total 3`, `meter_refusals_total{reason="POOL_EMPTY"} 1`,
		`meter_hold_to_cost_ratio_sum{estimate="learned"} 1.5`, `meter_hold_to_cost_ratio_count{estimate="learned"} 1`,
		`meter_unpriced_turns_total 1`, `meter_rolled_up_timestamp_seconds 0`,
	)
}

// TestNames: what is ours begins with meter_, and ends with its unit.
func TestNames(t *testing.T) {
	m := NewMetrics()
	m.Queue(func() int { return 0 })
	good := regexp.MustCompile(`^meter_[a-z_]+_(total|seconds|commands|organizations|ratio)$`)
	for _, line := range strings.Split(scrape(t, m), "\n") {
		name, ok := strings.CutPrefix(line, "# TYPE ")
		name, _, _ = strings.Cut(name, " ")
		runtime := strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") || strings.HasPrefix(name, "promhttp_")
		if ok && !runtime && !good.MatchString(name) {
			t.Errorf("%s is not named as the house names metrics", name)
		}
	}
}

// TestNewLogger takes every level and format there is, and no other.
func TestNewLogger(t *testing.T) {
	var written strings.Builder
	logger, err := NewLogger(&written, "warn", "json")
	if err != nil {
		t.Fatal(err)
	}
	logger.Info("quiet")
	logger.Warn("loud")
	if got := written.String(); !strings.HasPrefix(got, "{") || strings.Count(got, "\n") != 1 || !strings.Contains(got, `"loud"`) {
		t.Errorf("got %q", got)
	}
	for _, wrong := range [][2]string{{"loud", "json"}, {"info", "xml"}, {"", "text"}} {
		if _, err := NewLogger(io.Discard, wrong[0], wrong[1]); err == nil {
			t.Errorf("level %q and format %q pass", wrong[0], wrong[1])
		}
	}
}

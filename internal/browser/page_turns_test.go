package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/spillway-metering/spillway/internal/trace"
)

// reserve begins a turn of a member, and answers its reservation.
func (s *site) reserve(t testing.TB, member, request string, micros int64) string {
	t.Helper()
	answer := s.call(t, "MeteringService/Reserve", map[string]any{
		"organizationId": "acme", "memberId": member, "requestId": request, "estimateMicros": micros,
		"turn": map[string]any{"model": "gpt-4o", "conversationId": "c-" + member, "labels": map[string]any{"team": "vision"}},
	})
	reservation, _ := answer["reservation"].(map[string]any)
	id, _ := reservation["reservationId"].(string)
	return id
}

// commit ends a turn, and answers its charge.
func (s *site) commit(t testing.TB, reservation string, micros int64) map[string]any {
	t.Helper()
	answer := s.call(t, "MeteringService/Commit", map[string]any{
		"organizationId": "acme", "reservationId": reservation, "actualMicros": micros,
	})
	committed, _ := answer["reservation"].(map[string]any)
	charge, _ := committed["charge"].(map[string]any)
	return charge
}

// access is a member's access to the pool, as kind and cap.
func (s *site) access(t testing.TB, member string) string {
	t.Helper()
	answer := s.call(t, "OrganizationService/GetMember", map[string]any{"organizationId": "acme", "memberId": member})
	found, _ := answer["member"].(map[string]any)
	access, _ := found["access"].(map[string]any)
	return fmt.Sprint(access["kind"], " ", access["capMicros"])
}

// replay runs the turns of a recorded trace by the members, one after the other, until the test ends. A turn that is refused
// for money is passed over; any other refusal fails the test.
func (s *site) replay(t testing.TB, members ...string) {
	t.Helper()
	rows, err := trace.ReadFile("../trace/testdata/azure2023_conv.csv")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.replayRows(ctx, rows, members) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the trace: %v", err)
		}
	})
}

func (s *site) replayRows(ctx context.Context, rows []trace.Row, members []string) error {
	for i := 0; ctx.Err() == nil; i++ {
		row := rows[i%len(rows)]
		micros := 1 + 3*row.InputTokens + 15*row.OutputTokens
		var held struct {
			Reservation struct{ ReservationID string }
		}
		refused, err := s.post(ctx, "Reserve", map[string]any{
			"organizationId": "acme", "memberId": members[i%len(members)], "requestId": fmt.Sprint("trace-", i), "estimateMicros": 2 * micros,
		}, &held)
		if err == nil && !refused {
			_, err = s.post(ctx, "Commit", map[string]any{
				"organizationId": "acme", "reservationId": held.Reservation.ReservationID, "actualMicros": micros,
			}, &struct{}{})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// post makes a call of the metering service, from any goroutine, and says whether it was refused for money.
func (s *site) post(ctx context.Context, method string, request map[string]any, answer any) (refused bool, err error) {
	text, err := json.Marshal(request)
	if err != nil {
		return false, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/meter.v1.MeteringService/"+method, bytes.NewReader(text))
	if err != nil {
		return false, err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return false, err
	}
	defer func() { _ = response.Body.Close() }()
	switch response.StatusCode {
	case http.StatusOK:
		return false, json.NewDecoder(response.Body).Decode(answer)
	case http.StatusTooManyRequests:
		_, err = io.Copy(io.Discard, response.Body)
		return true, err
	default:
		return false, fmt.Errorf("%s is answered %s", method, response.Status)
	}
}

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/audit/audittest"
	"github.com/spillway-metering/spillway/internal/auth"
)

const (
	attackTime = 300 * time.Millisecond // Of one attack, at least.
	// attackedTurns is how many turns are run during an attack at least.
	attackedTurns = 2
	// answeredWithin is what an honest caller waits for an answer at most, whatever others do. All of them share the
	// processors of one machine with other tests.
	answeredWithin = 10 * time.Second
	// maxAttacked is how much memory a server may take under attack, in kB as the kernel counts it.
	maxAttacked = 512 << 10
	// strayGoroutines is how many more of them a server may have after an attack than before it.
	strayGoroutines = 100
)

// TestBadBytes attacks a server as it is shipped in every way of the table, while an honest caller runs turns: those are
// answered in time, the server lives, its memory stays bounded, and after each attack it is soon rid of it.
func TestBadBytes(t *testing.T) {
	v := newVictim(t)
	before := v.goroutines(t)
	for _, a := range attacks {
		t.Run(strings.ReplaceAll(a.name, " ", "_"), func(t *testing.T) {
			v.forgetPeak()
			turns, slowest := v.under(t, a)
			if !v.server.running() {
				t.Fatalf("the server ended: %s", v.server.stderr)
			}
			eventually(t, "it is rid of the attack", func() bool {
				return v.connections(t) == 1 && v.goroutines(t) <= before+strayGoroutines
			})
			resident := v.memory(t, "VmHWM")
			t.Logf("%d turns, each in at most %v; %d MiB, %d MiB at most", turns, slowest, v.memory(t, "VmRSS")>>10, resident>>10)
			if resident > maxAttacked {
				t.Errorf("it took %d MiB of memory", resident>>10)
			}
		})
	}
	audittest.Check(t, v.database)
}

// victim is a server that is attacked, and an honest caller of it.
type victim struct {
	server   *meterd
	database string
	metrics  string
	caller   *client
	turns    int
}

func newVictim(t *testing.T) *victim {
	t.Helper()
	shipped := t.TempDir()
	if err := build(shipped); err != nil {
		t.Fatal(err)
	}
	v := &victim{database: postgres.Database(t), metrics: "unix:" + filepath.Join(shipped, "http")}
	v.server = launch(t, filepath.Join(shipped, "meterd"), "--dev", "--listen=127.0.0.1:0", "--http-listen="+v.metrics,
		"--database-url="+v.database, "--log-level=error",
		// Under --dev the attackers are the same caller as the honest one, whom their calls would use up.
		"--caller-rate=0", "--caller-concurrency=0")
	v.server.awaitReady(t)
	v.caller = dial(t, v.server.address)
	v.caller.furnish(t, firm{id: "firm", allowance: 100, pool: 1_000_000_000, seats: 1})
	book := &meterv1.PriceBook{PriceBookId: "large", Unit: meterv1.Unit_UNIT_USD}
	for i := range 5000 {
		book.Models = append(book.Models, &meterv1.ModelPrices{
			Model:  fmt.Sprintf("model-%d-%s", i, strings.Repeat("x", 110)),
			Prices: []*meterv1.Price{{Rates: &meterv1.TokenRates{Input: proto.String("1")}}},
		})
	}
	must(v.caller.PutPriceBook(t.Context(), &meterv1.PutPriceBookRequest{PriceBook: book}))(t)
	return v
}

// under attacks while turns are run, for as long as so many take, and answers how many there were and how long the slowest
// took.
func (v *victim) under(t *testing.T, a attack) (turns int, slowest time.Duration) {
	t.Helper()
	attacking, end := context.WithCancel(t.Context())
	var attackers sync.WaitGroup
	for range a.connections {
		attackers.Go(func() {
			for attacking.Err() == nil {
				if r, err := connect(attacking, v.server.address); err == nil {
					_ = a.strike(attacking, r) // That the server cuts it off is what it should do.
					_ = r.Conn.Close()
				}
			}
		})
	}
	defer attackers.Wait()
	defer end()
	for enough := time.Now().Add(attackTime); turns < attackedTurns || time.Now().Before(enough); turns++ {
		began := time.Now()
		v.turn(t)
		slowest = max(slowest, time.Since(began))
	}
	return turns, slowest
}

// turn runs one turn as the contract asks: what was not let in for now is sent again.
func (v *victim) turn(t *testing.T) {
	t.Helper()
	v.turns++
	request := fmt.Sprintf("turn-%d", v.turns)
	ctx, cancel := context.WithTimeout(t.Context(), 2*answeredWithin) // It is two answers.
	defer cancel()
	_, err := persist(ctx, func(ctx context.Context, c *client) (struct{}, error) {
		return struct{}{}, c.turn(ctx, "firm", seat(0), request)
	}, v.caller)
	if err != nil {
		t.Fatalf("an honest turn: %v", err)
	}
}

// forgetPeak has the kernel count anew what the server takes at most. Where it does not, the count goes on.
func (v *victim) forgetPeak() {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", v.server.cmd.Process.Pid), []byte("5"), 0)
}

// memory is what the kernel counts of the server, in kB.
func (v *victim) memory(t *testing.T, what string) int {
	t.Helper()
	status := must(os.ReadFile(fmt.Sprintf("/proc/%d/status", v.server.cmd.Process.Pid)))(t)
	found := regexp.MustCompile(what + `:\s*(\d+) kB`).FindSubmatch(status)
	if found == nil {
		t.Fatalf("the kernel does not tell it: %s", status)
	}
	return must(strconv.Atoi(string(found[1])))(t)
}

// connections is how many callers the server has: those that left count until it has seen to all that they sent.
func (v *victim) connections(t *testing.T) (open int) {
	t.Helper()
	at := must(netip.ParseAddrPort(v.server.address))(t)
	local := fmt.Sprintf("0100007F:%04X", at.Port()) // As the kernel writes 127.0.0.1 on machines of little end.
	for line := range strings.Lines(string(must(os.ReadFile("/proc/net/tcp"))(t))) {
		const established, closing = "01", "08"
		if f := strings.Fields(line); f[1] == local && (f[3] == established || f[3] == closing) {
			open++
		}
	}
	return open
}

// goroutines is how many the server has, by its own metrics.
func (v *victim) goroutines(t *testing.T) int {
	t.Helper()
	request := must(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://meterd/metrics", http.NoBody))(t)
	answer := must(metricsClient(strings.TrimPrefix(v.metrics, "unix:")).Do(request))(t)
	defer func() { _ = answer.Body.Close() }()
	found := regexp.MustCompile(`(?m)^go_goroutines (\d+)$`).FindSubmatch(must(io.ReadAll(answer.Body))(t))
	if found == nil {
		t.Fatal("the metrics have no goroutines")
	}
	return must(strconv.Atoi(string(found[1])))(t)
}

// metricsClient asks by a Unix socket.
func metricsClient(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
}

// TestUnfinishedHandshakes has some hundreds begin a connection over TLS and go no further: who comes after them is let in,
// and they are shown out when their time is over.
func TestUnfinishedHandshakes(t *testing.T) {
	t.Parallel()
	g := startGuarded(t, postgres.Database(t))
	ctx, end := context.WithTimeout(t.Context(), endPatience)
	defer end()
	begun := [][]byte{
		nil,
		{22, 3, 1, 0x40, 0, 1, 0},             // Of a record of 16 KiB, the head.
		{22, 3, 1, 0, 5, 1, 0xff, 0xff, 0xff}, // Of a greeting of 16 MiB, a record.
	}
	var waiting sync.WaitGroup
	for i := range 300 {
		r := must(connect(ctx, g.address))(t)
		must(r.Write(begun[i%len(begun)]))(t)
		waiting.Go(func() {
			_, _ = io.Copy(io.Discard, r.Conn) // How it is shown out does not matter.
			if ctx.Err() != nil {
				t.Error("one was left waiting")
			}
		})
	}
	for range 5 {
		began := time.Now()
		must(g.as(t, auth.Operator).ListPlans(ctx, &meterv1.ListPlansRequest{}))(t)
		if took := time.Since(began); took > answeredWithin {
			t.Errorf("a new caller waited %v", took)
		}
	}
	waiting.Wait()
}

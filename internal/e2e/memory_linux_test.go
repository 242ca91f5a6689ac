package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
)

const (
	// maxResident is how much memory a server may take under load, in kB as the kernel counts it.
	maxResident = 256 << 10

	memoryCallers = 256
	memoryTurns   = 15 // Of each caller.
)

// TestMemoryUnderLoad looks at the most memory that a server as it is shipped, not one that looks for races, ever had.
func TestMemoryUnderLoad(t *testing.T) {
	t.Parallel()
	shipped := t.TempDir()
	if err := build(shipped); err != nil {
		t.Fatal(err)
	}
	server := launch(t, filepath.Join(shipped, "meterd"), "--dev", "--listen=127.0.0.1:0", "--database-url="+postgres.Database(t))
	server.awaitReady(t)
	c := dial(t, server.address)
	c.furnish(t, firm{id: "hot", allowance: 100, pool: 1_000_000_000, seats: 10})
	var callers sync.WaitGroup
	for i := range memoryCallers {
		callers.Go(func() {
			for j := range memoryTurns {
				if err := c.turn(t.Context(), "hot", seat(i%10), fmt.Sprintf("turn-%d-%d", i, j)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	callers.Wait()
	status := must(os.ReadFile(fmt.Sprintf("/proc/%d/status", server.cmd.Process.Pid)))(t)
	peak := regexp.MustCompile(`VmHWM:\s*(\d+) kB`).FindSubmatch(status)
	if peak == nil {
		t.Fatalf("the kernel does not tell it: %s", status)
	}
	resident := must(strconv.Atoi(string(peak[1])))(t)
	t.Logf("%d MiB at most", resident>>10)
	if resident > maxResident {
		t.Errorf("%d MiB at most, more than %d", resident>>10, maxResident>>10)
	}
}

// turn runs one turn.
func (c *client) turn(ctx context.Context, organization, member, request string) error {
	held, err := c.reserve(ctx, organization, member, request, 100)
	if err != nil {
		return err
	}
	_, err = c.commit(ctx, held, 60)
	return err
}

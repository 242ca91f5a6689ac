package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// resident is how much memory a process has now, and had at its peak, in bytes. Only Linux tells; elsewhere both are 0.
func resident(pid int) (now, peak int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0
	}
	return statusBytes(string(text), "VmRSS"), statusBytes(string(text), "VmHWM")
}

// statusBytes reads one of the lines that say how many kB.
func statusBytes(status, name string) int64 {
	for line := range strings.Lines(status) {
		rest, ok := strings.CutPrefix(line, name+":")
		if !ok {
			continue
		}
		kilobytes, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
		if err != nil {
			return 0
		}
		return kilobytes * 1024
	}
	return 0
}

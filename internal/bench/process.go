package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit in which Linux counts processor time for programs to read.
const clockTick = 10 * time.Millisecond

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

// processorTime is how long a process has kept processors busy since it began. Only Linux tells; elsewhere it is 0.
func processorTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	return statTime(string(text))
}

// statTime adds the times in user and in kernel mode, the 14th and 15th field. The second is a name in parentheses that
// may hold blanks.
func statTime(stat string) time.Duration {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	kernel, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+kernel) * clockTick
}

// machineTime is how long the machine's processors have been busy since it began, whoever with. Only Linux tells; elsewhere
// it is 0.
func machineTime() time.Duration {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	return statBusy(string(text))
}

// statBusy adds the times in user, in niced user and in kernel mode and in interrupts: the first three, the sixth and the
// seventh field of the first line. The fourth and the fifth are idle.
func statBusy(stat string) time.Duration {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(strings.TrimPrefix(line, "cpu "))
	if len(fields) < 7 {
		return 0
	}
	var ticks int64
	for _, i := range []int{0, 1, 2, 5, 6} {
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * clockTick
}

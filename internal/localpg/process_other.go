//go:build !linux

package localpg

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// dieWithParent does nothing: this system has no parent-death signal. An orphan is ended by the next Start.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}

// isPostmaster tells whether pid is a live postgres of this cluster, whose directory is on its command line.
func isPostmaster(pid int, cluster string) bool {
	command, err := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(command), "postgres") && strings.Contains(string(command), cluster)
}

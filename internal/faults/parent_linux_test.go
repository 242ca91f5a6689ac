package faults

import (
	"os/exec"
	"syscall"
)

// dieWithParent ends a program with the tests that started it, even if those are killed.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

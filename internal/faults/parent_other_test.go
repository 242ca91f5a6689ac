//go:build !linux

package faults

import "os/exec"

// dieWithParent can do nothing where the kernel does not tell of a parent's death.
func dieWithParent(*exec.Cmd) {}

//go:build !linux

package e2e

import "os/exec"

// dieWithParent can do nothing where the kernel does not tell of a parent's death.
func dieWithParent(*exec.Cmd) {}

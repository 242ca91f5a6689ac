package localpg

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// dieWithParent asks the kernel to signal the child when the thread that started it ends, however that comes about.
func dieWithParent(attr *syscall.SysProcAttr, signal syscall.Signal) { attr.Pdeathsig = signal }

// isPostmaster tells whether pid is a live postgres of this cluster, and not another process that got a dead one's id
// (usual after a container was started again) nor a zombie (whose command line is empty). A postmaster works in its
// cluster's directory; where we may not look at that, its name must do.
func isPostmaster(pid int, cluster string) bool {
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	program, _, _ := bytes.Cut(command, []byte{0})
	if err != nil || !strings.HasPrefix(filepath.Base(string(program)), "postgres") {
		return false
	}
	where, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	return err != nil || where == cluster
}

package faults

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// diskBytes is how large the disk of a run is: it holds a cluster and as much of its log as PostgreSQL keeps.
const diskBytes = 1 << 30

// disk is where PostgreSQL keeps its data: a file system of its own that can be filled.
type disk struct {
	dir    string
	inside bool // Whether it is a file system of its own.
}

// mountDisk makes one in memory. It needs the right to mount, which root has, also in a user namespace; without it the
// fault of a full disk falls back on a limit to the size of files, see diskFull.
func mountDisk(dir string) (*disk, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	said, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d,mode=755", diskBytes),
		"tmpfs", dir).CombinedOutput()
	if err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "no disk of its own for PostgreSQL: %s\n", strings.TrimSpace(string(said)))
	}
	return &disk{dir: dir, inside: err == nil}, nil
}

func (d *disk) close() error {
	if !d.inside {
		return nil
	}
	if said, err := exec.Command("umount", d.dir).CombinedOutput(); err != nil {
		return fmt.Errorf("umount: %w: %s", err, said)
	}
	return nil
}

func (d *disk) ballast() string { return filepath.Join(d.dir, "ballast") }

// fill leaves no room on the disk.
func (d *disk) fill() (err error) {
	file, err := os.Create(d.ballast())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	block := make([]byte, 1<<20)
	for size := len(block); size >= 1<<12; size /= 2 {
		for {
			if _, err := file.Write(block[:size]); errors.Is(err, syscall.ENOSPC) {
				break
			} else if err != nil {
				return err
			}
		}
	}
	return nil
}

// empty takes away what fill wrote.
func (d *disk) empty() error {
	if err := os.Remove(d.ballast()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

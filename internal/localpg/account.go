package localpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is who PostgreSQL runs as. It refuses to run as root, so root lends it an unprivileged user.
type account struct {
	name       string
	credential *syscall.Credential // nil: as whoever we are.
}

// accountFor keeps a cluster with the user that owns it, and gives a new one to postgres or else nobody.
func accountFor(cluster string) (account, error) {
	owner, group, exists := ownerOf(cluster)
	self := os.Geteuid()
	switch {
	case self != 0 && exists && int(owner) != self:
		return account{}, fmt.Errorf("the private PostgreSQL in %s belongs to user id %d: run as that user or as root, or give another directory with --data-dir",
			filepath.Dir(cluster), owner)
	case self != 0:
		return account{name: strconv.Itoa(self)}, nil
	case exists && owner != 0:
		return account{name: nameOf(owner), credential: &syscall.Credential{Uid: owner, Gid: group}}, nil
	default:
		return unprivileged()
	}
}

func unprivileged() (account, error) {
	for _, name := range []string{"postgres", "_postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		// macOS writes the id of nobody as -2; a conversion through int64 gives the id the kernel means.
		uid, uidErr := strconv.ParseInt(found.Uid, 10, 64)
		gid, gidErr := strconv.ParseInt(found.Gid, 10, 64)
		if uidErr == nil && gidErr == nil && uid != 0 {
			//nolint:gosec // G115: the conversion is meant to wrap, see above.
			return account{name: name, credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
		}
	}
	return account{}, errors.New("PostgreSQL does not run as root and there is no user postgres or nobody to run it as: add one, run as another user, or give --database-url")
}

// own makes cmd run as the account, in dir, in a session of its own (so that the Ctrl-C meant for us does not stop it
// before we have drained), with a bare environment (no PG* setting leaks in), and get signal when this process dies.
func (a account) own(cmd *exec.Cmd, dir string, signal syscall.Signal) {
	cmd.Dir = dir
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.credential, Setsid: true}
	dieWithParent(cmd.SysProcAttr, signal)
}

// give hands a file of ours to the account.
func (a account) give(path string) error {
	if a.credential == nil {
		return nil
	}
	return os.Lchown(path, int(a.credential.Uid), int(a.credential.Gid))
}

// giveTree hands over all below path, as a backup restored by root needs.
func (a account) giveTree(path string) error {
	return filepath.WalkDir(path, func(each string, _ fs.DirEntry, err error) error {
		return errors.Join(err, a.give(each))
	})
}

// firstClosed is the topmost directory on the way to dir that the account cannot pass, by the permission bits; "" when
// they let it through.
func (a account) firstClosed(dir string) string {
	if parent := filepath.Dir(dir); parent != dir {
		if closed := a.firstClosed(parent); closed != "" {
			return closed
		}
	}
	info, err := os.Stat(dir)
	if err != nil || a.credential == nil {
		return ""
	}
	if info.Mode().Perm()&a.passBit(dir) == 0 {
		return dir
	}
	return ""
}

func (a account) passBit(dir string) fs.FileMode {
	owner, group, _ := ownerOf(dir)
	switch {
	case owner == a.credential.Uid:
		return 0o100
	case group == a.credential.Gid:
		return 0o010
	default:
		return 0o001
	}
}

func ownerOf(path string) (uid, gid uint32, exists bool) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, 0, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return stat.Uid, stat.Gid, true
}

func nameOf(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if found, err := user.LookupId(id); err == nil {
		return found.Username
	}
	return id
}

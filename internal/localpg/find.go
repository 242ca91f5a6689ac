package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	oldestMajor  = 15
	probeTimeout = 20 * time.Second
)

// Binaries are the server programs of one PostgreSQL installation.
type Binaries struct {
	// Dir is the directory that holds postgres and initdb.
	Dir string
	// Major is the version, such as 17.
	Major int
}

// systemPlaces are where installations put their programs, besides PATH: Debian, Red Hat, PostgreSQL's own build,
// Homebrew, Postgres.app.
var systemPlaces = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/usr/local/pgsql/bin",
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
	"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// String names the version and the place, for messages.
func (b Binaries) String() string { return fmt.Sprintf("%d in %s", b.Major, b.Dir) }

// Find gives the programs of PostgreSQL 15 or later that Start would use for a new cluster: those in binDir when it is
// not empty, or else the first that run among PATH, the usual places (the highest version), the cache, and a package
// fetched into the cache with npm.
func Find(ctx context.Context, binDir string) (Binaries, error) {
	user, err := accountFor("")
	if err != nil {
		return Binaries{}, err
	}
	return systemSearch(slog.New(slog.DiscardHandler)).find(ctx, binDir, 0, home{user: user})
}

// search is where PostgreSQL is looked for.
type search struct {
	path    bool     // Whether PATH counts.
	places  []string // Patterns of directories.
	archive archive
	log     *slog.Logger
}

func systemSearch(log *slog.Logger) *search {
	return &search{path: true, places: systemPlaces, archive: packagedArchive(), log: log}
}

// find takes the installation that can run the home's cluster, which only its own version (wanted) can; 0 takes any.
func (s *search) find(ctx context.Context, binDir string, wanted int, home home) (Binaries, error) {
	if binDir != "" {
		return findGiven(ctx, binDir, wanted, home)
	}
	var unfit []string
	for _, group := range [][]string{s.onPath(), s.installed(), {s.archive.binDir()}} {
		best := Binaries{}
		for _, dir := range group {
			bin, err := probe(ctx, dir, home.user)
			switch {
			case errors.Is(err, fs.ErrNotExist):
			case err != nil:
				unfit = append(unfit, fmt.Sprintf("one in %s that user %s cannot run: %v", dir, home.user.name, err))
			case !bin.fits(wanted):
				unfit = append(unfit, bin.String())
			case bin.Major > best.Major:
				best = bin
			}
		}
		if best.Major != 0 {
			return best, nil
		}
	}
	return s.fetch(ctx, wanted, home, unfit)
}

// findGiven takes the directory that was asked for, or nothing.
func findGiven(ctx context.Context, binDir string, wanted int, home home) (Binaries, error) {
	dir, err := filepath.Abs(binDir)
	if err != nil {
		return Binaries{}, fmt.Errorf("--postgres-bin %s: %w", binDir, err)
	}
	bin, err := probe(ctx, dir, home.user)
	if err != nil {
		return Binaries{}, fmt.Errorf("--postgres-bin %s does not hold a PostgreSQL server that user %s can run: %w", binDir, home.user.name, err)
	}
	if !bin.fits(wanted) {
		return Binaries{}, unfitError(wanted, home, []string{bin.String()})
	}
	return bin, nil
}

// fetch is the last resort: the packaged PostgreSQL, if it is of the version wanted.
func (s *search) fetch(ctx context.Context, wanted int, home home, unfit []string) (Binaries, error) {
	if wanted != 0 && wanted != s.archive.major {
		return Binaries{}, unfitError(wanted, home, unfit)
	}
	err := s.archive.fetch(ctx, s.log)
	if err == nil {
		var bin Binaries
		if bin, err = probe(ctx, s.archive.binDir(), home.user); err == nil && bin.fits(wanted) {
			return bin, nil
		}
	}
	return Binaries{}, fmt.Errorf("no PostgreSQL %s on this machine%s: install it (Debian: apt-get install postgresql), or give its directory with --postgres-bin or a server with --database-url; the packaged one: %w",
		versionWanted(wanted), listOf(unfit), err)
}

func (b Binaries) fits(wanted int) bool {
	return b.Major >= oldestMajor && (wanted == 0 || b.Major == wanted)
}

// onPath follows links: Debian and others put them, and wrappers, on PATH, and initdb wants its neighbours.
func (s *search) onPath() []string {
	if !s.path {
		return nil
	}
	program, err := exec.LookPath("postgres")
	if err != nil {
		return nil
	}
	if program, err = filepath.EvalSymlinks(program); err != nil {
		return nil
	}
	if program, err = filepath.Abs(program); err != nil {
		return nil
	}
	return []string{filepath.Dir(program)}
}

func (s *search) installed() []string {
	var dirs []string
	for _, pattern := range s.places {
		matches, _ := filepath.Glob(pattern) // The only error is a bad pattern, and these are constants.
		dirs = append(dirs, matches...)
	}
	return dirs
}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// probe runs both programs as the user who will: a file that is there may still be a wrapper of nothing, lack its
// libraries, or be closed to that user.
func probe(ctx context.Context, dir string, user account) (Binaries, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	bin := Binaries{Dir: dir}
	for _, program := range []string{"postgres", "initdb"} {
		major, err := versionOf(ctx, filepath.Join(dir, program), user)
		if err != nil {
			return Binaries{}, err
		}
		if bin.Major != 0 && bin.Major != major {
			return Binaries{}, fmt.Errorf("postgres is of version %d, initdb of %d", bin.Major, major)
		}
		bin.Major = major
	}
	return bin, nil
}

func versionOf(ctx context.Context, program string, user account) (int, error) {
	if _, err := os.Stat(program); err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, program, "--version")
	user.own(cmd, "/", syscall.SIGKILL)
	output, err := runLocked(cmd)
	if err != nil {
		return 0, err
	}
	match := versionLine.FindStringSubmatch(output)
	if match == nil {
		return 0, fmt.Errorf("%s --version says %q", program, output)
	}
	return strconv.Atoi(match[1])
}

func unfitError(wanted int, home home, unfit []string) error {
	if wanted == 0 {
		return errors.New("PostgreSQL " + versionWanted(0) + " is needed" + listOf(unfit) + ": give another with --postgres-bin")
	}
	return fmt.Errorf("the data directory %s was made by PostgreSQL %d, which no other version can run%s: install PostgreSQL %d or name it with --postgres-bin, or give another directory with --data-dir (nothing was changed)",
		home.dir, wanted, listOf(unfit), wanted)
}

func versionWanted(wanted int) string {
	if wanted == 0 {
		return strconv.Itoa(oldestMajor) + " or later"
	}
	return strconv.Itoa(wanted)
}

func listOf(unfit []string) string {
	if len(unfit) == 0 {
		return ""
	}
	return " (found only " + strings.Join(unfit, ", ") + ")"
}

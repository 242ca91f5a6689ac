package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var embedded embed.FS

// How long a browser keeps an answer: for good what its address names by content, and the rest it asks about each time.
const (
	keepForGood = "public, max-age=31536000, immutable"
	askEachTime = "no-cache"
)

// pages are the paths that the page itself shows something at. A path that ends in a slash stands for all below it.
var pages = []string{"/{$}", "/usage", "/pool", "/members", "/me", "/reports", "/turns/"}

// asset is a file as it is sent.
type asset struct {
	content, packed []byte // packed is the gzip of content; nil where that is no shorter.
	kind, tag       string // Content-Type and ETag.
}

// assets are the files of the page. version is of all of them together: they are served under /assets/VERSION/ to be kept
// for good, modules beside each other so that they find each other there.
type assets struct {
	files   map[string]asset // By the path under /assets/.
	index   asset
	version string
}

// loadAssets reads the files of the page, each once.
func loadAssets(files fs.FS) (*assets, error) {
	a := &assets{files: map[string]asset{}}
	sum := sha256.New()
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%s %d\n", name, len(content))
		_, _ = sum.Write(content) // Documented never to fail.
		a.files[name] = newAsset(name, content)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("the page's files: %w", err)
	}
	a.version = base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:9])
	index, ok := a.files["index.html"]
	if !ok {
		return nil, fmt.Errorf("the page's files: index.html: %w", fs.ErrNotExist)
	}
	delete(a.files, "index.html")
	a.index = newAsset("index.html", bytes.ReplaceAll(index.content, []byte(`"/assets/`), []byte(`"/assets/`+a.version+`/`)))
	return a, nil
}

func newAsset(name string, content []byte) asset {
	sum := sha256.Sum256(content)
	a := asset{
		content: content, packed: pack(content), kind: kindOf(name),
		tag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
	}
	if len(a.packed) >= len(content) {
		a.packed = nil
	}
	return a
}

// kinds are those that not every machine's own table knows, or knows alike.
var kinds = map[string]string{
	".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".webmanifest": "application/manifest+json", ".txt": "text/plain; charset=utf-8", "": "text/plain; charset=utf-8",
}

func kindOf(name string) string {
	if kind, ok := kinds[path.Ext(name)]; ok {
		return kind
	}
	if kind := mime.TypeByExtension(path.Ext(name)); kind != "" {
		return kind
	}
	return "application/octet-stream"
}

func pack(content []byte) []byte {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		panic(err) // Only for a level that there is not.
	}
	_, _ = w.Write(content) // To memory.
	_ = w.Close()
	return packed.Bytes()
}

// register serves the files, and the page at each of its paths.
func (a *assets) register(mux *http.ServeMux) {
	mux.HandleFunc("GET /assets/{name...}", func(w http.ResponseWriter, r *http.Request) {
		name, keep := r.PathValue("name"), askEachTime
		if rest, ok := strings.CutPrefix(name, a.version+"/"); ok {
			name, keep = rest, keepForGood
		}
		file, ok := a.files[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		file.serve(w, r, keep)
	})
	for _, at := range pages {
		mux.HandleFunc("GET "+at, func(w http.ResponseWriter, r *http.Request) { a.index.serve(w, r, askEachTime) })
	}
}

// serve answers the file, or that the browser has it.
func (a asset) serve(w http.ResponseWriter, r *http.Request, keep string) {
	h, content, tag := w.Header(), a.content, a.tag
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", keep)
	h.Add("Vary", "Accept-Encoding")
	if a.packed != nil && takesGzip(r) {
		content, tag = a.packed, strings.TrimSuffix(a.tag, `"`)+`-gzip"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", tag)
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", fmt.Sprint(len(content)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(content) // Who went away need not be told.
	}
}

// takesGzip says whether a browser unpacks gzip. One that names it only to refuse it is none that opens this page.
func takesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name == "gzip" {
			return strings.ReplaceAll(weight, " ", "") != "q=0"
		}
	}
	return false
}

package console

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/spillway-metering/spillway/internal/auth"
)

// Config is what a console is made of.
type Config struct {
	// Identify is who a request is from, as the calls of meter.v1 that it makes will be judged. An error is an
	// auth.Unauthenticated, or that of a database that cannot be asked.
	Identify func(r *http.Request) (auth.Identity, error)
	// Directory is where the people and their organizations are looked up.
	Directory auth.Directory
	// Now is the time that the rules see.
	Now func(ctx context.Context) (time.Time, error)
	// Tables are what can be downloaded, by the names of the files.
	Tables map[string]Table
	// BuyMoreURL is where an organization buys more for its pool; empty: nowhere.
	BuyMoreURL string
	// Dev says that the server runs for development.
	Dev    bool
	Logger *slog.Logger
}

// Console serves the page.
type Console struct {
	Config
	assets *assets
}

// New makes a console of the embedded files.
func New(config Config) (*Console, error) {
	files, err := fs.Sub(embedded, "assets")
	if err != nil {
		return nil, err
	}
	assets, err := loadAssets(files)
	if err != nil {
		return nil, err
	}
	return &Console{config, assets}, nil
}

// Register adds the page, and what it asks beside meter.v1.
func (c *Console) Register(mux *http.ServeMux) {
	c.assets.register(mux)
	mux.HandleFunc("GET /session", c.session)
	mux.HandleFunc("GET /download/{table}", c.download)
}

// failed answers that the database could not be asked.
func (c *Console) failed(ctx context.Context, w http.ResponseWriter, err error) {
	c.Logger.WarnContext(ctx, "the page cannot be answered", "error", err)
	http.Error(w, "the service cannot answer now: try again in a moment", http.StatusServiceUnavailable)
}

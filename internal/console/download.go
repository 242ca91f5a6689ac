package console

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spillway-metering/spillway/internal/auth"
)

// Table writes a table of an organization to a browser, narrowed by the query of its address. It makes calls of meter.v1
// with the context, and is answered what the person before the browser may see. A status as its error, before it has
// written, is answered as the call was.
type Table func(ctx context.Context, organizationID string, query url.Values, w io.Writer) error

// writeWithin bounds each part of a download, where the server bounds the whole of other answers.
const writeWithin = 30 * time.Second

// download answers a table as a file, part by part as it is read.
func (c *Console) download(w http.ResponseWriter, r *http.Request) {
	table, ok := c.Tables[r.PathValue("table")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	id, err := c.Identify(r)
	var unknown auth.Unauthenticated
	switch {
	case errors.As(err, &unknown), err == nil && !id.Role.Bound():
		http.Error(w, "Sign in to the page first.", http.StatusUnauthorized)
		return
	case err != nil:
		c.failed(r.Context(), w, err)
		return
	}
	file := &file{w: w, control: http.NewResponseController(w), name: id.OrganizationID + "-" + r.PathValue("table")}
	err = table(r.Context(), id.OrganizationID, r.URL.Query(), file)
	switch {
	case err == nil:
		file.begin()
	case file.begun:
		// The browser is to see that the file is not whole.
		c.Logger.WarnContext(r.Context(), "a download broke off", "table", r.PathValue("table"), "error", err)
		panic(http.ErrAbortHandler)
	default:
		http.Error(w, status.Convert(err).Message(), statusOf(err))
	}
}

// statusOf is a call's answer as HTTP has it.
func statusOf(err error) int {
	switch status.Code(err) {
	case codes.InvalidArgument:
		return http.StatusBadRequest
	case codes.Unauthenticated:
		return http.StatusUnauthorized
	case codes.PermissionDenied:
		return http.StatusForbidden
	case codes.NotFound, codes.Unimplemented:
		return http.StatusNotFound
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	default:
		return http.StatusServiceUnavailable
	}
}

// file is an answer that becomes a file with the first that is written.
type file struct {
	w       http.ResponseWriter
	control *http.ResponseController
	name    string
	begun   bool
}

// Write sends a part.
func (f *file) Write(part []byte) (int, error) {
	f.begin()
	// Where the deadline cannot be moved the one of all answers stays, and ends the download with an error that is told.
	_ = f.control.SetWriteDeadline(time.Now().Add(writeWithin))
	return f.w.Write(part)
}

func (f *file) begin() {
	if f.begun {
		return
	}
	f.begun = true
	h := f.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	h.Set("Content-Disposition", `attachment; filename="`+f.name+`"`) // Ids hold no quotes.
	h.Set("Cache-Control", "no-store")
}

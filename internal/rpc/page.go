package rpc

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/spillway-metering/spillway/internal/meter"
)

const (
	defaultPageSize = 50
	// tokenVersion is the first byte of a page token, so that its form can change without old tokens being misread.
	tokenVersion = 1
	// sumSize is how many bytes of a hash bind a token to its list.
	sumSize = 8
	// Every key is an id or the number of an entry, and so has the form of an id that a caller chooses.
	maxKey        = 128
	keyCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@-"
)

// paged is a request for a page of a list.
type paged interface {
	GetPageSize() int32
	GetPageToken() string
}

// listing is one list that is read page by page: an RPC and whatever narrows its items. A page token is the key of the
// last item, bound to the listing, so that the token of another one is refused instead of answering a wrong page.
type listing string

func list(rpc string, narrowed ...string) listing {
	return listing(strings.Join(append([]string{rpc}, narrowed...), "\x00"))
}

// limit is how many items to look for: one more than are answered tells whether there is a next page.
func limit(in paged) int { return pageSize(in) + 1 }

func pageSize(in paged) int {
	if in.GetPageSize() == 0 {
		return defaultPageSize
	}
	return int(in.GetPageSize())
}

// page cuts what was found under limit to a page, and answers the token of the next one: empty if there is none.
func page[T any](l listing, in paged, found []T, key func(T) string) (items []T, next string) {
	size := pageSize(in)
	if len(found) <= size {
		return found, ""
	}
	return found[:size], l.token(key(found[size-1]))
}

func (l listing) token(key string) string {
	token := append([]byte{tokenVersion}, l.sum(key)...)
	return base64.RawURLEncoding.EncodeToString(append(token, key...))
}

// after is the key of the last item of the page before; empty: this is the first page. A token is taken only as it was
// made: base64 has other spellings of the same bytes.
func (l listing) after(in paged) (string, error) {
	given := in.GetPageToken()
	if given == "" {
		return "", nil
	}
	key, ok := keyOf(given)
	if !ok || l.token(key) != given {
		return "", wrongToken()
	}
	return key, nil
}

// keyOf is the key in a page token; not ok if it can be the token of no list.
func keyOf(token string) (key string, ok bool) {
	decoded, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(decoded) <= 1+sumSize {
		return "", false
	}
	key = string(decoded[1+sumSize:])
	return key, len(key) <= maxKey && strings.Trim(key, keyCharacters) == ""
}

// pageFaults names a page token that can be that of no list. Whether it is that of the list in hand can be said only where
// all else of the request is right.
func pageFaults(in paged) *FieldError {
	if _, ok := keyOf(in.GetPageToken()); ok || in.GetPageToken() == "" {
		return nil
	}
	return wrongToken()
}

// afterID is the key of a list in the order of an id that the server made; the zero id: this is the first page.
func (l listing) afterID(in paged) (meter.UUID, error) {
	key, err := l.after(in)
	if err != nil || key == "" {
		return meter.UUID{}, err
	}
	id, err := uuid.Parse(key)
	if err != nil || id == uuid.Nil || id.String() != key {
		return meter.UUID{}, wrongToken()
	}
	return meter.UUID(id), nil
}

// afterSequence is the key of a ledger; 0: this is the first page.
func (l listing) afterSequence(in paged) (int64, error) {
	key, err := l.after(in)
	if err != nil || key == "" {
		return 0, err
	}
	sequence, err := strconv.ParseInt(key, 10, 64)
	if err != nil || sequence < 1 || strconv.FormatInt(sequence, 10) != key {
		return 0, wrongToken()
	}
	return sequence, nil
}

func (l listing) sum(key string) []byte {
	sum := sha256.Sum256([]byte(string(l) + "\x00" + key))
	return sum[:sumSize]
}

func wrongToken() *FieldError {
	var wrong *FieldError
	return wrong.and("page_token", "must be the next_page_token of the page before, with the same request otherwise")
}

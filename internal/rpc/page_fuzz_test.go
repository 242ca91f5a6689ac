package rpc

import (
	"errors"
	"regexp"
	"strconv"
	"testing"

	"github.com/google/uuid"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
)

// keyKind is a way in which lists are ordered: how a list of it reads a token, and how its own keys look.
type keyKind struct {
	read func(l listing, in paged) (key string, err error)
	made func(key string) bool // Whether one of its items may have the key.
}

var keyKinds = []keyKind{
	{listing.after, idForm.MatchString},
	{
		func(l listing, in paged) (string, error) {
			id, err := l.afterID(in)
			return optionalID(id), err
		},
		func(key string) bool {
			id, err := uuid.Parse(key)
			return err == nil && id != uuid.Nil && meter.UUIDString(id) == key
		},
	},
	{
		func(l listing, in paged) (string, error) {
			sequence, err := l.afterSequence(in)
			return strconv.FormatInt(sequence, 10), err
		},
		func(key string) bool {
			n, err := strconv.ParseInt(key, 10, 64)
			return err == nil && n > 0 && strconv.FormatInt(n, 10) == key
		},
	},
	{
		func(l listing, in paged) (string, error) {
			place, err := l.afterPlace(in)
			return place.String(), err
		},
		isPlace,
	},
}

// isPlace says whether a key is two sequences, two moments and an offset.
func isPlace(key string) bool {
	form := regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|-?[1-9]\d*)\.(0|-?[1-9]\d*)\.([1-9]\d*)$`)
	found := form.FindStringSubmatch(key)
	if found == nil {
		return false
	}
	for i, text := range found[1:] {
		n, err := strconv.ParseInt(text, 10, 64)
		if moment := i == 2 || i == 3; err != nil || moment && (n < -62135596800e6 || n >= 253402300800e6) {
			return false
		}
	}
	return true
}

// FuzzPageToken holds that a list takes no token but those that it makes, each in one spelling; that a token of a key that
// the list cannot have is refused, though its sum be right, for anybody can compute it; and that no other list takes it.
func FuzzPageToken(f *testing.F) {
	mine := list("ListThings", "acme")
	for _, key := range []string{"ada", fuzzedTurn, "17", "1.2.-3.4.5"} {
		f.Add(byte(0), mine.token(key), key, "cy")
	}
	f.Fuzz(func(t *testing.T, kind byte, token, key, narrowed string) {
		k := keyKinds[int(kind)%len(keyKinds)]
		read, err := k.read(mine, &meterv1.ListPlansRequest{PageToken: token})
		if err == nil && token != "" && (mine.token(read) != token || !k.made(read)) {
			t.Fatalf("the token %q is taken for that of %q, which is %q", token, read, mine.token(read))
		}
		checkToken(t, err)
		forged := &meterv1.ListPlansRequest{PageToken: mine.token(key)}
		read, err = k.read(mine, forged)
		if (err == nil) != k.made(key) || err == nil && read != key {
			t.Fatalf("the token of %q is taken for that of %q, %v", key, read, err)
		}
		checkToken(t, err)
		for _, other := range []listing{list("ListOthers", "acme"), list("ListThings", narrowed+"x"), list("ListThings", "acme", narrowed)} {
			if _, err := k.read(other, forged); err == nil && other != mine {
				t.Fatalf("%q takes the token of %q", other, mine)
			}
		}
	})
}

// checkToken wants a refusal to be of the token.
func checkToken(t *testing.T, err error) {
	t.Helper()
	var wrong *FieldError
	if err != nil && (!errors.As(err, &wrong) || len(wrong.fields) != 1 || wrong.fields[0].path != "page_token") {
		t.Fatalf("an odd error: %v", err)
	}
}

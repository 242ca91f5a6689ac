package pricelist

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/spillway-metering/spillway/internal/price"
)

// FuzzRead holds that no file brings the reader down, that whatever it takes is a valid book within the bound, and that
// reading again gives the same.
func FuzzRead(f *testing.F) {
	bound, err := price.ParseDecimal(DefaultBound)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		list, err := Read(bytes.NewReader(file), Options{Book: price.Book{ID: "fuzz"}})
		if err != nil {
			var fault *Fault
			var invalid *price.Fault
			if strings.Contains(err.Error(), "\n") || !errors.As(err, &fault) && !errors.As(err, &invalid) && !strings.Contains(err.Error(), "gzip") && !strings.Contains(err.Error(), "reading") {
				t.Fatalf("an odd error: %q", err)
			}
			return
		}
		if _, err := price.New(list.Book); err != nil {
			t.Fatalf("what was read is no book: %v", err)
		}
		for _, m := range list.Book.Models {
			for class, rate := range (entry{model: m}).rates() {
				if rate.Cmp(bound) > 0 || rate.IsZero() && class == price.Input {
					t.Fatalf("%s: %s at %s was taken", m.Name, class, rate)
				}
			}
		}
		again, err := Read(bytes.NewReader(file), Options{Book: price.Book{ID: "fuzz"}})
		if err != nil || !Compare(list.Book, again.Book).Empty() {
			t.Fatalf("the second reading differs: %v, %+v", err, Compare(list.Book, again.Book))
		}
	})
}

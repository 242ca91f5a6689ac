package trace

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const header = "trace,row,t_ms,input_tokens,output_tokens,failed,model,session,duration_ms\n"

// read reads every row of a text.
func read(text string) ([]Row, error) {
	r, err := NewReader("some.csv", strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	var rows []Row
	for {
		row, err := r.Next()
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
}

func TestEveryColumnIsRead(t *testing.T) {
	got, err := read(header + "t,7,1500,20,3,0,m-1,s1,250\nt,8,1500,21,4,,,,\nt,9,1501,0,0,1,m-1,s1,0\n")
	want := []Row{
		{"t", 7, 1500 * time.Millisecond, 20, 3, Completed, "m-1", "s1", 250 * time.Millisecond, true},
		{"t", 8, 1500 * time.Millisecond, 21, 4, Unknown, "", "", 0, false},
		{"t", 9, 1501 * time.Millisecond, 0, 0, Failed, "m-1", "s1", 0, true},
	}
	if !errors.Is(err, io.EOF) || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestColumnsMayStandInAnyOrder(t *testing.T) {
	got, err := read("row,t_ms,extra,trace,session,model,failed,duration_ms,output_tokens,input_tokens\n1,2,x,t,s,m,,,3,4\n")
	want := []Row{{"t", 1, 2 * time.Millisecond, 4, 3, Unknown, "m", "s", 0, false}}
	if !errors.Is(err, io.EOF) || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestBadInputIsNamed(t *testing.T) {
	const good = "t,1,5,1,1,0,m,s,1\n"
	for _, test := range []struct{ name, text, want string }{
		{"empty file", "", "some.csv: reading the header: EOF"},
		{"missing column", "trace,row\n", "some.csv: line 1: column t_ms is missing"},
		{"too few fields", header + good + "t,2\n", "some.csv: record on line 3: wrong number of fields"},
		{"not a number", header + good + "t,2,9,many,1,0,m,s,1\n", `some.csv: line 3: column input_tokens: "many" is not a whole number`},
		{"empty number", header + "t,,9,1,1,0,m,s,1\n", `some.csv: line 2: column row: "" is not a whole number`},
		{"a fraction", header + "t,1,9,1,1.5,0,m,s,1\n", `some.csv: line 2: column output_tokens: "1.5" is not a whole number`},
		{"past 64 bits", header + "t,1,9,1,9223372036854775808,0,m,s,1\n", "column output_tokens"},
		{"negative", header + "t,1,-9,1,1,0,m,s,1\n", "some.csv: line 2: column t_ms: -9 is negative"},
		{"too large", header + "t,1,9,1,1,0,m,s,100000000001\n", "column duration_ms: 100000000001 is more than 100000000000"},
		{"neither failed nor not", header + "t,1,9,1,1,yes,m,s,1\n", `column failed: "yes" is neither 0, 1 nor empty`},
		{"no trace", header + ",1,9,1,1,0,m,s,1\n", "some.csv: line 2: column trace: is empty"},
		{"two traces", header + good + "u,1,9,1,1,0,m,s,1\n", `some.csv: line 3: column trace: is "u" after rows of "t"`},
		{"backwards", header + good + "t,2,4,1,1,0,m,s,1\n", "some.csv: line 3: column t_ms: is 4, before the row above of the same session at 5"},
		{"backwards without session", header + "t,1,5,1,1,,,,\nt,2,4,1,1,,,,\n", "line 3: column t_ms"},
		{"the first of several", header + "t,x,y,1,1,0,m,s,1\n", "column row"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := read(test.text)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want it to say %q", err, test.want)
			}
		})
	}
}

func TestAnErrorIsFinal(t *testing.T) {
	r, err := NewReader("some.csv", strings.NewReader(header+"t,x,1,1,1,0,m,s,1\nt,1,1,1,1,0,m,s,1\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, first := r.Next()
	_, second := r.Next()
	if first == nil || !errors.Is(second, first) {
		t.Errorf("got %v, then %v", first, second)
	}
}

func TestSessionsMayHaveClocksOfTheirOwn(t *testing.T) {
	rows, err := read(header + "t,1,900,1,1,0,m,a,1\nt,2,0,1,1,0,m,b,1\nt,3,900,1,1,0,m,a,1\n")
	if !errors.Is(err, io.EOF) || len(rows) != 3 {
		t.Errorf("got %v, %v", rows, err)
	}
}

func TestFilesPlainAndCompressed(t *testing.T) {
	for _, name := range []string{"azure2023_conv", "ragpulse"} {
		plain, err := ReadFile(filepath.Join("testdata", name+".csv"))
		if err != nil {
			t.Fatal(err)
		}
		compressed, err := ReadFile(compress(t, filepath.Join("testdata", name+".csv")))
		if err != nil {
			t.Fatal(err)
		}
		if len(plain) != 200 || !reflect.DeepEqual(plain, compressed) {
			t.Errorf("%s: %d rows plain, %d compressed, want 200 alike", name, len(plain), len(compressed))
		}
	}
}

func TestACutFileIsAnError(t *testing.T) {
	whole, err := os.ReadFile(compress(t, filepath.Join("testdata", "ragpulse.csv")))
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.csv.gz")
	if err := os.WriteFile(cut, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(cut); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want an unexpected end", err)
	}
}

func TestAMissingFileIsAnError(t *testing.T) {
	if _, err := ReadFile(filepath.Join(t.TempDir(), "none.csv")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// compress is the path of a compressed copy.
func compress(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy.csv.gz")
	if err := os.WriteFile(copied, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return copied
}

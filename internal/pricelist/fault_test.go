package pricelist

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/spillway-metering/spillway/internal/price"
)

// litellm is a list of one model with one field written as told, on line 3.
func litellm(field string) string {
	return "{\"m-1\": {\"litellm_provider\": \"p\", \"mode\": \"chat\",\n\"output_cost_per_token\": 1e-6,\n" + field + "\n}}"
}

// genai is a list of one model with prices written as told, on line 2.
func genai(prices string) string {
	return "[{\"id\": \"p\", \"models\": [{\"id\": \"m\",\n\"prices\": " + prices + "}]}]"
}

func TestAFileAtFaultIsRefusedWithThePlace(t *testing.T) {
	const day = `{"constraint": {"start_date": "2026-03-01"}, "prices": {"input_mtok": 1}}`
	for _, c := range []struct{ name, file, want string }{
		{"negative", litellm(`"input_cost_per_token": -1e-06`), `line 3: "m-1".input_cost_per_token: must not be negative: -1e-06`},
		{"negative zero", litellm(`"input_cost_per_token": -0.0`), `line 3: "m-1".input_cost_per_token: must not be negative: -0.0`},
		{"negative in a tier", litellm(`"input_cost_per_token_above_128k_tokens": -1`), `line 3: "m-1".input_cost_per_token_above_128k_tokens: must`},
		{"NaN", litellm(`"input_cost_per_token": NaN`), `line 3: "m-1".input_cost_per_token: not JSON: invalid character 'N'`},
		{"Infinity", litellm(`"input_cost_per_token": Infinity`), `line 3: "m-1".input_cost_per_token: not JSON: invalid character 'I'`},
		{"NaN as text", litellm(`"input_cost_per_token": "NaN"`), `line 3: "m-1".input_cost_per_token: must be a number, not a string`},
		{"a number as text", litellm(`"input_cost_per_token": "0.1"`), `line 3: "m-1".input_cost_per_token: must be a number, not a string`},
		{"not a number", litellm(`"input_cost_per_token": [1]`), `line 3: "m-1".input_cost_per_token: must be a number, not an array`},
		{"too large", litellm(`"input_cost_per_token": 1e400`), `line 3: "m-1".input_cost_per_token: "1e400" has more than 30 digits`},
		{"too small", litellm(`"input_cost_per_token": 1e-99999999999`), `line 3: "m-1".input_cost_per_token: "1e-99999999999" is not a decimal`},
		{"duplicate field", litellm(`"mode": "chat"`), `line 3: "m-1".mode: is there twice`},
		{"duplicate model", "{\"m\": {\"litellm_provider\": \"p\"},\n\n\"m\": {}}", `line 3: m: is there twice`},
		{"entry of another type", "{\"m\": {\"litellm_provider\": \"p\"},\n\"n\": 7}", `line 2: n: must be an object, not a number`},
		{"field without a price", "{\"m\": {\"litellm_provider\": \"p\"}\n, }", `line 2: not JSON:`},
		{"name too long", strings.Replace(litellm(`"input_cost_per_token": 1e-6`), "m-1", strings.Repeat("m", 201), 1), "must have at most 200 characters"},

		{"genai: negative", genai(`{"input_mtok": -1}`), `line 2: [0].models[0].prices.input_mtok: must not be negative: -1`},
		{"genai: duplicate model", `[{"id": "p", "models": [{"id": "m", "prices": {}},` + "\n" + `{"id": "m", "prices": {}}]}]`, `line 2: [0].models[1]: model "p/m" is there twice`},
		{"genai: the same day twice", genai("[" + day + ",\n" + day + "]"), `line 3: [0].models[0].prices[1]: must hold from a later day`},
		{"genai: two prices for always", genai(`[{"prices": {"input_mtok": 1}}, {"prices": {"input_mtok": 2}}]`), `prices[1]: must hold from a later day`},
		{"genai: no day", genai(`[{"constraint": {"start_date": "2026-02-30"}, "prices": {}}]`), `prices[0].constraint: start_date must be a day`},
		{"genai: unknown constraint", genai(`[{"constraint": {"moon": "full"}, "prices": {}}]`), `prices[0].constraint: start_date is missing`},
		{"genai: tiers that fall", genai(`{"input_mtok": {"base": 1, "tiers": [{"start": 9, "price": 1}, {"start": 8, "price": 1}]}}`), `tiers[1]: start must be a whole number above 9, not 8`},
		{"genai: tier without a price", genai(`{"input_mtok": {"base": 1, "tiers": [{"start": 9}]}}`), `tiers[0]: price is missing`},
		{"genai: half a tier", genai(`{"input_mtok": {"base": 1}}`), `input_mtok: tiers is missing`},
		{"genai: price of another type", genai(`{"input_mtok": true}`), `input_mtok: must be a number, not true or false`},
		{"genai: no prices", genai(`[]`), `line 2: [0].models[0].prices: must not be empty`},
		{"genai: prices missing", `[{"id": "p", "models": [{"id": "m"}]}]`, `[0].models[0]: prices is missing`},
		{"genai: no id", `[{"models": []}]`, `line 1: [0]: id is missing`},
		{"genai: id of another type", `[{"id": 7, "models": []}]`, `[0].id: must be a string, not a number`},

		{"not JSON", "model,input,output\ngpt,1,2\n", `line 1: not JSON: invalid character 'm'`},
		{"empty", "", `line 1: not JSON: the file ends too early`},
		{"cut off", litellm(`"input_cost_per_token": 1`)[:60], `line 2: "m-1": not JSON: the file ends too early`},
		{"more after the end", litellm(`"input_cost_per_token": 1`) + "\n{}", `line 4: the file goes on after its end`},
		{"values without end", "[" + strings.Repeat("1,", maxValues) + "1]", `[999999]: the file holds more than 1000000 values`},
		{"nested without end", strings.Repeat("[", 1000), `is nested too deep`},
		{"another object", `{"models": {"a": 1}}`, `line 1: this is neither LiteLLM's list of prices nor that of genai-prices`},
		{"another array", `[1, 2]`, `line 1: this is neither`},
		{"null", `null`, `line 1: this is neither`},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := Read(strings.NewReader(c.file), Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it to say %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			if len(list.Book.Models) > 0 {
				t.Errorf("refused, and yet it has models: %+v", list.Book.Models)
			}
		})
	}
}

func TestTheFaultsCanBeToldApart(t *testing.T) {
	_, err := Read(strings.NewReader(litellm(`"input_cost_per_token": -1`)), Options{})
	var fault *Fault
	if !errors.As(err, &fault) || fault.Line != 3 || fault.Key != `"m-1".input_cost_per_token` {
		t.Errorf("got %#v", err)
	}
}

func TestWrongOptionsAreRefused(t *testing.T) {
	file := litellm(`"input_cost_per_token": 1e-6`)
	for want, o := range map[string]Options{
		`unit: must be USD or ACU`:    {Book: price.Book{Unit: 9}},
		`acu_micros_per_usd: must be`: {Book: price.Book{ACUMicrosPerUSD: -1}},
		`no entry is named "m-2"`:     {Only: []string{"m-1", "m-2"}},
		`"[" is no pattern`:           {Only: []string{"["}},
		`"a[" is no pattern`:          {AcceptZero: []string{"a["}},
	} {
		if _, err := Read(strings.NewReader(file), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
}

// counted counts what is read of it.
type counted struct {
	io.Reader
	bytes int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.bytes += int64(n)
	return n, err
}

// spaces are white space without end.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

const hundredMegabytes = 100_000_000

func TestAHugeFileIsRefusedAtTheBound(t *testing.T) {
	file := &counted{Reader: io.MultiReader(strings.NewReader("{"), io.LimitReader(spaces{}, hundredMegabytes))}
	if _, err := Read(file, Options{}); err == nil || !strings.Contains(err.Error(), "larger than 32 MiB") {
		t.Errorf("got %v", err)
	}
	if most := int64(MaxBytes + 1<<20); file.bytes > most {
		t.Errorf("%d bytes were read, want no more than %d", file.bytes, most)
	}
}

func TestAFileThatUnpacksToSomethingHugeIsRefused(t *testing.T) {
	var packed bytes.Buffer
	packer := gzip.NewWriter(&packed)
	if _, err := io.Copy(packer, io.LimitReader(spaces{}, MaxBytes+1)); err != nil {
		t.Fatal(err)
	}
	if err := packer.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(&packed, Options{}); err == nil || !strings.Contains(err.Error(), "larger than 32 MiB") {
		t.Errorf("got %v", err)
	}
	if _, err := Read(strings.NewReader("\x1f\x8bnonsense"), Options{}); err == nil || !strings.Contains(err.Error(), "gzip") {
		t.Errorf("broken gzip: got %v", err)
	}
}

func TestAFileThatCannotBeReadIsNoEmptyList(t *testing.T) {
	broken := errors.New("disk on fire")
	if _, err := Read(io.MultiReader(strings.NewReader("{"), failing{broken}), Options{}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

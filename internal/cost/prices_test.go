package cost_test

import (
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// regions are those that the document has prices of, the first one first.
var regions = []string{"us-east-1", "eu-west-1"}

// A price is what AWS asks for so many units of something.
type price struct {
	Key       string  `json:"key"`
	What      string  `json:"what"`
	Per       float64 `json:"per"` // units
	UsEast1   float64 `json:"us-east-1"`
	EuWest1   float64 `json:"eu-west-1"`
	Free      float64 `json:"free"`      // units a month that cost nothing, for as long as there is an account
	Published string  `json:"published"` // when AWS, or who read it there, published it; empty: the page has no date
	Source    string  `json:"source"`
	Verified  string  `json:"verified"` // for which regions it was found
	Note      string  `json:"note"`
}

// in returns the price of one unit in a region.
func (p price) in(region string) float64 {
	if region == "eu-west-1" {
		return p.EuWest1 / p.Per
	}
	return p.UsEast1 / p.Per
}

// A sheet is the table of prices.
type sheet struct {
	Read   string  `json:"read"` // when they were looked up
	Prices []price `json:"prices"`
}

func prices(t *testing.T) sheet {
	t.Helper()
	text, err := os.ReadFile("testdata/prices.json")
	if err != nil {
		t.Fatal(err)
	}
	var s sheet
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		t.Fatalf("testdata/prices.json: %v", err)
	}
	return s
}

// of returns the price of a key.
func (s sheet) of(t *testing.T, key string) price {
	t.Helper()
	for _, p := range s.Prices {
		if p.Key == key {
			return p
		}
	}
	t.Fatalf("testdata/prices.json has no price of %q", key)
	return price{}
}

// TestPrices holds that every price has a date and a source, and says so where
// nobody has seen it.
func TestPrices(t *testing.T) {
	s := prices(t)
	if _, err := time.Parse(time.DateOnly, s.Read); err != nil {
		t.Errorf("read: %v", err)
	}
	seen := map[string]bool{}
	for _, p := range s.Prices {
		source, err := url.Parse(p.Source)
		if err != nil || source.Scheme != "https" || !strings.HasSuffix(source.Host, "amazon.com") && !strings.HasSuffix(source.Host, "amazonaws.com") {
			t.Errorf("%s: source %q; want a page of AWS", p.Key, p.Source)
		}
		if p.Per < 1 || p.UsEast1 <= 0 || p.EuWest1 <= 0 || p.What == "" || seen[p.Key] {
			t.Errorf("%s: %+v; want prices, units and a name of its own", p.Key, p)
		}
		if complete := p.Verified == strings.Join(regions, " and "); !complete && p.Note == "" {
			t.Errorf("%s: verified for %q and no note says what is known of the rest", p.Key, p.Verified)
		}
		seen[p.Key] = true
	}
}

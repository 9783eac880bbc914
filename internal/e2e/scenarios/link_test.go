package scenarios_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// comment is what the person of the story writes.
const comment = "Grace: the shop looks right"

// links answers an approval through the link of its mail, after everybody who
// should not be able to has tried.
func (c *cloud) links(t *testing.T) {
	l := c.on(t).mailed()
	page := l.scan()
	l.guess()
	l.alter(1000)
	if l.browse() {
		return // what is left is hopeless without the answer
	}
	l.status("shop", l.execution, pipeline.Succeeded)
	if a := l.ask(); a.Output.ExecutionResult.ExternalExecutionSummary != comment || a.UpdatedBy != "approval link "+orchestrator.LinkName(l.secret) {
		t.Errorf("it says %+v by %q; want %q by the link", a.Output.ExecutionResult, a.UpdatedBy, comment)
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if code, text := l.send(method, l.address, answer("shop", "approve")); code != http.StatusGone || text == page {
			t.Errorf("%s of the used link gives %d; want 410", method, code)
		}
	}
	l.kept()
}

// A letter is the link that somebody got for an approval of the shop.
type letter struct {
	*cloud
	execution string
	address   string // on loopback
	secret    string
}

// mailed starts the shop and takes the link from the mail that asks.
func (c *cloud) mailed() letter {
	c.t.Helper()
	l := letter{cloud: c, execution: c.start("shop")}
	c.token("shop", l.execution, "Ask")
	link := ""
	c.await("a mail with a link", func() bool {
		for _, m := range c.aws.Messages("sluice-approvals") {
			if strings.Contains(m.Body, l.execution) {
				link = linkInMail.FindString(m.Body)
			}
		}
		return link != ""
	})
	local, err := c.aws.Local(c.t.Context(), link)
	if err != nil {
		c.t.Fatal(err)
	}
	l.address, l.secret = local, link[strings.LastIndex(link, "/")+1:]
	return l
}

// answer is a form as a person fills it in.
func answer(name, decision string) url.Values {
	return url.Values{"pipeline": {name}, "comment": {comment}, "decision": {decision}}
}

// send sends a request to the pages; a GET or HEAD without its fields.
func (l letter) send(method, address string, fields url.Values, change ...func(http.Header)) (int, string) {
	l.t.Helper()
	code, text, err := send(l.t.Context(), method, address, fields, change...)
	if err != nil {
		l.t.Fatal(err)
	}
	return code, text
}

func send(ctx context.Context, method, address string, fields url.Values, change ...func(http.Header)) (int, string, error) {
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(fields.Encode())
	}
	r, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return 0, "", err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, f := range change {
		f(r.Header)
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	return got.StatusCode, string(text), err
}

// ask returns the approval as the API shows it.
func (l letter) ask() (ask codepipeline.ActionExecutionDetail) {
	l.t.Helper()
	for _, d := range l.details("shop", l.execution) {
		if d.ActionName == "Ask" {
			ask = d
		}
	}
	return ask
}

func (l letter) undecided(after string) {
	l.t.Helper()
	if a := l.ask(); a.Status != pipeline.InProgress {
		l.t.Fatalf("after %s the approval is %q by %q", after, a.Status, a.UpdatedBy)
	}
}

var (
	follows = regexp.MustCompile(`(?:href|src|formaction)="([^"]*)"`)
	forms   = regexp.MustCompile(`<form\b[^>]*>`)
	action  = regexp.MustCompile(`\baction="([^"]*)"`)
)

// scan opens the link, and whatever its page leads to, as scanners of mail do.
// It returns the page.
func (l letter) scan() string {
	l.t.Helper()
	page := ""
	for range 3 {
		code, text := l.send(http.MethodGet, l.address, nil)
		if page = text; code != http.StatusOK || !strings.Contains(page, "shop") || strings.Contains(page, "<script") {
			l.t.Fatalf("the link gives %d\n%s", code, page)
		}
		if code, text := l.send(http.MethodHead, l.address, nil); code != http.StatusOK || text != "" {
			l.t.Errorf("HEAD gives %d %q", code, text)
		}
	}
	base, err := url.Parse(l.address)
	if err != nil {
		l.t.Fatal(err)
	}
	var targets []string
	for _, m := range follows.FindAllStringSubmatch(page, -1) {
		targets = append(targets, m[1])
	}
	found := forms.FindAllString(page, -1)
	if len(found) == 0 {
		l.t.Errorf("the page has no form:\n%s", page)
	}
	for _, form := range found {
		target := "" // of a form without action: the page itself
		if m := action.FindStringSubmatch(form); m != nil {
			target = m[1]
		}
		targets = append(targets, target)
	}
	for _, target := range targets {
		u, err := base.Parse(target)
		if err != nil || u.Host != base.Host {
			continue // other places decide nothing here, and are not on loopback
		}
		l.send(http.MethodGet, u.String(), nil)
		l.send(http.MethodGet, u.String()+"?"+answer("shop", "approve").Encode(), nil)
		l.send(http.MethodPost, u.String(), nil)
	}
	l.undecided("scanners")
	return page
}

// guess sends forms that no person sends.
func (l letter) guess() {
	l.t.Helper()
	origin := func(h http.Header) { h.Set("Origin", "https://evil.example") }
	site := func(h http.Header) { h.Set("Sec-Fetch-Site", "cross-site") }
	json := func(h http.Header) { h.Set("Content-Type", "application/json") }
	for _, tt := range []struct {
		what   string
		fields url.Values
		change []func(http.Header)
		want   int
	}{
		{"nothing", nil, nil, http.StatusUnprocessableEntity},
		{"a wrong name, to approve", answer("Shop", "approve"), nil, http.StatusUnprocessableEntity},
		{"a wrong name, to reject", answer("test", "reject"), nil, http.StatusUnprocessableEntity},
		{"both decisions", url.Values{"pipeline": {"shop"}, "comment": {comment}, "decision": {"approve", "reject"}}, nil, http.StatusUnprocessableEntity},
		{"no decision", answer("shop", ""), nil, http.StatusUnprocessableEntity},
		{"the form of another origin", answer("shop", "approve"), []func(http.Header){origin}, http.StatusForbidden},
		{"the form of another site", answer("shop", "approve"), []func(http.Header){site}, http.StatusForbidden},
		{"another type", answer("shop", "approve"), []func(http.Header){json}, http.StatusUnsupportedMediaType},
	} {
		if code, _ := l.send(http.MethodPost, l.address, tt.fields, tt.change...); code != tt.want {
			l.t.Errorf("a POST of %s gives %d; want %d", tt.what, code, tt.want)
		}
		l.undecided("a POST of " + tt.what)
	}
}

// alter answers through n altered links. Each has the form of a link, so that
// all of them are looked for in the table.
func (l letter) alter(n int) {
	l.t.Helper()
	secret, err := hex.DecodeString(l.secret)
	if err != nil || len(secret) != 32 {
		l.t.Fatalf("the secret is %d bytes, %v; want 32", len(secret), err)
	}
	next := make(chan int)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range next {
				other := strings.TrimSuffix(l.address, l.secret) + hex.EncodeToString(flipped(secret, i))
				code, text, err := send(l.t.Context(), []string{http.MethodPost, http.MethodGet}[i%2], other, answer("shop", "approve"))
				if err != nil || code != http.StatusNotFound || strings.Contains(text, "shop") {
					l.t.Errorf("altered link %d gives %d, %v; want 404", i, code, err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	l.undecided(fmt.Sprint(n, " altered links"))
}

// flipped returns b with bit i flipped, and when all have had their turn, with
// another one besides.
func flipped(b []byte, i int) []byte {
	b = slices.Clone(b)
	bits := len(b) * 8
	flip := func(at int) { b[at/8] ^= 1 << (at % 8) }
	flip(i % bits)
	if round := i / bits; round > 0 {
		flip((i + round) % bits)
	}
	return b
}

// browse approves in a browser on a phone that runs no script; without a
// browser, by the form that it would send. It reports whether that failed.
func (l letter) browse() (failed bool) {
	l.t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if found, err := exec.LookPath(name); err == nil && program == "" {
			program = found
		}
	}
	if program == "" {
		l.t.Log("left out: the browser, because there is no Chromium on this machine (Debian: apt-get install chromium)")
		code, text := l.send(http.MethodPost, l.address, answer("shop", "approve"))
		if code != http.StatusOK {
			l.t.Errorf("the answer of a person gives %d\n%s", code, text)
		}
		return code != http.StatusOK
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.UserDataDir(filepath.Join(l.t.TempDir(), "browser")))
	ctx, stop := chromedp.NewExecAllocator(l.t.Context(), options...)
	defer stop()
	ctx, stop = chromedp.NewContext(ctx)
	defer stop()
	ctx, stop = context.WithTimeout(ctx, 2*time.Minute)
	defer stop()
	title := ""
	err := chromedp.Do(ctx, chromedp.Func(phone),
		chromedp.Navigate(l.address),
		chromedp.Click(chromedp.CSS("#approve")),
		chromedp.SendKeys(chromedp.CSS("#pipeline"), "shop"),
		chromedp.SendKeys(chromedp.CSS("#comment"), comment),
		chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS("button")))
			return err
		}),
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) (err error) {
			title, err = chromedp.Text(chromedp.CSS("h1"))(ctx, target)
			return err
		}),
	)
	if err != nil || title != "Approved" {
		l.t.Errorf("the browser shows %q, %v; want Approved", title, err)
	}
	return err != nil || title != "Approved"
}

// phone makes the browser that of a phone with scripts switched off.
func phone(ctx context.Context, t *chromedp.Target) error {
	_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	if err == nil {
		_, err = cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 360, Height: 740, DeviceScaleFactor: 1, Mobile: true})
	}
	return err
}

// kept looks for the secret where it must not be: it is in the mail and nowhere
// else. What has to be there is looked for too, so that an empty place proves
// nothing; only functions that have nothing to complain of log nothing.
func (l letter) kept() {
	l.t.Helper()
	sum := sha256.Sum256([]byte(l.secret))
	places := map[string]string{"the table": l.table()}
	for _, function := range []string{"hook", "outbox", "approval", "stage", "api"} {
		places["the log of "+function] = l.aws.Logs("sluice-" + function)
	}
	for _, e := range l.aws.Events("sluice") {
		places["the bus"] += string(e.Detail)
	}
	for where, text := range places {
		if strings.Contains(text, l.secret) || strings.Contains(text, l.secret[:16]) || strings.Contains(text, l.secret[48:]) {
			l.t.Errorf("%s has the secret", where)
		}
	}
	for where, want := range map[string]string{
		"the table": "LINK#" + hex.EncodeToString(sum[:]), "the log of hook": orchestrator.LinkName(l.secret), "the bus": l.execution,
	} {
		if !strings.Contains(places[where], want) {
			l.t.Errorf("%s has no %s; want it there, or this test looks at nothing", where, want)
		}
	}
	if !strings.Contains(places["the table"], comment) {
		l.t.Error("the table has no answer; want it there, or this test reads no values")
	}
}

// table returns all that is in the table.
func (c *cloud) table() string {
	c.t.Helper()
	var all strings.Builder
	name := c.outputs["sluice-state"]["TableName"]
	pages := dynamodb.NewScanPaginator(dynamodb.NewFromConfig(c.aws.Config()), &dynamodb.ScanInput{TableName: aws.String(name)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(c.t.Context())
		if err != nil {
			c.t.Fatalf("scan %q: %v", name, err)
		}
		for _, item := range page.Items {
			for key, value := range item {
				switch v := value.(type) {
				case *types.AttributeValueMemberS:
					fmt.Fprintf(&all, "%s=%s\n", key, v.Value)
				case *types.AttributeValueMemberB:
					fmt.Fprintf(&all, "%s=%s\n", key, v.Value)
				case *types.AttributeValueMemberN:
				default:
					c.t.Fatalf("the table has a %T, which this test does not read", value)
				}
			}
		}
	}
	return all.String()
}

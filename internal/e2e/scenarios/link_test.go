package scenarios_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

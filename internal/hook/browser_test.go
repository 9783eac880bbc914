package hook_test

import (
	"bytes"
	"context"
	"errors"
	"image/png"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/sluice-ci/sluice/internal/hook"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// shots is where pictures of the pages are put, for somebody to look at them.
var shots = os.Getenv("SLUICE_SHOTS")

// browser starts a headless Chromium, or leaves the test out.
func browser(t *testing.T) context.Context {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		t.Skip("left out: there is no Chromium on this machine (Debian: apt-get install chromium)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(stop)
	return ctx
}

// A screen is what somebody reads the page on.
type screen struct {
	name          string
	width, height int64
	dark          bool
}

var screens = []screen{{"phone", 360, 740, false}, {"phone-dark", 360, 740, true}, {"desk", 1280, 900, false}, {"desk-dark", 1280, 900, true}}

// as makes the browser one that has that screen and runs no script.
func (s screen) as() step {
	scheme := map[bool]string{true: "dark", false: "light"}[s.dark]
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, scripts := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		_, size := cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: s.width, Height: s.height, DeviceScaleFactor: 1, Mobile: s.width < 500})
		_, media := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return errors.Join(scripts, size, media)
	})
}

// shot takes a picture of the whole page and checks that it is no wider than
// the screen.
func (s screen) shot(t *testing.T, name string) step {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		layout, err := cdp.Call(ctx, target, page.GetLayoutMetrics, cdp.Empty{})
		if err != nil {
			return err
		}
		size := layout.CSSContentSize
		if int64(size.Width) > s.width {
			t.Errorf("%s on %s is %v wide; the screen has %d", name, s.name, size.Width, s.width)
		}
		beyond := true
		picture, err := cdp.Call(ctx, target, page.CaptureScreenshot, page.CaptureScreenshotParams{
			CaptureBeyondViewport: &beyond, Clip: &page.Viewport{Width: float64(s.width), Height: size.Height, Scale: 1},
		})
		if err != nil {
			return err
		}
		if _, err := png.Decode(bytes.NewReader(picture.Data)); err != nil {
			t.Errorf("%s on %s: %v", name, s.name, err)
		}
		if shots == "" {
			return nil
		}
		return os.WriteFile(filepath.Join(shots, name+"-"+s.name+".png"), picture.Data, 0o644)
	})
}

// submit presses the button and waits for the answer.
func submit() step {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS("button")))
		return chromedp.Void{}, err
	}
}

// A step is something a browser does.
type step = chromedp.Action[chromedp.Void]

// text reads an element.
func text(selector string, to *string) step {
	return func(ctx context.Context, t *chromedp.Target) (v chromedp.Void, err error) {
		*to, err = chromedp.Text(chromedp.CSS(selector))(ctx, t)
		return v, err
	}
}

// A person on a phone, with scripts switched off, opens the link of a mail,
// mistypes the name, is told so, corrects it and decides.
func TestBrowser(t *testing.T) {
	ctx := browser(t)
	for _, s := range screens {
		w := newWorld(t)
		q := w.ask()
		server := httptest.NewServer(w.pages)
		defer server.Close()
		var alert, title, gone string
		if err := chromedp.Do(ctx, s.as(),
			chromedp.Navigate(server.URL+q.path()),
			s.shot(t, "ask"),
			chromedp.Click(chromedp.CSS("#approve")),
			chromedp.SendKeys(chromedp.CSS("#pipeline"), "shop"),
			chromedp.SendKeys(chromedp.CSS("#comment"), "Grace: the basket looks right"),
			s.shot(t, "filled"),
			submit(),
			text("[role=alert]", &alert),
			s.shot(t, "again"),
			chromedp.Clear(chromedp.CSS("#pipeline")),
			chromedp.SendKeys(chromedp.CSS("#pipeline"), "shop-web"),
			submit(),
			chromedp.WaitVisible(chromedp.CSS("#recorded")),
			text("h1", &title),
			s.shot(t, "done"),
			chromedp.Navigate(server.URL+q.path()),
			text("h1", &gone),
			s.shot(t, "gone"),
		); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if !strings.Contains(alert, "name of the pipeline") || title != "Approved" || gone != "This request is closed" {
			t.Errorf("%s: the pages say %q, %q and %q", s.name, alert, title, gone)
		}
		if a := w.gate(q.execution); a.Status != pipeline.Succeeded || a.Result.Summary != "Grace: the basket looks right" {
			t.Errorf("%s: the approval is %s: %s", s.name, a.Status, a.Result.Summary)
		}
	}
}

// A scanner with a real browser and scripts, which fills in what it finds and
// submits every form past the browser's own checks, decides nothing.
func TestBrowserThatPressesEverything(t *testing.T) {
	ctx := browser(t)
	w := newWorld(t)
	q := w.ask()
	server := httptest.NewServer(w.pages)
	defer server.Close()
	for _, word := range []string{"", "test", "document.title", "h1"} {
		fill := `for (const e of document.querySelectorAll('input,textarea')) { if (e.type == 'radio') e.checked = true; else e.value = ` + quoted(word) + ` };
			for (const f of document.forms) { f.noValidate = true; f.requestSubmit() }; true`
		if err := chromedp.Do(ctx, chromedp.Navigate(server.URL+q.path()), func(ctx context.Context, t *chromedp.Target) (v chromedp.Void, err error) {
			_, err = chromedp.RunResponse(ctx, func(ctx context.Context, t *chromedp.Target) (v chromedp.Void, err error) {
				_, err = chromedp.Evaluate[bool](fill)(ctx, t)
				return v, err
			})
			return v, err
		}); err != nil {
			t.Fatal(err)
		}
	}
	w.undecided(q, "a browser that presses everything")
}

// quoted returns what a scanner types: a word, or a text it takes from the page.
func quoted(word string) string {
	switch word {
	case "document.title":
		return word
	case "h1":
		return "document.querySelector('h1').textContent"
	}
	return `"` + word + `"`
}

// Long names and texts without a space stay inside a small screen.
func TestBrowserLongTexts(t *testing.T) {
	ctx := browser(t)
	long := strings.Repeat("a-very-long-name-", 6)[:100]
	ask := orchestrator.Ask{Pipeline: long, Stage: long, Action: long, Execution: "5f0c2a4e-1b7d-4c3e-9a61-000000000004", Note: strings.Repeat("note", 100),
		See: "https://example.com/" + strings.Repeat("x", 300), Trigger: "a change, seen by the rule arn:aws:events:eu-central-1:123456789012:rule/" + long,
		Asked: time.Unix(1772443800, 0), Until: time.Unix(1773048600, 0),
		Changes: []orchestrator.Change{{Source: long, Author: "Ada", Branch: long, Revision: orchestrator.Revision{ID: strings.Repeat("5", 64), Summary: "short", URL: "https://example.com"}, Since: orchestrator.Revision{ID: "1", Summary: "older"}},
			{Source: "Image", Revision: orchestrator.Revision{ID: "sha256:" + strings.Repeat("0", 64)}}}}
	pages, err := hook.New(stub{ask: ask}, nil)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(pages)
	defer server.Close()
	for _, s := range screens {
		if err := chromedp.Do(ctx, s.as(), chromedp.Navigate(server.URL+"/approve/"+strings.Repeat("0", 64)), s.shot(t, "long")); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
	}
}

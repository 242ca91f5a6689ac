package browser

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

var screenshots = flag.String("screenshots", "", "write what tests see of the pages to this `directory`")

// How large a window is, and how often a tab looks again for what it waits for.
const (
	desktopWidth, desktopHeight = 1280, 900
	phoneWidth, phoneHeight     = 360, 740
	lookEvery                   = 20 * time.Millisecond
)

// chromium is the browser that all tests share: each has tabs of its own, with cookies of their own.
var chromium = sync.OnceValues(func() (context.Context, error) {
	program, err := findChromium()
	if err != nil {
		return nil, err
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(program), chromedp.Flag("lang", "en-US"))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses to start as root with it.
	}
	all, _ := chromedp.NewExecAllocator(context.Background(), options...)
	first, _ := chromedp.NewContext(all)
	running = first
	return first, chromedp.Do(first)
})

// running is the browser, if a test has started it.
var running context.Context

// closeChromium ends the browser that tests have started.
func closeChromium() {
	if running != nil {
		_ = chromedp.Cancel(running)
	}
}

func findChromium() (string, error) {
	for _, name := range []string{"chromium-headless-shell", "chromium", "google-chrome"} {
		if program, err := exec.LookPath(name); err == nil {
			return program, nil
		}
	}
	return "", fmt.Errorf("there is no Chromium here (Debian: apt-get install chromium-headless-shell): %w", exec.ErrNotFound)
}

// tab is somebody before a page.
type tab struct {
	t    testing.TB
	ctx  context.Context
	site *site

	mu       sync.Mutex
	wrong    []string // What the page or the browser complained of, and requests that left the site.
	expected []string
}

// open opens a tab of a browser that has no cookies yet. The test fails at its end if anything was complained of that was
// not expected.
func open(t testing.TB, s *site) *tab {
	t.Helper()
	first, err := chromium()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(first, chromedp.WithNewBrowserContext())
	o := &tab{t: t, ctx: ctx, site: s}
	t.Cleanup(func() {
		for _, wrong := range o.complaints() {
			t.Error(wrong)
		}
		cancel()
	})
	if err := chromedp.Listen(ctx, o.hear); err != nil {
		t.Fatal(err)
	}
	o.resize(desktopWidth, desktopHeight)
	return o
}

// expect says that complaints holding a text are none.
func (o *tab) expect(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expected = append(o.expected, text)
}

// complaints are those that were not expected.
func (o *tab) complaints() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(o.wrong), func(wrong string) bool {
		return slices.ContainsFunc(o.expected, func(text string) bool { return strings.Contains(wrong, text) })
	})
}

// hear takes down what goes wrong in the tab.
func (o *tab) hear(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		o.note("exception: " + e.ExceptionDetails.Text + describe(e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			o.note("console: " + describe(e.Args...))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Source == log.EntrySourceSecurity {
			o.note("browser: " + e.Entry.Text + " " + e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		if at := e.Request.URL; !strings.HasPrefix(at, o.site.url+"/") && !strings.HasPrefix(at, "data:") {
			o.note("a request leaves the site: " + at)
		}
	}
}

func (o *tab) note(wrong string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wrong = append(o.wrong, wrong)
}

func describe(objects ...*runtime.RemoteObject) (text string) {
	for _, object := range objects {
		if object != nil {
			text += " " + object.Description + string(object.Value)
		}
	}
	return text
}

// do runs steps, each of which must succeed.
func (o *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		o.t.Fatal(err)
	}
}

// goTo opens a path of the site.
func (o *tab) goTo(path string) { o.t.Helper(); o.do(chromedp.Navigate(o.site.url + path)) }

// signIn makes the tab that of a member, under --dev, and opens a path.
func (o *tab) signIn(member, path string) {
	o.t.Helper()
	o.goTo("/signin?to=" + path)
	o.clickNamed("button", func(name string) bool { return strings.HasPrefix(strings.ToLower(name), member+" ") })
	o.awaitAt(path)
}

// resize makes the window so large.
func (o *tab) resize(width, height int64) {
	o.t.Helper()
	o.do(chromedp.EmulateViewport(width, height))
}

// forget spoils the session's cookie, as its end would.
func (o *tab) forget() {
	o.t.Helper()
	_, err := chromedp.Call(o.ctx, network.SetCookie, network.SetCookieParams{Name: "meter-session", Value: "AAAA", URL: o.site.url, HTTPOnly: new(true)})
	if err != nil {
		o.t.Fatal(err)
	}
}

// scheme has the page see that its reader prefers "light" or "dark".
func (o *tab) scheme(name string) {
	o.t.Helper()
	_, err := chromedp.Call(o.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

// eval is what an expression is on the page.
func eval[T any](o *tab, expression string) T {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		o.t.Fatalf("%.200s: %v", expression, err)
	}
	return value
}

// look is what an expression is on the page. If that is on its way to another, the other one is looked at.
func (o *tab) look(expression string) string {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.ctx, patience)
	defer cancel()
	for {
		value, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression))
		if err == nil {
			return value
		}
		if !strings.Contains(err.Error(), "Inspected target navigated") {
			o.t.Fatalf("%.200s: %v", expression, err)
		}
	}
}

// text is what can be read on the page.
func (o *tab) text() string {
	o.t.Helper()
	return o.look(`document.body ? document.body.innerText : ""`)
}

// path is where the tab is, on the site.
func (o *tab) path() string {
	o.t.Helper()
	return o.look(`location.href.startsWith("` + o.site.url + `") ? location.pathname + location.search : location.href`)
}

// await waits until something holds.
func (o *tab) await(what string, holds func() bool) {
	o.t.Helper()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience / 2); !holds(); <-ticker.C {
		if time.Now().After(deadline) {
			o.shoot("failed")
			o.t.Fatalf("at %s, not: %s. There is: %s. Complaints: %q", o.path(), what, o.text(), o.complaints())
		}
	}
}

// see waits for texts that can be read on the page, in whatever letters and with whatever space between the words.
func (o *tab) see(texts ...string) {
	o.t.Helper()
	for _, text := range texts {
		o.await("see "+text, func() bool { return strings.Contains(plain(o.text()), plain(text)) })
	}
}

// seeNot says that a text cannot be read on the page as it is now.
func (o *tab) seeNot(text string) {
	o.t.Helper()
	if strings.Contains(plain(o.text()), plain(text)) {
		o.t.Errorf("at %s one sees %q: %s", o.path(), text, o.text())
	}
}

func (o *tab) awaitAt(path string) {
	o.t.Helper()
	o.await("be at "+path, func() bool { return o.path() == path && o.look("document.readyState") == "complete" })
}

func plain(text string) string { return strings.ToLower(strings.Join(strings.Fields(text), " ")) }

// found is an element as a screen reader knows it.
type found struct {
	role, name string
	node       cdp.BackendNodeID
}

// elements are those of a role, as the accessibility tree has them.
func (o *tab) elements(role string) (all []found) {
	o.t.Helper()
	root, err := chromedp.Call(o.ctx, dom.GetDocument, dom.GetDocumentParams{})
	if err != nil {
		return nil // The page is on its way to another.
	}
	tree, err := chromedp.Call(o.ctx, accessibility.QueryAXTree, accessibility.QueryAXTreeParams{NodeID: root.Root.NodeID, Role: role})
	if err != nil {
		return nil
	}
	for _, node := range tree.Nodes {
		if !node.Ignored && node.Name != nil {
			all = append(all, found{role, strings.Trim(string(node.Name.Value), `"`), node.BackendDOMNodeID})
		}
	}
	return all
}

// click clicks the element of a role, such as button, link, tab or row, and of a name.
func (o *tab) click(role, name string) {
	o.t.Helper()
	o.clickNamed(role, func(n string) bool { return plain(n) == plain(name) })
}

func (o *tab) clickNamed(role string, is func(name string) bool) {
	o.t.Helper()
	o.await("click the "+role, func() bool {
		for _, e := range o.elements(role) {
			if is(e.name) && o.clickAt(e.node) {
				return true
			}
		}
		return false
	})
}

// clickAt moves the mouse to an element and clicks; false: it cannot be clicked now.
func (o *tab) clickAt(node cdp.BackendNodeID) bool {
	if _, err := chromedp.Call(o.ctx, dom.ScrollIntoViewIfNeeded, dom.ScrollIntoViewIfNeededParams{BackendNodeID: node}); err != nil {
		return false
	}
	quads, err := chromedp.Call(o.ctx, dom.GetContentQuads, dom.GetContentQuadsParams{BackendNodeID: node})
	if err != nil || len(quads.Quads) == 0 {
		return false
	}
	q := quads.Quads[0]
	return chromedp.Do(o.ctx, chromedp.MouseClickXY((q[0]+q[4])/2, (q[1]+q[5])/2)) == nil
}

// fill writes a text into the field of a name, in place of what is there.
func (o *tab) fill(name, text string) {
	o.t.Helper()
	o.await("fill "+name, func() bool {
		for _, role := range []string{"textbox", "searchbox", "spinbutton"} {
			for _, e := range o.elements(role) {
				if plain(e.name) == plain(name) && o.write(e.node, text) {
					return true
				}
			}
		}
		return false
	})
}

func (o *tab) write(node cdp.BackendNodeID, text string) bool {
	if _, err := chromedp.Call(o.ctx, dom.Focus, dom.FocusParams{BackendNodeID: node}); err != nil {
		return false
	}
	if _, err := chromedp.Run(o.ctx, chromedp.Evaluate[any](`document.activeElement.select()`)); err != nil {
		return false
	}
	_, err := chromedp.Call(o.ctx, input.InsertText, input.InsertTextParams{Text: text})
	return err == nil
}

// shoot writes what the tab shows to the directory of -screenshots, if there is one.
func (o *tab) shoot(name string) {
	o.t.Helper()
	if *screenshots == "" {
		return
	}
	image, err := chromedp.Run(o.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.MkdirAll(*screenshots, 0o750)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(*screenshots, strings.ReplaceAll(o.t.Name()+"-"+name, "/", "-")+".png"), image, 0o600)
	}
	if err != nil {
		o.t.Error(err)
	}
}

// violation is what axe-core finds on a page.
type violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML string `json:"html"`
	} `json:"nodes"`
}

// audit has axe-core look at the page, by the rules of WCAG 2.2 A and AA and by good practice, and reports each violation.
func (o *tab) audit(what string) {
	o.t.Helper()
	source, err := os.ReadFile("testdata/axe-core/axe.min.js")
	if err != nil {
		o.t.Fatal(err)
	}
	eval[bool](o, string(source)+";true")
	for _, v := range eval[[]violation](o, `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations)`) {
		o.t.Errorf("%s: axe finds %s (%s) at %v", what, v.ID, v.Help, v.Nodes)
	}
}

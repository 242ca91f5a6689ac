// Paths of the page, kept in the browser's history.
import { useEffect, useState } from "../vendor/preact-htm.js";

const moved = new EventTarget();

/** Goes to another path of the page. */
export function navigate(href, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", href);
  moved.dispatchEvent(new Event("move"));
}

const here = () => ({ path: location.pathname, query: new URLSearchParams(location.search) });

/** Where the page is: path and query. */
export function useRoute() {
  const [route, setRoute] = useState(here);
  useEffect(() => {
    const update = () => setRoute(here());
    moved.addEventListener("move", update);
    addEventListener("popstate", update);
    return () => {
      moved.removeEventListener("move", update);
      removeEventListener("popstate", update);
    };
  }, []);
  return route;
}

/** Lets links to the page's own paths move within it; every other link is the browser's. */
export function followLinks(isOurs) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented || event.button !== 0 || isModified(event) || isForBrowser(link, isOurs)) return;
    event.preventDefault();
    if (link.pathname + link.search !== location.pathname + location.search) navigate(link.pathname + link.search);
  });
}

const isModified = (event) => event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;

const isForBrowser = (link, isOurs) =>
  link.origin !== location.origin || link.target || link.hasAttribute("download") || link.hash || !isOurs(link.pathname);

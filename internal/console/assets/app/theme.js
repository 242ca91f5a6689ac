// Light or dark: the system's choice until the reader makes one, which is kept in this browser.
const key = "spillway-theme";

/** "light" or "dark", as it is shown now. */
export const shownTheme = () =>
  document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

/** Shows the other one, and keeps it. */
export function switchTheme() {
  const next = shownTheme() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem(key, next);
  } catch {
    // Storage is denied: it holds until the page is left.
  }
  return next;
}

// Runs before the first paint, as a plain script, so that a chosen theme never flashes. theme.js changes the choice.
try {
  const chosen = localStorage.getItem("spillway-theme");
  if (chosen === "light" || chosen === "dark") {
    document.documentElement.dataset.theme = chosen;
  }
} catch {
  // Storage is denied: the system's theme it is.
}

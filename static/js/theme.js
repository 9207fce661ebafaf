// Loaded before the first paint, and so not a module: marks that scripts run, and sets the reader's
// choice of light or dark.
(() => {
  const KEY = "theme";
  const root = document.documentElement;
  const stored = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is blocked: the system's scheme it is
    }
  };

  root.classList.add("js");
  if (stored()) root.dataset.theme = stored();

  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-theme-toggle]")) return;
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try {
      localStorage.setItem(KEY, root.dataset.theme);
    } catch {
      // it holds until the page is left
    }
  });
})();

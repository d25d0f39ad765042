// Puts the chosen colours on before anything is drawn. A classic script, so that the page never flashes in the other ones.
(() => {
  let chosen = "auto";
  try {
    chosen = localStorage.getItem("firewalker.theme") ?? "auto";
  } catch {
    // Storage may be forbidden; then the system's colours it is.
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();

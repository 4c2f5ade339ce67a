// The page is as light or as dark as Airflow around it: said before anything is drawn, so that nothing flashes.
(() => {
  const chosen = () => {
    try {
      if (parent !== window) return parent.document.documentElement.classList.contains("dark") ? "dark" : "light";
      return localStorage.getItem("theme") ?? "system";
    } catch {
      return "system"; // a frame of somebody else's
    }
  };
  const root = document.documentElement;
  const follow = () => {
    root.dataset.theme = chosen();
    root.dispatchEvent(new Event("themed"));
  };
  follow();
  if (parent !== window) {
    try {
      new MutationObserver(follow).observe(parent.document.documentElement, { attributeFilter: ["class"] });
    } catch { /* as above */ }
  }
})();

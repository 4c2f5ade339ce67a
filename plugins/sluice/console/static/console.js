// What every live page does: it shows times in the reader's zone, refreshes itself in place, and can be walked by arrow keys.
(() => {
  const EVERY = 10_000;
  const LATE = 45_000;
  const framed = parent !== window;

  // ---- Times: the server writes UTC, the reader sees their own zone, with UTC beside it or behind it.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const utc = ["UTC", "Etc/UTC", "GMT"].includes(zone);
  const shown = (date, options) => date.toLocaleString(undefined, options);
  const MINUTES = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const ofThisYear = new Intl.DateTimeFormat(undefined, MINUTES), ofAnother = new Intl.DateTimeFormat(undefined, { ...MINUTES, year: "numeric" });
  const minutes = (date) => (date.getFullYear() === new Date().getFullYear() ? ofThisYear : ofAnother).format(date);
  const ago = (date) => {
    const seconds = Math.round((Date.now() - date) / 1000), size = Math.abs(seconds);
    const [step, unit] = size < 90 ? [1, "s"] : size < 5400 ? [60, "min"] : size < 172_800 ? [3600, "h"] : [86_400, "days"];
    const told = `${Math.round(size / step)} ${unit}`;
    return seconds >= 0 ? `${told} ago` : `in ${told}`;
  };
  const localise = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const date = new Date(time.dateTime);
      const inUtc = `${date.toISOString().slice(0, 16).replace("T", " ")} UTC`;
      const local = minutes(date);
      if (time.dataset.how === "ago") time.textContent = ago(date);
      else time.textContent = utc ? `${local} UTC` : time.dataset.how === "short" ? local : `${local} (${inUtc.slice(11)})`;
      time.title = utc ? inUtc : `${local} ${zone} · ${inUtc}`;
    }
  };

  // ---- Refreshing: the new page is laid over the old one, and only what differs is touched.
  const keeps = (node) => node.nodeType === 1 && node.dataset.keep !== undefined;
  const same = (old, fresh) => old.nodeType === 1 && old.dataset.same !== undefined && old.dataset.same === fresh.dataset?.same;
  const callbacks = {
    beforeNodeMorphed: (old, fresh) => !keeps(old) && !same(old, fresh), // what a chart has drawn, and what is large and as it was
    beforeAttributeUpdated: (name, node) => !(name === "open" && node.tagName === "DETAILS") && !(name === "tabindex" && node.closest("[data-grid]")),
  };
  let last = Date.now();
  const stale = document.querySelector(".stale");
  const tell = (what) => {
    stale.hidden = !what;
    if (what && stale.textContent !== what) stale.textContent = what;
  };
  let busy = false; // one at a time: else a slow ledger gets a question more every ten seconds
  const refresh = async () => {
    if (document.hidden || busy) return;
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(LATE) });
      if (answer.redirected && !answer.url.includes("/sluice/")) return tell("You are logged out. Log in to Airflow again, then come back here.");
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main[data-live]");
      if (!answer.ok || !fresh) throw new Error(`${answer.status}`);
      localise(fresh);
      Idiomorph.morph(document.querySelector("main[data-live]"), fresh, { morphStyle: "outerHTML", callbacks });
      last = Date.now();
      tell("");
      document.dispatchEvent(new Event("refreshed"));
    } catch (why) {
      tell(`Not refreshed since ${shown(new Date(last), { timeStyle: "medium" })} (${why.message}). It is tried again by itself.`);
    } finally {
      busy = false;
    }
  };

  // ---- A frame may not lead its parent anywhere, nor open a window; the parent's own document may.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    const ours = link?.origin === location.origin && /\/sluice\//.test(link.pathname);
    if (!framed || !link || ours || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    try {
      const way = parent.document.createElement("a");
      way.href = link.href;
      if (link.origin !== location.origin) Object.assign(way, { target: "_blank", rel: "noopener noreferrer" });
      parent.document.body.append(way);
      way.click();
      way.remove();
    } catch {
      location.assign(link.href);
    }
  });

  // ---- Grids: one stop for Tab, and arrow keys within.
  const cells = (row) => [...row.querySelectorAll("a[href], button")];
  const walk = (grid) => {
    const rows = [...grid.querySelectorAll("tbody tr")].map(cells).filter((row) => row.length);
    const all = rows.flat();
    if (all.length && !all.some((one) => one.tabIndex === 0 && one.hasAttribute("tabindex"))) {
      all.forEach((one, number) => { one.tabIndex = number ? -1 : 0; });
    }
  };
  const move = (event) => {
    const way = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const grid = event.target.closest?.("[data-grid]");
    if (!way || !grid || !event.target.matches("a[href], button")) return;
    const rows = [...grid.querySelectorAll("tbody tr")].map(cells).filter((row) => row.length);
    const at = rows.findIndex((row) => row.includes(event.target));
    if (at < 0) return;
    const row = rows[Math.min(rows.length - 1, Math.max(0, at + way[0]))];
    const x = event.target.getBoundingClientRect().left;
    const near = (one) => Math.abs(one.getBoundingClientRect().left - x);
    const next = way[0] ? row.reduce((best, one) => (near(one) < near(best) ? one : best))
      : row[Math.min(row.length - 1, Math.max(0, row.indexOf(event.target) + way[1]))];
    event.preventDefault();
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  };
  const walkAll = () => document.querySelectorAll("[data-grid]").forEach(walk);

  // ---- A mark says in words what it is to who points at it: told once, for those who see and those who do not.
  document.addEventListener("pointerover", (event) => {
    const mark = event.target.closest?.(".mark[aria-label]");
    if (mark && !mark.title) mark.title = mark.getAttribute("aria-label");
  });

  localise(document);
  walkAll();
  document.addEventListener("keydown", move);
  document.addEventListener("refreshed", walkAll);
  document.addEventListener("visibilitychange", refresh);
  setInterval(refresh, EVERY);
  setInterval(() => localise(document), 5_000); // ages go on
})();

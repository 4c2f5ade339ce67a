// Draws what a page holds as data: <figure data-chart="fan"><script type="application/json">…</script><div class="canvas" data-keep></div></figure>.
// One builder a kind of chart, below CHARTS: JSON in, an option of ECharts out. Colours are the page's own, light or dark.
(() => {
  const NAMES = ["ink", "soft", "line", "paper", "card", "good", "bad", "warn", "blue", "band"];
  // A property that says light-dark(…) is not a colour yet: the colour of something that has it is.
  const colours = () => {
    const probe = document.body.appendChild(document.createElement("span"));
    const found = NAMES.map((name) => {
      probe.style.color = `var(--${name})`;
      return [name, getComputedStyle(probe).color];
    });
    probe.remove();
    return Object.fromEntries(found);
  };
  const drawn = new Map(); // canvas → { chart, told }

  const draw = (figure, anew = false) => {
    const canvas = figure.querySelector(".canvas"), told = figure.querySelector("script").textContent;
    const before = drawn.get(canvas);
    if (before && before.told === told && !anew) return;
    const chart = before?.chart ?? echarts.init(canvas, null, { renderer: "svg" });
    chart.setOption({ ...base(colours()), ...window.CHARTS[figure.dataset.chart](JSON.parse(told), colours()) }, { notMerge: true });
    drawn.set(canvas, { chart, told });
  };
  const base = (c) => ({
    animation: false,
    textStyle: { color: c.ink, fontFamily: "inherit" },
    aria: { enabled: true, decal: { show: true } },
    grid: { left: 8, right: 16, top: 32, bottom: 8, containLabel: true },
    tooltip: { trigger: "axis", confine: true, backgroundColor: c.card, borderColor: c.line, textStyle: { color: c.ink } },
  });
  // Of a hundred charts those are drawn that come near to what is seen, and first those that are: the others when there is time.
  const near = new IntersectionObserver((found) => found.filter((one) => one.isIntersecting).forEach(({ target }) => {
    const { top, bottom } = target.getBoundingClientRect();
    if (top < innerHeight && bottom > 0) draw(target);
    else setTimeout(() => draw(target));
  }), { rootMargin: "600px" });
  const drawAll = (anew) => document.querySelectorAll("figure[data-chart]").forEach((figure) => {
    if (drawn.has(figure.querySelector(".canvas"))) draw(figure, anew === true);
    else near.observe(figure);
  });

  document.addEventListener("DOMContentLoaded", drawAll);
  document.addEventListener("refreshed", drawAll);
  document.documentElement.addEventListener("themed", () => drawAll(true));
  new ResizeObserver(() => drawn.forEach(({ chart }) => chart.resize())).observe(document.documentElement);
})();

// Drills of a store, a column a day. Times: the phases one upon the other, below the RTO; losses: at least to at most, below the RPO.
(() => {
  const lasts = (s) => (s === null || s === undefined ? "–" : s < 10 ? `${s.toFixed(1)} s` : s < 120 ? `${Math.round(s)} s`
    : s < 5400 ? `${Math.round(s / 60)} min` : `${(s / 3600).toFixed(1)} h`);
  const axis = (s) => (s < 120 ? `${Math.round(s)} s` : s < 7200 ? `${Math.round(s / 6) / 10} min` : `${Math.round(s / 360) / 10} h`);
  const day = (text) => new Date(`${text}T00:00Z`).toLocaleDateString(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
  const frame = (days, c) => ({
    textStyle: { color: c.ink, fontFamily: "system-ui, sans-serif" }, // "inherit" cannot be measured: legends would overlap
    aria: { enabled: true, decal: { show: days.length <= 60 } }, // a pattern on a column of three pixels is noise
    grid: { left: 8, right: 16, top: 40, bottom: 8, containLabel: true },
    xAxis: { type: "category", data: days, axisLabel: { color: c.soft, formatter: day, hideOverlap: true }, axisTick: { show: false }, axisLine: { lineStyle: { color: c.line } } },
    yAxis: { type: "value", min: 0, splitNumber: 4, axisLabel: { color: c.soft, formatter: axis, showMaxLabel: false }, splitLine: { lineStyle: { color: c.line } } },
  });
  const goal = (name, value, c, breach) => ({
    type: "line", name, data: [], silent: true, symbol: "none",
    lineStyle: { color: c.bad, type: "dashed" }, itemStyle: { color: c.bad },
    markLine: { symbol: "none", silent: true, lineStyle: { color: c.bad, type: "dashed", width: 1.5 },
      label: { formatter: `${name} ${lasts(value)}`, position: "insideStartTop", color: c.bad }, data: [{ yAxis: value },
        ...(breach ? [{ xAxis: breach, lineStyle: { color: c.warn, type: "dotted", width: 2 }, label: { formatter: `RTO passed: ${day(breach)}`, position: "insideEndTop", color: c.warn } }] : [])] },
  });
  const STEPS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 43_200, 86_400];
  const step = (most, lines) => STEPS.find((one) => most / one <= lines) ?? undefined; // in minutes and hours, not in hundreds of seconds
  const top = (found, value) => Math.max(value * 1.15, ...found.filter((one) => one !== null));
  // The first hues of a palette that the colour-blind tell apart (Okabe and Ito), in a tone for either paper; decals tell them apart again.
  const HUES = ["#56a3d9", "#c98a1b", "#2f9e7e", "#b671a3", "#8d8f2f", "#6f7fd0"];

  // One path for all columns of a colour: two thousand of them one by one take a third of a second.
  const MANY = { large: true, largeThreshold: 90 };

  const daysOf = (told) => Array.from({ length: told.drilled + (told.ahead ?? 0) },
    (_, at) => new Date(Date.parse(`${told.first}T00:00Z`) + at * 86_400_000).toISOString().slice(0, 10));

  const drillTimes = (told, c) => {
    const days = daysOf(told);
    const sums = days.slice(0, told.drilled).map((_, at) => told.phases.some(([, seconds]) => seconds[at] !== null)
      ? told.phases.reduce((sum, [, seconds]) => sum + (seconds[at] ?? 0), 0) : null);
    const most = top([...sums, ...told.recoveries.map((one) => one[1])], told.goal);
    const marks = (name, symbol, colour, at, size = 9) => ({ type: "scatter", name, symbol, symbolSize: size, data: at, itemStyle: { color: colour }, z: 5 });
    const frameOf = frame(days, c);
    return {
      ...frameOf,
      yAxis: { ...frameOf.yAxis, max: most, interval: step(most, 6) },
      legend: { top: 0, left: 0, type: "scroll", textStyle: { color: c.soft }, itemHeight: 9, itemWidth: 14 },
      tooltip: { trigger: "axis", confine: true, backgroundColor: c.card, borderColor: c.line, textStyle: { color: c.ink },
        formatter: (found) => {
          const at = found[0].dataIndex;
          const lines = told.phases.map(([name, seconds]) => ((seconds[at] ?? null) === null ? "" : `${name}: ${lasts(seconds[at])}`));
          const said = at >= sums.length ? "to come" : told.missing.includes(at) ? "no drill" : sums[at] === null ? "none came back whole" : `back after ${lasts(sums[at])}`;
          const node = document.createElement("div");
          node.innerText = [`${day(days[at])}: ${said}`, ...lines.filter(Boolean), told.failed.includes(at) ? "✘ one failed" : "", told.late.includes(at) ? "⚠ too late" : ""].filter(Boolean).join("\n");
          return node;
        } },
      series: [
        ...told.phases.map(([name, data], at) => ({ type: "bar", stack: "times", ...MANY, name, data, itemStyle: { color: HUES[at % HUES.length] }, barCategoryGap: "12%" })),
        ...(told.failed.length ? [marks("failed", "path://M0 2L2 0L5 3L8 0L10 2L7 5L10 8L8 10L5 7L2 10L0 8L3 5Z", c.bad, told.failed.map((at) => [at, most * 0.03]))] : []),
        ...(told.late.length ? [marks("too late", "triangle", c.warn, told.late.map((at) => [at, Math.min(most * 0.97, sums[at] + most * 0.04)]))] : []),
        ...(told.missing.length ? [marks("no drill", "circle", c.soft, told.missing.map((at) => [at, most * 0.012]), 4)] : []),
        ...(told.recoveries.length ? [marks("full recovery", "diamond", c.ink, told.recoveries.map(([at, seconds, failed]) => [at, failed || seconds === null ? most * 0.03 : seconds]), 11)] : []),
        goal("RTO", told.goal, c, days.includes(told.breach) ? told.breach : null),
      ],
    };
  };

  const drillLosses = (told, c) => {
    const days = daysOf(told);
    const most = top(told.high, told.goal);
    const frameOf = frame(days, c);
    return {
      ...frameOf,
      grid: { ...frameOf.grid, top: 8 },
      yAxis: { ...frameOf.yAxis, max: most, interval: step(most, 4) },
      legend: { show: false },
      tooltip: { trigger: "axis", confine: true, backgroundColor: c.card, borderColor: c.line, textStyle: { color: c.ink },
        formatter: (found) => {
          const at = found[0].dataIndex, low = told.low[at];
          return `${day(days[at])}: ${low !== null ? `${lasts(low)} to ${lasts(told.high[at])} of writes would be lost` : "not measured"}`;
        } },
      series: [
        { type: "bar", stack: "lost", ...MANY, data: told.low, itemStyle: { color: "transparent" }, silent: true, barCategoryGap: "12%", decal: { symbol: "none" } },
        { type: "bar", stack: "lost", ...MANY, name: "lost, at least to at most", data: told.high.map((high, at) => (high === null ? null : Math.max(0, high - told.low[at]))), itemStyle: { color: HUES[0] }, barMinHeight: 2 },
        goal("RPO", told.goal, c),
      ],
    };
  };
  Object.assign((window.CHARTS ??= {}), { drillTimes, drillLosses });
})();

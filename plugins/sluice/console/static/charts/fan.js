// A measure: what it was, what it will be with its 80 % interval, its limits, and when they are reached; jumps and drops are marked.
(window.CHARTS ??= {}).fan = (told, c) => {
  const steps = [[1e15, "PB"], [1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"]];
  const endings = { percent: " %", rate: " /s", days: " days", seconds: " s" };
  const digits = (value) => value.toLocaleString("en", { maximumSignificantDigits: 3 });
  const amount = (value) => {
    if (told.unit !== "bytes") return digits(value) + (endings[told.unit] ?? "");
    const [size, name] = steps.find(([step]) => Math.abs(value) >= step * 0.9995) ?? [1, "B"];
    return `${digits(value / size)} ${name}`;
  };
  const last = told.was.at(-1);
  const will = told.will.length ? [[last[0], last[1], last[1], last[1]], ...told.will] : [];
  const limits = told.limits.map((one) => ({ yAxis: one.value, name: one.told, label: { formatter: `${one.told}: ${amount(one.value)}` } }));
  const jumps = told.steps.map((day) => ({ xAxis: day, name: "jump", lineStyle: { type: "dotted", color: c.warn }, label: { formatter: "jump", color: c.warn, position: "end", distance: 2 } }));
  const end = will.at(-1)?.[0] ?? last[0];
  const reached = told.arrivals.filter((at) => at.earliest && at.earliest <= end && told.limits.some((one) => one.value === at.value));
  const top = Math.max(...told.was.map((one) => one[1]), ...will.map((one) => one[3]), ...told.limits.map((one) => one.value), 1e-9);
  const quiet = { type: "line", symbol: "none", silent: true, tooltip: { show: false }, emphasis: { disabled: true } };
  return {
    grid: { left: 8, right: 20, top: 16, bottom: 4, containLabel: true },
    aria: { enabled: false }, // the same numbers stand beside it, as a table
    xAxis: { type: "time", min: told.was[0][0], max: end, axisLine: { lineStyle: { color: c.line } }, axisLabel: { color: c.soft, fontSize: 11, hideOverlap: true, formatter: { year: "{yyyy}", month: "{MMM}", day: "{d} {MMM}" } }, splitLine: { show: false } },
    yAxis: { type: "value", min: 0, max: 1.06 * top, splitNumber: 3, axisLabel: { color: c.soft, fontSize: 11, formatter: amount, showMaxLabel: false }, splitLine: { lineStyle: { color: c.line } } },
    tooltip: {
      trigger: "axis", confine: true, backgroundColor: c.card, borderColor: c.line, textStyle: { color: c.ink },
      formatter: (points) => {
        const day = new Date(points[0].axisValue).toISOString().slice(0, 10);
        const was = told.was.find((one) => one[0] === day), ahead = will.find((one) => one[0] === day);
        return was ? `${day}: ${amount(was[1])}` : ahead ? `${day}: ${amount(ahead[1])} to ${amount(ahead[3])}, most likely ${amount(ahead[2])}` : "";
      },
    },
    series: [
      { ...quiet, stack: "band", lineStyle: { opacity: 0 }, data: will.map(([day, low]) => [day, low]) },
      { ...quiet, stack: "band", lineStyle: { opacity: 0 }, areaStyle: { color: c.band }, data: will.map(([day, low, , high]) => [day, high - low]) },
      { type: "line", name: "most likely", symbol: "none", lineStyle: { color: c.blue, type: "dashed", width: 2 }, data: will.map(([day, , likely]) => [day, likely]) },
      {
        type: "line", name: "measured", symbol: "none", lineStyle: { color: c.blue, width: 2 }, data: told.was,
        markLine: { silent: true, symbol: "none", lineStyle: { color: c.bad, type: "solid", width: 1.5 }, label: { position: "insideStartTop", color: c.bad, fontSize: 11 }, data: [...limits, ...jumps] },
      },
      ...reached.map((at) => ({
        ...quiet, z: 5, lineStyle: { color: c.bad, width: 5, cap: "round" },
        data: [[at.earliest, at.value], [at.latest && at.latest < end ? at.latest : end, at.value]],
      })),
      { type: "scatter", symbol: "circle", symbolSize: 9, silent: true, z: 6, itemStyle: { color: c.paper, borderColor: c.bad, borderWidth: 2 },
        data: reached.filter((at) => at.likely && at.likely <= end).map((at) => [at.likely, at.value]) },
      { type: "scatter", symbol: "triangle", symbolRotate: 180, symbolSize: 7, silent: true, itemStyle: { color: c.soft },
        data: told.drops.map(([day]) => [day, 0.02 * top]) },
    ],
  };
};

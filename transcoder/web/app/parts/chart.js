// Bars with the goal as a line, by uPlot: fetched for the first chart. The same numbers stand in a table below.

import { h, put } from "../lib/dom.js";
import { count, short, t } from "../lib/words.js";

const LIBRARY = "/web/vendor/uplot-1.6.32";

let library = null;

function uplot() {
  library ??= (async () => {
    const style = h("link", { rel: "stylesheet", href: `${LIBRARY}/uPlot.min.css` });
    document.head.append(style);
    return (await import(`${LIBRARY}/uPlot.esm.js`)).default;
  })();
  return library;
}

/**
 * A chart; `show(bars)` brings it up to date: { label, long, value (null for a gap), goal (0 for none), reached }.
 *
 * *label* is under a bar (an empty one is left out), *long* names it in the readout and in the table; *unit* heads its column.
 */
export function chart({ name, unit, signal, height = 190 }) {
  const readout = h("p", { class: "chart-readout", "aria-hidden": "true" });
  const canvas = h("div", { class: "chart-canvas", role: "img", "aria-label": name });
  const numbers = table(name, unit);
  const element = h("figure", { class: "chart" }, readout, canvas, numbers.element);
  let bars = [];
  let drawn = null;
  let redraw = () => {}; // until the library is there
  draw();
  return { element, show };

  function show(next) {
    const sameScale = next.length === bars.length;
    bars = next;
    numbers.show(bars);
    if (!drawn || !sameScale) redraw();
    else drawn.batch(() => {
      drawn.setData(data(bars));
      drawn.setScale("y", { min: 0, max: top(bars) });
    });
  }

  async function draw() {
    const UPlot = await uplot().catch(() => null);
    if (signal.aborted) return;
    if (UPlot === null) {
      library = null; // there was no network; the table is there all the same
      window.addEventListener("online", draw, { once: true, signal });
      return;
    }
    redraw = () => {
      const width = Math.floor(canvas.clientWidth);
      if (width === 0 || bars.length === 0) return;
      drawn?.destroy();
      drawn = new UPlot(options(UPlot, { bars: () => bars, width, height, readout, colours: colours(element) }), data(bars), canvas);
    };
    const size = new ResizeObserver(redraw);
    size.observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw, { signal });
    document.addEventListener("themechange", redraw, { signal });
    signal.addEventListener("abort", () => {
      size.disconnect();
      drawn?.destroy();
    }, { once: true });
  }
}

function data(bars) {
  return [bars.map((_, index) => index), bars.map((bar) => bar.value), bars.map((bar) => bar.goal || null)];
}

function colours(element) {
  const probe = h("span", null);
  element.append(probe);
  const of = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color; // of the colours in use, light or dark
  };
  const found = { bar: of("--chart-bar"), reached: of("--chart-reached"), goal: of("--chart-goal"), text: of("--muted"), line: of("--line"), font: `12px ${getComputedStyle(element).fontFamily}` };
  probe.remove();
  return found;
}

/** Where the scale of *bars* ends, a little above the highest. */
function top(bars) {
  return Math.max(...bars.map((bar) => Math.max(bar.value ?? 0, bar.goal ?? 0)), 10) * 1.08;
}

function options(UPlot, { bars, width, height, readout, colours: ink }) {
  const axis = { stroke: ink.text, font: ink.font, ticks: { show: false } };
  return {
    width,
    height,
    padding: [8, 0, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: { x: { time: false, range: [-0.6, bars().length - 0.4] }, y: { range: [0, top(bars())] } },
    axes: [
      { ...axis, size: 32, gap: 9, grid: { show: false }, splits: () => bars().map((_, i) => i).filter((i) => bars()[i].label), values: (_, splits) => splits.map((i) => bars()[i].label) },
      { ...axis, size: 46, gap: 6, space: 40, grid: { stroke: ink.line, width: 1 }, values: (_, splits) => splits.map(short) },
    ],
    series: [
      {},
      {
        fill: ink.bar,
        width: 0,
        points: { show: false },
        paths: UPlot.paths.bars({ size: [0.64, 36], radius: 0.22, disp: { fill: { unit: 3, values: () => bars().map((bar) => (bar.reached ? ink.reached : ink.bar)) } } }),
      },
      { stroke: ink.goal, width: 1.5, dash: [5, 4], points: { show: false }, paths: UPlot.paths.stepped({ align: 0 }) },
    ],
    hooks: { setCursor: [(plot) => tell(readout, bars()[plot.cursor.idx])] },
  };
}

function tell(readout, bar) {
  if (!bar) return put(readout);
  return put(readout, h("span", null, bar.long), h("strong", null, bar.value === null ? t("chart.nothing") : t("steps", { count: bar.value })));
}

/** The numbers of a chart, for who wants to read them: open for as long as somebody left it so. */
function table(name, unit) {
  const columns = h("thead", null);
  const rows = h("tbody", null);
  const element = h("details", { class: "chart-table" }, h("summary", null, t("chart.table")), h("table", null, h("caption", { class: "unseen" }, name), columns, rows));
  return {
    element,
    show(bars) {
      const goals = bars.some((bar) => bar.goal);
      const known = bars.filter((bar) => bar.value !== null);
      element.hidden = known.length === 0;
      put(columns, h("tr", null, h("th", { scope: "col" }, unit), h("th", { scope: "col" }, t("chart.steps")), goals ? h("th", { scope: "col" }, t("chart.goal")) : null));
      put(rows, known.map((bar) => h("tr", null,
        h("th", { scope: "row" }, bar.long), h("td", null, count(bar.value)), goals ? h("td", null, bar.goal ? count(bar.goal) : "") : null)));
    },
  };
}

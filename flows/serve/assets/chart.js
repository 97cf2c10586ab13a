// Candles with volume and fills of one instrument. Times of the library are seconds; where bars
// are shorter than a second its "seconds" are our milliseconds, and only the labels know.
const L = window.LightweightCharts;
export const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const utc = (ms, digits = 19) => new Date(ms).toISOString().replace("T", " ").slice(0, digits);

export function look() {
  return {
    layout: { background: { color: color("--page") }, textColor: color("--muted"), attributionLogo: false,
      fontFamily: getComputedStyle(document.body).fontFamily },
    grid: { vertLines: { color: color("--grid") }, horzLines: { color: color("--grid") } },
    rightPriceScale: { borderColor: color("--line") },
    timeScale: { borderColor: color("--line") },
  };
}

export function keys(element, chart) {
  element.addEventListener("keydown", (event) => {
    const scale = chart.timeScale(), range = scale.getVisibleLogicalRange();
    if (!range) return;
    const width = range.to - range.from;
    const move = { ArrowLeft: -0.2, ArrowRight: 0.2 }[event.key];
    const zoom = { "+": 0.8, "=": 0.8, "-": 1.25 }[event.key];
    if (move) scale.setVisibleLogicalRange({ from: range.from + move * width, to: range.to + move * width });
    else if (zoom) scale.setVisibleLogicalRange({ from: range.to - zoom * width, to: range.to });
    else if (event.key === "End") scale.scrollToRealTime();
    else return;
    event.preventDefault();
  });
}

function timeOptions(unit) {
  const text = (time) => utc(time * unit, unit < 1000 ? 23 : 19);
  return {
    localization: { timeFormatter: text },
    timeScale: { timeVisible: true, secondsVisible: true, rightOffset: 4, minBarSpacing: 0.2,
      tickMarkFormatter: (time, kind) => (kind < 3 ? text(time).slice(5, 10) : text(time).slice(11, kind === 3 ? 16 : 19)) },
  };
}

export class Candles {
  constructor(element, onOlder, onRead) {
    this.element = element;
    this.chart = L.createChart(element, { autoSize: true, ...look(), crosshair: { mode: 0 } });
    this.series = this.chart.addSeries(L.CandlestickSeries, {});
    this.volume = this.chart.addSeries(L.HistogramSeries, { priceScaleId: "", priceFormat: { type: "volume" },
      lastValueVisible: false, priceLineVisible: false });
    this.volume.priceScale().applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
    this.series.priceScale().applyOptions({ scaleMargins: { top: 0.08, bottom: 0.2 } });
    this.marks = L.createSeriesMarkers(this.series, []);
    this.clear();
    keys(element, this.chart);
    this.chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (range && range.from < 50 && this.bars.length) onOlder();
      onRead();
    });
    this.chart.subscribeCrosshairMove((event) => { this.hover = event.time; onRead(); });
    this.paint();
  }
  clear() { this.bars = []; this.fills = new Map(); this.unit = 1000; this.hover = undefined; }
  paint() {
    this.chart.applyOptions(look());
    const [up, down] = [color("--up"), color("--down")];
    this.series.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down, borderVisible: false });
    this.volume.applyOptions({ color: color("--volume") });
    this.mark();
  }
  set(bars, fills) {
    this.clear();
    this.unit = bars.some((bar, i) => i && bar.t - bars[i - 1].t < 1000) ? 1 : 1000;
    this.chart.applyOptions(timeOptions(this.unit));
    this.bars = bars;
    fills.forEach((fill) => this.fills.set(fill.id, fill));
    const prices = bars.slice(-200).map((bar) => bar.c);
    const digits = Math.max(0, ...prices.map((price) => (String(price).split(".")[1] || "").length));
    this.digits = Math.min(digits, 10);
    this.series.applyOptions({ priceFormat: { type: "price", precision: this.digits, minMove: 10 ** -this.digits } });
    this.draw();
    this.chart.timeScale().setVisibleLogicalRange({ from: Math.max(bars.length - 180, -2), to: bars.length + 4 });
  }
  point(bar) { return { time: Math.floor(bar.t / this.unit), open: bar.o, high: bar.h, low: bar.l, close: bar.c }; }
  draw() {
    this.series.setData(this.bars.map((bar) => this.point(bar)));
    this.volume.setData(this.bars.map((bar) => ({ time: Math.floor(bar.t / this.unit), value: bar.v })));
    this.mark();
  }
  older(bars, fills) {
    const first = this.bars.length ? this.bars[0].t : Infinity;
    const view = this.chart.timeScale().getVisibleLogicalRange();
    const fresh = bars.filter((bar) => bar.t < first);
    this.bars = [...fresh, ...this.bars];
    fills.forEach((fill) => this.fills.set(fill.id, fill));
    this.draw();
    if (view) this.chart.timeScale().setVisibleLogicalRange({ from: view.from + fresh.length, to: view.to + fresh.length });
  }
  add(bars, fills) {
    let behind = false;
    for (const bar of bars) {
      const last = this.bars.at(-1);
      if (!last || bar.t > last.t) {
        this.bars.push(bar);
        if (behind) continue;
        this.series.update(this.point(bar));
        this.volume.update({ time: Math.floor(bar.t / this.unit), value: bar.v });
      } else {
        const at = this.bars.findIndex((each) => each.t >= bar.t);
        if (this.bars[at].t === bar.t) { this.bars[at] = bar; } else { this.bars.splice(at, 0, bar); behind = true; }
      }
    }
    if (behind) this.draw();
    fills.forEach((fill) => this.fills.set(fill.id, fill));
    if (fills.length) this.mark();
  }
  index(t) {
    let low = 0, high = this.bars.length - 1;
    while (low < high) { const middle = (low + high + 1) >> 1; if (this.bars[middle].t <= t) low = middle; else high = middle - 1; }
    return low;
  }
  mark() {
    if (!this.bars.length) { this.marks.setMarkers([]); return; }
    const found = new Map();
    for (const fill of this.fills.values()) {
      if (fill.t < this.bars[0].t) continue;
      const t = this.bars[this.index(fill.t)].t, key = `${t} ${fill.side}`;
      const mark = found.get(key) || { t, side: fill.side, count: 0 };
      mark.count += 1;
      found.set(key, mark);
    }
    this.marks.setMarkers([...found.values()].sort((a, b) => a.t - b.t).map((mark) => ({
      time: Math.floor(mark.t / this.unit),
      position: mark.side === "BUY" ? "belowBar" : "aboveBar",
      shape: mark.side === "BUY" ? "arrowUp" : "arrowDown",
      color: color(mark.side === "BUY" ? "--up" : "--down"),
      text: mark.count > 1 ? String(mark.count) : "",
    })));
  }
  reading() {
    const hovered = this.hover === undefined ? undefined
      : this.bars[this.index(this.hover * this.unit + this.unit - 1)];
    return hovered || this.bars.at(-1);
  }
  atEnd() { return this.chart.timeScale().scrollPosition() >= -1; }
}

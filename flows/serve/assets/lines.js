// Equity of each strategy as a line.
import { color, keys, look, utc } from "./chart.js";
const L = window.LightweightCharts;

export class Lines {
  constructor(element, legend) {
    this.legend = legend;
    this.chart = L.createChart(element, { autoSize: true, ...look(), crosshair: { mode: 0 },
      localization: { timeFormatter: (time) => utc(time * 1000) },
      timeScale: { timeVisible: true, secondsVisible: true } });
    this.lines = new Map();
    keys(element, this.chart);
  }
  paint() {
    this.chart.applyOptions(look());
    for (const line of this.lines.values()) line.series.applyOptions({ color: color(line.name) });
    this.list();
  }
  add(samples) {
    const before = this.lines.size;
    for (const sample of samples) {
      const key = `${sample.account} / ${sample.strategy}`;
      if (!this.lines.has(key)) {
        const name = `--c${this.lines.size % 8}`;
        const series = this.chart.addSeries(L.LineSeries, { color: color(name), lineWidth: 2, priceLineVisible: false });
        this.lines.set(key, { series, name, last: -Infinity });
      }
      const line = this.lines.get(key), time = Math.floor(sample.t / 1000);
      if (time < line.last) continue; // had before
      line.series.update({ time, value: Number(sample.equity) });
      line.last = time;
      line.value = sample.equity;
    }
    if (!before && this.lines.size) this.chart.timeScale().fitContent();
    this.list();
  }
  list() {
    this.legend.replaceChildren(...[...this.lines].map(([key, line]) => {
      const item = document.createElement("li"), swatch = document.createElement("span");
      swatch.className = "swatch";
      swatch.style.background = color(line.name);
      item.append(swatch, `${key} ${Number(line.value).toFixed(2)}`);
      return item;
    }));
  }
}

"use strict";
// Draws candles of one instrument at a time with fills, signals and stop levels.
const Candles = (() => {
  const L = LightweightCharts;
  const VISIBLE = 240; // bars in sight at first
  const MARKS = ["fills", "signals", "trips", "stops"];
  const NEAR = 100; // below so many bars in sight there is room for texts

  // Planes of a script --> bars and volumes; times in seconds.
  async function decode(packed) {
    const buffer = await Charts.inflate(packed.z);
    const n = packed.n;
    const steps = new Float64Array(buffer, 0, n);
    const size = packed.step ? 4 : 8;
    const planes = new (packed.step ? Int32Array : Float64Array)(buffer, 8 * n, 4 * n);
    const volume = new Float32Array(buffer, 8 * n + 4 * n * size, n);
    const bars = new Array(n);
    const volumes = new Array(n);
    const scale = packed.unit / 1e9;
    let time = 0;
    let before = 0;
    for (let i = 0; i < n; i++) {
      time += steps[i];
      let [open, high, low, close] = [planes[i], planes[n + i], planes[2 * n + i], planes[3 * n + i]];
      if (packed.step) {
        open = before + planes[i];
        close = open + planes[n + i];
        high = (Math.max(open, close) + planes[2 * n + i]) * packed.step;
        low = (Math.min(open, close) - planes[3 * n + i]) * packed.step;
        before = close;
        open *= packed.step;
        close *= packed.step;
      }
      const at = time * scale;
      bars[i] = { time: at, open, high, low, close };
      volumes[i] = { time: at, value: volume[i] };
    }
    return [bars, volumes];
  }

  // The index of the last bar that opens at or before a time; 0 before the first.
  function indexAt(bars, time) {
    let low = 0;
    let high = bars.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (bars[middle].time <= time) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  const candleColours = () => ({
    upColor: Charts.token("up"), downColor: Charts.token("down"), borderVisible: false,
    wickUpColor: Charts.token("up"), wickDownColor: Charts.token("down"),
  });

  // Marks of one bar and side become one: a stack of arrows would hide the candles.
  function merge(rows, bars) {
    const merged = new Map();
    for (const row of rows) {
      const index = indexAt(bars, row[0] / 1000);
      const key = `${index} ${row[1]}`;
      if (merged.has(key)) merged.get(key).rows.push(row);
      else merged.set(key, { time: bars[index].time, side: row[1], rows: [row] });
    }
    return [...merged.values()];
  }

  // Texts of fills only where there is room for them.
  function markersOf(data, bars, shows, near) {
    const text = (rows) => (rows.length > 1 ? `${rows.length} fills` : rows[0][2]);
    const place = (side) => (side === "BUY" ? "belowBar" : "aboveBar");
    const fills = merge(shows.fills ? data.fills : [], bars).map(({ time, side, rows }) => ({
      time, id: rows[0][3], text: near ? text(rows) : "", position: place(side),
      shape: side === "BUY" ? "arrowUp" : "arrowDown",
      color: Charts.token(side === "BUY" ? "up" : "down"),
    }));
    const signals = merge(shows.signals ? data.signals : [], bars).map(({ time, side }) => ({
      time, shape: "circle", size: 0.6, color: Charts.token("accent"), position: place(side),
    }));
    return [...fills, ...signals].sort((a, b) => a.time - b.time);
  }

  class View {
    constructor(figure) {
      this.figure = figure;
      this.chart = Charts.createChart(figure.querySelector(".plot"));
      this.candles = this.chart.addSeries(L.CandlestickSeries, candleColours());
      this.volume = this.chart.addSeries(L.HistogramSeries, {
        priceFormat: { type: "volume" }, priceScaleId: "volume", lastValueVisible: false,
        priceLineVisible: false, color: Charts.token("volume"),
      });
      this.chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.85, bottom: 0 } });
      this.markers = L.createSeriesMarkers(this.candles, []);
      this.lines = new Segments(this.chart, this.candles);
      this.candles.attachPrimitive(this.lines);
      this.chart.subscribeCrosshairMove((event) => this.describe(event));
      this.chart.subscribeClick((event) => {
        if (event.hoveredObjectId) location.hash = "why-" + event.hoveredObjectId;
      });
      this.near = false;
      this.chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
        const near = range !== null && range.to - range.from < NEAR;
        if (near === this.near || !this.bars) return;
        this.near = near;
        this.markers.setMarkers(markersOf(this.data, this.bars, this.shows, near));
      });
      Charts.drawn.push(() => this.colour());
    }

    get shows() {
      const box = (name) => this.figure.querySelector(`input[name=${name}]`)?.checked ?? true;
      return Object.fromEntries(MARKS.map((name) => [name, box(name)]));
    }

    async show(name) {
      const scripts = [...this.figure.querySelectorAll("script.instrument")];
      this.data = JSON.parse(scripts.find((each) => each.dataset.name === name).textContent);
      const [bars, volumes] = await decode(this.data.bars);
      this.bars = bars;
      const places = this.data.places;
      this.candles.applyOptions({
        priceFormat: { type: "price", precision: places, minMove: 10 ** -places },
      });
      this.lines.set([], bars);
      this.candles.setData(bars);
      this.volume.setData(volumes);
      this.mark();
      this.figure.querySelector("figcaption").textContent = this.data.note;
      this.figure.querySelector(".plot").setAttribute("aria-label", this.data.label);
      this.figure.dataset.shown = name;
      this.see(VISIBLE);
    }

    mark() {
      const shows = this.shows;
      this.markers.setMarkers(markersOf(this.data, this.bars, shows, this.near));
      const lines = [...(shows.trips ? this.data.trips : []), ...(shows.stops ? this.data.stops : [])];
      this.lines.set(lines, this.bars);
    }

    // The last bars, or those around the last fill where these are others.
    see(count) {
      const last = this.data.fills.at(-1);
      const end = last ? indexAt(this.bars, last[0] / 1000) + count / 6 : this.bars.length;
      const to = Math.min(this.bars.length, Math.max(end, count)) + 2;
      this.chart.timeScale().setVisibleLogicalRange({ from: to - count, to });
    }

    // Moves by shares of what is in sight; zooms around its middle.
    move(shift, zoom) {
      const scale = this.chart.timeScale();
      const { from, to } = scale.getVisibleLogicalRange();
      const middle = (from + to) / 2 + shift * (to - from);
      const half = Math.max(5, ((to - from) / 2) * zoom);
      scale.setVisibleLogicalRange({ from: middle - half, to: middle + half });
    }

    describe(event) {
      const bar = event.seriesData.get(this.candles);
      const text = (value) => Charts.formatNumber(value, this.data.places);
      this.figure.querySelector("output.bar").textContent = bar
        ? `${Charts.formatTime(bar.time)}  O ${text(bar.open)}  H ${text(bar.high)}  ` +
          `L ${text(bar.low)}  C ${text(bar.close)}`
        : "";
    }

    colour() {
      this.chart.applyOptions(Charts.look());
      this.candles.applyOptions(candleColours());
      this.volume.applyOptions({ color: Charts.token("volume") });
      this.mark();
    }
  }

  const moves = {
    earlier: (view) => view.move(-0.5, 1),
    later: (view) => view.move(0.5, 1),
    closer: (view) => view.move(0, 0.5),
    wider: (view) => view.move(0, 2),
    whole: (view) => view.chart.timeScale().fitContent(),
  };

  function draw(figure) {
    const view = new View(figure);
    const pick = figure.querySelector("select");
    pick?.addEventListener("change", () => view.show(pick.value));
    figure.querySelectorAll("input[type=checkbox]").forEach((each) =>
      each.addEventListener("change", () => view.mark()),
    );
    figure.querySelectorAll("button[data-move]").forEach((each) =>
      each.addEventListener("click", () => moves[each.dataset.move](view)),
    );
    figure.view = view; // for serve, which adds bars as they come
    return view.show(pick ? pick.value : figure.querySelector("script.instrument").dataset.name);
  }
  return { decode, draw, indexAt };
})();

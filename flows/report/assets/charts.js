"use strict";
// Draws the charts of a page: each figure.chart by the data that it holds.
const Charts = (() => {
  const L = LightweightCharts;
  const drawn = []; // of each chart: how it is coloured again when the scheme changes

  const token = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

  // Base64 text of deflated bytes --> ArrayBuffer.
  async function inflate(text) {
    const bytes = Uint8Array.from(atob(text.trim()), (each) => each.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).arrayBuffer();
  }
  const unpack = async (text) => JSON.parse(new TextDecoder().decode(await inflate(text)));

  const look = () => ({
    layout: {
      background: { color: token("page") },
      textColor: token("text"),
      attributionLogo: true,
      fontFamily: getComputedStyle(document.body).fontFamily,
      panes: { separatorColor: token("line"), enableResize: false },
    },
    grid: { vertLines: { color: token("grid") }, horzLines: { color: token("grid") } },
    rightPriceScale: { borderColor: token("line") },
    timeScale: { borderColor: token("line") },
  });

  function createChart(element) {
    const chart = L.createChart(element, {
      autoSize: true,
      ...look(),
      // The wheel scrolls the page; dragging and pinching move the chart.
      handleScroll: { mouseWheel: false, vertTouchDrag: false },
      handleScale: { mouseWheel: false },
      localization: { locale: "en-GB", timeFormatter: formatTime },
    });
    chart.timeScale().applyOptions({ timeVisible: true, secondsVisible: true, minBarSpacing: 0.001 });
    return chart;
  }

  // Seconds UTC --> text; the fraction only where there is one.
  function formatTime(seconds) {
    const text = new Date(Math.round(seconds * 1000)).toISOString().replace("T", " ");
    return text.slice(0, text.endsWith(".000Z") ? 19 : 23);
  }

  const seriesKinds = {
    line: (c) => [L.LineSeries, { color: c, lineWidth: 2 }],
    area: (c) => [
      L.AreaSeries,
      { lineColor: c, topColor: c + "33", bottomColor: c + "05", lineWidth: 2 },
    ],
    baseline: (c) => [
      L.BaselineSeries,
      {
        baseValue: { type: "price", price: 0 },
        lineWidth: 1,
        topLineColor: token("up"),
        topFillColor1: token("up") + "33",
        topFillColor2: token("up") + "05",
        bottomLineColor: token("down"),
        bottomFillColor1: token("down") + "05",
        bottomFillColor2: token("down") + "33",
      },
    ],
    histogram: (c) => [L.HistogramSeries, { color: c, base: 0 }],
  };

  const optionsOf = (each) => ({
    ...seriesKinds[each.kind](token(each.colour))[1],
    lineStyle: each.dashed ? L.LineStyle.Dashed : L.LineStyle.Solid,
    lineType: each.stepped ? L.LineType.WithSteps : L.LineType.Simple,
    priceLineVisible: false,
    lastValueVisible: false,
  });

  // Values of a histogram are coloured by their sign.
  const pointsOf = (each) =>
    each.times.map((time, index) => ({
      time: time / 1000,
      value: each.values[index],
      ...(each.kind === "histogram"
        ? { color: token(each.values[index] < 0 ? "down" : "up") }
        : {}),
    }));

  async function drawLines(figure) {
    const data = await unpack(figure.querySelector(".packed").textContent);
    const chart = createChart(figure.querySelector(".plot"));
    const format = { type: "price", precision: data.places, minMove: 10 ** -data.places };
    const all = data.series.map((each) => {
      const [type] = seriesKinds[each.kind](token(each.colour));
      const series = chart.addSeries(type, { ...optionsOf(each), priceFormat: format }, each.pane);
      series.setData(pointsOf(each));
      return series;
    });
    const limits = data.levels.map((each) => {
      const first = data.series.findIndex((other) => other.pane === each.pane);
      return all[first].createPriceLine({
        price: each.value, color: token("limit"), lineStyle: L.LineStyle.Dashed, lineWidth: 1,
        title: each.name, axisLabelVisible: true,
      });
    });
    includeLevels(all, data);
    chart.panes().slice(1).forEach((pane) => pane.setStretchFactor(0.45));
    chart.panes()[0].setStretchFactor(1);
    followCrosshair(chart, figure, all, data);
    enableLegend(figure, all);
    requestAnimationFrame(() => chart.timeScale().fitContent());
    drawn.push(() => {
      chart.applyOptions(look());
      data.series.forEach((each, index) => {
        all[index].applyOptions(optionsOf(each));
        if (each.kind === "histogram") all[index].setData(pointsOf(each));
      });
      limits.forEach((each) => each.applyOptions({ color: token("limit") }));
    });
  }

  // A level is in sight only where the scale of its pane reaches it.
  function includeLevels(all, data) {
    const seen = data.levels.filter((each) => each.seen);
    for (const pane of new Set(seen.map((each) => each.pane))) {
      const values = seen.filter((each) => each.pane === pane).map((each) => each.value);
      const first = data.series.findIndex((each) => each.pane === pane);
      all[first].applyOptions({
        autoscaleInfoProvider: (original) => {
          const found = original();
          const range = found?.priceRange ?? { minValue: 0, maxValue: 0 };
          return {
            priceRange: {
              minValue: Math.min(range.minValue, ...values),
              maxValue: Math.max(range.maxValue, ...values),
            },
          };
        },
      });
    }
  }

  // A line can be hidden, such as one that presses the others flat.
  function enableLegend(figure, all) {
    figure.querySelectorAll("button[data-series]").forEach((button) =>
      button.addEventListener("click", () => {
        const visible = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(visible));
        all[Number(button.dataset.series)].applyOptions({ visible });
      }),
    );
  }

  function followCrosshair(chart, figure, all, data) {
    const places = figure.querySelectorAll("output[data-series]");
    chart.subscribeCrosshairMove((event) => {
      places.forEach((place) => {
        const point = event.seriesData.get(all[Number(place.dataset.series)]);
        place.textContent = point ? formatNumber(point.value, data.places) : "";
      });
    });
  }

  const formatNumber = (value, places) =>
    value
      .toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places })
      .replace("-", "\u2212");

  function drawAll(root = document) {
    const kinds = { lines: drawLines, candles: (figure) => Candles.draw(figure) };
    const figures = [...root.querySelectorAll("figure.chart")];
    return Promise.all(figures.map((each) => kinds[each.dataset.kind](each))).then(nameLogos);
  }

  // The library adds its logo, a link without a name, when it first paints.
  function nameLogos() {
    requestAnimationFrame(() =>
      document.querySelectorAll(".plot a:not([aria-label])").forEach((each) => {
        each.setAttribute("aria-label", "Charts by TradingView");
      }),
    );
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    requestAnimationFrame(() => drawn.forEach((colour) => colour())),
  );
  return { createChart, drawAll, drawn, formatNumber, formatTime, inflate, look, token, unpack };
})();

"use strict";
// Draws lines from a bar and price to another over a series: stop levels, round trips.
class Segments {
  constructor(chart, series) {
    this.chart = chart;
    this.series = series;
    this.segments = [];
    this.views = [{ zOrder: () => "bottom", renderer: () => this }];
  }

  attached({ requestUpdate }) {
    this.update = requestUpdate;
  }

  // Rows are [begin ms, end ms, price at begin, price at end, name of the colour].
  set(rows, bars) {
    const index = (ms) => Candles.indexAt(bars, ms / 1000);
    this.segments = rows.map(([begin, end, from, to, colour]) => ({
      first: index(begin), last: Math.max(index(begin), index(end)), from, to, colour,
    }));
    this.update?.();
  }

  paneViews() {
    return this.views;
  }

  updateAllViews() {}

  draw(target) {
    const scale = this.chart.timeScale();
    const half = scale.options().barSpacing / 2;
    target.useMediaCoordinateSpace(({ context, mediaSize }) => {
      context.lineWidth = 1.5;
      for (const { first, last, from, to, colour } of this.segments) {
        const level = from === to; // it holds in whole bars
        const left = scale.logicalToCoordinate(first) - (level ? half : 0);
        const right = scale.logicalToCoordinate(last) + (level ? half : 0);
        const [begin, end] = [from, to].map((price) => this.series.priceToCoordinate(price));
        if (begin === null || end === null || right < 0 || left > mediaSize.width) continue;
        context.strokeStyle = Charts.token(colour);
        context.setLineDash(level ? [2, 3] : []);
        context.beginPath();
        context.moveTo(left, begin);
        context.lineTo(right, end);
        context.stroke();
      }
    });
  }
}

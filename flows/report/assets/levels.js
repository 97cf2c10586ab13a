"use strict";
// Draws price levels that hold for a time, such as the triggers of stops, over a series.
class Levels {
  constructor(chart, series) {
    this.chart = chart;
    this.series = series;
    this.levels = [];
    this.views = [{ zOrder: () => "bottom", renderer: () => this }];
  }

  attached({ requestUpdate }) {
    this.update = requestUpdate;
  }

  // Levels are [begin ms, end ms, price]; they reach from bar to bar.
  set(levels, bars) {
    const index = (ms) => Candles.indexAt(bars, ms / 1000);
    this.levels = levels.map(([begin, end, price]) => ({
      first: index(begin), last: Math.max(index(begin), index(end)), price,
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
      context.strokeStyle = Charts.token("limit");
      context.lineWidth = 1.5;
      context.setLineDash([2, 3]);
      for (const { first, last, price } of this.levels) {
        const left = scale.logicalToCoordinate(first) - half;
        const right = scale.logicalToCoordinate(last) + half;
        const y = this.series.priceToCoordinate(price);
        if (y === null || right < 0 || left > mediaSize.width) continue;
        context.beginPath();
        context.moveTo(left, y);
        context.lineTo(right, y);
        context.stroke();
      }
    });
  }
}

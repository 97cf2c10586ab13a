"use strict";
// Starts the page: sorting and explanations at once, then the charts.
Sorting.enable();
Explain.enable();
Charts.drawAll().then(
  () => (document.body.dataset.ready = performance.now().toFixed(0)),
  (error) => {
    const line = document.createElement("p");
    line.className = "warn";
    line.textContent = `The charts cannot be drawn in this browser: ${error.message}`;
    document.getElementById("main").prepend(line);
    throw error;
  },
);

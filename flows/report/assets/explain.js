"use strict";
// Opens the causes of a fill or a refusal in a panel: fill, order, decision, signal, bar.
const Explain = (() => {
  const PREFIX = "#why-";
  let data = null;
  let opener = null;

  const element = (name, text = "", attributes = {}) => {
    const made = document.createElement(name);
    made.textContent = text;
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
    return made;
  };

  function rowOf(step, id) {
    const values = data.tables[step].rows[id];
    if (!id || values === undefined) return null;
    return Object.fromEntries(data.tables[step].names.map((name, i) => [name, values[i]]));
  }

  // The chain of an id, from the fact to its first cause.
  function chainOf(id) {
    const steps = [];
    const add = (step, key) => {
      const row = rowOf(step, key);
      if (row) steps.push([step, row]);
      return row;
    };
    const fill = add("fill", id);
    const order = add("order", fill ? fill.order_id : id);
    const parent = order?.parent ? add("order", order.parent) : null;
    const decided = parent ?? order;
    const decision = add("decision", decided ? decided.id : id);
    const signal = add("signal", decided?.signal_id ?? decision?.signal_id);
    if (signal) add("bar", signal.bar_id);
    return steps;
  }

  function findings(text) {
    const table = element("table");
    const head = table.createTHead().insertRow();
    ["check", "passed", "observed", "limit", "scope"].forEach((name) =>
      head.append(element("th", name, { scope: "col" })),
    );
    const body = table.createTBody();
    for (const [code, passed, observed, limit, scope] of JSON.parse(text)) {
      const row = body.insertRow();
      [code, passed ? "yes" : "NO", observed, limit, scope].forEach((each) =>
        row.append(element("td", String(each ?? ""))),
      );
      if (!passed) row.className = "neg";
    }
    const box = element("div", "", { class: "scroll", tabindex: "0", role: "group" });
    box.setAttribute("aria-label", "Checks");
    box.append(table);
    return box;
  }

  function stepItem([step, row]) {
    const item = element("li");
    const id = row.id ?? row.order_id;
    item.append(element("h3", `${step} ${id}`));
    const list = element("dl");
    let checks = null;
    for (const [name, value] of Object.entries(row)) {
      if (value === null || value === "" || value === id) continue;
      if (name === "checks") checks = value;
      else list.append(element("dt", name.replaceAll("_", " ")), element("dd", String(value)));
    }
    item.append(list);
    if (checks) item.append(findings(checks));
    return item;
  }

  function commandLine(id) {
    const line = element("div", "", { class: "command" });
    const code = element("code", data.command.replace("ID", id));
    const button = element("button", "Copy", { type: "button" });
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
    });
    line.append(code, button);
    return line;
  }

  async function open(id) {
    data ??= await Charts.unpack(document.getElementById("chains").textContent);
    const panel = document.getElementById("why");
    const steps = chainOf(id);
    document.getElementById("why-title").textContent = `Why ${steps[0]?.[0] ?? ""} ${id.slice(0, 12)}`;
    const list = element("ol");
    list.append(...steps.map(stepItem));
    const text = steps.length
      ? "Down to the raw frames of the log (TAPES: its folder):"
      : "Its causes are not in this page, which has those of the latest. The command has them:";
    document
      .getElementById("why-body")
      .replaceChildren(element("p", text, { class: "note" }), commandLine(id), list);
    if (!panel.open) panel.showModal();
  }

  function follow() {
    if (location.hash.startsWith(PREFIX)) open(location.hash.slice(PREFIX.length));
  }

  function enable() {
    const panel = document.getElementById("why");
    document.addEventListener("click", (event) => {
      const link = event.target.closest(`a[href^="${PREFIX}"]`);
      if (link) opener = link;
    });
    panel.querySelector("[data-close]").addEventListener("click", () => panel.close());
    panel.addEventListener("click", (event) => event.target === panel && panel.close());
    panel.addEventListener("close", () => {
      history.replaceState(null, "", location.pathname + location.search);
      opener?.focus();
    });
    addEventListener("hashchange", follow);
    follow();
  }
  return { enable, open };
})();

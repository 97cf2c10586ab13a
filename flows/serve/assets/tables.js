// Tables of a snapshot. Text is set as text, never as markup.
import { utc } from "./chart.js";
export const $ = (id) => document.getElementById(id);
let today = "";
const at = (ns) => { const text = utc(ns / 1e6); return text.startsWith(today) ? text.slice(11) : text.slice(5); };
const average = (text) => (text === null ? "" : String(Number(Number(text).toPrecision(8))));
const short = (text) => (text === null || text === undefined ? "" : String(text).includes(".") ? String(text).replace(/\.?0+$/, "") : String(text));
const money = (text) => (text === null ? "?" : Number(text).toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 }));
const sign = (text) => (Number(text) > 0 ? "pos" : Number(text) < 0 ? "neg" : "");
const seconds = (value) => (value === null ? "" : value < 10 ? `${value.toFixed(1)} s` : `${Math.round(value).toLocaleString("en")} s`);
const link = (id, text) => { const a = document.createElement("a"); a.href = `/explain/${encodeURIComponent(id)}`; a.textContent = text; a.title = `explain ${id}`; return a; };
const signed = (text) => ({ text: money(text), kind: `n ${sign(text)}` });
const n = (text) => ({ text, kind: "n" });
const wide = (text) => ({ text, kind: "text" });

function table(id, label, columns, rows, none) {
  const box = $(id);
  if (!rows.length) {
    const p = document.createElement("p");
    p.className = "empty";
    p.textContent = none;
    box.replaceChildren(p);
    return;
  }
  const focused = document.activeElement && box.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const old = box.querySelector(".scroll"), left = old ? old.scrollLeft : 0;
  const scroll = document.createElement("div"), made = document.createElement("table");
  Object.assign(scroll, { className: "scroll", tabIndex: 0 });
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", label);
  const head = made.createTHead().insertRow();
  for (const [name, kind] of columns.map((each) => each.split("|"))) {
    const th = document.createElement("th");
    Object.assign(th, { textContent: name, className: kind || "", scope: "col" });
    head.append(th);
  }
  const body = made.createTBody();
  for (const row of rows) {
    const tr = body.insertRow();
    for (const cell of row) {
      const td = tr.insertCell();
      if (cell instanceof Node) td.append(cell);
      else if (cell && cell.kind !== undefined) { td.textContent = cell.text; td.className = cell.kind; }
      else td.textContent = cell ?? "";
    }
  }
  scroll.append(made);
  box.replaceChildren(scroll);
  scroll.scrollLeft = left;
  if (focused) box.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
}

export function drawBars(bars) {
  table("bars", "Last bars", ["opened", "open|n", "high|n", "low|n", "close|n", "volume|n"],
    bars.slice(-20).reverse().map((bar) => [utc(bar.t), ...[bar.o, bar.h, bar.l, bar.c, bar.v].map((each) => n(short(each)))]), "No bars yet.");
}

function tile(name, text, kind) {
  const box = document.createElement("div"), span = document.createElement("span"), strong = document.createElement("strong");
  box.className = "tile";
  span.textContent = name;
  Object.assign(strong, { textContent: text, className: kind });
  box.append(span, strong);
  return box;
}

function drawAlerts(alerts) {
  const text = JSON.stringify(alerts), box = $("alerts");
  if (box.dataset.text === text) return; // a screen reader hears changes alone
  box.dataset.text = text;
  const list = document.createElement("ul");
  for (const alert of alerts) {
    const li = document.createElement("li"), code = document.createElement("b");
    li.className = alert.severity;
    code.textContent = `${alert.severity} ${alert.code}`;
    li.append(code, alert.text);
    list.append(li);
  }
  box.replaceChildren(...(alerts.length ? [list] : []));
}

export function drawSnapshot(s) {
  today = utc((s.run.log_ns ?? s.taken_ns) / 1e6, 10);
  drawAlerts(s.alerts);
  const several = s.accounts.length > 1;
  $("accounts").replaceChildren(...s.accounts.flatMap((a) => [["equity", a.equity], ["today", a.today], ["realized", a.realized], ["unrealized", a.unrealized], ["gross", a.gross], ["fees", a.fees]]
    .map(([name, value]) => tile(several ? `${a.account} ${name}` : name, money(value), ["gross", "fees"].includes(name) ? "" : sign(value)))));
  table("positions", "Positions", ["instrument", "strategy", "quantity|n", "unrealized|n", "entry|n", "price|n", "realized|n"],
    s.positions.map((p) => [p.instrument, p.strategy, n(short(p.quantity)), signed(p.unrealized), n(average(p.entry_price)), n(short(p.price)), signed(p.realized)]), "Nothing is held.");
  table("orders", "Open orders", ["time", "instrument", "side", "type", "size|n", "filled|n", "price|n", "phase"],
    s.open_orders.map((o) => [link(o.order_id, at(o.time_ns)), o.instrument, o.side, o.type, n(short(o.size)), n(short(o.filled)), n(short(o.limit ?? o.trigger)), o.phase]), "No order lives.");
  table("fills", "Last fills", ["time", "instrument", "side", "size|n", "price|n", "strategy"],
    s.fills.map((f) => [link(f.id, at(f.time_ns)), f.instrument, { text: f.side, kind: f.side === "BUY" ? "pos" : "neg" }, n(short(f.size)), n(short(f.price)), f.strategy]), "No fill yet.");
  table("refusals", "Last refusals", ["time", "reason", "instrument", "side", "size|n", "detail"],
    s.refusals.map((r) => [link(r.order_id, at(r.time_ns)), r.reason, r.instrument, r.side, n(short(r.size)), wide(r.detail)]), "Nothing was refused.");
  table("partitions", "Partitions", ["partition", "records|n", "rate|n", "log time", "lag|n", "behind|n"],
    s.partitions.map((p) => [p.name, n(p.records === null ? "?" : p.records.toLocaleString("en")), n(p.rate === null ? "" : `${Math.round(p.rate).toLocaleString("en")}/s`), p.log_ns ? at(p.log_ns) : "", n(seconds(p.lag_s)), n(seconds(p.behind_s))]), "None is known yet.");
  table("limits", "Limits", ["limit", "scope", "observed|n", "limit|n", "used|n"],
    s.limits.map((l) => [l.code, l.scope || l.instrument, n(average(l.observed)), n(short(l.limit)), { text: l.used === null ? "" : `${Math.round(l.used * 100)}%`, kind: `n ${l.used >= 0.9 ? "neg" : ""}` }]), "No limit was checked yet.");
  table("states", "Trading states", ["scope", "state", "since", "by"],
    s.states.map((t) => [t.scope, t.state, at(t.time_ns), wide([t.cause, t.rule, t.by, t.detail].filter(Boolean).join(" "))]), "All scopes are ACTIVE.");
  const facts = document.createElement("dl");
  facts.className = "facts";
  const counts = { ...s.counts, "order to fill p50": s.latency.p50_ms === null ? "" : `${s.latency.p50_ms.toFixed(1)} ms`, "p99": s.latency.p99_ms === null ? "" : `${s.latency.p99_ms.toFixed(1)} ms` };
  for (const [name, value] of Object.entries(counts)) {
    const box = document.createElement("div"), dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = name.replaceAll("_", " ");
    dd.textContent = typeof value === "number" ? value.toLocaleString("en") : value || "-";
    box.append(dt, dd);
    facts.append(box);
  }
  $("counts").replaceChildren(facts);
  const old = Object.entries(s.ages_s).map(([name, age]) => `${name} ${seconds(age)}`);
  $("notes").textContent = [...s.notes, ...(old.length ? [`read less often, to spare the flow: ${old.join(", ")} old`] : [])].map((each) => `${each[0].toUpperCase()}${each.slice(1)}.`).join(" ");
  $("log").textContent = s.run.log_ns ? `log time ${utc(s.run.log_ns / 1e6)}` : "";
}

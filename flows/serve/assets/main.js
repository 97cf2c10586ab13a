// The page: its state, then the stream; history as the user scrolls left.
import { Candles, utc } from "./chart.js";
import { Lines } from "./lines.js";
import { Link } from "./link.js";
import { $, drawBars, drawSnapshot } from "./tables.js";

const page = { instrument: "", more: false, loading: false };
const candles = new Candles($("candles"), loadOlder, showReading);
const lines = new Lines($("equity"), $("legend"));
const link = new Link(take);
window.tapeflow = { page, candles, lines, link }; // for tests and curious users

async function fetchJson(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(answer.status === 401
    ? "this page is not let in: open the address that tapeflow serve printed" : (await answer.text()).trim());
  return answer.json();
}

function show(snapshot) {
  link.run = snapshot.run;
  $("run").textContent = `${snapshot.run.command} #${snapshot.run.id}`;
  $("run").title = snapshot.run.line;
  drawSnapshot(snapshot);
  link.judge();
}

function take(body) {
  if (body.bars && (body.bars.length || body.fills.length)) {
    candles.add(body.bars, body.fills.filter((fill) => fill.instrument === page.instrument));
    drawBars(candles.bars);
    showReading();
  }
  if (body.equity && body.equity.length) lines.add(body.equity);
  if (body.snapshot) show(body.snapshot);
}

function showReading() {
  const bar = candles.reading();
  $("latest").hidden = candles.atEnd();
  if (!bar) { $("reading").textContent = ""; return; }
  const change = ((bar.c / bar.o - 1) * 100).toFixed(2);
  const price = (value) => value.toFixed(candles.digits);
  $("reading").textContent = `${utc(bar.t)}  O ${price(bar.o)}  H ${price(bar.h)}  L ${price(bar.l)}  C ${price(bar.c)}  ${change}%  V ${bar.v.toPrecision(4)}${bar.complete ? "" : "  incomplete"}`;
}

const address = (before) => `/bars?instrument=${encodeURIComponent(page.instrument)}${before === undefined ? "" : `&before=${before}`}`;

async function loadOlder() {
  if (page.loading || !page.more) return;
  page.loading = true;
  const name = page.instrument;
  $("history").textContent = "Loading older bars.";
  try {
    const found = await fetchJson(address(Math.floor(candles.bars[0].t)));
    if (name !== page.instrument) return;
    page.more = found.more && found.bars.length > 0;
    candles.older(found.bars, found.fills);
    sayHistory(found.fills_left_out);
  } catch (error) { $("history").textContent = `Older bars cannot be loaded: ${error.message}`; }
  finally { page.loading = false; }
}

function sayHistory(cut) {
  $("history").textContent = `${candles.bars.length.toLocaleString("en")} bars${page.more ? ": scroll left for older ones" : ", all there are"}.${cut ? " Of so many fills the oldest have no mark." : ""}`;
}

async function choose(name) {
  page.instrument = name;
  page.loading = true;
  link.close();
  try {
    const found = await fetchJson(address());
    if (name !== page.instrument) return; // chosen anew meanwhile
    page.more = found.more;
    candles.set(found.bars, found.fills);
    drawBars(candles.bars);
    sayHistory(found.fills_left_out);
    showReading();
    link.open(name, link.id);
  } catch (error) {
    $("history").textContent = `Bars cannot be loaded: ${error.message}. Trying again.`;
    setTimeout(() => name === page.instrument && choose(name), 3000);
  } finally { page.loading = false; }
}

const wanted = () => decodeURIComponent(location.hash.slice(1));
function follow(names) {
  const first = [page.instrument, page.traded, names[0]].find((each) => names.includes(each));
  const name = names.includes(wanted()) ? wanted() : first;
  $("instrument").value = name;
  if (name && name !== page.instrument) choose(name);
}

async function begin() {
  try {
    const state = await fetchJson("/state");
    if (state.error) throw new Error(state.error);
    link.id = state.id;
    $("instrument").replaceChildren(...state.instruments.map((name) => new Option(name, name)));
    show(state.snapshot);
    if (!state.instruments.length) { setTimeout(begin, 2000); return; } // the flow is starting
    lines.add(state.equity);
    page.traded = state.snapshot.fills[0]?.instrument;
    window.addEventListener("hashchange", () => follow(state.instruments));
    $("instrument").addEventListener("change", (event) => { location.hash = encodeURIComponent(event.target.value); });
    follow(state.instruments);
  } catch (error) {
    link.error = error.message;
    link.judge();
    setTimeout(begin, 3000);
  }
}

$("latest").addEventListener("click", () => candles.chart.timeScale().scrollToRealTime());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { candles.paint(); lines.paint(); });
begin();

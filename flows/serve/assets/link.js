// The connection: the stream, and what the page says where its numbers are not those of now.
import { $ } from "./tables.js";
const SILENT_MS = 5000, AGAIN_MS = 3000, OLD_S = 5;
const clock = (ms) => new Date(ms).toISOString().slice(11, 19);

export class Link {
  constructor(onMessage) {
    this.onMessage = onMessage;
    this.heard = Date.now();
    this.run = null;
    setInterval(() => this.judge(), 500);
  }
  open(instrument, id) {
    this.close();
    this.instrument = instrument;
    this.id = id;
    const address = `/stream?instrument=${encodeURIComponent(instrument)}&after=${encodeURIComponent(id)}`;
    this.source = new EventSource(address);
    this.source.onmessage = (event) => {
      this.id = event.lastEventId || this.id;
      this.heard = Date.now();
      this.broken = false;
      const body = JSON.parse(event.data);
      if (body.reset) { location.reload(); return; }
      this.error = body.error || "";
      this.age = body.age || 0;
      this.onMessage(body);
      this.judge();
    };
    this.source.onerror = () => {
      this.broken = true;
      this.judge();
      if (this.source.readyState === EventSource.CLOSED) {
        clearTimeout(this.again);
        this.again = setTimeout(() => this.reopen(), AGAIN_MS);
      }
    };
  }
  async reopen() {
    try {
      const answer = await fetch("/state", { method: "HEAD" });
      this.refused = answer.status === 401;
      if (answer.status === 400) { location.reload(); return; }
    } catch { this.refused = false; }
    this.open(this.instrument, this.id);
  }
  close() { if (this.source) this.source.close(); clearTimeout(this.again); }
  judge() {
    const silent = Date.now() - this.heard > SILENT_MS;
    const lost = this.source && (this.broken || silent);
    const run = this.run, state = lost ? "lost" : run ? run.state : "starting";
    let text = "", kind = "";
    if (this.refused) text = "This page is not let in any more: open the address that tapeflow serve printed last.";
    else if (lost) text = `Connection lost. All numbers are those of ${clock(this.heard)} UTC or before. Trying again.`;
    else if (this.error) text = `The flow cannot be read: ${this.error}`;
    else if (this.age > OLD_S) text = `The flow has not answered for ${Math.round(this.age)} s: its numbers are that old.`;
    else if (run && run.state === "gone") text = `The flow is gone: ${run.line}. Nothing below will change until it runs again.`;
    else if (run && run.state === "stopped") { text = `The flow has ended: ${run.line}.`; kind = "mild"; }
    else if (run && run.state === "finished") { text = `The flow has ended: ${run.line}. These are its final results.`; kind = "end"; }
    else if (run && run.state === "starting") { text = run.line || "The flow is starting."; kind = "mild"; }
    const names = { lost: "connection lost", gone: "killed or failed" };
    if ($("state").textContent !== (names[state] || state)) $("state").textContent = names[state] || state;
    $("state").dataset.state = state;
    $("banner").hidden = !text;
    $("banner").className = `banner ${kind}`;
    if ($("banner").textContent !== text) $("banner").textContent = text;
    document.body.classList.toggle("stale", lost || this.refused === true || Boolean(run && run.state === "gone"));
    document.title = `${names[state] || state} - Tapeflow`;
  }
}

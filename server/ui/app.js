"use strict";
// The page: asks /stats.json every two seconds and draws what it says of the chosen store.

const EVERY_MS = 2000;
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

function formatBytes(bytes) {
  let unit = 0;
  while (bytes >= 1024 && unit < UNITS.length - 1) { bytes /= 1024; unit++; }
  return `${unit && bytes < 100 ? bytes.toFixed(1) : Math.round(bytes)} ${UNITS[unit]}`;
}
function formatCount(value) {
  return value >= 100 || Number.isInteger(value) ? Math.round(value).toLocaleString("en") : value.toFixed(1);
}
function formatSeconds(s) {
  if (s < 0.001) return `${Math.round(s * 1e6)} µs`;
  if (s < 1) return `${(s * 1000).toFixed(s < 0.01 ? 1 : 0)} ms`;
  if (s < 100) return `${s.toFixed(1)} s`;
  return s < 7200 ? `${Math.round(s / 60)} min` : s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} days`;
}
const when = (ms) => new Date(ms).toLocaleString();
const at = (id) => document.getElementById(id);

const state = { session: null, store: null, before: null, plots: null, browser: null, deadline: 0 };

/* ---- asking ---- */

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", ...options });
  } catch {
    throw new Error("the server does not answer");
  }
  const text = await answer.text();
  let body = null;
  try { body = JSON.parse(text); } catch { /* not ours to read */ }
  if (!answer.ok) throw new Error((body && body.error) || text || `the server says ${answer.status}`);
  return body;
}
const get = (path) => ask(path);
const post = (path) => ask(path, { method: "POST", headers: { "X-Mstore-Token": state.session.token } });

function say(sentence, bad) {
  const notice = at("notice");
  if (notice.textContent !== sentence) notice.textContent = sentence;
  notice.className = bad ? "bad" : "";
}

/* ---- overview ---- */

function pairs(list, rows) {
  list.replaceChildren(...rows.filter(Boolean).flatMap(([term, value, kind]) => [
    element("dt", { textContent: term }), element("dd", { textContent: value, className: kind || "" })]));
}

function drawOverview(stats, store) {
  const members = store.members || [], away = members.filter((m) => !m.up && m.state !== "gone").length;
  const errors = Object.values(store.calls || {}).reduce((sum, c) => sum + c.errors, 0);
  const calls = Object.values(store.calls || {}).reduce((sum, c) => sum + c.calls, 0);
  const rows = document.createDocumentFragment();
  const tile = (term, value, kind, remark) => rows.append(element("div", {}, element("dt", { textContent: term }),
    element("dd", { textContent: value, className: kind || "" }, ...(remark ? [element("span", { className: "sub", textContent: remark })] : []))));
  tile("Store", store.up ? "up" : "down", store.up ? "good" : "bad", store.trouble);
  if (store.members) tile("Members up", `${members.length - away} of ${members.length}`, away ? "bad" : "good");
  tile("Calls", formatCount(calls), "", `${formatCount(errors)} errors`);
  if (store.events && store.members) tile("Repairs", formatCount(store.events.repairs), "", `${formatCount(store.events.degraded)} calls degraded`);
  tile("Requests under way", formatCount(stats.server.in_flight), "", `${formatCount(stats.server.connections)} connections`);
  tile("Memory", formatBytes(stats.server.resident_bytes));
  at("tiles").replaceChildren(rows);
  at("foot").textContent = `mstore ${stats.version}, running since ${when(stats.started_ms)}`;
}

/* ---- plots: differences of two answers ---- */

function totals(store, firstNs) {
  const sum = { calls: 0, load: 0, store: 0, times: null, errors: 0, firstNs };
  for (const [verb, c] of Object.entries(store.calls || {})) {
    sum.calls += c.calls;
    sum.errors += c.errors;
    if (verb === "load") sum.load += c.bytes;
    if (verb === "store") sum.store += c.bytes;
    sum.times = sum.times ? sum.times.map((n, i) => n + c.times[i]) : c.times.slice();
  }
  return sum;
}

// Seconds below which the share q of the counted calls stayed: bucket i ends at first * 2^i.
function quantile(times, firstNs, q) {
  const all = times.reduce((a, b) => a + b, 0);
  if (!all) return null;
  let seen = 0;
  for (let i = 0; i < times.length; i++) {
    if (seen + times[i] >= all * q) {
      const end = firstNs * 2 ** i, begin = i ? end / 2 : 0;
      return (begin + (end - begin) * ((all * q - seen) / times[i])) / 1e9;
    }
    seen += times[i];
  }
  return (firstNs * 2 ** (times.length - 1)) / 1e9;
}

function drawPlots(stats, store) {
  const now = totals(store, stats.times_first_ns), before = state.before;
  const moment = stats.now_ms / 1000;
  state.before = { when: moment, name: store.name, sum: now };
  if (!before || before.name !== store.name || moment <= before.when) return;
  const span = moment - before.when, rate = (key) => Math.max(0, (now[key] - before.sum[key]) / span);
  const times = now.times ? now.times.map((n, i) => Math.max(0, n - (before.sum.times ? before.sum.times[i] : 0))) : [];
  state.plots.rate.add(moment, [rate("load"), rate("store")]);
  state.plots.calls.add(moment, [rate("calls"), rate("errors")]);
  state.plots.time.add(moment, [quantile(times, now.firstNs, 0.5), quantile(times, now.firstNs, 0.99)]);
}

/* ---- members and namespaces ---- */

function cell(label, ...content) {
  const td = element("td", {}, ...content.map((c) => (typeof c === "string" ? element("span", { textContent: c }) : c)));
  td.dataset.label = label;
  return td;
}

function health(m) {
  if (m.state === "gone") return element("span", { textContent: "gone" });
  const box = element("span", {}, element("span", { className: m.up ? (m.behind ? "warn" : "good") : "bad", textContent: m.up ? (m.behind ? "up, behind" : "up") : "away" }));
  const why = m.trouble || (m.behind ? "others have noted what it lacks: heal brings it" : m.breaker !== "closed" ? `breaker ${m.breaker}` : "");
  if (why) box.append(element("span", { className: "sub", textContent: why }));
  return box;
}

function fill(m) {
  if (m.total_bytes === null || m.free_bytes === null || !m.total_bytes) return element("span", { textContent: "unknown" });
  const used = 1 - m.free_bytes / m.total_bytes;
  const text = `${Math.round(used * 100)} % of ${formatBytes(m.total_bytes)}`;
  const bar = element("meter", { min: 0, max: 1, value: used });
  bar.setAttribute("aria-label", `${m.name}: ${text}`);
  return element("span", {}, bar, element("span", { className: "sub", textContent: text }));
}

function drawMembers(store) {
  at("s-members").hidden = !store.members;
  at("s-spaces").hidden = !store.namespaces;
  if (!store.members) return;
  document.querySelector("#members tbody").replaceChildren(...store.members.map((m) => element("tr", {},
    cell("Member", element("span", {}, element("b", { textContent: m.name }), element("span", { className: "sub", textContent: [m.zone && m.zone !== m.name ? `zone ${m.zone}` : "", m.url || ""].filter(Boolean).join(", ") }))),
    cell("Health", health(m)), cell("State", m.state), cell("Latency", m.latency_ns ? formatSeconds(m.latency_ns / 1e9) : "unknown"),
    cell("Calls", formatCount(m.calls)), cell("Errors", formatCount(m.errors)), cell("Fill", fill(m)))));
  const away = store.members.filter((m) => !m.up && m.state !== "gone").length;
  document.querySelector("#spaces tbody").replaceChildren(...store.namespaces.map((s) => element("tr", {},
    cell("Namespace", s.name || "(root)"), cell("Kind", s.kind), cell("Redundancy", s.redundancy), cell("May be lost", formatCount(s.tolerates)),
    cell("Now", element("span", { className: !away ? "good" : away > s.tolerates ? "bad" : "warn", textContent: !away ? "whole" : away > s.tolerates ? "values may be out of reach" : `bears ${s.tolerates - away} more` })))));
}

/* ---- scrub and heal ---- */

function runSentence(r) {
  if (!r.ended_ms) return "never, since this server runs";
  const how = r.trouble ? `ended in an error: ${r.trouble}` : `${formatCount(r.keys)} keys, ${formatCount(r.wanting)} not as they should be, ${formatCount(r.repaired)} put right, ${formatCount(r.left)} left`;
  return `${when(r.ended_ms)}, asked for by ${r.asked_by}: ${how}${r.remark ? `; ${r.remark}` : ""}`;
}

function drawUpkeep(store) {
  const u = store.upkeep, bar = at("upkeep-bar"), manages = state.session.manages;
  at("s-upkeep").hidden = false;
  for (const id of ["start-scrub", "start-heal", "stop"]) at(id).hidden = !u || !manages;
  at("upkeep-right").textContent = u && !manages ? "Only managers may start and stop these." : "";
  if (!u) {
    at("upkeep-now").textContent = "A store over one storage has no copies to compare: nothing to scrub or heal.";
    bar.hidden = true;
    at("upkeep-last").replaceChildren();
    return;
  }
  at("start-scrub").disabled = at("start-heal").disabled = Boolean(u.running);
  at("stop").disabled = !u.running;
  bar.hidden = !u.running;
  if (u.running && u.fraction !== null) bar.value = u.fraction;
  else bar.removeAttribute("value");
  at("upkeep-now").textContent = u.running
    ? `A ${u.running} is under way (asked for by ${u.asked_by}): ${u.step || "beginning"}, ${formatCount(u.keys)} keys, ${formatBytes(u.bytes)}.`
    : "Nothing is under way.";
  pairs(at("upkeep-last"), [["Last scrub", runSentence(u.scrub)], ["Last heal", runSentence(u.heal)],
    ["Next scrub", u.next_scrub_ms ? when(u.next_scrub_ms) : "none is planned"]]);
}

// A button that is switched off loses the keyboard's focus: it goes to the one that is on now.
async function act(path, sentence) {
  const button = document.activeElement;
  try {
    await post(path);
    say(sentence, false);
  } catch (error) {
    say(error.message, true);
  }
  await refresh();
  if (button && button.disabled) at(button.id === "stop" ? "start-heal" : "stop").focus();
}

/* ---- the loop ---- */

function drawStores(stores) {
  const select = at("store"), names = stores.map((s) => s.name);
  if (JSON.stringify(names) !== JSON.stringify(Array.from(select.options, (o) => o.value)))
    select.replaceChildren(...names.map((name) => new Option(name, name)));
  if (!names.includes(state.store)) choose(stores, names[0]);
  select.value = state.store;
}

function choose(stores, name) {
  state.store = name;
  state.before = null;
  Object.values(state.plots).forEach((plot) => plot.clear());
  const store = stores.find((s) => s.name === name);
  if (store) state.browser.open(name, store.listable);
}

async function refresh() {
  let stats;
  try {
    if (!state.session) state.session = await get("/ui/session.json");
    stats = await get("/stats.json");
  } catch (error) {
    say(error.message, true);
    state.trouble = error.message;
    return;
  }
  if (state.trouble && at("notice").textContent === state.trouble) say("", false);
  state.trouble = null;
  at("who").textContent = state.session.user ? `Signed in as ${state.session.user}` : "";
  state.stores = stats.stores;
  if (!stats.stores.length) return say("There is no store that you may use.", true);
  drawStores(stats.stores);
  const store = stats.stores.find((s) => s.name === state.store);
  drawOverview(stats, store);
  drawPlots(stats, store);
  drawMembers(store);
  drawUpkeep(store);
}

async function loop() {
  if (!document.hidden) await refresh();
  setTimeout(loop, EVERY_MS);
}

function begin() {
  state.plots = {
    rate: new Plot(at("plot-rate"), ["load", "store"], (v) => `${formatBytes(v)}/s`, "c-rate", 1024),
    calls: new Plot(at("plot-calls"), ["calls", "errors"], (v) => `${formatCount(v)}/s`, "c-calls", 10),
    time: new Plot(at("plot-time"), ["p50", "p99"], formatSeconds, "c-time", 0.001),
  };
  state.browser = new Browser({ get, post, say });
  at("store").addEventListener("change", (event) => { choose(state.stores, event.target.value); refresh(); });
  const here = () => `store=${encodeURIComponent(state.store)}`;
  at("start-scrub").addEventListener("click", () => act(`/ui/start?${here()}&work=scrub`, "The scrub begins."));
  at("start-heal").addEventListener("click", () => act(`/ui/start?${here()}&work=heal`, "The heal begins."));
  at("stop").addEventListener("click", () => act(`/ui/stop?${here()}`, "It is being stopped; the next run goes on where this one is."));
  loop();
}
begin();

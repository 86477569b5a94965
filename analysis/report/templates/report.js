"use strict";
(() => {
const $ = (q, e = document) => e.querySelector(q), $$ = (q, e = document) => [...e.querySelectorAll(q)];
const root = document.documentElement, views = new Map(), picked = new Set(), shown = new Map();
let store = null, vegaReady = null, frozen = false;

async function unpack(id) {
  const bytes = Uint8Array.from(atob($("#" + id).textContent), c => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}
function rowsOf(columns) {
  const rows = Array.from({length: columns.n}, () => ({}));
  for (const [key, column] of Object.entries(columns.c)) {
    const words = column.d;
    if (words) column.i.forEach((at, i) => { rows[i][key] = words[at]; });
    else column.forEach((value, i) => { rows[i][key] = value; });
  }
  return rows;
}
async function load() {
  const raw = JSON.parse(await unpack("data"));
  store = {specs: raw.specs, tables: raw.tables, metrics: raw.metrics, sets: {}};
  for (const image of $$("img[data-picture]")) image.src = "data:image/svg+xml," + encodeURIComponent(raw.pictures[image.dataset.picture]);
  for (const [name, columns] of Object.entries(raw.datasets)) store.sets[name] = rowsOf(columns);
}
function vega() {
  return vegaReady ||= unpack("library").then(code => {
    const script = document.createElement("script");
    script.nonce = $("script[nonce]").nonce;
    script.type = "module";
    script.textContent = code + "\nwindow.dispatchEvent(new Event('vega-ready'));";
    const ready = new Promise(done => addEventListener("vega-ready", done, {once: true}));
    document.body.append(script);
    return ready;
  });
}

// Filters: a field that has a fieldset keeps rows whose value is checked; a row without the field passes.
const fields = $$("#filters fieldset[data-f]");
const chosen = () => Object.fromEntries(fields.map(f => [f.dataset.f, new Set($$("input:checked", f).map(i => i.value))]));
function keep(rows, filter, free = []) {
  const tests = Object.entries(filter).filter(([name]) => !free.includes(name));
  return rows.filter(row => tests.every(([name, values]) => row[name] === undefined || row[name] === null || values.has(String(row[name]))));
}
const marked = rows => rows.map(row => ({...row, on: picked.size ? (picked.has(row.label) ? 1 : -1) : 0}));
const dataOf = (name, set) => marked(keep(set.split("+").flatMap(s => store.sets[s] || []), chosen(), store.specs[name].free));

function setsIn(spec, found = new Set()) {
  if (spec && typeof spec === "object") {
    if (spec.data && spec.data.name) found.add(spec.data.name);
    Object.values(spec).forEach(v => setsIn(v, found));
  }
  return found;
}
const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
function theme() {
  const style = getComputedStyle(root), v = n => style.getPropertyValue(n).trim();
  const text = {labelColor: v("--ink"), titleColor: v("--ink")};
  return {background: "transparent", font: "system-ui, sans-serif", style: {cell: {stroke: v("--line")}}, mark: {stroke: null},
    axis: {...text, gridColor: v("--line"), domainColor: v("--muted"), tickColor: v("--muted"), titleFontWeight: "normal", labelOverlap: "greedy"},
    legend: {...text, symbolBaseFillColor: v("--muted"), symbolBaseStrokeColor: v("--muted")}, header: {...text, labelFontSize: 12, labelFontWeight: "bold"}, point: {stroke: v("--ink"), strokeWidth: .5}, text: {color: v("--ink")}};
}
async function draw(box) {
  const name = box.dataset.chart;
  await vega();
  const old = views.get(name);
  if (old) old.finalize();
  const spec = structuredClone(store.specs[name].spec), sets = [...setsIn(spec)];
  spec.config = theme();
  spec.datasets = Object.fromEntries(sets.map(s => [s, dataOf(name, s)]));
  const text = JSON.stringify(spec).replaceAll('"currentColor"', JSON.stringify(theme().point.stroke));
  box.textContent = "";
  const result = await window.vegaEmbed(box, JSON.parse(text), {ast: true, actions: false, renderer: "svg", logLevel: 0, tooltip: {theme: dark() ? "dark" : "light"}});
  hush(box);
  views.set(name, result);
  result.sets = sets;
  result.main = sets.find(s => dataOf(name, s).some(r => r.label)) || sets[0];
  result.view.addEventListener("click", (_, item) => { if (item && item.datum && item.datum.label) pick(item.datum.label); });
  empty(box, name);
}
function hush(box) {  // the box's own label says what the chart shows; hundreds of marks read aloud help nobody
  for (const part of $$("[role^=graphics]", box)) for (const name of ["role", "aria-roledescription", "aria-label"]) part.removeAttribute(name);
}
function empty(box, name) {
  const none = !dataOf(name, views.get(name).main).some(r => r.label);
  let note = $(".none", box);
  if (none && !note) { note = document.createElement("p"); note.className = "none"; note.textContent = "No cell matches the filters."; box.prepend(note); }
  if (!none && note) note.remove();
  const drawing = $(".vega-embed > svg, svg", box);
  if (drawing) drawing.style.display = none ? "none" : "";
}
let pending = Promise.resolve();
function refresh() {
  for (const [name, result] of views) {
    for (const set of result.sets) result.view.data(set, dataOf(name, set));
    pending = result.view.resize().runAsync().then(() => { hush($(`[data-chart="${name}"]`)); empty($(`[data-chart="${name}"]`), name); });
  }
  const filter = chosen();
  for (const el of $$("[data-platform]")) el.hidden = (filter.platform && !filter.platform.has(el.dataset.platform)) || (el.dataset.scenario && filter.scenario && !filter.scenario.has(el.dataset.scenario)) || false;
  for (const [table] of shown) filterTable(table, filter);
  compare(filter);
  remember(filter);
}

// Comparison
function pick(label) {
  picked.has(label) ? picked.delete(label) : picked.add(label);
  const bar = $("#picked");
  bar.textContent = "";
  for (const name of picked) {
    const button = document.createElement("button");
    button.type = "button"; button.textContent = name + " ×"; button.setAttribute("aria-label", "Remove " + name + " from the comparison");
    button.onclick = () => pick(name);
    bar.append(button);
  }
  $("#clear").hidden = !picked.size;
  refresh();
}
function compare(filter) {
  const box = $("#compared"), rows = picked.size && store.sets.cells ? keep(store.sets.cells, filter).filter(r => picked.has(r.label)) : [];
  box.hidden = !picked.size;
  const where = $(".scroll", box);
  where.textContent = "";
  if (!picked.size) return;
  if (!rows.length) { where.textContent = "No cell of these networks matches the filters."; return; }
  const keys = ["label", "platform", "series", "batch_size", "scenario", ...Object.keys(store.metrics)].filter(k => rows.some(r => r[k] !== null && r[k] !== undefined));
  const names = {label: "network", series: "backend", batch_size: "batch"};
  where.append(build({rows: rows.length, columns: keys.map(k => { const d = rows.map(r => r[k] ?? "—"); return {k, h: store.metrics[k] || names[k] || k, n: typeof d[0] === "number", d, i: d.map((_, i) => i)}; })}));
}

// Tables: headings sort, rows follow the filters
const number = text => { const n = parseFloat(text.replace(/[,−]/g, c => c === "," ? "" : "-")); return Number.isNaN(n) ? null : n; };
function sort(th) {
  const table = th.closest("table"), at = th.cellIndex, up = th.getAttribute("aria-sort") !== "ascending", numeric = th.classList.contains("n");
  $$("th", table).forEach(h => h.removeAttribute("aria-sort"));
  th.setAttribute("aria-sort", up ? "ascending" : "descending");
  const value = row => { const text = row.cells[at].textContent; return numeric ? number(text) : text; };
  const rows = [...table.tBodies[0].rows].map(row => [value(row), row]);
  rows.sort(([a], [b]) => a === null ? 1 : b === null ? -1 : (up ? 1 : -1) * (numeric ? a - b : a.localeCompare(b, undefined, {numeric: true})));
  table.tBodies[0].append(...rows.map(([, row]) => row));
}
document.addEventListener("click", event => { const th = event.target.closest("th"); if (th && event.target.closest("button")) sort(th); });
document.addEventListener("click", event => {  // the file may not be beside a page that was passed on: the table in the page is
  const link = event.target.closest(".csv a");
  if (!link) return;
  event.preventDefault();
  const details = link.closest("details"), table = $("table", details);
  const cell = text => { const safe = /^[=+@\t\r]|^-(?!\d)/.test(text) ? "'" + text : text; return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe; };
  const text = [...table.rows].map(row => [...row.cells].map(c => cell(c.classList.contains("n") && c.tagName === "TD" ? c.textContent.replace(/,/g, "").replace("—", "") : c.textContent)).join(",")).join("\n") + "\n";
  const a = document.createElement("a");
  a.href = URL.createObjectURL(new Blob([text], {type: "text/csv"})); a.download = link.getAttribute("href").split("/").at(-1);
  a.click(); setTimeout(() => URL.revokeObjectURL(a.href), 1000);
});
function build(data) {
  const table = document.createElement("table"), head = table.createTHead().insertRow(), body = table.createTBody();
  for (const column of data.columns) {
    const th = document.createElement("th"), button = document.createElement("button");
    th.scope = "col"; th.dataset.k = column.k; th.className = column.n ? "n" : ""; button.textContent = column.h;
    th.append(button); head.append(th);
  }
  for (let i = 0; i < data.rows; i++) {
    const row = body.insertRow();
    for (const column of data.columns) { const cell = row.insertCell(); cell.textContent = column.d[column.i[i]]; if (column.n) cell.className = "n"; }
  }
  return table;
}
function filterTable(table, filter) {
  const free = table.closest("[data-free]")?.dataset.free.split(" ") ?? [];
  const tests = $$("th", table).map((th, i) => [i, free.includes(th.dataset.k) ? null : filter[th.dataset.k]]).filter(([, values]) => values);
  if (!tests.length) return;
  for (const row of table.tBodies[0].rows) row.hidden = !tests.every(([i, values]) => values.has(row.cells[i].textContent.replace(/,/g, "")));
}
function open(details) {
  if (details.dataset.long && !$("table", details)) $(".scroll", details).append(build(store.tables[details.dataset.long]));
  const table = $("table", details);
  if (table && details.dataset.long) { shown.set(table, true); filterTable(table, chosen()); }
}

// State in the link
function remember(filter) {
  if (!frozen) return;
  const now = location.hash.slice(1).split("?")[0];
  const parts = Object.entries(filter).map(([name, values]) => name + "=" + [...values].map(encodeURIComponent).join("|"));
  if (picked.size) parts.push("pick=" + [...picked].map(encodeURIComponent).join("|"));
  try { history.replaceState(null, "", "#" + now + "?" + parts.join("&")); } catch { /* a sandboxed page keeps no state */ }
}
function recall() {
  const [id, query] = location.hash.slice(1).split("?");
  if (id === "choose") return null;  // decide.js
  if (query) for (const part of query.split("&")) {
    const [name, text = ""] = part.split("="), values = text.split("|").filter(Boolean).map(decodeURIComponent);
    const field = fields.find(f => f.dataset.f === name);
    if (field) $$("input", field).forEach(i => { i.checked = values.includes(i.value); });
    if (name === "pick") values.forEach(v => picked.has(v) || pick(v));
  }
  return id && document.getElementById(id);
}
async function lead(target) {  // opens what the target lies in; charts that are drawn above the target push it down
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  for (let i = 0; i < 6; i++) {
    target.scrollIntoView();
    await new Promise(done => setTimeout(done, 80));
    await pending;
  }
  target.scrollIntoView();
}

// Keyboard: arrows walk through the points of a chart, Enter compares
const cursor = new Map();
function walk(event) {
  const box = event.currentTarget, name = box.dataset.chart, result = views.get(name);
  if (!result || !["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "Enter"].includes(event.key)) return;
  event.preventDefault();
  const all = dataOf(name, result.main), rows = all.filter(r => r.label);
  if (!rows.length) return;
  let at = cursor.get(name) ?? -1;
  if (event.key === "Enter") { if (at >= 0 && rows[at]) pick(rows[at].label); return; }
  at = (at + (event.key === "ArrowRight" || event.key === "ArrowDown" ? 1 : -1) + rows.length) % rows.length;
  cursor.set(name, at);
  const row = rows[at];
  $("#live").textContent = [row.label, row.platform, row.series, ...Object.keys(store.metrics).filter(k => row[k] !== null && row[k] !== undefined).map(k => store.metrics[k] + " " + row[k])].filter(Boolean).join(", ");
  result.view.data(result.main, all.map(r => r === row ? {...r, on: 1} : {...r, on: picked.size ? r.on : r.label ? -1 : 0})).runAsync();
}

async function start() {
  $("#filters").hidden = false;
  await load();
  const watch = new IntersectionObserver(entries => entries.forEach(entry => {
    if (entry.isIntersecting) begin(entry.target);
  }), {rootMargin: "300px"});
  const begun = new Map();
  const begin = box => {
    if (!begun.has(box)) {
      watch.unobserve(box);
      begun.set(box, pending = draw(box));
    }
    return begun.get(box);
  };
  for (const box of $$(".chart")) { watch.observe(box); box.addEventListener("keydown", walk); }
  $("#filters").addEventListener("submit", event => event.preventDefault());
  $("#filters").addEventListener("change", event => { if (event.target.id !== "pick") { frozen = true; refresh(); } });
  for (const button of $$("[data-save]")) button.onclick = async () => {
    await begin($(`[data-chart="${button.dataset.save}"]`));
    const a = document.createElement("a");
    a.href = URL.createObjectURL(new Blob([await views.get(button.dataset.save).view.toSVG()], {type: "image/svg+xml"})); a.download = button.dataset.save + ".svg";
    a.click(); setTimeout(() => URL.revokeObjectURL(a.href), 1000);
  };
  for (const button of $$("[data-all]")) button.onclick = () => {
    const inputs = $$("input", button.parentElement), every = inputs.every(i => i.checked);
    inputs.forEach((input, i) => { input.checked = every ? i === 0 : true; });
    frozen = true; refresh();
  };
  $("#pick").addEventListener("change", event => { if ($$("#networks option").some(o => o.value === event.target.value)) { frozen = true; pick(event.target.value); event.target.value = ""; } });
  $("#clear").onclick = () => { picked.clear(); $("#picked").textContent = ""; $("#clear").hidden = true; refresh(); };
  for (const details of $$("details")) { details.addEventListener("toggle", () => details.open && open(details)); if (details.open) open(details); }
  $("#theme").onclick = () => { root.dataset.theme = dark() ? "light" : "dark"; redraw(); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  const everything = async () => { for (const box of $$(".chart")) await begin(box); };
  addEventListener("beforeprint", () => { $$("details").forEach(d => { d.open = true; }); everything(); });
  addEventListener("hashchange", () => { const at = document.getElementById(location.hash.slice(1).split("?")[0]); if (at) lead(at); });
  const target = recall();
  refresh();
  frozen = true;
  window.dyno = {views, everything, settled: async () => { await pending; }, dataOf, store};
  root.dataset.ready = "yes";
  if (target) lead(target);
}
async function redraw() { for (const name of [...views.keys()]) await draw($(`[data-chart="${name}"]`)); }
requestAnimationFrame(() => setTimeout(() => start().catch(error => {
  for (const box of $$(".chart .wait")) box.textContent = "The charts can't be drawn in this browser (" + error.message + "); dyno report --figures writes them as files.";
}), 0));
})();

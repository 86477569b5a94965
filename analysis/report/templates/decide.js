"use strict";
// The first screen, live: limits, verdict, chart and table of one device. The words and numbers are those of verdict.py, plot.py and screen.py.
(() => {
const $ = q => document.querySelector(q), box = $("#screen");
const store = JSON.parse($("#choices").textContent), data = store.data, screens = store.screens;
const names = Object.keys(screens);
if (!names.length) return;
const spread = c => Array.isArray(c) ? c : c.i ? c.i.map(at => data.words[at]) : Array(c.n).fill(c.w);
const rows = Object.fromEntries(names.map(name => {
  const columns = Object.entries(data.devices[name] || {}).map(([field, c]) => [field, spread(c)]);
  return [name, columns.length ? columns[0][1].map((_, at) => Object.fromEntries(columns.map(([field, values]) => [field, values[at]]))) : []];
}));
const clone = limits => ({...limits}), state = {device: names[0], limits: clone(screens[names[0]].limits)};
const LIMITS = ["ms", "rate", "top1", "mib", "mj"], QUANTILES = {ms: "median", p90: "90th percentile", p99: "99th percentile"};
const escape = text => String(text).replace(/[&<>"]/g, c => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})[c]);
function significant(value, digits) {
  if (!value) return "0";
  const decimals = digits - 1 - Math.floor(Math.log10(Math.abs(value))), places = Math.max(0, decimals), scale = 10 ** -decimals;
  const rounded = decimals < 0 ? Math.round(value / scale) * scale : +value.toFixed(decimals);
  return rounded.toLocaleString("en-US", {minimumFractionDigits: places, maximumFractionDigits: places});
}
const bound = text => text.replace(/(\d) (?=%|ms\b|MiB|mJ|images|points?\b|px)/g, "$1\u00a0"); // no line begins with the unit of the number before it
const number = value => value === null ? "—" : significant(value, 3);
const rate = row => 1e3 * row.batch / row.ms, share = (row, limits) => limits.batch ? 1 : row.batch;
const distinct = pool => new Set(pool.map(row => row.model)).size;

function below(z) {
  const t = 1 / (1 + .2316419 * Math.abs(z));
  const tail = t * (.319381530 + t * (-.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429)))) * (Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI));
  return z < 0 ? tail : 1 - tail;
}
function chance(row, limits) {
  if (limits.mib !== null || limits.mj !== null || (limits.top1 !== null && row.top1 < limits.top1)) return 0;
  const most = [];
  if (limits.ms !== null) most.push(limits.ms * (limits.batch ? 1 : row.batch));
  if (limits.rate !== null) most.push(1e3 * row.batch / limits.rate);
  if (!most.length) return 1;
  const spread = Math.log((row.high || row.ms) / (row.low || row.ms)) / (2 * store.z90);
  return below(Math.log(Math.min(...most) / row.ms) / Math.max(spread, 1e-9));
}
function meets(row, limits) {
  if (!row.measured) return chance(row, limits) >= store.likely;
  let time = limits.of === "ms" ? row.high || row.ms : row[limits.of];
  if (time) time /= share(row, limits);
  for (const [value, limit, sign] of [[time, limits.ms, 1], [row.mib, limits.mib, 1], [row.mj, limits.mj, 1], [row.top1, limits.top1, -1]])
    if (limit !== null && (value === null || sign * value > sign * limit)) return false;
  return limits.rate === null || 1e3 * row.batch / (row.high || row.ms) >= limits.rate;
}
function fastest(all, limits) {
  const found = new Map();
  for (const row of all) {
    if ((limits.batch && row.batch !== limits.batch) || (limits.precision && row.precision !== limits.precision)) continue;
    const best = found.get(row.network);
    if (!best || rate(row) > rate(best)) found.set(row.network, row);
  }
  return [...found.values()].sort((a, b) => rate(b) - rate(a));
}
function frontier(pool) {
  const on = [];
  for (const row of pool) if (row.top1 !== null && (!on.length || row.top1 > on.at(-1).top1)) {
    if (on.length && rate(on.at(-1)) === rate(row)) on.pop();
    on.push(row);
  }
  return on;
}
const fast = list => [...list].sort((a, b) => rate(b) - rate(a));
const time = (row, batch) => batch === 0 ? `${significant(row.ms / row.batch, 3)} ms per image (batch ${row.batch})` : `${significant(row.ms, 3)} ms${batch > 1 ? ` per batch of ${batch}` : ""}${row.heat ? ` (${row.heat})` : ""}`;
function asked(l) {
  const said = [];
  if (l.ms !== null) said.push(`${QUANTILES[l.of]} at most ${significant(l.ms, 3)} ms${l.batch ? "" : " per image"}${l.batch < 2 && l.rate === null ? ` (${significant(1e3 / l.ms, 2)} images/s)` : ""}`);
  if (l.rate !== null) said.push(`at least ${significant(l.rate, 3)} images/s`);
  if (l.top1 !== null) said.push(`Top-1 at least ${l.top1.toFixed(0)} %`);
  if (l.mib !== null) said.push(`memory at most ${significant(l.mib, 3)} MiB`);
  if (l.mj !== null) said.push(`energy at most ${significant(l.mj, 3)} mJ per image`);
  return said.join(", ");
}
const by = (pool, value) => pool.reduce((best, row) => { const [a, b] = [value(row), value(best)]; return a[0] > b[0] || (a[0] === b[0] && a[1] > b[1]) ? row : best; });
const noun = l => LIMITS.filter(name => l[name] !== null).length < 2 ? "limit" : "limits";
const join = parts => parts.filter(Boolean).join(" ");
function decide(all, l) {
  const everything = fastest(all, l), pool = everything.filter(row => row.measured), rated = pool.filter(row => row.top1 !== null), many = distinct(rated), within = asked(l);
  if (!pool.length) return {title: "Nothing was measured at this batch size and precision", sentence: "Choose others."};
  if (!rated.length) {
    const first = pool[0], all = distinct(pool);
    return {title: `${all === 1 ? "Only network" : "Fastest"}: ${first.network}, ${time(first, l.batch)} with ${first.backend}`, take: first,
      sentence: `No Top-1 is known for ${all === 1 ? "it" : `any of the ${all} networks`}, so the most accurate can't be named.${within && !meets(first, l) ? ` Even so it misses the ${noun(l)}: ${within}.` : ""}`};
  }
  const good = rated.filter(row => meets(row, l));
  if (!good.length) {
    const best = rated[0], said = `${many === 1 ? "It" : `The fastest, ${best.network},`} takes ${time(best, l.batch)} with ${best.backend} and reaches ${best.top1.toFixed(1)} % Top-1.`;
    return {title: `${many === 1 ? `${best.network} does not meet` : `None of ${many} networks meets`} ${noun(l) === "limit" ? "this limit" : "these limits"}: ${within}`,
      sentence: join([said, otherWeights(best), promise(everything, l, null)])};
  }
  const take = by(good, row => onlyTop1(l) ? [rate(row), 0] : [row.top1, rate(row)]);
  return {title: `Take ${take.network}: ${take.top1.toFixed(1)} % Top-1 in ${time(take, l.batch)} with ${take.backend}`, take,
    sentence: join([because(many, distinct(good), l), onlyTop1(l) ? "" : rival(take, good), unsure(take), otherWeights(take), promise(everything, l, take)])};
}
const onlyTop1 = l => l.top1 !== null && LIMITS.every(name => name === "top1" || l[name] === null);
function because(many, met, l) {
  const within = asked(l);
  if (many === 1) return `It is the only network here${within ? `, and it meets the ${noun(l)}: ${within}` : ""}.`;
  if (!within) return `It is the most accurate of ${many} networks; no limit is set.`;
  if (met === 1) return `It is the only one of ${many} networks that meets the ${noun(l)}: ${within}.`;
  const most = onlyTop1(l) ? "fastest" : "most accurate";
  if (met === many) return `It is the ${most} of ${many} networks, all of which meet the ${noun(l)}: ${within}.`;
  return `It is the ${most} of the ${met} networks (of ${many}) that meet the ${noun(l)}: ${within}.`;
}
function unsure(take) {
  if (take.heat === "sustained") return "";
  if (take.low === null) return take.trust.startsWith("imported") ? "Imported times carry no interval." : `The time of ${take.network} is that of one process, so it carries no interval.`;
  return take.heat === "cold" ? "The board was cold; dyno run --sustained 10 shows what heat costs." : "";
}
function otherWeights(row) {
  const terms = row.terms ? `Licence of ${row.timed ? "these" : "its"} weights: ${row.terms.replace(/^licence /, "")}.` : "";
  return !row.timed ? terms : `Its Top-1 is that of the weights ${row.weights_of || row.tag}; ${row.timed === "random" ? "random ones were timed, which take as long" : `${row.timed} was timed`}. ${terms}`.trim();
}
function rival(take, good) {
  const faster = good.filter(row => row !== take && (row.high || row.ms) / row.batch < (take.low || take.ms) / take.batch);
  if (!faster.length) return "";
  const other = by(faster, row => [row.top1, rate(row)]), gap = take.top1 - other.top1, said = gap.toFixed(1), seen = screens[state.device].seen;
  const lost = said === "0.0" ? "is as accurate" : `gives up ${said} ${said === "1.0" ? "point" : "points"}`;
  const chance = gap >= .05 && gap < seen.points ? ` (too little for ${seen.words} to tell apart)` : "";
  return `${other.network} ${lost}${chance} and is ${significant(rate(other) / rate(take), 2)} times as fast.`;
}
const sureOf = (row, l) => `${Math.min(99, Math.floor(100 * chance(row, l) + .5))} %`;
function promise(everything, l, take) {
  const floor = take ? take.top1 : 0, found = everything.filter(row => !row.measured && row.top1 > floor && meets(row, l));
  if (!found.length) return "";
  const best = by(found, row => [(row.top1 - floor) * chance(row, l), rate(row)]);
  const sure = asked(l) ? `, ${sureOf(best, l)} sure to meet the ${noun(l)}` : "";
  return `Not measured here: ${best.network}, predicted at ${time(best, l.batch)}${sure}, would have ${take ? `${(best.top1 - floor).toFixed(1)} points more` : `${best.top1.toFixed(1)} % Top-1`}${best.terms ? ` (weights: ${best.terms})` : ""}.`;
}

// The chart
const ANGLES = [225, 200, 250, 270, 180, 160, 45, 20, 0, 315, 340, 90, 135], GAPS = [9, 20, 34, 50, 70, 94, 122, 156, 196, 240, 290], LETTER = 7.3, DIM = 6.4, LINE = 13, FEW = 80;
const short = name => name.length <= 30 ? name : name.slice(0, 29) + "…";
const boxAt = (cx, cy, width) => [cx - width / 2, cy - LINE / 2, cx + width / 2, cy + LINE / 2];
function free(b, points, taken, panel) {
  return b[0] >= panel[0] && b[1] >= panel[1] && b[2] <= panel[2] && b[3] <= panel[3] && !taken.some(t => b[0] < t[2] && t[0] < b[2] && b[1] < t[3] && t[1] < b[3])
    && !points.some(([x, y]) => b[0] - 5 < x && x < b[2] + 5 && b[1] - 4 < y && y < b[3] + 4);
}
const apart = (b, x, y) => Math.hypot(Math.max(b[0] - x, 0, x - b[2]), Math.max(b[1] - y, 0, y - b[3]));
function own(b, px, py, others) { // a name without a line is nearer to its own point than to any other
  const most = apart(b, px, py) + 3;
  return others.every(([x, y]) => x === px && y === py || apart(b, x, y) > most);
}
function beside(px, py, width, avoid, taken, panel, gaps, others) {
  for (const gap of gaps) for (const angle of ANGLES) {
    const dx = Math.cos(angle * Math.PI / 180), dy = Math.sin(angle * Math.PI / 180);
    const b = boxAt(px + dx * gap + (dx > .3) * width / 2 - (dx < -.3) * width / 2, py + dy * gap, width);
    if (free(b, avoid, taken, panel) && (gap > 20 || own(b, px, py, others))) return [b, gap > 20];
  }
  return null;
}
function along(ax, ay, bx, by) {
  const steps = Math.max(1, Math.ceil(Math.hypot(bx - ax, by - ay) / 9));
  return Array.from({length: steps + 1}, (_, i) => [ax + (bx - ax) * i / steps, ay + (by - ay) * i / steps]);
}
function place(px, py, width, points, rest, ink, taken, panel) {
  for (const [avoid, gaps] of [[[...points, ...rest, ...ink], GAPS.slice(0, 6)], [[...points, ...rest], GAPS.slice(0, 5)], [points, GAPS], [[], GAPS]]) {
    const found = beside(px, py, width, avoid, taken, panel, gaps, [...points, ...rest]);
    if (found) return found;
  }
  for (let cy = panel[1] + 7; cy < panel[3] - 6; cy += LINE) for (let cx = panel[0] + width / 2 + 1; cx < panel[2] - width / 2; cx += 12)
    if (free(boxAt(cx, cy, width), [], taken, panel)) return [boxAt(cx, cy, width), true];
  return [[panel[0], panel[1], panel[0] + width, panel[1] + LINE], true];
}
function ticks(low, high, wide) { // 1, 2 and 5 of each power of ten; all nine where fewer than two of these lie inside
  const of = steps => Array.from({length: 12}, (_, i) => steps.map(step => +`${step}e${i - 4}`)).flat().filter(v => low <= v && v <= high);
  const usual = of(wide ? [1] : [1, 2, 5]);
  return usual.length > 1 ? usual : of([1, 2, 3, 4, 5, 6, 7, 8, 9]);
}
function chart(pool, l, take) {
  const rated = pool.filter(row => row.top1 !== null);
  if (!rated.length) return "";
  const W = Math.max(300, Math.round($("#plot").clientWidth)), H = W < 560 ? 400 : 460, left = 44, right = W - 12, upper = 24, lower = H - 44;
  const on = frontier(rated.filter(row => row.measured)), named = fast([...on, ...frontier(rated).filter(row => !row.measured)]), ms = row => row.ms / share(row, l), all = rated.map(ms).concat(l.ms || []);
  const low = Math.min(...all) / 1.25, high = Math.max(...all) * 1.25, tops = rated.map(row => row.top1);
  const bottom = Math.max(0, Math.floor(Math.min(...tops) - 2)), top = Math.min(100, Math.ceil(Math.max(...tops) + 2));
  const x = v => left + (right - left) * Math.log(v / low) / Math.log(high / low), y = v => lower - (lower - upper) * (v - bottom) / (top - bottom);
  const out = [], edge = l.ms ? x(l.ms) : right, floor = l.top1 ? Math.min(lower, y(Math.max(l.top1, bottom))) : lower, f = v => v.toFixed(1);
  if (edge > left && floor > upper) out.push(`<rect class="region" x="${left}" y="${upper}" width="${f(edge - left)}" height="${f(floor - upper)}"/>`);
  const wide = high / low >= 400 || W < 420 && high / low > 60;
  for (const v of ticks(low, high, wide)) {
    out.push(`<path class="grid" d="M${f(x(v))} ${upper}V${lower}"/><text class="tick" x="${f(x(v))}" y="${lower + 15}" text-anchor="middle">${v.toLocaleString("en-US", {maximumFractionDigits: 6})}</text>`);
  }
  const stride = [1, 2, 5, 10, 20].find(s => (top - bottom) / s <= 8);
  for (let t = Math.ceil(bottom / stride) * stride; t <= top; t += stride) out.push(`<text class="tick" x="${left - 6}" y="${f(y(t) + 4)}" text-anchor="end">${t}</text>`);
  if (l.ms) out.push(`<path class="limit" d="M${f(edge)} ${upper}V${lower}"/>`);
  if (l.top1 && y(l.top1) > upper) out.push(`<path class="limit" d="M${left} ${f(floor)}H${right}"/>`);
  const unit = l.batch === 0 ? "ms per image" : l.batch === 1 ? "ms" : `ms per batch of ${l.batch}`;
  out.push(`<text class="tick" x="${left}" y="14">Top-1, %</text><text class="tick" x="${(left + right) / 2}" y="${H - 8}" text-anchor="middle">median time, ${unit}${W < 420 ? "" : ` (logarithmic${on.some(row => row.low) ? "; bar = 95 % interval" : ""}${named.length > on.length ? "; hollow = predicted, 90 %" : ""})`}</text>`);
  out.push(`<path class="front" d="${on.map((row, i) => i ? `H${f(x(ms(row)))} V${f(y(row.top1))}` : `M${f(x(ms(row)))} ${f(y(row.top1))}`).join(" ")}"/>`);
  const corners = on.map(row => [x(ms(row)), y(row.top1)]), ink = corners.slice(1).flatMap(([bx, by], i) => [...along(...corners[i], bx, corners[i][1]), ...along(bx, corners[i][1], bx, by)]);
  const front = new Set(named), behind = rated.filter(row => !front.has(row));
  for (const row of [...behind, ...named]) {
    const px = x(ms(row)), py = y(row.top1), s = share(row, l), is = front.has(row);
    if (row.low && row.high && (is || rated.length < FEW)) {
      const ends = [Math.max(left, x(row.low / s)), Math.min(right, x(row.high / s))];
      out.push(`<path class="bar" d="M${f(ends[0])} ${f(py)}H${f(ends[1])}"/>`);
      ink.push(...along(ends[0], py, ends[1], py));
    }
    const kind = ["pt", is && "on", row === take ? "take" : meets(row, l) && "in", !row.measured && "hollow"].filter(Boolean).join(" ");
    out.push(`<circle class="${kind}" data-n="${escape(row.network)}" cx="${f(px)}" cy="${f(py)}" r="${row === take ? 6 : is ? 4.5 : 3.5}" style="--c:${data.colours[row.family]}"><title>${escape(`${row.network}: ${row.top1.toFixed(1)} %, ${time(row, l.batch)} with ${row.backend}`)}</title></circle>`);
  }
  const at = row => [x(ms(row)), y(row.top1)], points = named.map(at), rest = behind.length < FEW ? behind.map(at) : [], taken = [], panel = [left, upper, right, lower];
  const write = (b, word, css) => { taken.push(b); out.push(`<text class="${css}" x="${f((b[0] + b[2]) / 2)}" y="${f(b[3] - 3)}" text-anchor="middle">${escape(word)}</text>`); };
  named.map((row, i) => [row, points[i]]).reverse().forEach(([row, [px, py]]) => {
    const word = short(row.network), [b, far] = place(px, py, LETTER * word.length, points, rest, ink, taken, panel);
    if (far) out.push(`<path class="lead" d="M${f(px)} ${f(py)}L${f(Math.min(Math.max(px, b[0]), b[2]))} ${f(Math.min(Math.max(py, b[1]), b[3]))}"/>`);
    write(b, word, "name");
  });
  rest.forEach(([px, py], i) => {
    const word = short(behind[i].network), near = beside(px, py, DIM * word.length, [...points, ...rest, ...ink], taken, panel, GAPS.slice(0, 1), [...points, ...rest]);
    if (near) write(near[0], word, "dim");
  });
  return `<svg viewBox="0 0 ${W} ${H}" role="img" aria-label="Top-1 against time; the table says the same">${out.join("")}</svg>`;
}
function choices(pool, l) {
  const on = [...frontier(pool.filter(row => row.measured)), ...frontier(pool).filter(row => !row.measured)], good = on.filter(row => meets(row, l));
  return [...(good.length ? good : on.length ? on : pool)].sort((a, b) => b.measured - a.measured || (b.top1 ?? 0) - (a.top1 ?? 0) || rate(b) - rate(a));
}
function chip(row, l) {
  if (row.measured) return `<span class="chip ${row.trust === "clean" ? "clean" : "doubt"}" title="${escape(row.trust)}">${escape(row.trust)}</span>`;
  return `<span class="chip guess" title="predicted, with its 90 % interval">${asked(l) ? `${sureOf(row, l)} sure` : "predicted"}</span>`;
}
const weights = row => row.tag + (row.terms && row.terms !== "licence unknown" ? `, ${row.terms.split(" (")[0]}` : "");
function table(pool, l, take) {
  const shown = choices(pool, l);
  const every = [["Top-1", "n"], [`ms${l.batch ? "" : " per image"} (95 %)`, "n"], ["of the limit", ""], ["images/s", "n"], ["MiB", "n"], ["mJ", "n"], ["with", "w"], ["trust", "w"]];
  const known = [row => row.top1 !== null, () => true, () => l.ms !== null, () => true, row => row.mib !== null, row => row.mj !== null, () => true, () => true].map(test => shown.some(test));
  const heads = [["network", ""], ...every.filter((_, i) => known[i])];
  const body = shown.map(row => {
    const s = share(row, l), used = l.ms ? Math.min(100, 100 * row.ms / s / l.ms) : 0;
    const interval = row.heat === "sustained" ? ` <small>${row.heat}</small>` : row.low && row.high ? ` <small>${number(row.low / s)}–${number(row.high / s)}</small>` : "";
    const cells = [row.top1 === null ? "—" : `<span${row.tag ? ` title="${escape([row.weights_of || row.tag, row.terms].filter(Boolean).join(", "))}"` : ""}>${row.top1.toFixed(1)} %</span>`, number(row.ms / s) + interval,
      `<span class="meter"><i style="width:${used.toFixed(0)}%"></i></span>`, number(rate(row)), number(row.mib), number(row.mj), escape(row.backend), chip(row, l)];
    const dot = `<i class="dot${row.measured ? "" : " hollow"}" style="--c:${data.colours[row.family]}"></i>`;
    return `<tr${row === take ? ' class="taken"' : ""} data-n="${escape(row.network)}"><th scope="row">${dot}${escape(row.network).replaceAll("_", "_<wbr>")}${weights(row) ? ` <small>${escape(weights(row))}</small>` : ""}</th>`
      + cells.filter((_, i) => known[i]).map((text, i) => `<td${heads[i + 1][1] ? ` class="${heads[i + 1][1]}"` : ""}>${text}</td>`).join("") + "</tr>";
  });
  return `<table><thead><tr>${heads.map(([name, css]) => `<th scope="col"${css ? ` class="${css}"` : ""}>${name}</th>`).join("")}</tr></thead><tbody>${body.join("")}</tbody></table>`;
}
const fileNote = row => !row || row.timed !== "random" ? "" : row.weights_of ? `For trained weights, name it ${row.weights_of} in matrix.yaml.` : `For trained weights, first set weights: ${row.tag} for it in matrix.yaml.`;
const quote = word => /^[\w@%+=:,./-]+$/.test(word) ? word : "'" + word.replaceAll("'", `'"'"'`) + "'";
function commands(row) {
  if (!row || row.trust.startsWith("imported")) return null;
  const said = [["model", row.model], ["backend", row.framework], ["precision", row.precision], ["batch_size", row.batch]].map(([k, v]) => "--only " + quote(`${k}=${v}`)).join(" ");
  return [`dyno run ${said}`, `dyno export ${said}`];
}

// Limits: a slider's last step is no limit
const STEPS = 60, sliders = {};
function ranges() {
  const l = state.limits, pool = fastest(rows[state.device], {...l, precision: ""});
  const of = {ms: pool.map(row => row.ms / share(row, l)), rate: pool.map(rate), top1: pool.map(r => r.top1), mib: pool.map(r => r.mib), mj: pool.map(r => r.mj)};
  for (const name of LIMITS) {
    const values = of[name].filter(v => v !== null && v > 0), input = $(`#l-${name}`);
    sliders[name] = values.length ? [Math.min(...values) * (name === "top1" ? 1 : .8), Math.max(...values) * (name === "top1" ? 1 : 1.25)] : null;
    input.closest("label").hidden = !values.length;
    if (name === "ms" && values.length && l.ms) sliders.ms = [Math.min(sliders.ms[0], l.ms), Math.max(sliders.ms[1], l.ms)];
  }
}
const upward = name => name === "rate" || name === "top1"; // at least: no limit stands at the left
function valueOf(name, step) {
  const [low, high] = sliders[name], at = upward(name) ? step / STEPS : step / (STEPS - 1);
  if (upward(name) ? step <= 0 : step >= STEPS) return null;
  return name === "top1" ? Math.round(low + (high - low) * at) : +(low * (high / low) ** at).toPrecision(3);
}
function stepOf(name, value) {
  if (value === null) return upward(name) ? 0 : STEPS;
  const [low, high] = sliders[name], at = name === "top1" ? (value - low) / (high - low || 1) : Math.log(value / low) / Math.log(high / low || 2);
  return Math.min(STEPS - 1, Math.max(upward(name) ? 1 : 0, Math.round(at * (upward(name) ? STEPS : STEPS - 1))));
}
const UNITS = {ms: "ms", rate: "images/s", top1: "%", mib: "MiB", mj: "mJ"};
function controls() {
  ranges();
  for (const name of LIMITS) if (sliders[name]) {
    const input = $(`#l-${name}`), value = state.limits[name], said = value === null ? "any" : `${name === "top1" ? value.toFixed(0) : significant(value, 3)} ${UNITS[name]}`;
    input.value = stepOf(name, value);
    input.setAttribute("aria-valuetext", said);
    input.nextElementSibling.textContent = said;
  }
  const fill = (id, values, now) => { const select = $(id); select.innerHTML = values.map(([v, t]) => `<option value="${escape(v)}"${String(v) === String(now) ? " selected" : ""}>${escape(t)}</option>`).join(""); select.closest("label").hidden = values.length < 2; };
  const screen = screens[state.device];
  fill("#l-batch", screen.batches.map(b => [b, b || "each its own"]), state.limits.batch);
  fill("#l-precision", [["", "any"], ...screen.precisions.map(p => [p, p])].slice(screen.precisions.length < 2 ? 1 : 0), state.limits.precision);
  fill("#l-of", [["ms", "median"], ["p90", "p90"], ["p99", "p99"]].filter(([name]) => name === "ms" || rows[state.device].some(row => row[name] !== null)), state.limits.of);
}
function show() {
  const screen = screens[state.device], all = rows[state.device], l = state.limits;
  const said = all.length ? decide(all, l) : screen.verdict, pool = fastest(all, l);
  $("#verdict").textContent = bound(said.title); $("#because").textContent = bound(said.sentence);
  document.title = `${said.title} (${state.device})`;
  $("#machine").textContent = screen.machine; $("#trust-text").textContent = screen.trust;
  $("#touched").textContent = touched(all.length && said.take);
  const total = screen.counts.reduce((a, b) => a + b, 0) || 1;
  document.querySelectorAll("#trust-bar i").forEach((part, i) => { part.style.width = `${100 * screen.counts[i] / total}%`; });
  $("#unrated").textContent = screen.unrated;
  $(".split").classList.toggle("alone", !pool.some(row => row.top1 !== null));
  $("#plot").innerHTML = chart(pool, l, said.take);
  $("#choices-table").innerHTML = pool.length ? table(pool, l, said.take) : "";
  for (const name of ["csv", "latex"]) $(`[data-take=${name}]`).hidden = !pool.length;
  $("#file-note").textContent = fileNote(said.take);
  const how = commands(said.take);
  $("#commands").hidden = !how;
  if (how) [$("#reproduce").innerHTML, $("#export").innerHTML] = how.map(words => escape(words).replace(/ (--only [^']\S*|--only '.*?')/g, " <span>$1</span>"));
  document.querySelectorAll("#tabs button[data-device]").forEach(tab => tab.setAttribute("aria-pressed", tab.dataset.device === state.device));
  $("#limits").hidden = !all.length;
}
const touched = take => !take || take.trust === "clean" && !screens[state.device].counts[1] ? "" : take.trust === "clean" ? "No reservation touches this answer." : `This answer has a reservation: ${take.trust}.`;
function remember() {
  const start = screens[state.device].limits, parts = [["device", state.device], ...Object.entries(state.limits).filter(([k, v]) => v !== start[k]).map(([k, v]) => [k, v === null ? "any" : v])];
  try { history.replaceState(null, "", "#choose?" + parts.map(([k, v]) => `${k}=${encodeURIComponent(v)}`).join("&")); } catch { /* a sandboxed page keeps no state */ }
}
function recall() {
  if (!location.hash.startsWith("#choose?")) return;
  const parts = new Map(location.hash.slice(8).split("&").map(part => part.split("=").map(decodeURIComponent)));
  if (!names.includes(parts.get("device"))) return;
  state.device = parts.get("device"); state.limits = clone(screens[state.device].limits);
  for (const [name, text] of parts) {
    if (LIMITS.includes(name)) state.limits[name] = text === "any" || !(+text > 0) ? null : +text;
    if (name === "of" && QUANTILES[text] || name === "precision") state.limits[name] = text;
    if (name === "batch" && screens[state.device].batches.includes(+text)) state.limits.batch = +text;
  }
}
const hover = name => document.querySelectorAll("#plot [data-n], #choices-table [data-n]").forEach(el => el.classList.toggle("hot", name !== null && el.dataset.n === name));
for (const id of ["#plot", "#choices-table"]) {
  $(id).addEventListener("mouseover", event => hover(event.target.closest("[data-n]")?.dataset.n ?? null));
  $(id).addEventListener("mouseleave", () => hover(null));
}
$("#limits").addEventListener("input", event => {
  const name = event.target.id.slice(2);
  if (LIMITS.includes(name)) state.limits[name] = valueOf(name, +event.target.value);
  else state.limits[name] = name === "batch" ? +event.target.value : event.target.value;
  controls(); show(); remember();
});
$("#limits").addEventListener("submit", event => event.preventDefault());
$("#tabs").addEventListener("click", event => {
  const tab = event.target.closest("button[data-device]");
  if (!tab) return;
  state.device = tab.dataset.device; state.limits = clone(screens[state.device].limits);
  controls(); show(); remember();
});
document.querySelectorAll("[data-copy]").forEach(button => { button.onclick = async () => { await navigator.clipboard?.writeText($(button.dataset.copy).textContent); button.textContent = "copied"; }; });
// What the reader takes away, made from what the page holds
const cell = value => { const text = value === null || value === undefined ? "" : String(value); const safe = /^[=+\-@\t\r]/.test(text) && typeof value !== "number" ? "'" + text : text; return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe; };
const file = (name, text, type) => { const a = document.createElement("a"); a.href = URL.createObjectURL(new Blob([text], {type})); a.download = name; a.click(); setTimeout(() => URL.revokeObjectURL(a.href), 1000); };
const slug = text => text.replace(/[^\w.+-]+/g, "-");
function csv() {
  const columns = {network: "network", weights: "tag", "Top-1, %": "top1", batch: "batch", ms: "ms", "from": "low", to: "high", "p90, ms": "p90", "p99, ms": "p99", MiB: "mib", "mJ per image": "mj", backend: "framework", precision: "precision", trust: "trust", licence: "terms"};
  const pool = fastest(rows[state.device], state.limits), lines = pool.map(row => Object.values(columns).map(name => cell(name === "tag" ? row.weights_of || row.tag : row[name])).join(","));
  return [Object.keys(columns).map(cell).join(","), ...lines].join("\n") + "\n";
}
const tex = text => String(text).replace(/[\\&%$#_{}~^]/g, c => ({"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"})[c] || "\\" + c);
function latex() {
  const l = state.limits, shown = choices(fastest(rows[state.device], l), l).filter(row => row.measured), end = " \\\\";
  const every = [["Top-1 (\\%)", row => row.top1?.toFixed(1)], ["ms (95\\,\\%)", row => number(row.ms / share(row, l)) + (row.low && row.high ? ` {\\footnotesize(${number(row.low / share(row, l))}--${number(row.high / share(row, l))})}` : "")],
    ["MiB", row => row.mib && number(row.mib)], ["mJ", row => row.mj && number(row.mj)], ["with", row => tex(row.backend)]].filter(([, of]) => shown.some(of));
  return ["% \\usepackage{booktabs}", `\\begin{tabular}{l${every.map(([name]) => name === "with" ? "l" : "r").join("")}}`, "\\toprule", ["network", ...every.map(([name]) => name)].join(" & ") + end, "\\midrule",
    ...shown.map(row => [tex(row.network), ...every.map(([, of]) => of(row) || "--")].join(" & ") + end), "\\bottomrule", "\\end{tabular}", ""].join("\n");
}
const TAKE = {csv: () => file(`${slug(state.device)}.csv`, csv(), "text/csv"), latex: () => file(`${slug(state.device)}.tex`, latex(), "text/plain"), cite: () => file("citation.bib", store.cite, "text/plain"),
  link: async button => { remember(); await navigator.clipboard?.writeText(location.href); button.textContent = "copied"; }};
document.querySelectorAll("[data-take]").forEach(button => { button.onclick = () => TAKE[button.dataset.take](button); });
recall(); controls(); show();
addEventListener("hashchange", () => { recall(); controls(); show(); });
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; show(); } });
box.dataset.live = "yes";
window.choose = {csv, latex, state, decide: (device, limits) => decide(rows[device], limits), rows};
})();

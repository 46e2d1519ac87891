"use strict";
// What a page does beyond showing itself. The numbers come from the JSON in it; names reach the page as text alone.

const result = JSON.parse(document.getElementById("result").textContent);
const SVG = "http://www.w3.org/2000/svg";
// Printed open where there are no more inputs and lines of their tables than these; of more, those that the reader has
// opened.
const MOST_PRINTED = 24;
const MOST_LINES = 600;
// In pixels; what is larger is an area.
const LARGEST_POINT = 60;

function number(value) {
  if (value === null || !isFinite(value)) return "-";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e4) return value.toExponential(1).replace(/e([+-])(\d)$/, "e$10$2");
  return value.toFixed(Math.max(0, 1 - Math.floor(Math.log10(size))));
}

// To so many decimal places, as long as that is readable.
function fixed(value, places) {
  if (value === null || !isFinite(value)) return "-";
  return Math.abs(value) < 1e6 ? value.toFixed(places) : number(value);
}

function percent(share) {
  if (share === null) return "-";
  const value = 100 * share;
  if (value > 0 && value < 0.1) return "<0.1%";
  return value > 0 && value < 10 ? value.toFixed(1) + "%" : value.toFixed(0) + "%";
}

function make(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function draw(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// Tips: what a point of a chart says, beside it.

const tip = document.getElementById("tip");

function showTip(point, event) {
  tip.textContent = point.dataset.tip;
  tip.hidden = false;
  const box = point.getBoundingClientRect();
  // Of an area that is pointed at, the edge may be far away.
  const area = event.type !== "focusin" && Math.max(box.width, box.height) > LARGEST_POINT;
  const place = area ? new DOMRect(event.clientX, event.clientY - 4, 0, 20) : box;
  const left = place.left + place.width / 2 - tip.offsetWidth / 2;
  tip.style.left = Math.max(8, Math.min(left, document.documentElement.clientWidth - tip.offsetWidth - 8)) + "px";
  const above = place.top - tip.offsetHeight - 8;
  const beneath = Math.min(place.bottom + 8, innerHeight - tip.offsetHeight - 8);
  tip.style.top = (above < 8 ? beneath : above) + "px";
}

function hideTip() {
  tip.hidden = true;
}

for (const come of ["pointerover", "pointermove", "focusin"]) {
  document.addEventListener(come, (event) => {
    const point = event.target.closest && event.target.closest(".point");
    if (point) showTip(point, event);
  });
}
for (const go of ["pointerout", "focusout"]) document.addEventListener(go, hideTip);
document.addEventListener("scroll", hideTip, { passive: true });
document.addEventListener("keydown", (event) => event.key === "Escape" && hideTip());

// One stop of the tab key a chart; arrows go from point to point.
function reachable(chart) {
  const points = [...chart.querySelectorAll(".point")];
  points.forEach((point, i) => point.setAttribute("tabindex", i ? "-1" : "0"));
  chart.addEventListener("keydown", (event) => {
    const at = points.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: points.length - 1 }[event.key];
    if (at < 0 || to === undefined || !points[to]) return;
    event.preventDefault();
    points[at].setAttribute("tabindex", "-1");
    points[to].setAttribute("tabindex", "0");
    points[to].focus();
  });
}
document.querySelectorAll(".chart").forEach(reachable);

// What is wider than its place is a stop of the tab key too, to be scrolled by arrows; nothing else is.
const scrolled = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth) target.setAttribute("tabindex", "0");
    else target.removeAttribute("tabindex");
  }
});
document.querySelectorAll(".scroller, pre").forEach((one) => scrolled.observe(one));

// What a link goes to is not hidden behind the head of the page, which has as many lines as its links take.
const head = document.querySelector(".top");
new ResizeObserver(() => {
  const covered = getComputedStyle(head).position === "sticky" ? head.offsetHeight : 0;
  document.documentElement.style.scrollPaddingTop = `${covered + 16}px`;
}).observe(head);

// The gallery.

const gallery = document.getElementById("gallery");
const groups = gallery ? [...gallery.querySelectorAll(".group")] : [];
const lists = gallery ? [...gallery.querySelectorAll(".gallery")] : [];
const nodes = lists.flatMap((list) => [...list.children]);
const cards = nodes.map((node, i) => ({ node, i, input: result.inputs[i] }));
// All groups but the last have as many.
const SIZE = lists.length ? lists[0].children.length : 0;
const details = (card) => card.node.firstElementChild;

function predicted(input) {
  const found = input.prediction;
  return found === null ? "" : found.label === null ? "#" + found.index : found.label;
}

// The inputs as sorted; what does not exist comes last whichever way round.
function sorted(key, reverse) {
  const collator = new Intl.Collator(undefined, { numeric: true });
  const value = {
    rank: (card) => card.input.rank,
    given: (card) => card.i,
    score: (card) => (card.input.scores[0] === null ? null : -card.input.scores[0]),
    p: (card) => card.input.p_value,
    deviation: (card) => (card.input.deviation === null ? null : -card.input.deviation),
    name: (card) => card.input.id,
  }[key];
  const compare = key === "name" ? collator.compare : (a, b) => a - b;
  const sign = reverse ? -1 : 1;
  return cards.slice().sort((a, b) => {
    const [one, other] = [value(a), value(b)];
    if (one === null || other === null) return (one === null) - (other === null) || a.i - b.i;
    return sign * compare(one, other) || a.i - b.i;
  });
}

// The inputs that fit the filter fill the groups in their order; the others are in none.
function arrange() {
  const field = (id) => document.getElementById(id);
  const words = field("text").value.trim().toLowerCase();
  const kind = field("class") ? field("class").value : "";
  const flagged = field("flagged") ? field("flagged").checked : false;
  const fitting = sorted(field("sort").value, field("reverse").checked).filter(
    ({ input }) =>
      input.id.toLowerCase().includes(words) &&
      (kind === "" || predicted(input) === kind) &&
      (!flagged || input.flagged === true),
  );
  const count = (n) => n.toLocaleString("en");
  lists.forEach((list, g) => {
    const part = fitting.slice(g * SIZE, (g + 1) * SIZE);
    list.replaceChildren(...part.map((card) => card.node));
    if (!groups.length) return;
    groups[g].hidden = part.length === 0;
    const end = g * SIZE + part.length;
    const marked = part.filter(({ input }) => input.flagged === true).length;
    groups[g].firstElementChild.textContent =
      `Inputs ${count(g * SIZE + 1)} to ${count(end)} of ${count(fitting.length)}` + (marked ? `, ${marked} flagged` : "");
  });
  field("count").textContent = `${count(fitting.length)} of ${count(cards.length)} inputs listed`;
  field("none").hidden = fitting.length > 0;
}

// What a card opens to.

function facts(card) {
  const { input } = card;
  const list = make("dl", { class: "facts" });
  const add = (name, value) => {
    if (value !== "") list.append(make("div", {}, make("dt", {}, name), make("dd", {}, value)));
  };
  add("input", input.id);
  if (input.rank !== null) add("rank", `${input.rank} of ${result.scored.toLocaleString("en")}`);
  input.scores.forEach((score, d) => {
    const { name } = result.detector_summary.detectors[d];
    add(name, fixed(score, 2));
    for (const term of input.terms) {
      if (term.detector !== name) continue;
      const place = term.layer === null ? "" : term.layer_number ? `, most at layer ${term.layer_number}: ${term.layer}` : ", most at the input";
      const like = term.alteration === null ? "" : `, most as references after ${term.alteration.replaceAll("_", " ")}`;
      add(`· ${term.name.replaceAll("_", " ")}`, fixed(term.value, 2) + place + like);
    }
  });
  if (input.nearest_reference !== null) add("nearest reference", input.nearest_reference);
  if (input.p_value !== null) add("p", fixed(input.p_value, 3));
  if (input.flagged !== null) add("flagged", input.flagged ? "yes" : "no");
  if (input.deviation !== null) add("deviation", number(input.deviation));
  if (input.rotation !== null) add("rotation", input.rotation);
  const found = input.prediction;
  if (found !== null) {
    const share = found.probability === null ? "" : ` ${percent(found.probability)}`;
    add("largest output", `${predicted(input)}${share}`);
  }
  add("copies", String(input.copies));
  add("published score", number(input.published_score));
  return list;
}

function ownProfile(card) {
  const usual = document.querySelector(".charts .profile");
  if (!usual) return null;
  const { input } = card;
  const chart = usual.cloneNode(true);
  chart.querySelectorAll(".point").forEach((point) => point.remove());
  chart.querySelector(".median").classList.add("with-own");
  chart.setAttribute("aria-label", `Cosine drop of ${input.id} at each layer, beside those of the other inputs`);
  const data = usual.dataset;
  const [low, high, start, stop] = [data.low, data.high, data.start, data.stop].map(Number);
  const place = (drop) => {
    const share = Math.log(Math.min(Math.max(drop, low), high) / low) / Math.log(high / low);
    return start + (stop - start) * share;
  };
  let path = "";
  const points = [];
  data.places.split(" ").forEach((x, p) => {
    const drop = input.drop[p];
    if (!drop) return;
    path += `${p && input.drop[p - 1] ? "L" : "M"}${x} ${place(drop).toFixed(1)}`;
    const probe = result.probes[p];
    const says =
      `[${p + 1}] ${probe.name}: ${number(drop)}${error(input, p)}, ` +
      `5% to 95% of inputs ${number(probe.drop_low)} to ${number(probe.drop_high)}`;
    const point = draw("g", { class: "point own-point", role: "img", "aria-label": says, "data-tip": says });
    point.append(draw("circle", { cx: x, cy: place(drop).toFixed(1), r: 4 }));
    points.push(point);
  });
  chart.append(draw("path", { class: "own", d: path }), ...points);
  reachable(chart);
  const key = (kind, words) => [make("span", { class: `key ${kind}`, "aria-hidden": "true" }), ` ${words} `];
  const legend = make("p", {}, ...key("line", "this input"), ...key("usual", "5% to 95% of the inputs, dotted: median"));
  return make("figure", {}, make("figcaption", {}, make("h3", {}, "Profile across layers"), legend), chart);
}

function error(input, p) {
  const [drop, spread] = [input.drop[p], input.drop_error[p]];
  if (drop === null || spread === null || drop === 0) return "";
  const share = (100 * spread) / drop;
  return ` ±${share >= 9.95 ? share.toFixed(0) : share.toFixed(1)}%`;
}

function layers(card) {
  const { input } = card;
  const heads = ["layer", "probe", "cosine drop", "5% to 95% of inputs", "distortion", "flips"];
  if (input.probe_deviations !== null) heads.push("deviation");
  const side = (name) => (name === "probe" ? {} : { class: "number" });
  const rows = result.probes.map((probe, p) => {
    const cells = [
      number(input.drop[p]) + error(input, p),
      `${number(probe.drop_low)} to ${number(probe.drop_high)}`,
      number(input.distortion[p]),
      percent(input.flip_rate[p]),
    ];
    if (input.probe_deviations !== null) cells.push(number(input.probe_deviations[p]));
    return make(
      "tr",
      {},
      make("th", { scope: "row", class: "number" }, `[${p + 1}]`),
      make("td", {}, make("span", { class: "name" }, probe.name)),
      ...cells.map((cell) => make("td", { class: "number" }, cell)),
    );
  });
  const caption = "By layer";
  const body = make(
    "table",
    {},
    make("caption", {}, make("span", {}, caption)),
    make("thead", {}, make("tr", {}, ...heads.map((name) => make("th", { scope: "col", ...side(name) }, name)))),
    make("tbody", {}, ...rows),
  );
  const scroller = make("div", { class: "scroller", tabindex: "0", role: "group", "aria-label": caption }, body);
  scrolled.observe(scroller);
  const meaning = "Deviation: distance from the other inputs, in robust standard deviations.";
  return input.probe_deviations === null ? [scroller] : [scroller, make("p", { class: "aside" }, meaning)];
}

function fill(card) {
  const open = details(card);
  if (open.querySelector(".body")) return;
  const picture = open.querySelector(".pic").cloneNode(true);
  const link = make("a", { href: `#${card.node.id}` }, "Link to this input");
  const left = make("div", {}, picture, facts(card), make("p", { class: "link" }, link));
  const right = make("div", {});
  const profile = ownProfile(card);
  if (profile) right.append(profile);
  if (result.probes.length) right.append(...layers(card));
  open.append(make("div", { class: "body" }, left, right));
}

function openLinked() {
  const card = cards.find(({ node }) => "#" + node.id === location.hash);
  if (!card) return;
  if (!card.node.isConnected) {
    document.querySelector(".controls").reset();
    arrange();
  }
  const group = card.node.closest(".group");
  if (group) group.open = true;
  fill(card);
  details(card).open = true;
  card.node.scrollIntoView();
  details(card).querySelector("summary").focus({ preventScroll: true });
}

if (gallery) {
  const controls = document.querySelector(".controls");
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.addEventListener("change", arrange);
  document.getElementById("text").addEventListener("input", arrange);
  cards.forEach((card) => details(card).addEventListener("toggle", () => details(card).open && fill(card)));
  addEventListener("hashchange", openLinked);
  openLinked();
}

// On paper nothing can be unfolded.

let unfolded = [];
addEventListener("beforeprint", () => {
  const short = cards.length <= MOST_PRINTED && cards.length * (result.probes || []).length <= MOST_LINES;
  const few = short ? cards : [];
  few.forEach(fill);
  const closed = [...document.querySelectorAll("details.folded"), ...groups, ...few.map(details)].filter((one) => !one.open);
  closed.forEach((one) => (one.open = true));
  unfolded = closed;
});
addEventListener("afterprint", () => unfolded.forEach((one) => (one.open = false)));

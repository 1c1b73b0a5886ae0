"use strict";
// Curves as SVG. A chart is drawn when it comes into view, from at most two points per pixel: where a run has more steps
// than that, the band between the smallest and the largest value stands behind the smoothed curve.

const SVG = "http://www.w3.org/2000/svg";
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "12 4", "4 4"];   // colour is not the only difference between runs
const HEIGHT = 190, LEFT = 46, RIGHT = 8, TOP = 8, BOTTOM = 22;

function svg(name, attributes, parent) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (parent) parent.append(element);
  return element;
}

const BOUND = "bound/";   // in front of a metric's name: the bound of stop_when that it is held against

const colour = run => `var(--run-${run.id % 6})`;
const dash = run => DASHES[Math.floor(run.id / 6 + run.id) % DASHES.length];

function format(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return value.toExponential(2);
  if (size >= 1e5) return Math.round(value).toLocaleString("en");
  return String(+value.toPrecision(4));
}

// As short as a tick may be.
function tick(value) {
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(1).replace(".0e", "e").replace("e+", "e") : format(value);
}

// Mean of the last `window` values, nulls left out.
function smooth(values, window) {
  if (window <= 1) return values;
  const result = new Array(values.length);
  let sum = 0, count = 0;
  for (let i = 0; i < values.length; i++) {
    if (values[i] !== null) { sum += values[i]; count++; }
    const gone = i >= window ? values[i - window] : null;
    if (gone !== null) { sum -= gone; count--; }
    result[i] = count && values[i] !== null ? sum / count : null;
  }
  return result;
}

// Ticks at 1, 2 or 5 times a power of ten.
function ticks(low, high, wanted) {
  const rough = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (rough / power > 5 ? 10 : rough / power > 2 ? 5 : rough / power > 1 ? 2 : 1);
  const result = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step) result.push(Math.abs(v) < step * 1e-9 ? 0 : v);
  return result;
}

// Least, largest and mean value per column of pixels; steps and values as they are when there are no more than pixels.
function bucket(steps, values, first, last, columns) {
  const result = [];
  let at = -1;
  for (let i = 0; i < steps.length; i++) {
    if (values[i] === null) continue;
    const column = last > first ? Math.floor((steps[i] - first) / (last - first) * columns) : 0;
    if (column !== at) {
      result.push({ step: 0, sum: 0, count: 0, low: Infinity, high: -Infinity });
      at = column;
    }
    const b = result.at(-1);
    b.step += steps[i]; b.sum += values[i]; b.count++;
    b.low = Math.min(b.low, values[i]); b.high = Math.max(b.high, values[i]);
  }
  return result.map(b => ({ step: b.step / b.count, mean: b.sum / b.count, low: b.low, high: b.high }));
}

class Chart {
  constructor(name, page) {
    this.name = name;
    this.page = page;
    this.cursor = null;
    this.figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    caption.textContent = name;
    this.readout = document.createElement("output");
    this.canvas = svg("svg", { role: "slider", tabindex: "0", "aria-label": name, "aria-valuemin": 0, "aria-valuemax": 0, "aria-valuenow": 0 });
    this.figure.append(caption, this.readout, this.canvas);
    this.canvas.addEventListener("pointermove", e => this.point(e));
    this.canvas.addEventListener("pointerleave", () => this.setCursor(null));
    this.canvas.addEventListener("click", e => { this.point(e); this.choose(); });
    this.canvas.addEventListener("keydown", e => this.key(e));
    this.canvas.addEventListener("blur", () => this.setCursor(null));
  }

  get shown() {
    return this.page.runs().filter(run => run.shown && run.columns.has(this.name));
  }

  draw() {
    const width = Math.max(200, this.canvas.clientWidth || 340), plot = width - LEFT - RIGHT;
    this.canvas.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.canvas.replaceChildren();
    const curves = this.shown.map(run => ({ run, raw: bucket(run.steps, run.columns.get(this.name), ...this.range(), plot), curve: bucket(run.steps, smooth(run.columns.get(this.name), this.page.smoothing()), ...this.range(), plot) }));
    const all = curves.flatMap(c => c.raw);
    const bounds = this.shown.filter(run => run.columns.has(BOUND + this.name)).map(run => ({ run, value: run.columns.get(BOUND + this.name).findLast(v => v !== null) })).filter(b => Number.isFinite(b.value));
    this.describe(curves);
    if (!all.length) {
      svg("text", { class: "tick", x: width / 2, y: HEIGHT / 2, "text-anchor": "middle" }, this.canvas).textContent = "no values";
      return;
    }
    let low = Math.min(...all.map(p => p.low), ...bounds.map(b => b.value)), high = Math.max(...all.map(p => p.high), ...bounds.map(b => b.value));
    const margin = high > low ? (high - low) * 0.05 : Math.abs(high) * 0.1 || 1;
    low = low >= 0 ? Math.max(0, low - margin) : low - margin;
    high += margin;
    const [first, last] = this.range();
    this.x = step => LEFT + plot * (last > first ? (step - first) / (last - first) : 0.5);
    const y = value => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - low) / (high - low));
    for (const value of ticks(low, high, 5)) {
      svg("line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }, this.canvas);
      svg("text", { class: "tick", x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, this.canvas).textContent = tick(value);
    }
    const marks = last > first ? ticks(first, last, Math.min(6, plot / 60)).filter(Number.isInteger) : [first];
    for (const step of marks) {
      svg("text", { class: "tick", x: this.x(step), y: HEIGHT - 6, "text-anchor": this.x(step) > width - 24 ? "end" : "middle" }, this.canvas).textContent = step;
    }
    for (const { run, raw, curve } of curves) {
      const path = (points, value) => points.map((p, i) => `${i ? "L" : "M"}${this.x(p.step).toFixed(1)} ${y(value(p)).toFixed(1)}`).join("");
      if (raw.some(p => p.low !== p.high)) {
        const back = [...raw].reverse();
        svg("path", { class: "band", fill: colour(run), d: `${path(raw, p => p.high)}${path(back, p => p.low).replace("M", "L")}Z` }, this.canvas);
      } else if (raw.length > 1) {
        svg("path", { class: "raw", stroke: colour(run), d: path(raw, p => p.mean) }, this.canvas);
      }
      const line = curve.length === 1 ? `${path(curve, p => p.mean)}h.01` : path(curve, p => p.mean);   // a lone point is a dot
      svg("path", { class: "curve", stroke: colour(run), "stroke-dasharray": curve.length === 1 ? "" : dash(run), "stroke-linecap": "round", d: line, "stroke-width": curve.length === 1 ? 6 : 2 }, this.canvas);
    }
    for (const { run, value } of bounds) {
      svg("title", {}, svg("line", { class: "bound", stroke: colour(run), x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }, this.canvas)).textContent = `${run.name} ends at ${format(value)}`;
    }
    this.picked = svg("line", { class: "picked", y1: TOP, y2: HEIGHT - BOTTOM }, this.canvas);
    this.cross = svg("line", { class: "cross", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" }, this.canvas);
    this.pick(this.page.step());
    this.setCursor(this.cursor);
  }

  range() {
    const steps = this.page.runs().filter(r => r.shown && r.steps.length);
    return steps.length ? [Math.min(...steps.map(r => r.steps[0])), Math.max(...steps.map(r => r.steps.at(-1)))] : [0, 0];
  }

  // The step whose samples are shown.
  pick(step) {
    if (!this.picked || !this.x) return;
    const [first, last] = this.range();
    this.picked.setAttribute("visibility", step >= first && step <= last ? "visible" : "hidden");
    this.picked.setAttribute("x1", this.x(step));
    this.picked.setAttribute("x2", this.x(step));
  }

  describe(curves) {
    const parts = curves.filter(c => c.raw.length).map(({ run, raw }) =>
      `${run.name}: ${format(raw[0].mean)} at first, ${format(raw.at(-1).mean)} at step ${Math.round(raw.at(-1).step)}, between ${format(Math.min(...raw.map(p => p.low)))} and ${format(Math.max(...raw.map(p => p.high)))}`);
    this.canvas.setAttribute("aria-label", `${this.name}. ${parts.join("; ")}. Arrow keys read values, Enter shows the samples of a step.`);
    const [first, last] = this.range();
    this.canvas.setAttribute("aria-valuemin", first);
    this.canvas.setAttribute("aria-valuemax", last);
    this.latest = curves.map(({ run, raw }) => raw.length ? format(raw.at(-1).mean) + (curves.length > 1 ? ` ${run.name}` : "") : "").filter(Boolean).join(" · ");
  }

  setCursor(step) {
    this.cursor = step;
    if (!this.cross || !this.x) return;
    this.cross.setAttribute("visibility", step === null ? "hidden" : "visible");
    if (step === null) {
      this.readout.textContent = this.latest;
      this.canvas.setAttribute("aria-valuenow", this.range()[1]);
      this.canvas.setAttribute("aria-valuetext", this.latest);
      return;
    }
    this.cross.setAttribute("x1", this.x(step));
    this.cross.setAttribute("x2", this.x(step));
    const values = this.shown.map(run => {
      const at = nearest(run.steps, step);
      return `${this.shown.length > 1 ? run.name + " " : ""}${format(at < 0 || run.steps[at] !== step ? null : run.columns.get(this.name)[at])}`;
    });
    this.readout.textContent = `step ${step}: ${values.join(" · ")}`;
    this.canvas.setAttribute("aria-valuenow", step);
    this.canvas.setAttribute("aria-valuetext", this.readout.textContent);
  }

  point(e) {
    const [first, last] = this.range(), box = this.canvas.getBoundingClientRect();
    const share = (e.clientX - box.left - LEFT) / Math.max(1, box.width - LEFT - RIGHT);
    this.setCursor(Math.min(last, Math.max(first, Math.round(first + share * (last - first)))));
  }

  key(e) {
    const [first, last] = this.range();
    const from = this.cursor ?? last, by = e.shiftKey ? 10 : 1;
    const to = { ArrowLeft: from - by, ArrowRight: from + by, Home: first, End: last }[e.key];
    if (to !== undefined) this.setCursor(Math.min(last, Math.max(first, to)));
    else if (e.key === "Enter") this.choose();
    else if (e.key === "Escape") this.setCursor(null);
    else return;
    e.preventDefault();
  }

  choose() {
    if (this.cursor !== null) this.page.showStep(this.cursor);
  }
}

// Index of the last step that is not after `step`; -1 when there is none.
function nearest(steps, step) {
  let low = 0, high = steps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle] <= step) low = middle + 1; else high = middle;
  }
  return low - 1;
}

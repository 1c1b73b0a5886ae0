"use strict";
// The table of samples. It can have tens of thousands of rows: they come in pages of 50, each a <tbody> that is filled when
// it comes near the window and emptied, at its height, when it is far away.

const PAGE = 50;
const ESTIMATE = 108;   // height of a row that was never shown, in pixels
// Shown elsewhere, or in the way: a certain presence of speech says nothing.
const SILENT = { no_speech_prob: v => v < 0.01 };
const NOT_PARTS = new Set(["step", "reward", "codes", "seconds", "f0_mean", "f0_std", "f0_semitones", "rate", "pause_share"]);

function element(name, text, className) {
  const result = document.createElement(name);
  if (text !== undefined) result.textContent = text;
  if (className) result.className = className;
  return result;
}

// Alignment of two texts with the fewest edits: [kind, character] with kind same, wrong (or extra) or missing.
function align(reference, heard) {
  const a = Array.from(reference), b = Array.from(heard), width = b.length + 1;
  if (a.length * b.length > 4e6) return b.map(c => ["same", c]);
  const cost = new Uint32Array((a.length + 1) * width);
  for (let i = 0; i <= a.length; i++) {
    for (let j = 0; j <= b.length; j++) {
      cost[i * width + j] = i === 0 || j === 0 ? i + j : Math.min(
        cost[(i - 1) * width + j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1), cost[(i - 1) * width + j] + 1, cost[i * width + j - 1] + 1);
    }
  }
  const steps = [];
  for (let i = a.length, j = b.length; i > 0 || j > 0;) {
    const same = i > 0 && j > 0 && a[i - 1] === b[j - 1];
    if (i > 0 && j > 0 && cost[i * width + j] === cost[(i - 1) * width + j - 1] + (same ? 0 : 1)) {
      steps.push([same ? "same" : "wrong", b[--j]]);
      i--;
    } else if (j > 0 && cost[i * width + j] === cost[i * width + j - 1] + 1) steps.push(["wrong", b[--j]]);
    else steps.push(["missing", a[--i]]);
  }
  return steps.reverse();
}

// The transcript with <mark> and <del>, built as nodes: what a model says is never read as HTML.
function difference(reference, heard) {
  const result = element("span", undefined, "heard");
  let kind = "", run = "";
  const flush = () => {
    if (run) result.append(kind === "same" ? run : element(kind === "wrong" ? "mark" : "del", run));
    run = "";
  };
  for (const [next, character] of align(reference, heard)) {
    if (next !== kind) flush();
    kind = next;
    run += character;
  }
  flush();
  if (!heard) result.append(result.childNodes.length ? " (nothing heard)" : "(nothing)");
  return result;
}

class SampleTable {
  constructor(source, page) {
    this.source = source;
    this.page = page;
    this.table = document.getElementById("sample-table");
    this.observer = new IntersectionObserver(entries => {
      for (const entry of entries) {
        if (entry.isIntersecting) this.fill(entry.target);
        else if (entry.target.dataset.at !== "0") this.empty(entry.target);   // the first page stays: often it is the only one
      }
    }, { rootMargin: "600px 0px" });
  }

  // Shows rows of a run: a list of row numbers, or [first, end). Order sorts a single step.
  async show(run, rows, order) {
    const list = Array.isArray(rows) ? rows : null;
    const count = list ? list.length : rows.end - rows.first;
    this.observer.disconnect();
    for (const body of this.table.querySelectorAll("tbody")) body.remove();
    this.generation = (this.generation ?? 0) + 1;
    this.current = { run, list, first: list ? 0 : rows.first, order, generation: this.generation };
    this.table.setAttribute("aria-rowcount", count + 1);
    for (let at = 0; at < count; at += PAGE) this.addPage(at, Math.min(PAGE, count - at));
    if (count) await this.fill(this.table.querySelector("tbody"));
  }

  // More rows at the end: what is shown stays.
  grow(count) {
    const bodies = [...this.table.querySelectorAll("tbody")], last = bodies.at(-1);
    let at = 0;
    if (last) {
      at = Number(last.dataset.at) + Number(last.dataset.count);
      if (count > at && Number(last.dataset.count) < PAGE) {
        at = Number(last.dataset.at);
        this.observer.unobserve(last);
        last.remove();
      }
    }
    for (; at < count; at += PAGE) this.addPage(at, Math.min(PAGE, count - at));
  }

  addPage(at, count) {
    const body = element("tbody");
    body.setAttribute("role", "rowgroup");
    Object.assign(body.dataset, { at, count, height: count * ESTIMATE });
    this.table.append(body);
    this.empty(body);
    this.observer.observe(body);
  }

  empty(body) {
    if (body.contains(document.activeElement) || [...body.querySelectorAll("audio")].some(a => !a.paused)) return;   // in use
    if (body.dataset.filled) body.dataset.height = body.getBoundingClientRect().height;
    delete body.dataset.filled;
    const row = element("tr"), cell = element("td");
    cell.colSpan = 6;
    cell.style.height = `${body.dataset.height}px`;
    row.setAttribute("aria-hidden", "true");
    row.append(cell);
    body.replaceChildren(row);
  }

  async fill(body) {
    if (body.dataset.filled) return;
    body.dataset.filled = "1";
    const { run, list, first, order, generation } = this.current;
    const at = Number(body.dataset.at), count = Number(body.dataset.count);
    let samples;
    try {
      samples = list
        ? (await Promise.all(list.slice(at, at + count).map(row => this.source.samples(run, row, 1)))).flat()
        : await this.source.samples(run, first + at, count);
    } catch (error) {
      delete body.dataset.filled;
      this.page.fail(error);
      return;
    }
    if (generation !== this.current.generation || !body.dataset.filled) return;   // shown something else meanwhile
    if (order !== "drawn") samples = [...samples].sort((a, b) => (order === "worst" ? 1 : -1) * (a.reward - b.reward));
    body.replaceChildren(...samples.map((sample, i) => this.row(run, sample, at + i + 2)));
  }

  row(run, sample, number) {
    const row = element("tr", undefined, "sample");
    row.setAttribute("role", "row");
    row.setAttribute("aria-rowindex", number);
    row.append(this.cell(String(sample.step ?? "")), this.texts(sample), this.reward(sample), this.parts(sample), this.prosody(sample), this.player(run, sample));
    return row;
  }

  cell(...content) {
    const cell = element("td");
    cell.setAttribute("role", "cell");
    cell.append(...content);
    return cell;
  }

  texts(sample) {
    return this.cell(element("span", sample.text, "said"), difference(sample.compared_text ?? sample.text, sample.compared_transcript ?? sample.transcript));
  }

  reward(sample) {
    const bar = element("span", undefined, "meter"), fill = element("i");
    fill.style.width = `${100 * Math.min(1, Math.max(0, sample.reward ?? 0))}%`;
    bar.setAttribute("aria-hidden", "true");
    bar.append(fill);
    const cell = this.cell(element("strong", format(sample.reward)), bar);
    if (sample.guard) cell.append(element("span", sample.guard, "flag"));
    if (sample.ended === false) cell.append(element("span", "cut off", "flag"));
    return cell;
  }

  // Every other number of the sample, so that a reward of other components is shown as well.
  parts(sample) {
    const list = element("dl", undefined, "parts");
    const add = (name, value) => {
      if (typeof value === "number" && !NOT_PARTS.has(name) && !SILENT[name]?.(value)) list.append(element("dt", name.replaceAll("_", " ")), element("dd", format(value)));
      else if (value && typeof value === "object" && !Array.isArray(value)) Object.entries(value).forEach(([k, v]) => add(k, v));
    };
    Object.entries(sample).forEach(([name, value]) => add(name, value));
    return this.cell(list);
  }

  prosody(sample) {
    const list = element("dl", undefined, "parts");
    const add = (name, value, unit) => value === null || value === undefined || list.append(element("dt", name), element("dd", `${format(value)} ${unit}`));
    add("length", sample.seconds, "s");
    add("rate", sample.rate, "char/s");
    add("F0", sample.f0_mean, "Hz");
    add("F0 ±", sample.f0_std, "Hz");
    if (sample.pause_share !== null && sample.pause_share !== undefined) add("pauses", 100 * sample.pause_share, "%");
    return this.cell(list.childNodes.length ? list : element("span", "not measured", "none"));
  }

  player(run, sample) {
    const url = sample.sound ? this.source.sound(run, sample.sound) : null;
    if (!url) return this.cell(element("span", sample.sound ? "not in this file" : "not kept", "none"));
    const audio = element("audio");
    Object.assign(audio, { controls: true, preload: "none", src: url });
    audio.setAttribute("aria-label", `Sound of: ${sample.text}`);
    audio.addEventListener("play", () => document.querySelectorAll("audio").forEach(other => other === audio || other.pause()));
    return this.cell(audio);
  }
}

"use strict";
// Where the page gets its data from: the server that `llasa dashboard` runs, or the page itself when it was exported.
// Both have the same three methods: refresh() -> whether anything changed, samples(run, first, count), sound(run, path).

class Run {
  constructor(id, name, manifest) {
    Object.assign(this, { id, name, manifest, epoch: -1, steps: [], columns: new Map(), samples: 0, starts: [], sounding: [], shown: true });
  }

  // Takes new rows of metrics; an answer that begins at row 0 replaces everything.
  takeMetrics(answer) {
    if (answer.from === 0) {
      this.steps = [];
      this.columns = new Map();
    }
    const before = this.steps.length;
    this.steps.push(...answer.steps);
    for (const [name, values] of Object.entries(answer.columns)) {
      let column = this.columns.get(name);
      if (!column) this.columns.set(name, column = new Array(before).fill(null));
      column.push(...values);
    }
    for (const column of this.columns.values()) while (column.length < this.steps.length) column.push(null);
  }

  takeSamples(answer) {
    if (answer.from === 0) {
      this.starts = [];
      this.sounding = [];
    }
    for (const start of answer.starts) if (!this.starts.length || this.starts.at(-1)[0] !== start[0]) this.starts.push(start);
    this.sounding.push(...answer.sounding);
    this.samples = answer.count;
  }

  // Rows of the samples of a step: [first, end).
  rowsOf(step) {
    const at = this.starts.findIndex(s => s[0] === step);
    return at < 0 ? [0, 0] : [this.starts[at][1], at + 1 < this.starts.length ? this.starts[at + 1][1] : this.samples];
  }

  option(key) {
    return this.manifest && this.manifest.options ? this.manifest.options[key] : undefined;
  }
}

class LiveSource {
  constructor() {
    this.live = true;
    this.runs = [];
    this.cache = new Map();
  }

  async get(path) {
    const answer = await fetch(path, { cache: "no-store" });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.json();
  }

  async refresh() {
    const state = await this.get("api/runs");
    let changed = false;
    for (const [id, now] of state.runs.entries()) {
      let run = this.runs[id];
      if (!run) {
        run = this.runs[id] = new Run(id, now.name, now.manifest);
        changed = true;
      }
      if (run.started !== now.started) {   // a run that began anew in the same place
        run.started = now.started;
        run.manifest = (await this.get(`api/runs/${id}/manifest`)).manifest;
      }
      if (run.epoch !== now.epoch || run.steps.length !== now.rows || run.samples !== now.samples) {
        const known = `epoch=${run.epoch}`;
        const [metrics, samples] = await Promise.all([
          this.get(`api/runs/${id}/metrics?${known}&from=${run.steps.length}`),
          this.get(`api/runs/${id}/index?${known}&from=${run.samples}`)]);
        if (metrics.from === 0 || samples.from === 0) this.cache.clear();
        run.takeMetrics(metrics);
        run.takeSamples(samples);
        run.epoch = metrics.epoch === samples.epoch ? metrics.epoch : -1;   // cut back between the two answers: ask again
        changed = true;
      }
    }
    return changed;
  }

  async samples(run, first, count) {
    const key = `${run.id}/${run.epoch}/${first}/${count}`;
    if (!this.cache.has(key)) {
      if (this.cache.size > 40) this.cache.delete(this.cache.keys().next().value);
      this.cache.set(key, (await this.get(`api/runs/${run.id}/samples?first=${first}&count=${count}`)).rows);
    }
    return this.cache.get(key);
  }

  sound(run, path) {
    return `api/runs/${run.id}/sounds/${encodeURIComponent(path.split("/").at(-1))}`;
  }
}

class EmbeddedSource {
  constructor(element) {
    this.live = false;
    this.lines = [];
    this.urls = new Map();
    const data = JSON.parse(element.textContent);
    this.made = data.made;
    this.runs = data.runs.map((r, id) => {
      const run = new Run(id, r.name, r.manifest);
      run.takeMetrics({ from: 0, ...r.metrics });
      run.takeSamples({ from: 0, ...r.index });
      return run;
    });
  }

  async refresh() {
    return false;
  }

  // Lines are split once and parsed when they are shown.
  async samples(run, first, count) {
    const lines = this.lines[run.id] ??= (document.getElementById(`samples-${run.id}`)?.textContent ?? "").trim().split("\n");
    return lines.slice(first, first + count).map(line => JSON.parse(line));
  }

  sound(run, path) {
    const key = `sound-${run.id}-${path.split("/").at(-1)}`;
    if (!this.urls.has(key)) {
      const element = document.getElementById(key);
      if (!element) return null;
      const bytes = Uint8Array.from(atob(element.textContent.trim()), c => c.charCodeAt(0));
      this.urls.set(key, URL.createObjectURL(new Blob([bytes], { type: "audio/wav" })));
    }
    return this.urls.get(key);
  }
}

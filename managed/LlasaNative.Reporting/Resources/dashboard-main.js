"use strict";
// The page: runs, curves in groups, samples, settings. Asks for news every two seconds while it is visible.

const POLL = 2000;
const FIRST = ["reward/mean", "reward/cer", "reward/nll", "prosody/f0_std", "prosody/rate", "policy/kl", "policy/entropy", "rollout/length", "evaluation/cer", "evaluation/second_cer", "sft/loss", "evaluation/loss", "dpo/loss", "dpo/accuracy", "dpo/margin", "dpo/kl"];

class Dashboard {
  constructor(source) {
    this.source = source;
    this.charts = new Map();
    this.groups = new Map();
    this.stepShown = 0;
    this.follow = true;   // show the newest step until another one is chosen
    this.table = new SampleTable(source, {
      fail: error => this.fail(error),
    });
    this.visible = new Set();
    this.seen = new IntersectionObserver(entries => {
      for (const entry of entries) {
        const chart = entry.target.chart;
        entry.isIntersecting ? this.visible.add(chart) : this.visible.delete(chart);
        if (entry.isIntersecting && chart.stale) this.draw(chart);
      }
    }, { rootMargin: "200px 0px" });
    this.bind();
  }

  get(id) {
    return document.getElementById(id);
  }

  bind() {
    this.get("smoothing").addEventListener("input", () => {
      this.get("smoothing-value").textContent = this.window === 1 ? "off" : `${this.window} steps`;
      this.redraw();
    });
    this.get("filter").addEventListener("input", () => this.filter());
    this.get("step").addEventListener("change", () => this.showStep(Number(this.get("step").value), false));
    this.get("previous").addEventListener("click", () => this.move(-1));
    this.get("next").addEventListener("click", () => this.move(1));
    for (const id of ["sample-run", "sample-view", "sample-order"]) this.get(id).addEventListener("change", () => this.showSamples());
    for (const form of document.forms) form.addEventListener("submit", e => e.preventDefault());
    let width = innerWidth;
    addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; this.redraw(); } });
    document.addEventListener("visibilitychange", () => document.hidden || this.refresh());
  }

  get window() {
    return Number(this.get("smoothing").value);
  }

  async start() {
    await this.refresh();
    window.llasaReady = performance.now();   // what the load test measures
    if (this.source.live) setInterval(() => document.hidden || this.refresh(), POLL);
  }

  async refresh() {
    if (this.busy) return;
    this.busy = true;
    try {
      const changed = await this.source.refresh();
      if (changed || !this.started) {
        this.started = true;
        this.showRuns();
        this.makeCharts();
        this.redraw();
        this.showSettings();
        await this.news();
      }
      const time = this.source.live ? `live, ${new Date().toLocaleTimeString()}` : `written ${this.source.made}`;
      if (this.get("status").dataset.state !== time) this.get("status").textContent = time;
    } catch (error) {
      this.fail(error);
    } finally {
      this.busy = false;
    }
  }

  fail(error) {
    this.get("status").textContent = this.source.live ? "no answer from llasa; trying again" : String(error);
    console.error(error);
  }

  showRuns() {
    const list = this.get("runs"), select = this.get("sample-run");
    for (const run of this.source.runs) {
      let item = list.children[run.id];
      if (!item) {
        item = element("li");
        const label = element("label"), box = element("input"), swatch = svg("svg", { class: "swatch", viewBox: "0 0 26 8", "aria-hidden": "true" });
        box.type = "checkbox";
        box.checked = true;
        box.addEventListener("change", () => { run.shown = box.checked; this.redraw(); });
        svg("line", { x1: 1, x2: 25, y1: 4, y2: 4, stroke: colour(run), "stroke-width": 3, "stroke-dasharray": dash(run) }, swatch);
        label.append(box, swatch, run.name);
        item.append(label, element("small"));
        list.append(item);
        select.append(new Option(run.name, run.id));
      }
      const last = name => run.columns.has(name) ? run.columns.get(name).findLast(v => v !== null) : undefined;
      const facts = [`step ${run.steps.at(-1) ?? 0}${run.option("run.steps") ? ` of ${run.option("run.steps")}` : ""}`];
      for (const [label, name] of [["reward", "reward/mean"], ["CER", "reward/cer"], ["loss", "sft/loss"], ["held-out loss", "evaluation/loss"], ["loss", "dpo/loss"], ["margin", "dpo/margin"]]) {
        if (last(name) !== undefined) facts.push(`${label} ${format(last(name))}`);
      }
      item.querySelector("small").textContent = facts.join(" · ");
    }
  }

  // A group per word before the slash; one of the most telling ones comes first, open.
  makeCharts() {
    const names = new Set(this.source.runs.flatMap(run => [...run.columns.keys()]));
    const add = (group, name, open) => {
      const key = `${group}|${name}`;
      if (this.charts.has(key)) return;
      if (!this.groups.has(group)) {
        const details = element("details", undefined, "group");
        details.open = open;
        const summary = element("summary", group);
        summary.append(element("small"));
        details.append(summary, element("div", undefined, "grid"));
        this.get("charts").append(details);
        this.groups.set(group, details);
      }
      const chart = new Chart(name, {
        runs: () => this.source.runs, smoothing: () => this.window, step: () => this.stepShown, showStep: step => this.showStep(step, true),
      });
      chart.figure.chart = chart;
      chart.stale = true;
      this.charts.set(key, chart);
      this.groups.get(group).querySelector(".grid").append(chart.figure);
      this.seen.observe(chart.figure);
    };
    for (const name of FIRST) if (names.has(name)) add("overview", name, true);
    for (const name of names) if (!name.startsWith(BOUND)) add(name.includes("/") ? name.split("/")[0] : "other", name, false);
    this.filter();
  }

  filter() {
    const wanted = this.get("filter").value.trim().toLowerCase();
    for (const [group, details] of this.groups) {
      let count = 0;
      for (const [key, chart] of this.charts) {
        if (!key.startsWith(`${group}|`)) continue;
        const match = chart.name.toLowerCase().includes(wanted);
        chart.figure.hidden = !match;
        count += match ? 1 : 0;
      }
      details.querySelector("small").textContent = ` ${count} curve${count === 1 ? "" : "s"}`;
      details.hidden = count === 0 || (wanted !== "" && group === "overview");
      if (wanted) details.open = true;
    }
  }

  redraw() {
    for (const chart of this.charts.values()) this.visible.has(chart) ? this.draw(chart) : chart.stale = true;
  }

  draw(chart) {
    chart.stale = false;
    chart.draw();
  }

  get sampleRun() {
    return this.source.runs[Number(this.get("sample-run").value) || 0];
  }

  // New rows came: the newest step is followed, a list grows, a chosen step stays.
  async news() {
    const run = this.sampleRun;
    if (!run) return;
    const view = this.get("sample-view").value;
    if (view === "step") {
      const step = this.follow ? this.newest(run) : this.stepShown;
      if (step !== this.stepShown || this.shownKey !== this.keyOf(run, step)) {
        this.stepShown = step;
        await this.showSamples();
      }
    } else if (this.shownEpoch !== run.epoch) {
      await this.showSamples();
    } else if (view === "all") {
      this.table.grow(run.samples);
      this.note(run, run.samples);
    } else {
      this.table.grow(this.table.current.list === run.sounding ? run.sounding.length : 0);
      this.note(run, run.sounding.length);
    }
  }

  newest(run) {
    return run.starts.length ? run.starts.at(-1)[0] : 0;
  }

  keyOf(run, step) {
    return `${run.id}/${run.epoch}/${step}/${run.rowsOf(step).join("-")}`;
  }

  move(by) {
    const steps = this.sampleRun.starts.map(s => s[0]), at = nearest(steps, this.stepShown);
    this.showStep(steps[Math.min(steps.length - 1, Math.max(0, at + by))] ?? 0, false);
  }

  // `jump`: a chart was clicked, so the table is brought into view.
  showStep(step, jump) {
    const run = this.sampleRun;
    if (!run || !run.starts.length) return;
    const steps = run.starts.map(s => s[0]);
    this.stepShown = steps[Math.max(0, nearest(steps, step))];
    this.follow = this.stepShown === this.newest(run);
    this.get("sample-view").value = "step";
    this.showSamples();
    if (jump) this.get("samples").scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }

  async showSamples() {
    const run = this.sampleRun, view = this.get("sample-view").value;
    if (!run) return;
    this.shownEpoch = run.epoch;
    this.get("stepper").hidden = view !== "step";
    this.get("sample-order").disabled = view !== "step";
    if (view === "all") {
      this.note(run, run.samples);
      await this.table.show(run, { first: 0, end: run.samples }, "drawn");
    } else if (view === "sound") {
      this.note(run, run.sounding.length);
      await this.table.show(run, run.sounding, "drawn");
    } else {
      const steps = run.starts.map(s => s[0]);
      if (!steps.includes(this.stepShown)) this.stepShown = this.newest(run);
      const [first, end] = run.rowsOf(this.stepShown);
      Object.assign(this.get("step"), { value: this.stepShown, min: steps[0] ?? 0, max: steps.at(-1) ?? 0 });
      this.get("previous").disabled = this.stepShown === (steps[0] ?? 0);
      this.get("next").disabled = this.stepShown === this.newest(run);
      this.shownKey = this.keyOf(run, this.stepShown);
      this.note(run, end - first);
      for (const chart of this.visible) chart.pick(this.stepShown);
      await this.table.show(run, { first, end }, this.get("sample-order").value);
    }
  }

  note(run, count) {
    const samples = `${count.toLocaleString("en")} sample${count === 1 ? "" : "s"}`;
    this.get("sample-note").textContent = count ? `${samples}; ${run.sounding.length.toLocaleString("en")} of the run's ${run.samples.toLocaleString("en")} with sound` : "No samples here.";
  }

  // Settings side by side, those that differ between runs first.
  showSettings() {
    const runs = this.source.runs.filter(r => r.manifest && r.manifest.options);
    const keys = [...new Set(runs.flatMap(r => Object.keys(r.manifest.options)))];
    const differs = key => new Set(runs.map(r => r.option(key))).size > 1;
    const sorted = [...keys.filter(differs), ...keys.filter(k => !differs(k))];
    const row = (name, values, strong) => {
      const tr = element("tr"), th = element("th", name, strong ? "differs" : "");
      th.scope = "row";
      tr.append(th, ...values.map(v => element("td", v)));
      return tr;
    };
    const head = element("tr");
    head.append(element("th", "key"), ...runs.map(r => element("th", r.name)));
    for (const th of head.children) th.scope = "col";
    this.get("settings-table").replaceChildren(head, row("version", runs.map(r => r.manifest.version ?? ""), false),
      row("device", runs.map(r => r.manifest.device ? `${r.manifest.device.name}, ${r.manifest.device.threads} threads` : ""), false),
      ...sorted.map(key => row(key, runs.map(r => r.option(key) ?? "–"), runs.length > 1 && differs(key))));
    this.get("settings").hidden = runs.length === 0;
  }
}

const embedded = document.getElementById("llasa-data");
new Dashboard(embedded ? new EmbeddedSource(embedded) : new LiveSource()).start();

"use strict";
// One pair at a time: the server says which comes next and keeps what was chosen before it says so.

const get = id => document.getElementById(id);
const SOUNDS = ["left", "right", "voice"];   // of the keys 1 to 3
const KEYS = { a: "left", b: "right", e: "equal", x: "bad" };
let rater = "", now = null, busy = false;

async function ask(path, body) {
  const answer = await fetch(path, body ? { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) } : { cache: "no-store" });
  if (!answer.ok) throw new Error(await answer.text() || `${path}: ${answer.status}`);
  return answer.json();
}

function show(state) {
  now = { ...state, since: performance.now() };
  get("progress").textContent = `${state.place} of ${state.count} done`;
  const done = state.place >= state.count;
  get("pair").hidden = done;
  get("done").hidden = !done;
  if (done) return;
  get("text").textContent = state.text;
  get("reference").hidden = !state.voice;
  for (const side of SOUNDS) {
    const audio = get(side);
    audio.pause();
    if (side !== "voice" || state.voice) audio.src = `api/sounds/${encodeURIComponent(rater)}/${state.place}/${side}`;
    else audio.removeAttribute("src");
  }
}

function play(side) {
  for (const other of SOUNDS) if (other !== side) get(other).pause();
  get(side).currentTime = 0;
  get(side).play().catch(() => {});
}

// A choice counts once the server has it on its disk; until then nothing else can be chosen.
async function choose(choice) {
  if (busy || !now || now.place >= now.count) return;
  busy = true;
  get("notice").textContent = "";
  try {
    show(await ask("api/choices", { rater, place: now.place, choice, seconds: (performance.now() - now.since) / 1000 }));
  } catch (e) {
    get("notice").textContent = `Not kept: ${e.message}. Try again.`;
  } finally {
    busy = false;
  }
}

get("who").addEventListener("submit", async e => {
  e.preventDefault();
  rater = get("rater").value.trim();
  if (!rater) return;
  get("notice").textContent = "";
  try {
    show(await ask(`api/next?rater=${encodeURIComponent(rater)}`));
    get("who").hidden = true;
  } catch (e) {
    get("notice").textContent = e.message;
  }
});

for (const button of document.querySelectorAll("[data-choice]")) button.addEventListener("click", () => choose(button.dataset.choice));

document.addEventListener("keydown", e => {
  if (e.repeat || e.ctrlKey || e.metaKey || e.altKey || e.target instanceof HTMLInputElement || !now) return;
  const key = e.key.toLowerCase();
  if (key === "3" && !now.voice) return;
  if ("123".includes(key)) play(SOUNDS[key - 1]);
  else if (KEYS[key]) choose(KEYS[key]);
  else return;
  e.preventDefault();
});

get("begin").disabled = false;   // before, a form would be sent the way forms are
window.llasaReady = true;

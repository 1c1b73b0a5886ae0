// The page of `llasa serve`: asks for speech as any client does, plays it as it comes, and keeps it to be heard again.
'use strict';

const find = (id) => document.getElementById(id);
const rate = 24000; // of pcm
const kept = 20;
let talking = null;

function headers(more) {
  const token = find('token').value.trim();
  return { ...more, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
}

function say(text, wrong = false) {
  find('status').textContent = text;
  find('status').classList.toggle('wrong', wrong);
}

async function ask(path, options = {}) {
  const response = await fetch(path, { ...options, headers: headers(options.headers) });
  if (response.status === 401) find('token-field').hidden = false;
  if (!response.ok) {
    const body = await response.json().catch(() => null);
    throw new Error(body?.error?.message ?? `the server says ${response.status}`);
  }
  return response;
}

async function load() {
  try {
    const models = await (await ask('v1/models')).json();
    find('model').textContent = models.data[0].id;
    const { voices } = await (await ask('v1/audio/voices')).json();
    const select = find('voice');
    const before = select.value;
    select.replaceChildren(...voices.map((voice) => {
      const option = new Option(voice.name === 'default' ? "the model's own" : voice.name, voice.id);
      if (voice.text) option.title = voice.text;
      return option;
    }));
    if (before) select.value = before;
    say('');
  } catch (error) {
    say(error.message, true);
  }
}

// 16-bit samples as they come, an odd byte kept for the next part.
async function* samples(body) {
  let rest = new Uint8Array(0);
  for (const reader = body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) return;
    const bytes = new Uint8Array(rest.length + value.length);
    bytes.set(rest);
    bytes.set(value, rest.length);
    const whole = bytes.length & ~1;
    rest = bytes.slice(whole);
    if (whole) yield new Int16Array(bytes.slice(0, whole).buffer);
  }
}

function wave(parts) {
  const count = parts.reduce((sum, part) => sum + part.length, 0);
  const head = new DataView(new ArrayBuffer(44));
  const text = (at, letters) => [...letters].forEach((letter, i) => head.setUint8(at + i, letter.charCodeAt(0)));
  text(0, 'RIFF');
  head.setUint32(4, 36 + 2 * count, true);
  text(8, 'WAVEfmt ');
  head.setUint32(16, 16, true);
  head.setUint16(20, 1, true);
  head.setUint16(22, 1, true);
  head.setUint32(24, rate, true);
  head.setUint32(28, 2 * rate, true);
  head.setUint16(32, 2, true);
  head.setUint16(34, 16, true);
  text(36, 'data');
  head.setUint32(40, 2 * count, true);
  return new Blob([head, ...parts], { type: 'audio/wav' });
}

function keep(request, parts, seconds) {
  const item = document.createElement('li');
  const text = document.createElement('p');
  text.textContent = request.input;
  const note = document.createElement('small');
  const length = parts.reduce((sum, part) => sum + part.length, 0) / rate;
  const seed = request.seed === undefined ? '' : `, seed ${request.seed}`;
  note.textContent = `${request.voice}${seed}; ${length.toFixed(2)} s, heard after ${seconds.toFixed(2)} s`;
  const audio = document.createElement('audio');
  audio.controls = true;
  audio.src = URL.createObjectURL(wave(parts));
  item.append(text, note, audio);
  find('heard').prepend(item);
  for (const old of [...find('heard').children].slice(kept)) {
    URL.revokeObjectURL(old.querySelector('audio').src);
    old.remove();
  }
}

async function speak(event) {
  event.preventDefault();
  stop();
  const mine = { abort: new AbortController(), sound: new AudioContext({ sampleRate: rate }) };
  talking = mine;
  find('stop').disabled = false;
  const request = { model: find('model').textContent, input: find('text').value, voice: find('voice').value, response_format: 'pcm', stream_format: 'audio' };
  if (find('seed').value !== '') request.seed = Number(find('seed').value);
  say('…');
  const began = performance.now();
  let first = 0;
  let until = 0;
  const parts = [];
  try {
    const response = await ask('v1/audio/speech', {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(request), signal: mine.abort.signal,
    });
    for await (const part of samples(response.body)) {
      first ||= (performance.now() - began) / 1000;
      parts.push(part);
      const buffer = mine.sound.createBuffer(1, part.length, rate);
      buffer.copyToChannel(Float32Array.from(part, (value) => value / 32768), 0);
      const source = new AudioBufferSourceNode(mine.sound, { buffer });
      source.connect(mine.sound.destination);
      until = Math.max(until, mine.sound.currentTime + 0.05);
      source.start(until);
      until += buffer.duration;
    }
    keep(request, parts, first);
    say('');
  } catch (error) {
    say(error.name === 'AbortError' ? 'stopped' : error.message, error.name !== 'AbortError');
  } finally {
    const left = Math.max(0, until - mine.sound.currentTime) * 1000;
    setTimeout(() => { if (talking === mine) stop(); }, left + 200);
  }
}

function stop() {
  talking?.abort.abort();
  talking?.sound.close();
  talking = null;
  find('stop').disabled = true;
}

find('ask').addEventListener('submit', speak);
find('stop').addEventListener('click', stop);
find('token').addEventListener('change', load);
find('text').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) find('ask').requestSubmit();
});
load();

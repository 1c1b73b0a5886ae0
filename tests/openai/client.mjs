// Asks a server for speech through OpenAI's own client, in every way it has. usage: client.mjs URL FOLDER
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import OpenAI, { APIError } from 'openai';

const [, , baseURL, folder] = process.argv;
const client = new OpenAI({ baseURL: `${baseURL}/v1`, apiKey: '0123456789abcdef', maxRetries: 0 });
const report = {};

const models = await client.models.list();
const model = models.data[0].id;
report.models = models.data.map((m) => m.id);
report.retrieved = (await client.models.retrieve(model)).id;

const ask = (more) => client.audio.speech.create({ model, voice: 'default', input: 'a big dog', response_format: 'wav', seed: 1, ...more });
await writeFile(join(folder, 'whole.wav'), Buffer.from(await (await ask({})).arrayBuffer()));

// Streamed: the body's parts as they come.
const streamed = await ask({ stream_format: 'audio', response_format: 'pcm' });
report.transfer = streamed.headers.get('transfer-encoding');
const parts = [];
for await (const part of streamed.body) parts.push(Buffer.from(part));
await writeFile(join(folder, 'streamed.pcm'), Buffer.concat(parts));

// And as events.
const events = (await (await ask({ stream_format: 'sse', response_format: 'pcm' })).text())
  .split('\n\n').filter((line) => line).map((line) => JSON.parse(line.replace(/^data: /, '')));
report.events = [...new Set(events.map((event) => event.type))];
report.usage = events.at(-1).usage;
await writeFile(join(folder, 'events.pcm'), Buffer.concat(events.filter((e) => e.audio).map((e) => Buffer.from(e.audio, 'base64'))));

try {
  await ask({ voice: 'nobody' });
} catch (error) {
  report.error = { isApiError: error instanceof APIError, name: error.constructor.name, status: error.status, param: error.param, message: error.message };
}

try {
  await new OpenAI({ baseURL: `${baseURL}/v1`, apiKey: 'wrong', maxRetries: 0 }).models.list();
} catch (error) {
  report.refused = error.constructor.name;
}

console.log(JSON.stringify(report));

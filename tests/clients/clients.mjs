// Drives each stand-in for a provider with a client for JavaScript, to a finished generation and a finished edit.
//
// The same as `clients.py`, which says what must hold. Black Forest Labs have no client of their own for JavaScript; the one of the
// AI SDK takes its place.

import { readFileSync, createReadStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { strict as assert } from "node:assert";

import { createFalClient } from "@fal-ai/client";
import { createBlackForestLabs } from "@ai-sdk/black-forest-labs";
import OpenAI from "openai";
import Replicate from "replicate";
import Together from "together-ai";

const { env } = process;
const [width, height] = [768, 512];
const size = `${width}x${height}`;
const folder = mkdtempSync(join(tmpdir(), "clients-"));

/** The CRC of PNG. */
function crc(bytes) {
  let rest = ~0;
  for (const byte of bytes) {
    rest ^= byte;
    for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ (rest & 1 ? 0xedb88320 : 0);
  }
  return ~rest >>> 0;
}

/** A PNG of one colour. */
function png(colour, width = 640, height = 512) {
  const chunk = (kind, data) => {
    const body = Buffer.concat([Buffer.from(kind), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc(body));
    return Buffer.concat([length, body, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const row = Buffer.concat([Buffer.alloc(1), Buffer.alloc(width * 3, Buffer.from(colour))]);
  const rows = deflateSync(Buffer.concat(Array(height).fill(row)));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]);
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", rows), chunk("IEND", Buffer.alloc(0))]);
}

const [red, blue] = [png([250, 0, 0]), png([0, 0, 250])];
const dataUri = (file) => `data:image/png;base64,${file.toString("base64")}`;

async function get(url) {
  const reply = await fetch(url, { headers: { "user-agent": "clients" } });
  assert.equal(reply.status, 200, `${url} answers ${reply.status}`);
  return Buffer.from(await reply.arrayBuffer());
}

/** Fails unless the picture is what the server drew for this prompt. */
async function check(provider, prompt, picture, { references = 0, expected = [width, height] } = {}) {
  const drawn = JSON.parse(await get(`${env.TESTKIT_ADMIN}/drawn`));
  const at = drawn.findLastIndex((of) => of.provider === provider && of.prompt === prompt);
  assert.notEqual(at, -1, "nothing was drawn for this prompt");
  assert.ok((await get(`${env.TESTKIT_ADMIN}/drawn/${at}`)).equals(picture), "these are other bytes than were drawn");
  assert.equal(picture.subarray(1, 4).toString(), "PNG");
  assert.deepEqual([picture.readUInt32BE(16), picture.readUInt32BE(20)], expected);
  assert.equal(drawn[at].references, references, "it was drawn from other references");
}

async function fal() {
  // Its addresses are constants, and every request passes here.
  const places = {
    "queue.fal.run": env.TESTKIT_FAL_QUEUE,
    "fal.run": env.TESTKIT_FAL_RUN,
    "rest.fal.ai": env.TESTKIT_FAL_REST,
  };
  const requestMiddleware = async (request) => {
    const url = new URL(request.url);
    return { ...request, url: `${places[url.host]}${url.pathname}${url.search}` };
  };
  const client = createFalClient({ credentials: env.FAL_KEY, requestMiddleware });
  const input = { prompt: "javascript fal", image_size: { width, height }, seed: 7 };
  const states = [];
  const onQueueUpdate = ({ status }) => states.push(status);
  const made = await client.subscribe("fal-ai/flux-2", { input, logs: true, onQueueUpdate, pollInterval: 50 });
  assert.deepEqual(states, ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]);
  await check("fal", "javascript fal", await get(made.data.images[0].url));

  const image_urls = [await client.storage.upload(new Blob([red], { type: "image/png" })), dataUri(blue)];
  const edit = { ...input, prompt: "javascript fal edit", image_urls };
  // Told how far it is by events, in place of asking.
  const edited = await client.subscribe("fal-ai/flux-2/edit", { input: edit, mode: "streaming" });
  await check("fal", "javascript fal edit", await get(edited.data.images[0].url), { references: 2 });

  const atOnce = await client.run("fal-ai/flux-2", { input: { ...input, prompt: "javascript fal at once" } });
  await check("fal", "javascript fal at once", await get(atOnce.data.images[0].url));

  const { request_id } = await client.queue.submit("fal-ai/flux-2", { input });
  await client.queue.cancel("fal-ai/flux-2", { requestId: request_id });
  await assert.rejects(client.queue.result("fal-ai/flux-2", { requestId: request_id }), { status: 499 });
}

async function replicate() {
  const client = new Replicate({
    auth: env.REPLICATE_API_TOKEN, baseUrl: `${env.TESTKIT_REPLICATE}/v1`, useFileOutput: false,
  });
  const model = "black-forest-labs/flux-2-dev";
  const input = {
    prompt: "javascript replicate", aspect_ratio: "custom", width, height, seed: 7, output_format: "png",
  };
  await check("replicate", input.prompt, await get(await client.run(model, { input })));

  const polled = { ...input, prompt: "javascript replicate polled" };
  const output = await client.run(model, { input: polled, wait: { mode: "poll", interval: 50 } });
  await check("replicate", polled.prompt, await get(output));

  const edit = {
    prompt: "javascript replicate edit", aspect_ratio: "3:2", output_format: "png",
    input_images: [new Blob([red], { type: "image/png" }), dataUri(blue)],
  };
  const expected = [1216, 832];
  const edited = await get(await client.run(model, { input: edit }));
  await check("replicate", edit.prompt, edited, { references: 2, expected });

  const { id } = await client.predictions.create({ model, input });
  await client.predictions.cancel(id);
  assert.equal((await client.predictions.get(id)).status, "canceled");
}

async function lumenfall() {
  const client = new OpenAI({ apiKey: env.LUMENFALL_API_KEY, baseURL: `${env.TESTKIT_LUMENFALL}/openai/v1` });
  const model = "flux.2-dev";
  const made = await client.images.generate({ model, prompt: "javascript lumenfall", size, n: 2, seed: 7 });
  assert.equal(made.data.length, 2);
  await check("lumenfall", "javascript lumenfall", await get(made.data[1].url));

  // A stream: the form is sent in chunks, and its file without a type.
  const edited = await client.images.edit({
    model, image: createReadStream(join(folder, "red.png")), prompt: "javascript lumenfall edit", size,
    response_format: "b64_json",
  });
  const picture = Buffer.from(edited.data[0].b64_json, "base64");
  await check("lumenfall", "javascript lumenfall edit", picture, { references: 1 });

  await assert.rejects(client.images.generate({ model: "flux.3", prompt: "" }), { code: "MODEL_NOT_FOUND" });
}

async function openai() {
  const client = new OpenAI({ apiKey: env.OPENAI_API_KEY, baseURL: `${env.TESTKIT_OPENAI}/v1` });
  const model = "gpt-image-2";
  const made = await client.images.generate({ model, prompt: "javascript openai", size });
  await check("openai", "javascript openai", Buffer.from(made.data[0].b64_json, "base64"));

  const image = [red, blue].map((file, i) => new File([file], `${i}.png`, { type: "image/png" }));
  const edited = await client.images.edit({ model, image, prompt: "javascript openai edit", size });
  const picture = Buffer.from(edited.data[0].b64_json, "base64");
  await check("openai", "javascript openai edit", picture, { references: 2 });

  const events = [];
  const stream = { model, prompt: "javascript openai stream", size, stream: true, partial_images: 1 };
  for await (const event of await client.images.generate(stream)) events.push(event);
  assert.deepEqual(events.map((event) => event.type.split(".")[1]), ["partial_image", "completed"]);
  await check("openai", stream.prompt, Buffer.from(events[1].b64_json, "base64"));

  const refused = { model, prompt: "javascript openai [[submit refused]]" };
  await assert.rejects(client.images.generate(refused), { code: "moderation_blocked" });
}

async function bfl() {
  const model = createBlackForestLabs({
    apiKey: env.BFL_API_KEY, baseURL: `${env.TESTKIT_BFL}/v1`, pollIntervalMillis: 50,
  }).image("flux-2-pro");
  const providerOptions = { blackForestLabs: { width, height, outputFormat: "png" } };
  const made = await model.doGenerate({ prompt: "javascript bfl", n: 1, seed: 7, providerOptions });
  await check("bfl", "javascript bfl", Buffer.from(made.images[0]));

  const files = [red, blue].map((file) => ({ type: "file", mediaType: "image/png", data: new Uint8Array(file) }));
  const edited = await model.doGenerate({ prompt: "javascript bfl edit", n: 1, files, providerOptions });
  await check("bfl", "javascript bfl edit", Buffer.from(edited.images[0]), { references: 2 });

  // This client sends its key along to where the picture lies, and the journal does not miss it.
  const journal = JSON.parse(await get(`${env.TESTKIT_ADMIN}/journal`));
  assert.ok(journal.some((entry) => entry.origin === "files" && entry.key_of === "bfl"));
}

async function together() {
  const client = new Together({ apiKey: env.TOGETHER_API_KEY, baseURL: `${env.TESTKIT_TOGETHER}/v1` });
  const input = { model: "black-forest-labs/FLUX.2-dev", width, height, output_format: "png" };
  const made = await client.images.generate({
    ...input, prompt: "javascript together", seed: 7, response_format: "base64",
  });
  await check("together", "javascript together", Buffer.from(made.data[0].b64_json, "base64"));

  const reference_images = [red, blue].map(dataUri);
  const edited = await client.images.generate({ ...input, prompt: "javascript together edit", reference_images });
  await check("together", "javascript together edit", await get(edited.data[0].url), { references: 2 });
}

writeFileSync(join(folder, "red.png"), red);
const pinned = JSON.parse(readFileSync(new URL("package.json", import.meta.url))).dependencies;
const cases = [
  ["fal", "@fal-ai/client", fal],
  ["replicate", "replicate", replicate],
  ["lumenfall", "openai", lumenfall],
  ["openai", "openai", openai],
  ["bfl", "@ai-sdk/black-forest-labs", bfl],
  ["together", "together-ai", together],
];
let nFailed = 0;
for (const [provider, client, run] of cases) {
  const name = `${provider} by ${client} ${pinned[client]} for JavaScript`;
  try {
    await run();
    console.log(`ok      ${name}`);
  } catch (error) {
    nFailed += 1;
    console.log(`failed  ${name}: ${error?.stack ?? error}`);
  }
}
rmSync(folder, { recursive: true });
console.log(`${cases.length - nFailed} passed, ${nFailed} failed`);
process.exit(nFailed > 0 ? 1 : 0);

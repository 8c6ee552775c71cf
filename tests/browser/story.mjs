// A real browser reads the playground's page.
//
// Usage: node story.mjs http://127.0.0.1:8088   (CHROMIUM names the browser, /usr/bin/chromium otherwise)
//
// It taps each chip, waits for the answer, and reads the story that the page draws: one trace from the edge to the send, one root, every parent present,
// every bar where the API says it is. A planted delay of the model must show in the model's row. Then axe looks at every view in three widths and both
// colour schemes, at a story with a failed attempt, and must find nothing. Prints one line per step; the exit status says whether all held.

import assert from 'node:assert/strict';
import axe from 'axe-core';
import { chromium } from 'playwright-core';

const PAGE = (process.argv[2] ?? 'http://127.0.0.1:8088').replace(/\/$/, '');
const BROWSER = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
];
const ANSWER_MS = 30_000;
/** A chat that was read: from then on, bubbles that come are new. */
const READ_CHAT = '#log[aria-busy=false]';
const PLANTED_DELAY_MS = 300;
/** What axe looks at shows a failed attempt and a fault that is still active. */
const FAULTS = [
  { target: 'telegram', method: 'sendMessage', status: 500, times: 1 },
  { target: 'openai', latency_ms: 1, times: 1 },
];
/** A bar may be off by rounding and by its least width. */
const PIXELS_OFF_MAX = 3;

const EDGE_TO_SEND = [/^POST \/telegram\//, /^send telegram\.update/, /^process telegram\.update/, /^process telegram\.send/];
const SAYINGS = [
  { chip: '/start', parts: EDGE_TO_SEND },
  { chip: '/help', parts: EDGE_TO_SEND },
  { chip: '/status', parts: EDGE_TO_SEND },
  { chip: 'Ask why the sky is blue', parts: [...EDGE_TO_SEND, /^chat /], asksTheModel: true },
];
const WIDTHS = [320, 390, 1280];
const SCHEMES = ['light', 'dark'];

const told = (step) => console.log(`ok  ${step}`);

async function main() {
  const browser = await chromium.launch({ executablePath: BROWSER, args: FLAGS });
  try {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    const page = await context.newPage();
    const complaints = watchForComplaints(page);
    await page.goto(`${PAGE}/`);
    await page.getByText('Send something; its way appears here.').waitFor();
    await page.locator(READ_CHAT).waitFor();
    for (const saying of SAYINGS) await tellOneStory(page, saying);
    assert.deepEqual(complaints, [], 'the page complains about nothing');
    await context.close();
    for (const scheme of SCHEMES) await lookWithAxe(browser, scheme);
    console.log('all held');
  } finally {
    await browser.close();
  }
}

/** Errors of scripts and refusals by the content policy. A 404 while a story is not there yet is no error. */
function watchForComplaints(page) {
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().includes('Failed to load resource')) complaints.push(message.text());
  });
  return complaints;
}

async function tellOneStory(page, { chip, parts, asksTheModel }) {
  if (asksTheModel) {
    const planted = { target: 'openai', latency_ms: PLANTED_DELAY_MS, times: 1 };
    const answer = await page.request.post(`${PAGE}/_/faults`, { data: planted });
    assert.equal(answer.status(), 201);
  }
  const before = await page.locator('.bubble.own').count();
  await page.getByRole('button', { name: chip, exact: true }).click();
  const bubble = page.locator('.bubble.own').nth(before);
  await bubble.getByText(/answered in/).waitFor({ timeout: ANSWER_MS });
  const code = await bubble.locator('button.code').innerText();
  await page.locator('#story-code', { hasText: code }).waitFor({ timeout: ANSWER_MS });
  await page.locator('#story-outcome', { hasText: /^done$/ }).waitFor({ timeout: ANSWER_MS });
  await page.locator('#story[aria-busy=false]').waitFor({ timeout: ANSWER_MS });

  const answer = await page.request.get(`${PAGE}/ops/traces/${await traceIdOfNewest(page)}`);
  const story = await answer.json();
  assert.equal(story.code, code, 'the bubble and the API tell of the same trace');
  assert.deepEqual(story.notes, [], 'nothing is missing from the story');
  const rows = await drawnRows(page);
  checkTree(rows, parts);
  checkAgainstApi(rows, story);
  if (asksTheModel) checkPlantedDelay(rows);
  told(`${chip}: ${rows.length} steps, one trace ${code}`);
}

async function traceIdOfNewest(page) {
  const chat = await page.locator('#person').inputValue();
  const deliveries = await (await page.request.get(`${PAGE}/_/telegram/deliveries?chat_id=${chat}`)).json();
  const found = await (await page.request.get(`${PAGE}/ops/traces?delivery=telegram:ops:${deliveries.at(-1).update_id}`)).json();
  return found.traces[0].trace_id;
}

/** What the page shows: each row's names, and where its bar really is, as shares of its lane. */
function drawnRows(page) {
  return page.locator('#rows tr[data-id]').evaluateAll((rows) => rows.map((row) => {
    const lane = row.querySelector('.lane').getBoundingClientRect();
    const bar = row.querySelector('.bar').getBoundingClientRect();
    return {
      ...row.dataset, total: Number(document.getElementById('scale').dataset.total),
      laneWidth: lane.width, barLeft: bar.left - lane.left, barWidth: bar.width, words: row.querySelector('.took').textContent,
    };
  }));
}

function checkTree(rows, parts) {
  const ids = new Set(rows.map((row) => row.id));
  assert.equal(rows.filter((row) => row.parent === '').length, 1, 'one root');
  for (const row of rows) assert.ok(row.parent === '' || ids.has(row.parent), `the parent of ${row.name} exists`);
  for (const part of parts) assert.ok(rows.some((row) => part.test(row.name)), `${part} among ${rows.map((row) => row.name).join(' | ')}`);
}

function checkAgainstApi(rows, story) {
  assert.deepEqual(rows.map((row) => row.id), story.rows.map((row) => row.id), 'the page shows every row of the API');
  for (const [index, row] of rows.entries()) {
    const told = story.rows[index];
    assert.equal(Number(row.start), told.start_ms, `${row.name} starts as told`);
    assert.equal(Number(row.duration), told.duration_ms, `${row.name} lasts as told`);
    const [left, width] = [told.start_ms, told.duration_ms].map((ms) => (ms / row.total) * row.laneWidth);
    assert.ok(Math.abs(row.barLeft - left) <= PIXELS_OFF_MAX, `${row.name}: its bar begins at ${row.barLeft}, not ${left}`);
    assert.ok(Math.abs(row.barWidth - width) <= PIXELS_OFF_MAX, `${row.name}: its bar is ${row.barWidth} wide, not ${width}`);
  }
}

function checkPlantedDelay(rows) {
  const model = rows.find((row) => row.name.startsWith('chat '));
  assert.ok(Number(model.duration) >= PLANTED_DELAY_MS, `the model's row shows its delay: ${model.words}`);
  const least = (PLANTED_DELAY_MS / model.total) * model.laneWidth - PIXELS_OFF_MAX;
  assert.ok(model.barWidth >= least, `the model's bar shows its delay: ${model.barWidth} px, at least ${least}`);
}

async function lookWithAxe(browser, colorScheme) {
  const context = await browser.newContext({ colorScheme, reducedMotion: 'reduce', viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  for (const fault of FAULTS) assert.equal((await page.request.post(`${PAGE}/_/faults`, { data: fault })).status(), 201);
  await page.goto(`${PAGE}/`);
  await page.locator(READ_CHAT).waitFor();
  const before = await page.locator('.bubble.own').count();
  await page.getByRole('button', { name: '/status', exact: true }).click();
  await page.locator('.bubble.own').nth(before).getByText(/answered in/).waitFor({ timeout: ANSWER_MS });
  await page.locator('#story[aria-busy=false] .row-error').first().waitFor({ timeout: ANSWER_MS });
  await page.getByRole('button', { name: /^Clear: / }).first().waitFor();
  await page.locator('#rows tr[data-id] button').first().click();
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 800 });
    const views = width <= 700 ? ['Chat', 'Story', 'Queue'] : ['whole page'];
    for (const view of views) {
      if (width <= 700) await page.getByRole('tab', { name: view }).click();
      await checkView(page, `${colorScheme}, ${width} px, ${view}`);
    }
  }
  await page.request.delete(`${PAGE}/_/faults`);
  told(`axe finds nothing: ${colorScheme}, ${WIDTHS.join(', ')} px`);
  await context.close();
}

async function checkView(page, name) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const found = violations.map((rule) => `${rule.id}: ${rule.help} at ${rule.nodes.map((node) => node.html).join(' ')}`);
  assert.deepEqual(found, [], name);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(overflow <= 0, `${name}: nothing sticks out sideways, but ${overflow} px do`);
}

await main();

// What is told of the house: the lights at the top, the queue, dead letters with replay, and breaking things.

import { byId, clock, duration, fill, get, make, plural, post, remove } from './dom.js';

export function lights(bot, status, queue, trouble) {
  const rows = [];
  rows.push(bot ? { tone: 'good', words: `Bot @${bot.username}` } : { tone: 'wait', words: 'Bot playground' });
  const components = status?.components ?? [];
  const named = (...names) => components.find((part) => names.some((name) => part.name.toLowerCase().includes(name)));
  rows.push(lightOf('model', named('model', 'openai', 'ai'), 'stand-in'));
  rows.push(lightOf('Postgres', named('postgres'), trouble ? 'unknown' : '…'));
  if (queue) {
    rows.push({ tone: queue.waiting > 100 ? 'wait' : 'good', words: `waiting ${queue.waiting}` });
    rows.push({ tone: queue.dead > 0 ? 'bad' : 'good', words: `dead ${queue.dead}` });
  }
  const signature = JSON.stringify(rows);
  const list = byId('lights');
  if (list.dataset.signature === signature) return;
  list.dataset.signature = signature;
  fill(list, ...rows.map((row) => make('li', { className: row.tone, title: row.why ?? '' }, row.words)));
}

function lightOf(name, part, otherwise) {
  if (!part) return { tone: otherwise === 'stand-in' ? 'good' : 'wait', words: `${name} ${otherwise}` };
  const words = { up: 'up', down: 'down', not_configured: 'not configured', unknown: 'not known yet' };
  const tones = { up: 'good', down: 'bad', not_configured: 'off', unknown: 'wait' };
  const latency = part.state === 'up' && part.latency_ms !== null && part.latency_ms !== undefined ? ` ${duration(part.latency_ms)}` : '';
  return { tone: tones[part.state] ?? 'wait', words: `${name} ${words[part.state] ?? part.state}${latency}`, why: part.reason };
}

export function drawQueue(queue) {
  const figure = (value, words) => make('div', { className: 'figure' }, make('strong', {}, String(value)), make('span', {}, words));
  const oldest = queue.oldest_ms ? duration(queue.oldest_ms) : '–';
  const figures = make('div', { className: 'figures' }, figure(queue.waiting, 'waiting'), figure(queue.running, 'running'), figure(oldest, 'oldest'), figure(queue.dead, 'dead'));
  const head = make('tr', {}, ...['Kind', 'Ready', 'Later', 'Running', 'Dead'].map((words) => make('th', { scope: 'col' }, words)));
  const body = queue.kinds.map((kind) => make('tr', {}, make('th', { scope: 'row' }, kind.kind), ...[kind.ready, kind.delayed, kind.running, kind.dead].map((value) => make('td', {}, String(value)))));
  const table = body.length
    ? make('table', { className: 'plain' }, make('caption', { className: 'unseen' }, 'Messages by kind'), make('thead', {}, head), make('tbody', {}, ...body))
    : null;
  const held = queue.held_keys ? `${plural(queue.held_keys, 'chat or task waits', 'chats or tasks wait')} for its first message` : '';
  const paused = queue.paused ? 'The workers are paused.' : '';
  const workers = queue.workers ? `${plural(queue.workers.length, 'worker')} · ${queue.partitions?.owned ?? 0} of ${queue.partitions?.total ?? 256} partitions owned` : '';
  replace(byId('queue'), JSON.stringify([queue.kinds, queue.waiting, queue.running, queue.dead, oldest, held, paused, workers]), () => [
    figures, table, paused && make('p', { className: 'notes' }, paused), held && make('p', { className: 'notes' }, held), make('p', { className: 'hint' }, workers),
  ]);
}

/** Redraws only when something changed, so that focus and selection survive polling. */
function replace(element, signature, children) {
  if (element.dataset.signature === signature) return;
  element.dataset.signature = signature;
  fill(element, ...children());
}

export function drawDead(dead, showStory, again) {
  replace(byId('dead'), JSON.stringify(dead), () => (dead.groups.length
    ? [make('ul', { className: 'dead' }, ...dead.groups.map((group) => deadGroup(group, showStory, again)))]
    : [make('p', { className: 'empty' }, 'None. Nobody waits for an answer that will not come.')]));
}

function deadGroup(group, showStory, again) {
  const count = `${plural(group.count, 'message')}${group.people ? ` of ${plural(group.people, 'person', 'people')}` : ''}`;
  const when = group.count > 1 ? `${clock(group.first)}–${clock(group.last)}` : clock(group.last);
  const row = make('div', { className: 'row' });
  const said = make('p', { className: 'hint', role: 'status' });
  const ask = () => {
    const question = `Send ${plural(group.count, 'answer')} to ${plural(group.people ?? group.count, 'person', 'people')}?`;
    fill(row, make('span', {}, question), make('button', { type: 'button', className: 'primary', onclick: go }, 'Yes, replay'), make('button', { type: 'button', onclick: calm }, 'No'));
    row.querySelector('button').focus();
  };
  const go = async () => {
    try {
      const { replayed } = await post('/ops/dead/replay', { group: group.group });
      said.textContent = `Replayed ${replayed}.`;
      again();
    } catch (error) {
      said.textContent = `Not replayed: ${error.message}`;
      calm();
    }
  };
  const calm = () => fill(row,
    make('button', { type: 'button', 'aria-label': `Replay ${count}: ${group.error_kind}`, onclick: ask }, 'Replay'),
    make('button', { type: 'button', className: 'code', 'aria-label': `Show the story ${group.newest_code}`, onclick: () => showStory(group.newest_trace_id) }, group.newest_code));
  calm();
  return make('li', {}, make('p', { className: 'dead-what' }, make('strong', {}, group.error_kind), ` · ${group.kind}`),
    make('p', { className: 'row-error' }, group.error), make('p', { className: 'hint' }, `${count} · ${when}`), row, said);
}

const BREAKERS = [
  { of: 'Telegram', words: 'Telegram 429', order: { target: 'telegram', method: 'sendMessage', status: 429, retry_after: 3, times: 1 } },
  { of: 'Telegram', words: 'Telegram 500, twice', order: { target: 'telegram', method: 'sendMessage', status: 500, times: 2 } },
  { of: 'Telegram', words: 'Telegram 400', order: { target: 'telegram', method: 'sendMessage', status: 400, description: 'Bad Request: refused because you asked for it', times: 1 } },
  { of: 'Telegram', words: 'Telegram slow', order: { target: 'telegram', method: 'sendMessage', latency_ms: 2000, times: 2 } },
  { of: 'Telegram', words: 'Answer lost', order: { target: 'telegram', method: 'sendMessage', lose_answer: true, times: 1 } },
  { of: 'Model', words: 'Model slow', order: { target: 'openai', latency_ms: 3000, times: 1 } },
  { of: 'Model', words: 'Model cut', order: { target: 'openai', cut_stream: true, times: 1 } },
  { of: 'Model', words: 'Model 500', order: { target: 'openai', status: 500, times: 1 } },
  { of: 'Telegram', words: 'Duplicate delivery', order: { target: 'telegram', duplicate: true, times: 1 } },
];
/** What a lever does to the house, for a while or once. */
const PULLED = {
  worker_kill: () => 'The worker was killed in the middle of its work. Another takes over what it held.',
  postgres_away: (ms) => `Postgres is away for ${duration(ms)}. Messages wait outside until it is back.`,
};
const SAID_MS = 8000;

export async function fillBreakers() {
  const levers = await get('/_/levers');
  const all = [...BREAKERS, ...levers.map((lever) => ({ of: 'House', words: lever.label, order: { target: 'house', lever: lever.name } }))];
  const groups = ['Telegram', 'Model', 'House'].map((of) => [of, all.filter((breaker) => breaker.of === of)]).filter(([, own]) => own.length);
  fill(byId('breakers'), ...groups.map(([of, own]) => make('div', { className: 'breakers', role: 'group', 'aria-label': of },
    make('span', { className: 'small', 'aria-hidden': 'true' }, of),
    make('div', {}, ...own.map(({ words, order }) => make('button', { type: 'button', onclick: () => breakIt(order) }, words))))));
}

async function breakIt(order) {
  const refused = byId('break-refused');
  try {
    const done = await post('/_/faults', order);
    refused.hidden = true;
    if (order.lever) say(PULLED[order.lever]?.(done.lasting_ms) ?? 'Done.');
  } catch (error) {
    refused.textContent = error.message;
    refused.hidden = false;
  }
  await drawFaults();
}

let silence = null;

function say(words) {
  const said = byId('break-said');
  said.textContent = words;
  said.hidden = false;
  clearTimeout(silence);
  silence = setTimeout(() => { said.hidden = true; }, SAID_MS);
}

export async function drawFaults() {
  const faults = await get('/_/faults');
  byId('faults-title').hidden = faults.length === 0;
  replace(byId('faults'), JSON.stringify(faults), () => faults.map((fault) => {
    const words = faultWords(fault);
    const clear = async () => {
      await remove(`/_/faults?id=${fault.id}`);
      await drawFaults();
    };
    return make('li', {}, make('span', {}, words), make('button', { type: 'button', 'aria-label': `Clear: ${words}`, onclick: clear }, 'Clear'));
  }));
}

function faultWords(fault) {
  const who = fault.target === 'telegram' ? 'Telegram' : 'Model';
  const what = [
    fault.status && `answers ${fault.status}`, fault.retry_after && `retry after ${fault.retry_after} s`, fault.latency_ms && `waits ${duration(fault.latency_ms)}`,
    fault.cut_stream && 'cuts its stream', fault.duplicate && 'delivers twice', fault.lose_answer && 'loses its answer',
  ].filter(Boolean).join(', ');
  const where = fault.method ? ` (${fault.method})` : '';
  const left = fault.left === null ? 'until cleared' : `${plural(fault.left, 'time')} left`;
  return `${who} ${what}${where} · ${left}`;
}

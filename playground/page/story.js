// Stories: finding the trace of a message, following it until it is finished, and drawing it as a table with bars.

import { byId, duration, fill, get, make } from './dom.js';

const GLYPHS = {
  server: '⇥', client: '⇢', producer: '↧', consumer: '▸', attempt: '▸', message: '✉', wait: '⏸', internal: '·',
};

/** What is known of the stories of updates; polls those that are asked for. */
export class Stories {
  constructor() {
    this.known = new Map();
    this.onChange = () => {};
  }

  of(updateId) {
    return this.known.get(updateId);
  }

  /** Looks once for the story of a delivery. Returns it, or null while there is none. */
  async look(delivery) {
    const id = delivery.update_id;
    const before = this.known.get(id);
    let traceId = before?.traceId;
    if (!traceId) {
      const found = await get(`/ops/traces?delivery=telegram:${encodeURIComponent(delivery.house)}:${id}`);
      traceId = found.traces[0]?.trace_id;
      if (!traceId) return null;
    }
    const story = await get(`/ops/traces/${traceId}`);
    const after = { traceId, code: story.code, outcome: story.outcome, finished: story.finished, duration: story.duration_ms, story };
    this.known.set(id, after);
    if (this.known.size > 200) this.known.delete(this.known.keys().next().value);
    if (JSON.stringify({ ...before, story: 0 }) !== JSON.stringify({ ...after, story: 0 })) this.onChange();
    return after;
  }
}

/** Draws one story. Rows that are open stay open, rows that did not change are not touched. */
export class StoryView {
  constructor() {
    this.open = new Set();
    this.shown = null;
    this.signature = '';
    byId('story-copy').addEventListener('click', () => this.copy());
  }

  /** Shows that a story is being looked for. */
  expect(words) {
    this.shown = null;
    this.signature = '';
    this.open.clear();
    byId('no-story').textContent = words;
    byId('no-story').hidden = false;
    byId('story').hidden = true;
    byId('story-tools').hidden = true;
  }

  draw(story) {
    if (!story.rows) return;
    const signature = JSON.stringify(story);
    if (signature === this.signature) return;
    this.signature = signature;
    if (this.shown?.trace_id !== story.trace_id) this.open.clear();
    this.shown = story;
    byId('no-story').hidden = true;
    byId('story').hidden = false;
    byId('story-tools').hidden = false;
    byId('story-sentence').textContent = story.sentence;
    byId('story-code').textContent = story.code;
    const outcome = byId('story-outcome');
    outcome.textContent = story.finished ? story.outcome : `${story.outcome} …`;
    outcome.className = `badge ${tone(story.outcome)}`;
    const notes = byId('story-notes');
    notes.hidden = !story.notes?.length;
    fill(notes, ...(story.notes ?? []).map((note) => make('li', {}, note === 'spans not kept' ? 'Trace not kept: only the queue’s own rows are shown' : note)));
    this.drawRows(story);
  }

  drawRows(story) {
    const ends = story.rows.map((row) => row.start_ms + (row.duration_ms ?? 0));
    const total = Math.max(story.duration_ms ?? 0, ...ends, 0.001);
    byId('scale').dataset.total = String(total);
    fill(byId('scale'), make('span', {}, '0'), make('span', {}, duration(total / 2)), make('span', {}, duration(total)));
    const focused = document.activeElement?.closest?.('tr')?.dataset.id;
    fill(byId('rows'), ...story.rows.flatMap((row) => this.rowOf(row, total)));
    if (focused) byId('rows').querySelector(`tr[data-id="${CSS.escape(focused)}"] button`)?.focus({ preventScroll: true });
  }

  rowOf(row, total) {
    const open = this.open.has(row.id);
    const length = row.duration_ms ?? total - row.start_ms;
    const bar = make('span', { className: `bar ${row.duration_ms === null ? 'unfinished' : ''} kind-${row.kind} ${row.status}` });
    bar.style.insetInlineStart = `${(row.start_ms / total) * 100}%`;
    bar.style.inlineSize = `${(length / total) * 100}%`;
    const details = `details-${row.id}`;
    const toggle = make('button', {
      type: 'button', className: 'row-name', 'aria-expanded': String(open), 'aria-controls': details, onclick: () => this.toggle(row.id),
    }, make('span', { className: 'glyph', 'aria-hidden': 'true' }, GLYPHS[row.kind] ?? '·'), make('span', { className: 'name' }, row.name));
    const name = make('th', { scope: 'row' }, toggle, row.error ? make('p', { className: 'row-error' }, row.error) : null);
    name.style.setProperty('--depth', String(Math.min(row.depth, 8)));
    const tr = make('tr', {
      className: `${row.status}`,
      data: { id: row.id, parent: row.parent ?? '', name: row.name, start: row.start_ms, duration: row.duration_ms ?? '' },
    }, name, make('td', { className: 'when' }, make('span', { className: 'lane', 'aria-hidden': 'true' }, bar), make('span', { className: 'unseen' }, `starts at ${duration(row.start_ms)}`)),
    make('td', { className: 'took' }, row.duration_ms === null ? make('em', {}, row.status === 'waiting' ? 'waits' : 'runs') : duration(row.duration_ms)));
    return [tr, this.detailsOf(row, details, open)];
  }

  detailsOf(row, id, open) {
    const pairs = Object.entries(row.attributes ?? {});
    const events = (row.events ?? []).map((event) => [`${event.name} at ${duration(event.at_ms)}`, Object.entries(event.attributes ?? {}).map(([key, value]) => `${key}=${value}`).join(' ')]);
    const links = (row.links ?? []).map((link) => ['link', link.code ?? link.trace_id]);
    const all = [['kind', `${row.kind}, from the ${row.source === 'queue' ? 'queue' : 'trace'}`], ['starts at', duration(row.start_ms)], ...pairs, ...events, ...links];
    const list = make('dl', {}, ...all.flatMap(([key, value]) => [make('dt', {}, key), make('dd', { dir: 'auto' }, String(value))]));
    return make('tr', { className: 'details', id, hidden: !open }, make('td', { colSpan: 3 }, list));
  }

  toggle(id) {
    const open = !this.open.has(id);
    if (open) this.open.add(id);
    else this.open.delete(id);
    const row = byId('rows').querySelector(`tr[data-id="${CSS.escape(id)}"]`);
    row?.querySelector('button')?.setAttribute('aria-expanded', String(open));
    const details = byId(`details-${id}`);
    if (details) details.hidden = !open;
  }

  async copy() {
    const button = byId('story-copy');
    if (!this.shown) return;
    try {
      await navigator.clipboard.writeText(this.shown.trace_id);
      button.textContent = 'Copied';
    } catch {
      button.textContent = this.shown.trace_id;
    }
    setTimeout(() => { button.textContent = 'Copy trace id'; }, 2000);
  }
}

function tone(outcome) {
  if (['done', 'ok', 'ignored'].includes(outcome)) return 'good';
  if (['dead', 'error', 'refused', 'expired'].includes(outcome)) return 'bad';
  return 'wait';
}

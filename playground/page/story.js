// Stories: finding the trace of a message, following it until it is finished, and drawing it as a table with bars.

import { byId, duration, fill, get, make } from './dom.js';

/** Rows deeper than this are indented no further. */
const DEPTH_SHOWN_MAX = 14;

/** Spans are written a moment after the end; a story that lacks some is looked at again for this long. */
const SPANS_PATIENCE_MS = 5000;

/** A story that is not found for this long is said to be missing. */
const TRACE_PATIENCE_MS = 8000;

/** Attempts that the queue knows and whose spans are not there, though nothing says that they are lost. */
function spansMissing(story) {
  const lost = story.notes.filter((note) => note.startsWith('spans lost')).length;
  const bare = story.rows.filter((row) => row.kind === 'attempt' && row.source === 'queue').length;
  return story.notes.includes('spans not kept') || bare > lost;
}

/** What is known of the stories of messages; polls those that are asked for. */
export class Stories {
  constructor() {
    this.known = new Map();
    this.onChange = () => {};
  }

  of(wanted) {
    return this.known.get(keyOf(wanted));
  }

  /**
   * Looks once for the story of a delivery (`update_id`, `house`) or of a trace (`trace_id`). Returns it, or null while there is none.
   * It is `whole` once it is finished and its spans are there, or are not to be expected any more.
   */
  async look(wanted) {
    const before = this.of(wanted);
    const traceId = before?.traceId ?? wanted.trace_id ?? await traceOf(wanted);
    if (!traceId) return null;
    const story = await get(`/ops/traces/${traceId}`);
    const finishedAt = story.finished ? before?.finishedAt ?? Date.now() : null;
    const missing = spansMissing(story);
    const whole = story.finished && (!missing || Date.now() - finishedAt > SPANS_PATIENCE_MS);
    const after = { traceId, code: story.code, outcome: story.outcome, finished: story.finished, duration: story.duration_ms, finishedAt, missing, whole, story };
    this.known.set(keyOf(wanted), after);
    if (this.known.size > 200) this.known.delete(this.known.keys().next().value);
    if (JSON.stringify({ ...before, story: 0 }) !== JSON.stringify({ ...after, story: 0 })) this.onChange();
    return after;
  }

  /** What was over may go on: everything is looked at again. */
  reopen() {
    for (const told of this.known.values()) Object.assign(told, { whole: false, finishedAt: null });
  }
}

/** By what a story is known: its update, or the trace itself. */
export const keyOf = (wanted) => wanted.update_id ?? wanted.trace_id;

async function traceOf({ house, update_id: id }) {
  const found = await get(`/ops/traces?delivery=telegram:${encodeURIComponent(house)}:${id}`);
  return found.traces[0]?.trace_id;
}

/** Draws one story. Rows that are open stay open, rows that did not change are not touched. */
export class StoryView {
  constructor() {
    this.open = new Set();
    this.shown = null;
    this.signature = '';
    this.expectedAt = 0;
    this.errors = new Map();
    byId('story-copy').addEventListener('click', () => this.copy());
  }

  /** Shows that a story is being looked for. */
  expect() {
    this.expectedAt = Date.now();
    this.shown = null;
    this.signature = '';
    this.open.clear();
    byId('no-story').textContent = 'Looking for its way …';
    byId('no-story').hidden = false;
    byId('story').hidden = true;
    byId('story-tools').hidden = true;
  }

  /** Nothing was found of the story that is expected. */
  missed() {
    if (this.shown || Date.now() - this.expectedAt < TRACE_PATIENCE_MS) return;
    byId('no-story').textContent = 'Trace not kept, or the server has not taken the message yet. Still looking.';
  }

  /** Draws what `Stories` knows of a story. */
  draw({ story, whole, missing }) {
    if (!story.rows) return;
    const signature = JSON.stringify([story, whole]);
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
    byId('story').setAttribute('aria-busy', String(!whole));
    this.drawNotes(story, whole, missing);
    this.drawRows(story);
  }

  drawNotes(story, whole, missing) {
    const said = story.notes.filter((note) => note !== 'spans not kept');
    if (missing && whole) {
      const none = story.notes.includes('spans not kept');
      said.unshift(none ? 'Trace not kept: only the queue’s own rows are shown' : 'Some spans were not kept: the queue’s own rows stand in for them');
    }
    const notes = byId('story-notes');
    notes.hidden = said.length === 0;
    fill(notes, ...said.map((note) => make('li', {}, note)));
  }

  drawRows(story) {
    const ends = story.rows.map((row) => row.start_ms + (row.duration_ms ?? 0));
    const total = Math.max(story.duration_ms ?? 0, ...ends, 0.001);
    byId('scale').dataset.total = String(total);
    fill(byId('scale'), make('span', {}, '0'), make('span', {}, duration(total / 2)), make('span', {}, duration(total)));
    this.errors = new Map(story.rows.map((row) => [row.id, row.error]));
    const focused = document.activeElement?.closest?.('tr')?.dataset.id;
    fill(byId('rows'), ...story.rows.flatMap((row) => this.rowOf(row, total)));
    if (focused) byId('rows').querySelector(`tr[data-id="${CSS.escape(focused)}"] button`)?.focus({ preventScroll: true });
  }

  rowOf(row, total) {
    const open = this.open.has(row.id);
    const length = row.duration_ms ?? total - row.start_ms;
    const sort = sortOf(row);
    const bar = make('span', { className: `bar sort-${sort} ${row.duration_ms === null ? 'unfinished' : ''} ${row.status}` });
    bar.style.insetInlineStart = `${(row.start_ms / total) * 100}%`;
    bar.style.inlineSize = `${(length / total) * 100}%`;
    const details = `details-${row.id}`;
    const toggle = make('button', {
      type: 'button', className: 'row-name', 'aria-expanded': String(open), 'aria-controls': details, onclick: () => this.toggle(row.id),
    }, make('span', { className: 'glyph', 'aria-hidden': 'true' }, '▸'), make('span', { className: 'name' }, row.name, hinted(hintOf(row))));
    const name = make('th', { scope: 'row' }, toggle);
    const tr = make('tr', {
      className: `${row.status} sort-${sort}`,
      data: { id: row.id, parent: row.parent ?? '', name: row.name, start: row.start_ms, duration: row.duration_ms ?? '' },
    }, name, make('td', { className: 'when' }, make('span', { className: 'lane', 'aria-hidden': 'true' }, bar), make('span', { className: 'unseen' }, `starts at ${duration(row.start_ms)}`)),
    make('td', { className: 'took' }, row.duration_ms === null ? make('em', {}, row.status === 'waiting' ? 'waits' : 'runs') : duration(row.duration_ms)));
    const error = row.error && row.error !== this.errors.get(row.parent) ? errorOf(row) : null;
    const drawn = [tr, error, this.detailsOf(row, details, open)].filter(Boolean);
    for (const part of drawn) part.style.setProperty('--depth', String(Math.min(row.depth, DEPTH_SHOWN_MAX)));
    return drawn;
  }

  detailsOf(row, id, open) {
    const pairs = Object.entries(row.attributes ?? {});
    const events = (row.events ?? []).map((event) => ['event', [`${event.name} at ${duration(event.at_ms)}`, ...Object.entries(event.attributes ?? {}).map(([key, value]) => `${key}=${value}`)].join(' ')]);
    const links = (row.links ?? []).map((link) => ['link', link.code ?? link.trace_id]);
    const all = [['kind', `${row.kind}, from the ${row.source === 'queue' ? 'queue' : 'trace'}`], ['starts at', duration(row.start_ms)], ...(row.error ? [['error', row.error]] : []), ...pairs, ...events, ...links];
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

/** What a row is about; it chooses the colour of its bar, as the legend below the table tells. */
function sortOf(row) {
  if (row.kind === 'server') return 'edge';
  if (row.kind === 'wait') return 'wait';
  if (row.name === 'commit' || row.name.startsWith('settle ')) return 'store';
  if (row.kind === 'message' || row.kind === 'producer') return 'queue';
  if (row.kind !== 'client') return 'work';
  return row.name.startsWith('chat ') ? 'model' : 'call';
}

/** An error has a line of its own below its row, over the whole width. It is not told again where a child repeats its parent's. */
function errorOf(row) {
  return make('tr', { className: 'error-line' }, make('td', { colSpan: 3, dir: 'auto' }, make('p', { className: 'row-error' }, row.error)));
}

/** A few words that tell a row from others of its name: the method that was called, which attempt it is. */
function hintOf(row) {
  const told = row.attributes ?? {};
  const method = told['url.template']?.split('/').at(-1);
  if (row.kind === 'client' && method) return method;
  const attempt = told['sallyport.attempt'];
  if (row.kind === 'attempt' && attempt > 1) return `attempt ${attempt}`;
  const after = told['sallyport.wait_after'];
  return row.kind === 'wait' && after && after !== 'queue' ? `after ${after}` : '';
}

const hinted = (words) => (words ? make('span', { className: 'hinted' }, ` ${words}`) : null);

function tone(outcome) {
  if (['done', 'ok', 'ignored'].includes(outcome)) return 'good';
  if (['dead', 'error', 'refused', 'expired'].includes(outcome)) return 'bad';
  return 'wait';
}

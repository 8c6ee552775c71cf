// Small tools for the page: making elements, asking the server, and saying durations and times in words.

/** Makes an element. `props` are properties (`className`, `onclick`), `data` goes to `dataset`, `aria-…` and `role` become attributes. */
export function make(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name === 'data') Object.assign(element.dataset, value);
    else if (name.includes('-') || name === 'role' || name === 'scope' || name === 'dir') element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== undefined && child !== null && child !== ''));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Replaces an element's children. */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter(Boolean));
  return element;
}

/** What the server said no with. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem?.detail || problem?.title || `The server answered ${status}`);
    this.status = status;
    this.body = problem;
    this.retryAfter = problem?.retry_after;
  }
}

async function answer(response) {
  const text = await response.text();
  let json = null;
  try {
    json = text ? JSON.parse(text) : null;
  } catch {
    json = { detail: text.slice(0, 200) };
  }
  if (!response.ok) throw new Refused(response.status, json);
  return json;
}

const PATIENCE_MS = 8000;

export async function get(path) {
  return answer(await fetch(path, { signal: AbortSignal.timeout(PATIENCE_MS), headers: { accept: 'application/json' } }));
}

export async function post(path, body) {
  const headers = { 'content-type': 'application/json' };
  return answer(await fetch(path, { method: 'POST', headers, body: JSON.stringify(body), signal: AbortSignal.timeout(PATIENCE_MS) }));
}

export async function remove(path) {
  return answer(await fetch(path, { method: 'DELETE', signal: AbortSignal.timeout(PATIENCE_MS) }));
}

/** < 0.1 ms, 1.9 ms, 212 ms, 2.30 s, 4 min. */
export function duration(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return '…';
  if (ms < 0.05) return '< 0.1 ms';
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}

/** The time of day of a moment. */
export function clock(moment) {
  return new Date(moment).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
}

/** A duration as the story's sentence says it: 212 ms, 1.7 s. */
export function roughly(ms) {
  return ms >= 1000 && ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : duration(ms >= 10 ? Math.round(ms) : ms);
}

export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

/** Runs `work` every `ms` while the page is visible, never twice at once. Returns a function that runs it now. */
export function every(ms, work) {
  let running = false;
  const run = async () => {
    if (running || document.hidden) return;
    running = true;
    try {
      await work();
    } finally {
      running = false;
    }
  };
  setInterval(run, ms);
  document.addEventListener('visibilitychange', run);
  run();
  return run;
}

// The page's start: it wires the chat, the story and the house together and keeps them fresh. All data comes from the playground's own server.

import { Chat } from './chat.js';
import { byId, clock, every, get } from './dom.js';
import { drawDead, drawFaults, drawQueue, fillBreakers, lights } from './house.js';
import { Stories, StoryView, keyOf } from './story.js';

const state = { bots: [], status: null, queue: null, downSince: null, chosen: null };
const stories = new Stories();
const view = new StoryView();
const chat = new Chat(stories, choose);

/** A message was chosen: its story is looked for until it is whole. `byHand` also opens the Story tab on narrow screens. */
function choose(delivery, byHand) {
  if (state.chosen?.update_id !== delivery.update_id) view.expect();
  state.chosen = delivery;
  const known = stories.of(delivery);
  if (known) view.draw(known);
  if (byHand) openTab('story');
  followStories();
}

/** A story that belongs to no message of this chat, such as a dead letter's. */
function showStory(traceId) {
  state.chosen = { trace_id: traceId };
  chat.chosen = null;
  chat.drawStates();
  view.expect();
  openTab('story');
  followStories();
}

/** Runs something that needs the server, and says at the top when it is away. */
async function house(work) {
  try {
    await work();
    state.downSince = null;
  } catch (error) {
    if (error.status === 404) return;
    state.downSince ??= Date.now();
    state.reason = error.status && ![502, 504].includes(error.status) ? error.message : null;
  }
  const trouble = byId('trouble');
  trouble.hidden = !state.downSince;
  if (state.downSince) {
    const since = clock(state.downSince);
    const words = state.reason ? `${state.reason} (since ${since}; retrying)` : `Server not reachable since ${since}; retrying`;
    if (trouble.textContent !== words) trouble.textContent = words;
  }
}

const followStories = every(450, async () => {
  const chosen = state.chosen;
  const wanted = chat.unfinished().filter((delivery) => delivery.update_id !== chosen?.update_id);
  if (chosen && !stories.of(chosen)?.whole) wanted.push(chosen);
  if (wanted.length) await house(() => Promise.all(wanted.map(lookAtStory)));
});

async function lookAtStory(wanted) {
  const told = await stories.look(wanted).catch(orNone);
  if (!state.chosen || keyOf(wanted) !== keyOf(state.chosen)) return;
  if (told) view.draw(told);
  else view.missed();
}

/** What is not known (yet) is no trouble of the server's. */
function orNone(error) {
  if (error.status === 404) return null;
  throw error;
}

/** Dead letters went back on the queue: the numbers and the stories change. */
function replayed() {
  stories.reopen();
  lookAtHouse();
  followStories();
}

const lookAtHouse = every(2000, () => house(async () => {
  const [status, queue, dead] = await Promise.all([get('/health/status').catch(orStatus), get('/ops/queue'), get('/ops/dead')]);
  Object.assign(state, { status, queue });
  drawQueue(queue);
  drawDead(dead, showStory, replayed);
}).finally(() => lights(chat.bot, state.status, state.downSince ? null : state.queue, state.downSince)));

/** A status page that says "not ready" is still a status page. */
function orStatus(error) {
  if (error.status === 503 && error.body?.components) return error.body;
  throw error;
}

every(1500, async () => {
  try {
    chat.setBots(await get('/_/telegram/bots'));
    await drawFaults();
    chat.drawStates();
  } catch {
    byId('trouble').textContent = 'Playground not reachable; retrying';
    byId('trouble').hidden = false;
  }
});

const LIVE_GAP_MS = 60;
let liveTimer = null;

/** Changes come as server-sent events; several within a moment cost one reading. */
function listen() {
  const live = new EventSource('/_/live');
  const read = () => {
    liveTimer ??= setTimeout(() => {
      liveTimer = null;
      chat.refresh().catch(() => {});
    }, LIVE_GAP_MS);
  };
  live.addEventListener('change', (event) => {
    const { bot, chat_id: chatId } = JSON.parse(event.data);
    if (bot === chat.bot?.id && chatId === chat.chatId) read();
  });
  live.addEventListener('all', read);
  live.addEventListener('open', read);
}

const TABS = ['chat', 'story', 'queue'];
const narrow = matchMedia('(max-width: 700px)');

function openTab(name, focus = false) {
  byId('main').dataset.view = name;
  for (const tab of TABS) {
    const button = byId(`tab-${tab}`);
    button.setAttribute('aria-selected', String(tab === name));
    button.tabIndex = tab === name ? 0 : -1;
    if (focus && tab === name) button.focus();
  }
}

/** On wide screens all views are visible and are plain sections; on narrow ones they are tab panels. */
function arrangeTabs() {
  for (const tab of TABS) {
    const panel = byId(`view-${tab}`);
    if (narrow.matches) {
      panel.setAttribute('role', 'tabpanel');
      panel.setAttribute('aria-labelledby', `tab-${tab}`);
    } else {
      panel.removeAttribute('role');
      if (tab === 'queue') panel.removeAttribute('aria-labelledby');
      else panel.setAttribute('aria-labelledby', `${tab}-title`);
    }
  }
}

byId('tabs').addEventListener('click', (event) => {
  const tab = event.target.closest('[role=tab]');
  if (tab) openTab(tab.id.replace('tab-', ''));
});
byId('tabs').addEventListener('keydown', (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const now = TABS.indexOf(byId('main').dataset.view);
  openTab(TABS[(now + step + TABS.length) % TABS.length], true);
});
narrow.addEventListener('change', arrangeTabs);

arrangeTabs();
openTab('chat');
fillBreakers().catch(() => {});
get('/_/telegram/bots').then((bots) => {
  chat.setBots(bots);
  listen();
}).catch(() => listen());

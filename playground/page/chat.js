// The chat: who speaks where, the bubbles with the state of each message, and writing.

import { byId, clock, fill, get, make, post, roughly } from './dom.js';

const PEOPLE = [
  { id: 7001, name: 'Ada' },
  { id: 7002, name: 'Boris' },
  { id: 7003, name: 'Chiamaka' },
];
const LANGUAGES = [
  { id: 'en', name: 'English' },
  { id: 'ru', name: 'Русский' },
  { id: 'ar', name: 'العربية' },
];
const PLACES = [
  { id: 'private', name: 'Private' },
  { id: 'supergroup', name: 'Group' },
];
const GROUP_ID = -1001000007000;
const CHIPS = ['/start', '/help', '/status', 'Ask why the sky is blue'];
const SAID_FOR_CHIP = { 'Ask why the sky is blue': '/ai why is the sky blue' };

/** Of so many messages of a chat the state is asked for, of a few at a time, the newest first. */
const SHOWN_STATES_MAX = 50;
const ASKED_AT_ONCE = 6;

/** A stream is over when its message has not changed for this long; only then is it announced. */
const QUIET_MS = 1800;

const remembered = (key, fallback) => localStorage.getItem(`playground.${key}`) ?? fallback;
const remember = (key, value) => localStorage.setItem(`playground.${key}`, value);

export class Chat {
  /** `stories` tells about messages; `choose(message)` is called when a bubble is chosen. */
  constructor(stories, choose) {
    this.stories = stories;
    this.choose = choose;
    this.bots = [];
    this.bubbles = new Map();
    this.announced = new Map();
    this.messages = [];
    this.chosen = null;
    this.followNext = false;
    this.log = byId('log');
    this.fillSwitches();
    this.fillChips();
    this.wireWriting();
    stories.onChange = () => this.drawStates();
  }

  get person() {
    return PEOPLE.find((person) => String(person.id) === byId('person').value) ?? PEOPLE[0];
  }

  get inGroup() {
    return byId('place').value === 'supergroup';
  }

  get chatId() {
    return this.inGroup ? GROUP_ID : this.person.id;
  }

  get bot() {
    return this.bots.find((bot) => String(bot.id) === byId('bot').value) ?? this.bots[0];
  }

  fillSwitches() {
    for (const [id, options] of [['person', PEOPLE], ['language', LANGUAGES], ['place', PLACES]]) {
      const select = byId(id);
      fill(select, ...options.map((option) => make('option', { value: option.id }, option.name)));
      select.value = remembered(id, String(options[0].id));
      if (!select.value) select.value = String(options[0].id);
      select.addEventListener('change', () => this.switched(id, select.value));
    }
    byId('bot').addEventListener('change', () => this.switched('bot', byId('bot').value));
  }

  switched(which, value) {
    remember(which, value);
    if (which === 'language') return;
    this.bubbles.clear();
    this.messages = [];
    this.log.setAttribute('aria-busy', 'true');
    fill(this.log, byId('no-messages') ?? emptyLog());
    this.refresh();
    this.hintForPlace();
  }

  hintForPlace() {
    const name = this.bot ? `@${this.bot.username}` : 'the bot';
    byId('text').placeholder = this.inGroup ? `In a group: a command, or ${name} …` : 'Write to the bot';
  }

  fillChips() {
    fill(byId('chips'), ...CHIPS.map((words) =>
      make('button', { type: 'button', onclick: () => this.say(SAID_FOR_CHIP[words] ?? words) }, words)));
  }

  wireWriting() {
    const [form, text] = [byId('write'), byId('text')];
    text.value = remembered('text', '');
    const grow = () => {
      remember('text', text.value);
      text.rows = Math.min(6, text.value.split('\n').length);
    };
    text.addEventListener('input', grow);
    text.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    });
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      const words = text.value.trim();
      if (words && (await this.say(words))) {
        text.value = '';
        grow();
      }
      text.focus();
    });
    grow();
  }

  /** Sends what the person says; on failure the text stays where it is. */
  async say(words) {
    const body = {
      bot: this.bot?.id, chat_id: this.chatId, user_id: this.person.id, first_name: this.person.name,
      language_code: byId('language').value, chat_type: this.inGroup ? 'supergroup' : 'private', text: words,
    };
    const refused = byId('refused');
    try {
      await post('/_/telegram/say', body);
      refused.hidden = true;
      this.followNext = true;
      await this.refresh();
      return true;
    } catch (error) {
      refused.textContent = `Not sent: ${error.message}`;
      refused.hidden = false;
      return false;
    }
  }

  async press(message, button) {
    const data = button.callback_data;
    if (!data) return;
    await post('/_/telegram/press', {
      bot: this.bot?.id, chat_id: this.chatId, message_id: message.message_id, button: data, user_id: this.person.id,
    });
  }

  setBots(bots) {
    const same = bots.map((bot) => bot.id).join() === this.bots.map((bot) => bot.id).join()
      && bots.map((bot) => bot.username).join() === this.bots.map((bot) => bot.username).join();
    this.bots = bots;
    if (same) return;
    const select = byId('bot');
    const wanted = select.value || remembered('bot', String((bots.find((bot) => bot.is_default) ?? bots[0])?.id));
    fill(select, ...bots.map((bot) => make('option', { value: bot.id }, `@${bot.username}`)));
    select.value = bots.some((bot) => String(bot.id) === wanted) ? wanted : String(bots[0]?.id);
    this.hintForPlace();
  }

  async refresh() {
    const [bot, chatId] = [this.bot, this.chatId];
    if (!bot) return;
    const chat = await get(`/_/telegram/chat?bot=${bot.id}&chat_id=${chatId}`);
    if (bot !== this.bot || chatId !== this.chatId) return;
    this.clockAhead = Date.now() - chat.now_ms;
    this.draw(chat);
  }

  draw(chat) {
    const atEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 60;
    this.messages = chat.messages;
    const empty = byId('no-messages');
    if (empty) empty.hidden = chat.messages.length > 0;
    const present = new Set(chat.messages.map((message) => message.message_id));
    for (const [id, bubble] of this.bubbles) {
      if (present.has(id)) continue;
      bubble.element.remove();
      this.bubbles.delete(id);
    }
    for (const message of chat.messages) this.drawMessage(message);
    this.log.setAttribute('aria-busy', 'false');
    this.drawActivity(chat);
    this.drawStates();
    if (atEnd || this.followNext) this.log.scrollTop = this.log.scrollHeight;
    if (this.followNext) this.chooseNewest();
  }

  chooseNewest() {
    const own = this.messages.filter((message) => !message.from_bot && message.delivery);
    const newest = own.at(-1);
    if (!newest) return;
    this.followNext = false;
    this.select(newest, false);
  }

  select(message, byHand = true) {
    this.chosen = message.message_id;
    for (const [id, bubble] of this.bubbles) bubble.element.classList.toggle('chosen', id === this.chosen);
    this.choose({ ...message.delivery, house: houseName(this.bot) }, byHand);
  }

  drawMessage(message) {
    const signature = JSON.stringify([message.text, message.edits, message.buttons, message.name]);
    let bubble = this.bubbles.get(message.message_id);
    if (!bubble) {
      bubble = { element: make('article', { className: message.from_bot ? 'bubble bot' : 'bubble own' }) };
      this.bubbles.set(message.message_id, bubble);
      this.log.append(bubble.element);
      if (!message.from_bot && message.delivery) bubble.element.addEventListener('click', (event) => this.clicked(event, message.message_id));
    }
    if (bubble.signature === signature) return;
    bubble.signature = signature;
    const quoted = this.messages.find((other) => other.message_id === message.reply_to_message_id);
    bubble.state = make('p', { className: 'state' });
    fill(
      bubble.element,
      make('p', { className: 'who' }, make('span', { dir: 'auto' }, message.name ?? 'Somebody'),
        make('time', { dateTime: message.at }, clock(message.at_ms))),
      quoted && make('p', { className: 'quoted', dir: 'auto' }, shortened(quoted.text || quoted.media || '')),
      message.media && make('p', { className: 'media' }, `Attached: ${message.media.replace('_', ' ')}`),
      make('div', { className: 'words', dir: 'auto' }, ...formatted(message.text, message.entities)),
      this.buttonsOf(message),
      bubble.state,
    );
    if (message.from_bot) this.announceLater(message);
  }

  clicked(event, id) {
    if (event.target.closest('a, button') || String(getSelection())) return;
    const message = this.messages.find((other) => other.message_id === id);
    if (message) this.select(message);
  }

  buttonsOf(message) {
    if (!message.buttons.length) return null;
    const one = (button) => (button.url
      ? make('a', { href: button.url, target: '_blank', rel: 'noreferrer noopener', className: 'key' }, button.text)
      : make('button', { type: 'button', className: 'key', onclick: () => this.press(message, button) }, button.text));
    const rows = message.buttons.map((row) => make('div', { className: 'keys' }, ...row.map(one)));
    return make('div', { className: 'keyboard', role: 'group', 'aria-label': 'Buttons of this message' }, ...rows);
  }

  /** A streamed answer grows by edits; it is read out once, when it has been quiet for a while. */
  announceLater(message) {
    clearTimeout(this.announced.get(message.message_id));
    const old = Date.now() - this.clockAhead - message.at_ms > 60_000;
    if (old) return;
    const timer = setTimeout(() => {
      byId('announcer').textContent = `${message.name}: ${message.text}`;
    }, QUIET_MS);
    this.announced.set(message.message_id, timer);
  }

  drawActivity(chat) {
    const activity = byId('activity');
    activity.classList.toggle('shown', Boolean(chat.action || chat.draft));
    const words = chat.draft ? chat.draft.text || 'Thinking…' : chat.action ? `${this.bot.name} is ${chat.action.replace('_', ' ')}…` : '';
    activity.textContent = words;
    if (chat.action || chat.draft) setTimeout(() => this.refresh().catch(() => {}), 5200);
  }

  drawStates() {
    const now = Date.now() - (this.clockAhead ?? 0);
    for (const message of this.messages) {
      const bubble = this.bubbles.get(message.message_id);
      if (!bubble) continue;
      bubble.element.classList.toggle('chosen', message.message_id === this.chosen);
      if (message.from_bot) {
        fill(bubble.state, message.edited ? make('span', {}, 'edited') : null);
        bubble.state.hidden = !message.edited;
        continue;
      }
      if (!message.delivery) continue;
      const told = this.stories.of(message.delivery);
      const { steps, code } = stateOf(message.delivery, told, now);
      const signature = JSON.stringify([steps, code]);
      if (bubble.stateSignature === signature && bubble.state.childElementCount) continue;
      bubble.stateSignature = signature;
      const words = steps.map((step, index) => make('span', { className: `step-word ${index === steps.length - 1 ? 'now' : ''} ${step.tone ?? ''}` }, step.words));
      const label = `Show the story${code ? ` ${code}` : ''}`;
      const open = make('button', { type: 'button', className: 'code', 'aria-label': label, onclick: () => this.select(message) }, code ?? 'story');
      fill(bubble.state, make('span', { className: 'steps' }, ...words), open);
    }
  }

  /** The newest messages whose story is not whole yet. */
  unfinished() {
    const own = this.messages.filter((message) => !message.from_bot && message.delivery?.taken_at_ms);
    return own.slice(-SHOWN_STATES_MAX).map((message) => ({ ...message.delivery, house: houseName(this.bot) }))
      .filter((delivery) => !this.stories.of(delivery)?.whole).slice(-ASKED_AT_ONCE);
  }
}

function emptyLog() {
  return make('p', { className: 'empty', id: 'no-messages' }, 'Nobody has spoken here yet. Try one of these:');
}

/** The name by which the house knows a bot: the end of its webhook's path, or the name in its token. */
export function houseName(bot) {
  const path = bot?.webhook ? new URL(bot.webhook, 'https://host').pathname : '';
  return path.split('/').filter(Boolean).at(-1) ?? bot?.short ?? 'ops';
}

/** The steps a message has taken, in words: sent → on disk → handling → answered in 212 ms. */
function stateOf(delivery, told, now) {
  const steps = [{ words: 'sent' }];
  const code = told?.code;
  if (!delivery.taken_at_ms) {
    if (delivery.error) {
      const wait = delivery.next_attempt_at_ms ? Math.max(0, Math.ceil((delivery.next_attempt_at_ms - now) / 1000)) : null;
      const why = delivery.status ? `Refused: ${delivery.status}` : 'Server not reachable';
      steps.push({ words: wait === null ? why : `${why}, again in ${wait} s`, tone: 'bad' });
    } else if (now - delivery.said_at_ms > 1500) {
      steps.push({ words: delivery.attempts ? 'no answer yet' : 'nobody takes it yet', tone: 'wait' });
    }
    return { steps, code };
  }
  steps.push({ words: delivery.status ? 'on disk' : 'taken' });
  if (!told) return { steps, code };
  const words = {
    done: `answered in ${roughly(told.duration)}`, dead: `failed after ${roughly(told.duration)}`, expired: 'too late to answer',
    ignored: 'needs no answer', cancelled: 'not answered', erased: 'erased', refused: 'refused', ok: `done in ${roughly(told.duration)}`,
  };
  const bad = ['dead', 'refused', 'error', 'cancelled'].includes(told.outcome);
  if (told.finished) steps.push({ words: words[told.outcome] ?? told.outcome, tone: bad ? 'bad' : 'good' });
  else steps.push({ words: told.outcome === 'delayed' ? 'waiting to try again' : 'handling', tone: 'wait' });
  return { steps, code };
}

function shortened(text) {
  return text.length > 90 ? `${text.slice(0, 90)}…` : text;
}

const TAGS = {
  bold: 'strong', italic: 'em', underline: 'u', strikethrough: 's', code: 'code', pre: 'pre', blockquote: 'blockquote',
  expandable_blockquote: 'blockquote', spoiler: 'span', bot_command: 'span', mention: 'span', hashtag: 'span', custom_emoji: 'span', date_time: 'time',
};

/** Text with Telegram's entities (UTF-16 offsets, as JavaScript counts) as elements, nested as they nest. */
function formatted(text, entities, from = 0, to = text.length) {
  const out = [];
  let at = from;
  const inside = entities.filter((entity) => entity.offset >= from && entity.offset + entity.length <= to);
  for (let index = 0; index < inside.length; index += 1) {
    const entity = inside[index];
    if (entity.offset < at) continue;
    const end = entity.offset + entity.length;
    out.push(text.slice(at, entity.offset));
    const rest = inside.slice(index + 1);
    out.push(wrapped(entity, formatted(text, rest, entity.offset, end), text.slice(entity.offset, end)));
    at = end;
  }
  out.push(text.slice(at, to));
  return out;
}

function wrapped(entity, children, words) {
  const url = entity.type === 'url' ? words : entity.url;
  if ((entity.type === 'text_link' || entity.type === 'url') && /^https?:/.test(url)) {
    return make('a', { href: url, target: '_blank', rel: 'noreferrer noopener' }, ...children);
  }
  return make(TAGS[entity.type] ?? 'span', { className: `entity-${entity.type}` }, ...children);
}

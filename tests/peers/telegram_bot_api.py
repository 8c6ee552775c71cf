"""Two Telegram libraries that know nothing of us drive the playground's Bot API stand-in, unmodified.

Usage: telegram_bot_api.py http://127.0.0.1:8088

python-telegram-bot and aiogram each take the methods in turn: what they cannot parse, or what is refused in another way than Telegram refuses it,
fails the run. People's side is played through the control door. Every step prints one line; the exit status says whether all held.
"""

import asyncio
import json
import sys
import urllib.request

import aiogram
import aiogram.exceptions
import telegram
import telegram.error
import telegram.ext
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.types import BotCommand, BotCommandScopeAllPrivateChats, InlineKeyboardButton, InlineKeyboardMarkup, ReplyParameters

BASE = sys.argv[1].rstrip("/") if len(sys.argv) > 1 else "http://127.0.0.1:8088"


def control(method, path, body=None):
    """Asks the control door."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{BASE}/_/{path}", data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def told(step):
    print(f"ok  {step}", flush=True)


async def refused(call, words, kind):
    """The call must fail with this kind of error, in Telegram's own words."""
    try:
        await call
    except kind as error:
        assert words.lower() in str(error).lower(), f"{error!r} does not say {words!r}"
        return error
    raise AssertionError(f"nobody refused what should say {words!r}")


async def python_telegram_bot():
    token = "71000001:python-telegram-bot"
    bot = telegram.Bot(token, base_url=f"{BASE}/bot", base_file_url=f"{BASE}/file/bot")
    async with bot:
        me = await bot.get_me()
        assert me.is_bot and me.id == 71000001, me
        told("python-telegram-bot: getMe")

        said = control("POST", "telegram/say", {"bot": me.id, "chat_id": 5, "text": "/start hello", "language_code": "en"})
        updates = await bot.get_updates(timeout=5)
        update = updates[-1]
        assert update.update_id == said["update_id"] and update.message.text == "/start hello"
        assert update.message.entities[0].type == "bot_command" and update.effective_user.language_code == "en"
        assert await bot.get_updates(offset=update.update_id + 1, timeout=0) == ()
        told("python-telegram-bot: getUpdates, confirmed by its offset")

        await bot.send_chat_action(5, "typing")
        keyboard = telegram.InlineKeyboardMarkup([[telegram.InlineKeyboardButton("Again", callback_data="again:1")]])
        sent = await bot.send_message(
            5, "<b>bold</b> & <a href='https://example.com'>link</a>", parse_mode="HTML",
            reply_parameters=telegram.ReplyParameters(update.message.message_id), reply_markup=keyboard,
        )
        assert sent.text == "bold & link" and sent.reply_to_message.message_id == update.message.message_id
        assert [entity.type for entity in sent.entities] == ["bold", "text_link"]
        told("python-telegram-bot: sendMessage with HTML, reply and buttons")

        edited = await bot.edit_message_text("now *this*", chat_id=5, message_id=sent.message_id, parse_mode="MarkdownV2")
        assert edited.text == "now this" and edited.edit_date
        bad = telegram.error.BadRequest
        again = bot.edit_message_text("now *this*", chat_id=5, message_id=sent.message_id, parse_mode="MarkdownV2")
        await refused(again, "message is not modified", bad)
        await refused(bot.edit_message_text("x", chat_id=5, message_id=1), "message to edit not found", bad)
        await refused(bot.send_message(0, "x"), "chat not found", bad)
        await refused(bot.send_message(5, "x" * 4097), "message is too long", bad)
        await refused(bot.send_message(5, "*open", parse_mode="MarkdownV2"), "can't parse entities", bad)
        reply = telegram.ReplyParameters(1)
        await refused(bot.send_message(5, "x", reply_parameters=reply), "message to be replied not found", bad)
        told("python-telegram-bot: editMessageText and the refusals")

        draft = await bot.send_message_draft(chat_id=5, draft_id=7, text="so far")
        assert draft is True
        told("python-telegram-bot: sendMessageDraft")

        with_keys = await bot.send_message(5, "press", reply_markup=keyboard)
        press = {"bot": me.id, "chat_id": 5, "message_id": with_keys.message_id, "button": "Again"}
        control("POST", "telegram/press", press)
        query = (await bot.get_updates(offset=update.update_id + 1, timeout=5))[-1].callback_query
        assert query.data == "again:1" and query.message.message_id == with_keys.message_id
        assert await query.answer("done")
        await refused(query.answer("twice"), "query is too old", bad)
        told("python-telegram-bot: callback_query and answerCallbackQuery")

        await bot.set_my_commands([telegram.BotCommand("start", "Begin")], language_code="ru")
        assert (await bot.get_my_commands(language_code="ru"))[0].command == "start"
        assert await bot.get_my_commands() == ()
        assert await bot.set_my_description("What it is for")
        assert (await bot.get_my_description()).description == "What it is for"
        told("python-telegram-bot: setMyCommands, getMyCommands, setMyDescription")

        control("POST", "telegram/say", {"bot": me.id, "chat_id": 5, "text": "see", "media": {"kind": "document", "file_name": "a.txt"}})
        document = (await bot.get_updates(offset=-1, timeout=5))[-1].message.document
        file = await bot.get_file(document.file_id)
        content = await file.download_as_bytearray()
        assert document.file_name == "a.txt" and len(content) == file.file_size
        told("python-telegram-bot: getFile and download")

        control("POST", "telegram/chat", {"bot": me.id, "chat_id": 6, "standing": "blocked"})
        await refused(bot.send_message(6, "x"), "bot was blocked by the user", telegram.error.Forbidden)
        move = {"bot": me.id, "chat_id": -9, "standing": "migrated", "migrate_to_chat_id": -1000000000009}
        control("POST", "telegram/chat", move)
        moved = await refused(bot.send_message(-9, "x"), "group migrated", telegram.error.ChatMigrated)
        assert moved.new_chat_id == -1000000000009
        fault = {"target": "telegram", "method": "sendMessage", "chat_id": 5, "status": 429, "retry_after": 3, "times": 1}
        control("POST", "faults", fault)
        slow = await refused(bot.send_message(5, "x"), "flood control exceeded", telegram.error.RetryAfter)
        assert str(slow.retry_after) in ("3", "0:00:03"), slow.retry_after
        told("python-telegram-bot: blocked, migrated, 429 with retry_after")

    stranger = telegram.Bot("71000001:another-secret", base_url=f"{BASE}/bot")
    await refused(stranger.initialize(), "", telegram.error.InvalidToken)
    told("python-telegram-bot: a wrong token is refused")


async def polling_application():
    """The library's own loop: it polls, handles a command, answers, and stops."""
    answered = asyncio.Event()

    async def start(update, context):
        await update.message.reply_text(f"Hello {update.effective_user.first_name}")
        answered.set()

    builder = telegram.ext.Application.builder().token("71000002:application").base_url(f"{BASE}/bot")
    application = builder.base_file_url(f"{BASE}/file/bot").build()
    application.add_handler(telegram.ext.CommandHandler("start", start))
    async with application:
        await application.start()
        await application.updater.start_polling(timeout=2)
        control("POST", "telegram/say", {"bot": 71000002, "chat_id": 8, "text": "/start", "first_name": "Ada"})
        await asyncio.wait_for(answered.wait(), 10)
        await application.updater.stop()
        await application.stop()
    sent = control("GET", "telegram/sent?bot=71000002&chat_id=8")
    assert [message["text"] for message in sent] == ["Hello Ada"], sent
    told("python-telegram-bot: Application with polling")


async def with_aiogram():
    session = AiohttpSession(api=TelegramAPIServer.from_base(BASE))
    bot = aiogram.Bot("72000001:aiogram", session=session)
    bad = aiogram.exceptions.TelegramBadRequest
    try:
        me = await bot.get_me()
        assert me.id == 72000001 and me.can_join_groups
        group = {"bot": me.id, "chat_id": -1000000000012, "user_id": 5, "chat_type": "supergroup", "text": "hi @someone_bot"}
        control("POST", "telegram/say", group)
        update = (await bot.get_updates(timeout=5))[-1]
        assert update.message.chat.type == "supergroup" and update.message.entities[0].type == "mention"
        told("aiogram: getMe, getUpdates in a group")

        button = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="Stop", callback_data="stop:1")]])
        sent = await bot.send_message(
            update.message.chat.id, "`code` and __line__", parse_mode="MarkdownV2", reply_markup=button,
            reply_parameters=ReplyParameters(message_id=update.message.message_id),
        )
        assert [entity.type for entity in sent.entities] == ["code", "underline"]
        assert sent.reply_to_message.message_id == update.message.message_id
        edited = await bot.edit_message_text("other", chat_id=sent.chat.id, message_id=sent.message_id)
        assert edited.text == "other" and edited.reply_markup is None
        await refused(bot.edit_message_text("other", chat_id=sent.chat.id, message_id=sent.message_id), "message is not modified", bad)
        told("aiogram: sendMessage, editMessageText")

        assert await bot.send_message_draft(chat_id=5, draft_id=1, text="so far")
        assert await bot.send_chat_action(5, "typing")
        assert await bot.set_my_commands([BotCommand(command="ai", description="Ask")], scope=BotCommandScopeAllPrivateChats())
        assert (await bot.get_my_commands(scope=BotCommandScopeAllPrivateChats()))[0].description == "Ask"
        assert await bot.get_my_commands() == []
        assert (await bot.get_my_name()).name == me.first_name
        told("aiogram: drafts, actions, commands by scope")

        await webhook(bot)
        fault = {"target": "telegram", "method": "getMe", "retry_after": 2, "times": 1}
        control("POST", "faults", fault)
        slow = await refused(bot.get_me(), "too many requests", aiogram.exceptions.TelegramRetryAfter)
        assert slow.retry_after == 2
        told("aiogram: 429 with retry_after")
    finally:
        await bot.session.close()


async def webhook(bot):
    """Webhook rules, and that polling is refused while one is set."""
    bad = aiogram.exceptions.TelegramBadRequest
    await refused(bot.set_webhook("http://example.com/hook"), "HTTPS URL must be provided", bad)
    await refused(bot.set_webhook("https://example.com:444/hook"), "ports 80, 88, 443 or 8443", bad)
    await refused(bot.set_webhook("https://example.com/hook", secret_token="a b"), "unallowed characters", bad)
    assert await bot.set_webhook(
        "https://127.0.0.1:8443/nobody", secret_token="s-1", max_connections=5, allowed_updates=["message", "chat_member"],
        drop_pending_updates=True,
    )
    info = await bot.get_webhook_info()
    assert (info.url, info.max_connections, info.allowed_updates) == ("https://127.0.0.1:8443/nobody", 5, ["message", "chat_member"])
    conflict = aiogram.exceptions.TelegramConflictError
    await refused(bot.get_updates(), "can't use getUpdates method while webhook is active", conflict)
    assert await bot.delete_webhook()
    assert (await bot.get_webhook_info()).url == ""
    told("aiogram: setWebhook and its rules, getWebhookInfo, 409, deleteWebhook")

    first = asyncio.create_task(bot.get_updates(timeout=20))
    await asyncio.sleep(0.3)
    second = asyncio.create_task(bot.get_updates(timeout=1))
    await refused(first, "terminated by other getUpdates request", conflict)
    await second
    told("aiogram: a second poller ends the first with 409")


async def main():
    control("DELETE", "faults")
    await python_telegram_bot()
    await polling_application()
    await with_aiogram()
    print("all held", flush=True)


if __name__ == "__main__":
    asyncio.run(main())

# What the hub says. The order is that of the commands.

start-greeting = Hello, { $name }. Ask me anything, or see what I can do: /help
start-owner = This bot is yours now, { $name }. See what you can do: /help

about-start = greets you
about-help = shows this list
about-ai = asks a model; in reply to a message, about that message
about-new = begins a new conversation
about-status = says how the house is
about-trace = shows the story behind a support code
about-dead = shows what failed for good
about-webhook = sends the daily digest to an address of yours as well
example-ai = /ai why is the sky blue
example-trace = /trace K7QF-3M2X
example-webhook = /webhook https://example.com/hook

ai-usage = Write the question behind it: /ai why is the sky blue
ai-instructions = You answer questions in a chat. Answer first and briefly, in the language of the question, in plain words. Say so when you do not know.
ai-about = { $question }

    The question is about this message:
    { $about }
ai-no-model = No model is connected here; a human wrote this. Questions cannot be answered now, but /help shows what can.
ai-failed = No model answered; a human wrote this. Your question is kept; quote { $code }.
ai-refused = The model declined this question; a human wrote this. Other words may help.
ai-cut-off = (cut off)
ai-try-again = Try again

new-forgotten = Forgotten. What is next?

file-noted = { $count ->
    [one] { $kind ->
        [photo] A photo
        [voice] A voice message
        [audio] A recording
        [video] A video
       *[document] A document
    }, noted. I cannot look into it: for 7 days I keep that it came, never the file.
   *[other] { $count } files, noted. I cannot look into them: for 7 days I keep that they came, never the files.
}

trace-usage = Write the code behind it: /trace K7QF-3M2X
trace-nothing = No such code.
trace-too-old = Older than { $days } days.
trace-several =
    Several stories share this code. Ask for one of them:
    { $ids }
trace-replay = Replay
trace-copy-id = Copy id

dead-none = No dead letters.
dead-group =
    { $kind }: { $error }
    { $count }, first { $first }, last { $last }, newest /trace { $code }
dead-replay = Replay
replay-question = Send { $count ->
    [one] one answer
   *[other] { $count } answers
} to { $people ->
    [one] one person
   *[other] { $people } people
}?
replay-send = Send
replay-leave = Leave
replay-left = Left as it was.
replayed = { $count ->
    [0] Nothing is left of this group.
    [one] 1 is on its way again.
   *[other] { $count } are on their way again.
}

webhook-none = The digest goes nowhere else. Write an address behind it: /webhook https://example.com/hook
webhook-off = Off. Nothing more is sent there.
webhook-set = From tomorrow on the digest also goes to { $host }, signed as Standard Webhooks asks. This is the key for its receiver; I cannot show it again:
    { $key }
webhook-untried = The digest also goes to { $host }. Nothing was sent there yet.
webhook-taken = The digest also goes to { $host }. The last one was taken at { $at }.
webhook-failed = The digest also goes to { $host }. At { $at } { $why ->
    [forbidden_address] its name led to an address that is not of the public internet, so nothing was sent.
    [redirected] it answered with a redirect, which is not followed: enter the address that it leads to.
    [not_sent] it could not be reached.
    [unanswered] it did not answer in time.
    [busy] it asked to wait.
    [invalid_url] the address was no longer allowed: enter it again.
   *[other] it did not take it.
}
webhook-ended = { $host } said at { $at } that it wants no more, and gets none. Enter an address again to go on.
webhook-not-set-up = This house sends no webhooks: its operator has to set SALLYPORT_WEBHOOK_SECRET.
webhook-no-url = That is no address with a host. It looks like this: https://example.com/hook
webhook-too-long = That address is too long: 2048 characters at most.
webhook-characters = There are blanks, backslashes or letters beyond a–z in it. Write them in percents, and an international domain as xn--…
webhook-scheme = The address must begin with https://
webhook-user = There is a user or a password before an @ in it. Leave them out: what is sent is signed.
webhook-fragment = There is a # in it, and what follows is never sent. Leave it out.
webhook-spelling = Write the host in its usual form: { $usual }
webhook-port = That port may not be called. These may: { $ports }
webhook-address = That address is not of the public internet, and nothing is sent inside. Enter one that is.

# Each morning, to the owner
digest = The last day:
digest-dead = { $count } × { $kind } failed for good: { $error }
digest-see-dead = See /dead.
digest-paused = Paused since { $since } by { $by }: { $what } ({ $why })
digest-everything = everything

# What an empty chat and the profile page show.
bot-description = I answer questions, tell how the house is, and show the way of every message. Write to me, or see /help.
bot-short-description = Answers, status and the way of every message.

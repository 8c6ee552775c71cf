# What the kit itself says, in every app.

# What to do next
unknown-command = I don't know /{ $command }. Try /help.
unknown-command-near = I don't know /{ $command }. Did you mean /{ $near }?
unknown-words = I answer commands here. Try /help.
not-for-you = /{ $command } is for the bot's { $role ->
    [owner] owner
   *[operator] operators
}.
not-known = I cannot see who you are here. Write as yourself, or to me in private.
only-private = /{ $command } works in a private chat with me.
private-bot = This bot is private. Your id is { $id }; its owner can let you in.

# Limits
wait-short = I'll answer in { $seconds } s.
wait-long = Next question at { $time }.

# Failures
failed = I could not finish this. Your message is kept; quote { $code }.
still-trying = Still trying.

# Buttons
button-expired = This button is too old. Ask again.
button-not-yours = This button is for somebody else.

# Coming back
away = I was away { $from }–{ $until }.
away-last = Answer my last question
away-all = All
away-none = None
away-chosen = { $count ->
    [0] All right, I leave it.
    [one] I answer one.
   *[other] I answer { $count }.
}

# How the house is
status-working = Working. { $waiting ->
    [0] Nothing waits.
    [one] One waits.
   *[other] { $waiting } wait.
}
status-degraded = Working. { $name } does not answer.
status-degraded-several = Working. { $count } checks fail.
status-down = Not working: no queue.
status-queue = Queue { $waiting }
status-oldest = oldest { $span }
status-dead = dead { $dead }
status-dead-see = dead { $dead } → /dead
status-up = { $name } up { $span }
status-pending = { $pending } pending
status-check-down = { $name } down: { $reason }
status-no-answer = { $name } no answer in { $span }
status-not-configured = { $name } not configured
status-version = v{ $version } { $revision }
status-up-since = up { $span }

# Lengths of time
span-ms = { $number } ms
span-s = { $number } s
span-min = { $number } min
span-h = { $number } h
span-d = { $number } d

# The story of a message
story-verdict = { $state ->
    [done] Done in { $span }.
    [waiting] Waiting.
    [running] Running.
    [dead] Failed after { $span }.
    [cancelled] Cancelled.
    [expired] Came too late.
    [erased] Its content was erased.
   *[ignored] Nobody handles this kind.
}
story-attempts = { $count ->
    [one] 1 attempt
   *[other] { $count } attempts
}
story-more = and { $count } more
story-error = Last error: { $error }

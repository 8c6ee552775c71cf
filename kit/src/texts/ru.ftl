# Что говорит сам набор, в каждом приложении.

# Что делать дальше
unknown-command = Не знаю команды /{ $command }. Список — /help.
unknown-command-near = Не знаю команды /{ $command }. Может быть, /{ $near }?
unknown-words = Здесь я отвечаю на команды. Список — /help.
not-for-you = /{ $command } — только для { $role ->
    [owner] владельца
   *[operator] операторов
} бота.
not-known = Здесь мне не видно, кто вы. Напишите от своего имени или мне лично.
only-private = /{ $command } работает в личном чате со мной.
private-bot = Это закрытый бот. Ваш номер { $id }; впустить вас может владелец.

# Пределы
wait-short = Отвечу через { $seconds } с.
wait-long = Следующий вопрос — в { $time }.

# Неудачи
failed = Закончить не получилось. Сообщение сохранено; код { $code }.
still-trying = Всё ещё пробую.

# Кнопки
button-expired = Эта кнопка устарела. Спросите ещё раз.
button-not-yours = Эта кнопка для другого человека.

# Возвращение
away = Меня не было { $from }–{ $until }.
away-last = Ответь на последний вопрос
away-all = На все
away-none = Не надо
away-chosen = { $count ->
    [0] Хорошо, оставляю.
    [one] Отвечаю на { $count } вопрос.
    [few] Отвечаю на { $count } вопроса.
   *[other] Отвечаю на { $count } вопросов.
}

# Как дела в доме
status-working = Работаю. { $waiting ->
    [0] Ничего не ждёт.
    [one] Ждёт { $waiting }.
   *[other] Ждут { $waiting }.
}
status-degraded = Работаю. { $name } не отвечает.
status-degraded-several = Работаю. Не отвечают: { $count }.
status-down = Не работаю: нет очереди.
status-queue = Очередь { $waiting }
status-oldest = старейшее { $span }
status-dead = мёртвых { $dead }
status-dead-see = мёртвых { $dead } → /dead
status-up = { $name } в строю { $span }
status-pending = ждут { $pending }
status-check-down = { $name } лежит: { $reason }
status-no-answer = { $name } молчит { $span }
status-not-configured = { $name } не настроен
status-version = v{ $version } { $revision }
status-up-since = работаю { $span }

# Промежутки времени
span-ms = { $number } мс
span-s = { $number } с
span-min = { $number } мин
span-h = { $number } ч
span-d = { $number } д

# История сообщения
story-verdict = { $state ->
    [done] Готово за { $span }.
    [waiting] Ждёт.
    [running] В работе.
    [dead] Не вышло за { $span }.
    [cancelled] Отменено.
    [expired] Пришло слишком поздно.
    [erased] Содержимое стёрто.
   *[ignored] Таких сообщений никто не ждёт.
}
story-attempts = { $count ->
    [one] { $count } попытка
    [few] { $count } попытки
   *[other] { $count } попыток
}
story-more = и ещё { $count }
story-error = Ошибка: { $error }

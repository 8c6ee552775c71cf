-- KEYS[1]: the stream. ARGV: the number of the last event, the most entries to keep, the names of five fields, then the
-- five values of every event. Answers with the number of the last event.
local last, keep = tonumber(ARGV[1]), ARGV[2]
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
if not info.err then
  local of = {}
  for i = 1, #info, 2 do of[info[i]] = info[i + 1] end
  local top = tonumber(string.match(of['last-generated-id'], '^(%d+)'))
  if top > last then
    last = top
  elseif top < last and of['length'] > 0 then
    -- An older state of this stream came back. Going on would leave a hole that nobody notices: begin again instead.
    redis.call('DEL', KEYS[1])
  end
end
for at = 8, #ARGV, 5 do
  last = last + 1
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', keep, string.format('%.0f-0', last),
    ARGV[3], ARGV[at], ARGV[4], ARGV[at + 1], ARGV[5], ARGV[at + 2], ARGV[6], ARGV[at + 3], ARGV[7], ARGV[at + 4])
end
return string.format('%.0f', last)

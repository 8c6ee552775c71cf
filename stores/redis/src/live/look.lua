-- KEYS[1]: the stream. ARGV: group, consumer, the most entries, milliseconds of silence after which another consumer's
-- entries are ours (0: do not look). Answers: {'gap', number up to which all is gone, {}}, {'events', '', entries} or
-- {'nothing', last entry that the group was given, {}}.
local stream, group, consumer, count = KEYS[1], ARGV[1], ARGV[2], ARGV[3]

local function number(id) return tonumber(string.match(id, '^(%d+)')) end

local function next_behind(id)
  return redis.call('XRANGE', stream, id, '+', 'COUNT', 1)[1]
end

local function gap_before(entry)
  return { 'gap', entry and string.format('%.0f', number(entry[1]) - 1) or '0', {} }
end

local ours
local groups = redis.pcall('XINFO', 'GROUPS', stream)
if not groups.err then
  for _, info in ipairs(groups) do
    local of = {}
    for i = 1, #info, 2 do of[info[i]] = info[i + 1] end
    if of['name'] == group then ours = of end
  end
end
local first = next_behind('-')
if not ours then return gap_before(first) end

local delivered = ours['last-delivered-id']
local coming = next_behind('(' .. delivered)
if coming and number(coming[1]) > number(delivered) + 1 then return gap_before(coming) end
local pending = redis.call('XPENDING', stream, group)
if pending[1] > 0 and (not first or number(pending[2]) < number(first[1])) then return gap_before(first) end

if tonumber(ARGV[4]) > 0 then
  redis.call('XAUTOCLAIM', stream, group, consumer, ARGV[4], '0-0', 'COUNT', count, 'JUSTID')
end
for _, from in ipairs({ '0', '>' }) do
  local read = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, 'STREAMS', stream, from)
  if read and read[1] and #read[1][2] > 0 then return { 'events', '', read[1][2] } end
end
return { 'nothing', delivered, {} }

-- KEYS[1]: the stream. ARGV: group, number up to which all is gone. The group goes on behind it; a lost group is made again.
local stream, group, upto = KEYS[1], ARGV[1], ARGV[2]
local made = redis.pcall('XGROUP', 'CREATE', stream, group, upto .. '-0', 'MKSTREAM')
if not made.err then return 1 end
local last = upto .. '-18446744073709551615'
while true do
  local gone = redis.call('XPENDING', stream, group, '-', last, 1000)
  if #gone == 0 then break end
  for _, entry in ipairs(gone) do redis.call('XACK', stream, group, entry[1]) end
end
for _, info in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  local of = {}
  for i = 1, #info, 2 do of[info[i]] = info[i + 1] end
  if of['name'] == group and tonumber(string.match(of['last-delivered-id'], '^(%d+)')) < tonumber(upto) then
    redis.call('XGROUP', 'SETID', stream, group, upto .. '-0')
  end
end
return 1

-- Takes tokens from all buckets, or from none. A bucket is the moment at which it will be full, in microseconds of
-- Redis's own clock; a bucket that is full is no key at all.
-- KEYS: the buckets. ARGV, three for each: microseconds per token, tokens that fit in, tokens to take.
-- Answers: 1 or 0, then three for each bucket: tokens left, microseconds until full, microseconds until enough.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local allowed, owed, waits = 1, {}, {}
for i = 1, #KEYS do
  local per_token = tonumber(ARGV[3 * i - 2])
  local capacity = per_token * tonumber(ARGV[3 * i - 1])
  local full_at = tonumber(redis.call('GET', KEYS[i]) or '0')
  -- A clock that was set back must not keep a bucket empty for longer than it takes to fill.
  local missing = math.min(math.max(full_at - now, 0), capacity)
  local after = missing + per_token * tonumber(ARGV[3 * i])
  waits[i] = math.max(after - capacity, 0)
  if after > capacity then allowed = 0 end
  owed[i] = { missing, after, capacity, per_token }
end
local answer = { allowed }
for i = 1, #KEYS do
  local missing, after, capacity, per_token = owed[i][1], owed[i][2], owed[i][3], owed[i][4]
  if allowed == 1 then
    missing = after
    if after > 0 then
      redis.call('SET', KEYS[i], string.format('%.0f', now + after), 'PX', math.ceil(after / 1000) + 1000)
    end
  end
  answer[#answer + 1] = math.floor((capacity - missing) / per_token)
  answer[#answer + 1] = missing
  answer[#answer + 1] = waits[i]
end
return answer

-- Counts a request against several limits, or against none. The time is Redis's own, in microseconds.
-- KEYS: the limits. ARGV, four for each: algorithm, microseconds of a window, most in a window, how many are asked for.
-- Answers: 1 or 0, then three for each limit: how many are left, microseconds until nothing is missing any more,
-- microseconds until what was asked for would be there.
-- An algorithm looks (what is missing, what it would be with the request, until when it must wait) and writes afterwards.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

-- The moment at which the bucket will be full; a bucket that is full is no key at all.
local function token_bucket(key, window, most, asked)
  local per_token = math.max(math.floor(window / most), 1)
  local capacity = per_token * most
  local full_at = tonumber(redis.call('GET', key) or '0')
  -- A clock that was set back must not keep a bucket empty for longer than it takes to fill.
  local missing = math.min(math.max(full_at - now, 0), capacity)
  local after = missing + per_token * asked
  return {
    allowed = after <= capacity,
    wait = math.max(after - capacity, 0),
    left = function(counted) return math.floor((capacity - (counted and after or missing)) / per_token) end,
    reset = function(counted) return counted and after or missing end,
    write = function()
      if after > 0 then
        redis.call('SET', key, string.format('%.0f', now + after), 'PX', math.ceil(after / 1000) + 1000)
      end
    end,
  }
end

-- How many were used; the key dies with its window, which begins with its first request.
local function fixed_window(key, window, most, asked)
  local used = tonumber(redis.call('GET', key) or '0')
  local ends = window
  -- A window in its last millisecond has not ended: whoever is refused is told to wait.
  if used > 0 then ends = math.min(math.max(redis.call('PTTL', key), 1) * 1000, window) end
  local after = used + asked
  return {
    allowed = after <= most,
    wait = after <= most and 0 or ends,
    left = function(counted) return most - (counted and after or used) end,
    reset = function(counted) return (counted and after or used) > 0 and ends or 0 end,
    write = function()
      if asked == 0 then return end
      if used == 0 then
        redis.call('SET', key, asked, 'PX', math.ceil(window / 1000))
      else
        redis.call('INCRBY', key, asked)
      end
    end,
  }
end

-- How many were used in each sixty-fourth of a window, by its number; it counts until all of it is a window old.
local SLICES = 64
local function sliding_window(key, window, most, asked)
  local slice = math.max(math.ceil(window / SLICES), 1)
  local latest = math.floor(now / slice)
  local counts, stale, used = {}, {}, 0
  local found = redis.call('HGETALL', key)
  for i = 1, #found, 2 do
    local number, count = tonumber(found[i]), tonumber(found[i + 1])
    if number + SLICES < latest then
      stale[#stale + 1] = found[i]
    else
      -- After a clock that was set back, what lies ahead counts as if it had come now, and no longer.
      if number > latest then
        redis.call('HDEL', key, found[i])
        redis.call('HINCRBY', key, string.format('%.0f', latest), count)
        number = latest
      end
      counts[number] = (counts[number] or 0) + count
      used = used + count
    end
  end
  local after = used + asked
  local function free_after(tokens)
    local freed = 0
    for number = latest - SLICES, latest do
      freed = freed + (counts[number] or 0)
      if tokens > 0 and freed >= tokens then return (number + SLICES + 1) * slice - now end
    end
    return 0
  end
  return {
    allowed = after <= most,
    wait = after <= most and 0 or free_after(after - most),
    left = function(counted) return most - (counted and after or used) end,
    reset = function(counted)
      if counted and asked > 0 then return (latest + SLICES + 1) * slice - now end
      return free_after(used)
    end,
    write = function()
      if #stale > 0 then redis.call('HDEL', key, unpack(stale)) end
      if asked > 0 then
        redis.call('HINCRBY', key, string.format('%.0f', latest), asked)
        redis.call('PEXPIRE', key, math.ceil((window + slice) / 1000) + 1000)
      end
    end,
  }
end

local algorithms = { token_bucket = token_bucket, fixed_window = fixed_window, sliding_window = sliding_window }
local looks, allowed = {}, true
for i = 1, #KEYS do
  local at = 4 * i - 3
  local look = algorithms[ARGV[at]]
  looks[i] = look(KEYS[i], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]))
  allowed = allowed and looks[i].allowed
end
local answer = { allowed and 1 or 0 }
for i = 1, #KEYS do
  if allowed then looks[i].write() end
  answer[#answer + 1] = math.max(looks[i].left(allowed), 0)
  answer[#answer + 1] = math.max(looks[i].reset(allowed), 0)
  answer[#answer + 1] = math.max(looks[i].wait, 0)
end
return answer

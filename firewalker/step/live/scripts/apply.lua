-- Raises the totals of one date and tells everybody what has changed. Running it again, or in another order, ends the same.
--
-- KEYS: the buckets. ARGV: a frame (13 bytes of header, then 28 bytes a user, in the order of the buckets), the number of
-- users in each bucket (2 bytes each), when the buckets expire (Unix seconds), the channel.
--
-- Answers how many totals changed, and how many keys were no buckets at all and were replaced. A field that holds no
-- total is overwritten: it must not stop the others for good.
local frame, counts, expires, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local FORMAT = '>I2I3I4I3' -- revision, total, reached, last reading
local at = 14
local changed, damaged = {}, 0
for k, key in ipairs(KEYS) do
  local fresh = false
  for _ = 1, (struct.unpack('>I2', counts, 2 * k - 1)) do
    local user = string.sub(frame, at, at + 15)
    local value = string.sub(frame, at + 16, at + 27)
    at = at + 28
    local old = redis.pcall('HGET', key, user)
    if type(old) == 'table' then
      redis.call('DEL', key)
      damaged = damaged + 1
      old = false
    end
    if not old or #old ~= 12 then
      redis.call('HSET', key, user, value)
      fresh = true
      changed[#changed + 1] = user .. value
    elseif old ~= value then
      local revision, total, reached, last = struct.unpack(FORMAT, value)
      local old_revision, old_total, old_reached, old_last = struct.unpack(FORMAT, old)
      if old_revision > revision or (old_revision == revision and old_total > total) then
        revision, total, reached = old_revision, old_total, old_reached
      elseif old_revision == revision and old_total == total then
        reached = math.min(old_reached, reached)
      end
      value = struct.pack(FORMAT, revision, total, reached, math.max(old_last, last))
      if value ~= old then
        redis.call('HSET', key, user, value)
        changed[#changed + 1] = user .. value
      end
    end
  end
  if fresh then
    redis.call('EXPIREAT', key, expires)
  end
end
if #changed > 0 then
  redis.call('SPUBLISH', channel, string.sub(frame, 1, 13) .. table.concat(changed))
end
return {#changed, damaged}

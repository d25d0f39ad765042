-- The totals of some users of one date, or nothing at all while Redis may be incomplete: both seen at one moment.
--
-- KEYS: the epoch, then a bucket for each user. ARGV: the users.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return false
end
local found = {}
for i, user in ipairs(ARGV) do
  found[i] = redis.call('HGET', KEYS[i + 1], user)
end
return found

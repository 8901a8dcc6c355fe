-- Decide one offer, at once and once: nothing else runs in Redis meanwhile.
--
-- KEYS  1 decided: hash of a campaign and customer: latest, and event:ID -> target
--       2 cap: number of the campaign's offers on the event's day
--       3 optouts: set of customer ids
--       4 last: hash, the customer's last target
--       5 outbox: stream
-- ARGV  1 customer id  2 event id  3 event time, ms  4 cool-down, ms  5 daily cap
--       6 the target, JSON  7... fields and values of the outbox entry
-- Returns { word, target }; the target only with the words "decided" and "again".

-- The same event again, as a replayed batch brings it: the same target, nothing sent again.
local known = redis.call('HGET', KEYS[1], 'event:' .. ARGV[2])
if known then
  return { 'again', known }
end
if redis.call('SISMEMBER', KEYS[3], ARGV[1]) == 1 then
  return { 'opted out' }
end
-- An event from before the latest target is late, not a reason for a second one.
local latest = redis.call('HGET', KEYS[1], 'latest')
if latest and tonumber(ARGV[3]) < tonumber(latest) + tonumber(ARGV[4]) then
  return { 'cool-down' }
end
if tonumber(redis.call('GET', KEYS[2]) or '0') >= tonumber(ARGV[5]) then
  return { 'cap' }
end

redis.call('XADD', KEYS[5], '*', unpack(ARGV, 7))
redis.call('HSET', KEYS[1], 'latest', ARGV[3], 'event:' .. ARGV[2], ARGV[6])
redis.call('INCR', KEYS[2])
redis.call('EXPIRE', KEYS[2], 40 * 86400)
redis.call('DEL', KEYS[4])
redis.call('HSET', KEYS[4], unpack(ARGV, 7))
return { 'decided', ARGV[6] }

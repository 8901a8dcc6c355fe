-- Reserve the next moment at which a message may be sent: one every so many ms, for all workers.
-- KEYS 1 the moment after the last one reserved, ms   ARGV 1 ms between two
-- Returns the ms to wait for it.
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local reserved = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0'))
local wait = math.ceil(reserved - now)
local expires = wait + math.ceil(ARGV[1]) + 1000
redis.call('SET', KEYS[1], string.format('%.3f', reserved + ARGV[1]), 'PX', expires)
return wait

"""Nothing goes in; the Lua texts of session ownership come out. Each runs atomically inside the server.

Of a session: KEYS[1], a hash with the owner and the snapshot; KEYS[2], the epoch, which outlives the hash, so that a
session which comes back never falls to an epoch that was already used. ARGV[1], ARGV[2]: the caller's owner and epoch.
Of the workers: KEYS[1], a sorted set of owners by the end of their leases; beside it a set of sessions for each owner.
The server's clock measures the leases: the workers' clocks need not agree.
"""

from typing import Final

_NOW: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

_FENCE: Final = """
local newest = tonumber(redis.call('GET', KEYS[2]) or '0')
local mine = tonumber(ARGV[2])
if newest > mine then return 0 end
if newest == mine then
  local owner = redis.call('HGET', KEYS[1], 'owner')
  if owner and owner ~= ARGV[1] then return 0 end
end
"""

CLAIM: Final = """
local newest, expected = tonumber(redis.call('GET', KEYS[2]) or '0'), tonumber(ARGV[5])
if expected >= 0 and newest ~= expected then return 0 end
local epoch = math.max(newest, tonumber(ARGV[2])) + 1
redis.call('SET', KEYS[2], string.format('%.0f', epoch), 'PX', ARGV[4])
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'epoch', string.format('%.0f', epoch))
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return epoch
"""
"""ARGV: owner, lowest epoch known from elsewhere, life of the claim in ms, of the epoch in ms, epoch that it must have
(-1: any). Gives the new epoch; 0 when it is another."""

PUT: Final = (
    _FENCE
    + """
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[4])
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'epoch', ARGV[2], 'payload', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
)
"""ARGV: owner, epoch, life of the snapshot in ms, life of the epoch in ms, snapshot. Gives 0 to a stale owner."""

GET: Final = """
local held = redis.call('HMGET', KEYS[1], 'epoch', 'owner', 'payload')
if not held[3] then return nil end
return held
"""
"""Gives epoch, owner and snapshot; nothing without a snapshot."""

BEAT: Final = (
    _NOW
    + """
local before = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '0')
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
local took = tonumber(ARGV[3])
for i = 4, 3 + took do redis.call('SADD', KEYS[2], ARGV[i]) end
for i = 4 + took, #ARGV do redis.call('SREM', KEYS[2], ARGV[i]) end
local living = redis.call('ZRANGEBYSCORE', KEYS[1], string.format('(%.0f', now), '+inf')
table.insert(living, 1, before > now and '1' or '0')
return living
"""
)
"""KEYS: the workers, the caller's sessions. ARGV: owner, lease in ms, how many sessions it took, these, those let go.
Gives "1" if the lease had not run out, then the living."""

ORPHANS: Final = (
    _NOW
    + """
local found, most = {}, tonumber(ARGV[2])
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))) do
  if dead ~= ARGV[1] then
    local left = KEYS[1] .. ':' .. dead
    while #found < most do
      local session = redis.call('SPOP', left)
      if not session then break end
      redis.call('SADD', KEYS[2], session)
      table.insert(found, session)
    end
    if redis.call('SCARD', left) == 0 then redis.call('ZREM', KEYS[1], dead) end
  end
end
return found
"""
)
"""KEYS: the workers, the heir's sessions. ARGV: the heir, how many sessions at most. Gives sessions, now the heir's."""

"""Nothing goes in; the Lua texts of session ownership come out. Each runs atomically inside the server.

KEYS[1]: a hash with the owner, the end of its lease and the snapshot. KEYS[2]: the epoch, which outlives the hash, so
that a session which comes back never falls to an epoch that was already used. ARGV[1], ARGV[2]: the caller's owner and
epoch. The server's clock measures the leases: the workers' clocks need not agree.
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

_HOLD: Final = """
local function hold(key, life)
  if redis.call('PTTL', key) < tonumber(life) then redis.call('PEXPIRE', key, life) end
end
"""

CLAIM: Final = (
    _NOW
    + _HOLD
    + """
local epoch = math.max(tonumber(redis.call('GET', KEYS[2]) or '0'), tonumber(ARGV[2])) + 1
redis.call('SET', KEYS[2], string.format('%.0f', epoch), 'PX', ARGV[4])
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'epoch', string.format('%.0f', epoch),
           'until', string.format('%.0f', now + ARGV[3]))
hold(KEYS[1], ARGV[3])
return epoch
"""
)
"""ARGV: owner, lowest epoch known from elsewhere, lease in ms, life of the epoch in ms. Gives the new epoch."""

RENEW: Final = (
    _FENCE
    + _NOW
    + _HOLD
    + """
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[4])
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'epoch', ARGV[2], 'until', string.format('%.0f', now + ARGV[3]))
hold(KEYS[1], ARGV[3])
return 1
"""
)
"""ARGV: owner, epoch, lease in ms, life of the epoch in ms. Gives 0 to a stale owner."""

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

GET: Final = (
    _NOW
    + """
local held = redis.call('HMGET', KEYS[1], 'epoch', 'owner', 'payload', 'until')
if not held[3] then return nil end
return {held[1], held[2], held[3], string.format('%.0f', math.max(0, tonumber(held[4] or '0') - now))}
"""
)
"""Gives epoch, owner, snapshot and what is left of the lease in ms; nothing without a snapshot."""

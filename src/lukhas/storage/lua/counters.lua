-- Limit counters: checks every state and charges all of them, or none; or puts charges right.
-- The same decisions as the step functions of lukhas.policy.rate_limiting, over the same bytes.
--
-- KEYS     one state for each group of limits
-- ARGV[1]  'take', 'settle', or 'ring': to take from one group of strict limits that are enforced
-- ARGV[2]  the time in microseconds; empty for that of this server
-- ARGV[3]  for 'settle': when it was charged, in microseconds; for 'ring' the cost; else empty
-- ARGV[n]  for each key: its group as MessagePack, see GROUPS in redis_groups.py
-- for 'ring' then the signature of the group, and the place of the last byte of the head
--
-- Gives the time, for each key 'y' if it fitted, 'n' if not, 'u' if its state was made under other
-- limits (then nothing was done, and the caller brings it up to date), and the states. Where 'ring'
-- found it easy: one string, the time as 8 bytes and the head.

local unpack, pack, sub, rep, concat =
    struct.unpack, struct.pack, string.sub, string.rep, table.concat
local max, min, floor, ceil = math.max, math.min, math.floor, math.ceil
local BUCKETS, CELLS, MOST = 20, 21, 2 ^ 53
-- Keys live that much longer than they count.
local GRACE_MS = 1000

local now
if ARGV[2] == '' then
    local time = redis.call('TIME')
    now = time[1] * 1000000 + time[2]
else
    now = tonumber(ARGV[2])
end

-- The usual case, before anything is made that it does not need: a moment that goes on, and room.
if ARGV[1] == 'ring' then
    local head = redis.call('GETRANGE', KEYS[1], 0, ARGV[6])
    local signature = ARGV[5]
    local at = #signature
    if #head == ARGV[6] + 1 and sub(head, 1, at) == signature then
        local next_us, pending, room = unpack('<I8I4I4', head, at + 1)
        local after = pending + ARGV[3]
        if now < next_us and after <= room then
            local word = pack('<I4', after)
            redis.call('SETRANGE', KEYS[1], at + 8, word)
            return pack('<I8', now) .. sub(head, 1, at + 8) .. word .. sub(head, at + 13)
        end
    end
end

local function words_of(state)
    local n = (#state - 4) / 8
    if n == 0 then return {} end
    local words = {unpack('<' .. rep('I8', n), state, 5)}
    words[n + 1] = nil
    return words
end

local function is_words(kind, state)
    return sub(state, 1, 4) == pack('<I4', kind) and #state % 8 == 4
end

local function with_words(kind, words)
    local parts = {pack('<I4', kind)}
    for i = 1, #words do parts[i + 1] = pack('<I8', words[i]) end
    return concat(parts)
end

-- The strict ring --------------------------------------------------------------------------------

local ring = {}

function ring.owns(g, state)
    return sub(state, 1, #g.sig) == g.sig and #state == g.head + #g.width * CELLS * g.cell
end

function ring.next_us(g, now)
    local next_us
    for i = 1, #g.width do
        local ends = (floor(now / g.width[i]) + 1) * g.width[i]
        if not next_us or ends < next_us then next_us = ends end
    end
    return next_us
end

function ring.ttl_ms(g, next_us, now)
    return ceil((next_us - now + g.longest * (BUCKETS + 1) / BUCKETS) / 1000) + GRACE_MS
end

-- The state as a table: next, pending, room, and for each window total, newest, lag, cells.
function ring.open(g, state)
    local n, at = #g.width, #g.sig + 1
    local head = {unpack('<I8I4I4' .. rep('I4I4I2', n), state, at)}
    local r = {next_us = head[1], pending = head[2], room = head[3], windows = {}}
    local cells_at = head[4 + 3 * n]
    for i = 1, n do
        local from = cells_at + (i - 1) * CELLS * g.cell
        r.windows[i] = {
            total = head[1 + 3 * i], newest = head[2 + 3 * i], lag = head[3 + 3 * i],
            raw = sub(state, from, from + CELLS * g.cell - 1),
        }
    end
    return r
end

local function cells_of(g, w)
    if not w.cells then
        w.cells = {unpack('<' .. rep('I' .. g.cell, CELLS), w.raw)}
        w.cells[CELLS + 1] = nil
    end
    return w.cells
end

function ring.close(g, r)
    local parts = {g.sig, pack('<I8I4I4', r.next_us, r.pending, r.room)}
    for _, w in ipairs(r.windows) do
        parts[#parts + 1] = pack('<I4I4I2', w.total, w.newest, w.lag)
    end
    for _, w in ipairs(r.windows) do
        if w.cells then
            local packed = {}
            for i = 1, CELLS do packed[i] = pack('<I' .. g.cell, w.cells[i]) end
            parts[#parts + 1] = concat(packed)
        else
            parts[#parts + 1] = w.raw
        end
    end
    return concat(parts)
end

function ring.new(g, now)
    local r = {next_us = ring.next_us(g, now), pending = 0, room = g.least, windows = {}}
    for i = 1, #g.width do
        r.windows[i] = {total = 0, newest = 0, lag = 0, raw = rep('\0', CELLS * g.cell)}
    end
    return r
end

local function turn(g, w, before, newest)
    if newest - before > BUCKETS then
        w.cells, w.raw = nil, rep('\0', CELLS * g.cell)
        w.total, w.newest, w.lag = 0, 0, 0
        return
    end
    local cells = cells_of(g, w)
    if w.newest > 0 then
        cells[before % CELLS + 1] = w.newest
        w.newest = 0
    end
    local lag = w.lag + newest - before
    while lag > BUCKETS or (lag > 0 and cells[(newest - lag) % CELLS + 1] == 0) do
        local leaving = (newest - lag) % CELLS + 1
        w.total = w.total - cells[leaving]
        cells[leaving] = 0
        lag = lag - 1
    end
    w.lag = lag
end

function ring.move_on(g, r, now)
    local last = r.next_us - 1
    local room = g.least
    for i, w in ipairs(r.windows) do
        if w.total + r.pending > 0 then
            w.total, w.newest = w.total + r.pending, w.newest + r.pending
            local before, newest = floor(last / g.width[i]), floor(now / g.width[i])
            if newest ~= before then turn(g, w, before, newest) end
            room = min(room, g.quota[i] - w.total)
        end
    end
    r.next_us, r.pending, r.room = ring.next_us(g, now), 0, max(0, room)
end

function ring.take(g, key, state, now, cost)
    if state then
        local at = #g.sig + 1
        local next_us, pending, room = unpack('<I8I4I4', state, at)
        if now < next_us then
            -- Only what is pending changes.
            if cost > 0 and pending + cost > room then return false, state end
            local charged = sub(state, 1, at + 7) .. pack('<I4', pending + cost) .. sub(state, at + 12)
            return true, state, charged, function()
                redis.call('SETRANGE', key, at + 7, pack('<I4', pending + cost))
            end
        end
    end
    local r = state and ring.open(g, state) or ring.new(g, now)
    if state then ring.move_on(g, r, now) end
    local fits = cost == 0 or r.pending + cost <= r.room
    local ttl_ms = ring.ttl_ms(g, r.next_us, now)
    local moved = ring.close(g, r)
    if state and moved ~= state then redis.call('SET', key, moved, 'PX', ttl_ms) end
    r.pending = r.pending + cost
    local charged = ring.close(g, r)
    return fits, moved, charged, function() redis.call('SET', key, charged, 'PX', ttl_ms) end
end

function ring.settle(g, key, state, now, at, change)
    if not state then
        if change <= 0 then return nil end
    end
    local r = state and ring.open(g, state) or ring.new(g, now)
    if state and now >= r.next_us then ring.move_on(g, r, now) end
    if change > 0 then
        local most = 0
        for _, w in ipairs(r.windows) do most = max(most, w.total) end
        r.pending = r.pending + min(change, g.cell_most - most - r.pending)
    else
        local last, began = r.next_us - 1, 0
        for i = 1, #g.width do began = max(began, floor(last / g.width[i]) * g.width[i]) end
        if at >= began then
            r.pending = r.pending - min(-change, r.pending)
        else
            local room = g.least
            for i, w in ipairs(r.windows) do
                local newest, number = floor(last / g.width[i]), floor(at / g.width[i])
                local returned = 0
                local cells = cells_of(g, w)
                if number >= newest then
                    returned = min(-change, w.newest)
                    w.newest = w.newest - returned
                elseif newest - number <= BUCKETS then
                    local index = number % CELLS + 1
                    returned = min(-change, cells[index])
                    cells[index] = cells[index] - returned
                end
                w.total = w.total - returned
                while w.lag > 0 and cells[(newest - w.lag) % CELLS + 1] == 0 do w.lag = w.lag - 1 end
                room = min(room, g.quota[i] - w.total)
            end
            r.room = max(0, room)
        end
    end
    return ring.close(g, r), ring.ttl_ms(g, r.next_us, now)
end

-- The exact log ----------------------------------------------------------------------------------

local log = {}

function log.owns(_, state) return is_words(2, state) end

local function believed(times, now)
    return #times > 0 and max(now, times[#times]) or now
end

local function count(times, now, window)
    local n = 0
    for i = #times, 1, -1 do
        if times[i] <= now - window then break end
        n = n + 1
    end
    return n
end

local function alive(times, now, longest)
    local n = count(times, now, longest)
    if n == #times then return times end
    local kept = {}
    for i = #times - n + 1, #times do kept[#kept + 1] = times[i] end
    return kept
end

function log.take(g, key, state, now, cost)
    local times = state and words_of(state) or {}
    now = believed(times, now)
    times = alive(times, now, g.longest)
    local fits = true
    for i = 1, #g.quota do
        if cost > 0 and count(times, now, g.window[i]) + cost > g.quota[i] then fits = false end
    end
    local moved = with_words(2, times)
    local ttl_ms = ceil(g.longest / 1000) + GRACE_MS
    if state and moved ~= state then redis.call('SET', key, moved, 'PX', ttl_ms) end
    for _ = 1, cost do times[#times + 1] = now end
    local charged = with_words(2, times)
    return fits, moved, charged, function()
        redis.call('SET', key, charged, 'PX', ttl_ms)
    end
end

function log.settle(g, key, state, now, at, change)
    local times = state and words_of(state) or {}
    now = believed(times, now)
    times = alive(times, now, g.longest)
    if change > 0 then
        local most = 0
        for i = 1, #g.quota do most = max(most, g.quota[i]) end
        for _ = 1, min(change, most - #times) do times[#times + 1] = now end
    else
        local last = 0
        for i = 1, #times do if times[i] <= at then last = i end end
        for _ = 1, min(last, -change) do
            table.remove(times, last)
            last = last - 1
        end
    end
    return with_words(2, times), ceil(g.longest / 1000) + GRACE_MS
end

-- GCRA -------------------------------------------------------------------------------------------

local gcra = {}

function gcra.owns(g, state)
    if not is_words(3, state) then return false end
    local words = words_of(state)
    if #words ~= 2 * #g.window_s then return false end
    for i = 1, #g.window_s do if words[2 * i - 1] ~= g.window_s[i] then return false end end
    return true
end

local function debts(g, state)
    if state then return words_of(state) end
    local words = {}
    for i = 1, #g.window_s do words[2 * i - 1], words[2 * i] = g.window_s[i], 0 end
    return words
end

local function gcra_ttl(words, now)
    local latest = now
    for i = 2, #words, 2 do latest = max(latest, words[i]) end
    return ceil((latest - now) / 1000) + GRACE_MS
end

function gcra.take(g, key, state, now, cost)
    local words = debts(g, state)
    local fits = true
    for i = 1, #g.window_s do
        if cost > 0 and max(0, words[2 * i] - now) + g.each[i] * cost > g.most[i] then fits = false end
    end
    local moved = with_words(3, words)
    for i = 1, #g.window_s do words[2 * i] = max(words[2 * i], now) + g.each[i] * cost end
    local charged = with_words(3, words)
    return fits, moved, charged, function()
        redis.call('SET', key, charged, 'PX', gcra_ttl(words, now))
    end
end

function gcra.settle(g, key, state, now, at, change)
    local words, paid_off = debts(g, state), max(0, now - at)
    for i = 1, #g.window_s do
        local more = g.each[i] * change
        if change < 0 then more = min(0, more + paid_off) end
        words[2 * i] = min(MOST, max(0, max(words[2 * i], now) + more))
    end
    return with_words(3, words), gcra_ttl(words, now)
end

-- Calendar quotas --------------------------------------------------------------------------------

local quota = {}

function quota.owns(g, state)
    if not is_words(4, state) then return false end
    local words = words_of(state)
    if #words ~= 3 * #g.code then return false end
    for i = 1, #g.code do if words[3 * i - 2] ~= g.code[i] then return false end end
    return true
end

-- The caller tells two periods, its own and the next: the clocks may differ around midnight.
local function period_start(g, i, now)
    return now >= g.ends[i] and g.ends[i] or g.start[i]
end

local function periods(g, state, now)
    local words = state and words_of(state) or {}
    for i = 1, #g.code do
        local start = period_start(g, i, now)
        if not state then
            words[3 * i - 2], words[3 * i - 1], words[3 * i] = g.code[i], start, 0
        elseif start > words[3 * i - 1] then
            words[3 * i - 1], words[3 * i] = start, 0
        end
    end
    return words
end

local function quota_ttl(g, now)
    local latest = now
    for i = 1, #g.code do latest = max(latest, g.next_end[i]) end
    return ceil((latest - now) / 1000) + GRACE_MS
end

function quota.take(g, key, state, now, cost)
    local words = periods(g, state, now)
    local fits = true
    for i = 1, #g.code do
        if cost > 0 and words[3 * i] + cost > g.quota[i] then fits = false end
    end
    local moved = with_words(4, words)
    if state and moved ~= state then redis.call('SET', key, moved, 'PX', quota_ttl(g, now)) end
    for i = 1, #g.code do words[3 * i] = words[3 * i] + cost end
    local charged = with_words(4, words)
    return fits, moved, charged, function()
        redis.call('SET', key, charged, 'PX', quota_ttl(g, now))
    end
end

function quota.settle(g, key, state, now, at, change)
    local words = periods(g, state, now)
    for i = 1, #g.code do
        if at >= words[3 * i - 1] then words[3 * i] = max(0, words[3 * i] + change) end
    end
    return with_words(4, words), quota_ttl(g, now)
end

-- Concurrency ------------------------------------------------------------------------------------

local flight = {}

function flight.owns(_, state) return is_words(5, state) end

local function flight_ttl(deadlines, now)
    return ceil(max(0, (deadlines[#deadlines] or now) - now) / 1000) + GRACE_MS
end

function flight.take(g, key, state, now, cost)
    local deadlines = {}
    for _, deadline in ipairs(state and words_of(state) or {}) do
        if deadline > now then deadlines[#deadlines + 1] = deadline end
    end
    local fits = true
    for i = 1, #g.quota do
        if cost > 0 and #deadlines + cost > g.quota[i] then fits = false end
    end
    local moved = with_words(5, deadlines)
    if state and moved ~= state then
        redis.call('SET', key, moved, 'PX', flight_ttl(deadlines, now))
    end
    for _ = 1, cost do deadlines[#deadlines + 1] = now + g.hold end
    table.sort(deadlines)
    local charged = with_words(5, deadlines)
    return fits, moved, charged, function()
        redis.call('SET', key, charged, 'PX', flight_ttl(deadlines, now))
    end
end

function flight.settle(g, key, state, now, at, change)
    local deadlines = state and words_of(state) or {}
    local left, kept = -min(change, 0), {}
    for _, deadline in ipairs(deadlines) do
        if left > 0 and deadline == at + g.hold then
            left = left - 1
        else
            kept[#kept + 1] = deadline
        end
    end
    return with_words(5, kept), flight_ttl(kept, now)
end

-- All of them ------------------------------------------------------------------------------------

local kinds = {ring, log, gcra, quota, flight}
local groups, states, reply, flags, foreign = {}, {}, {}, {}, false
for i = 1, #KEYS do
    local g = cmsgpack.unpack(ARGV[3 + i])
    local state = redis.call('GET', KEYS[i])
    groups[i], states[i], flags[i] = g, state, 'y'
    if state and not kinds[g.kind].owns(g, state) then flags[i], foreign = 'u', true end
end
reply[1] = string.format('%.0f', now)
if foreign then
    reply[2] = concat(flags)
    for i = 1, #KEYS do reply[2 + i] = states[i] or '' end
    return reply
end

if ARGV[1] == 'settle' then
    local at = tonumber(ARGV[3])
    for i = 1, #KEYS do
        local g = groups[i]
        if g.cost ~= 0 then
            local changed, ttl_ms = kinds[g.kind].settle(g, KEYS[i], states[i], now, at, g.cost)
            if changed then redis.call('SET', KEYS[i], changed, 'PX', ttl_ms) end
        end
    end
    return {reply[1], concat(flags)}
end

local refused, charges, charged = false, {}, {}
for i = 1, #KEYS do
    local g = groups[i]
    local fits, moved, after, charge = kinds[g.kind].take(g, KEYS[i], states[i], now, g.cost)
    states[i], charged[i] = moved, after
    if fits then
        charges[i] = charge
    else
        flags[i] = 'n'
        if g.enforced then refused = true end
    end
end
if not refused then
    for i = 1, #KEYS do
        if charges[i] and groups[i].cost > 0 then
            charges[i]()
            states[i] = charged[i]
        end
    end
end
reply[2] = concat(flags)
for i = 1, #KEYS do
    -- A client that may pass is told figures only, which need no more than the head of a ring.
    local head = groups[i].head
    reply[2 + i] = (not refused and flags[i] == 'y' and head) and sub(states[i], 1, head) or states[i]
end
return reply

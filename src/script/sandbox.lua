-- What scripts find in place of Lua's own functions, so that protected tables look and behave as Redis's read-only
-- ones. `sandbox.rs` runs this once in a new interpreter and says how the protection works.
--
-- A function here serves the common case itself; whatever is not that goes to its slow twin, which `forward` made of
-- the original and which raises the original's errors for the place in the script. All functions used here are locals:
-- what a script sees of the globals never matters to them.

local globals, forward, refuse, deny, missing, unwrap, throw, moved = ...
local next_match, short_gmatch, plain_insert, plain_setmetatable, is_to_end = select(9, ...)

local raw = {}
for name, value in next, globals do raw[name] = value end
local byte, find = string.byte, string.find
local concat, getmetatable, ipairs, next, select, setmetatable, type =
  table.concat, raw.getmetatable, raw.ipairs, raw.next, raw.select, raw.setmetatable, raw.type
local raw_pcall, raw_xpcall, rawget, rawset = raw.pcall, raw.xpcall, raw.rawget, raw.rawset
local raw_error, raw_load, raw_loadstring = raw.error, raw.load, raw.loadstring
local raw_collectgarbage = raw.collectgarbage
local create, resume = coroutine.create, coroutine.resume
local raw_insert, raw_foreach = table.insert, table.foreach

-- The table behind a protected one, and the metatable that scripts are shown of it.
local contents, shown = {}, {}

local slow = {}
for _, name in ipairs {
  'collectgarbage', 'getmetatable', 'load', 'loadstring', 'next', 'pairs', 'pcall', 'rawget', 'rawset', 'setmetatable', 'xpcall',
} do
  slow[name] = forward(name, raw[name])
end
slow.gmatch = forward('gmatch', string.gmatch)
slow.insert = forward('insert', raw_insert)
slow.foreach = forward('foreach', raw_foreach)
slow.resume = forward('resume', resume)
slow.create = forward('wrap', create)

-- Tables ----------------------------------------------------------------------------------------------------------

function globals.rawget(...)
  local t, key = ...
  if key ~= nil and type(t) == 'table' then return rawget(contents[t] or t, key) end
  return slow.rawget(...)
end

function globals.rawset(...)
  local t, key = ...
  if contents[t] then return deny() end
  if type(t) == 'table' and key == key and select('#', ...) >= 3 then
    local _, _, value = ...
    return rawset(t, key, value)
  end
  return slow.rawset(...)
end

local function visible_next(...)
  local t, key = ...
  if type(t) == 'table' then return next(contents[t] or t, key) end
  return slow.next(...)
end
globals.next = visible_next

function globals.pairs(...)
  local t = ...
  if type(t) == 'table' then
    if contents[t] then return visible_next, t, nil end
    return next, t, nil
  end
  return slow.pairs(...)
end

function globals.getmetatable(...)
  local value = ...
  if value == nil then return slow.getmetatable(...) end
  if contents[value] then return shown[value] end
  return getmetatable(value)
end

function globals.setmetatable(...)
  local t, metatable = ...
  if plain_setmetatable(...) then return t end
  if type(t) == 'table' and (metatable ~= nil or select('#', ...) > 1) then
    if contents[t] then return deny() end
    if type(metatable) == 'table' and getmetatable(t) == nil then return setmetatable(t, metatable) end
  end
  return slow.setmetatable(...)
end

function table.insert(t, ...)
  if plain_insert(t, ...) then return end
  if type(t) == 'table' then
    if contents[t] then return deny() end
    local count = select('#', ...)
    local at = ...
    if count == 1 then return raw_insert(t, at) end
    if count == 2 and type(at) == 'number' then
      -- Lua would move a gap of any length, and takes a number beyond its integers for a negative one.
      if at > -1e6 and at < 2 ^ 31 then return raw_insert(t, ...) end
      raw_error("bad argument #2 to 'insert' (position out of bounds)", 2)
    end
  end
  return slow.insert(t, ...)
end

function table.foreach(...)
  local t, visit = ...
  if type(t) == 'table' and type(visit) == 'function' then return raw_foreach(contents[t] or t, visit) end
  return slow.foreach(...)
end

-- Errors ----------------------------------------------------------------------------------------------------------

-- An error as scripts know it: Rust's arrive as userdata that holds the value.
local function opened(problem)
  if type(problem) == 'userdata' then return unwrap(problem) end
  return problem
end

local function outcome(ok, ...)
  if ok then return true, ... end
  return false, opened((...))
end

-- Redis's own `pcall` gives the text of an error table in the table's place.
local function text_outcome(ok, ...)
  if ok then return true, ... end
  local problem = opened((...))
  if type(problem) == 'string' and find(problem, '^%[C%]:%d') then
    -- `error` was called by `pcall` itself, and told to name the caller's caller.
    problem = moved(problem)
  elseif type(problem) == 'table' then
    local text = problem.err
    local kind = type(text)
    if kind == 'string' or kind == 'number' then problem = text end
  end
  return false, problem
end

function globals.pcall(...)
  if (...) == nil then return slow.pcall(...) end
  return text_outcome(raw_pcall(...))
end

function globals.xpcall(...)
  if select('#', ...) < 2 then return slow.xpcall(...) end
  local body, handler = ...
  return outcome(raw_xpcall(body, function(problem)
    -- Nothing would end a handler that was called for the script's end.
    if is_to_end() then return problem end
    return handler(opened(problem))
  end))
end

function coroutine.resume(...)
  if type((...)) == 'thread' then return outcome(resume(...)) end
  return slow.resume(...)
end

function coroutine.wrap(...)
  local thread = slow.create(...)
  local function finish(ok, ...)
    if ok then return ... end
    return throw(opened((...)))
  end
  return function(...) return finish(resume(thread, ...)) end
end

-- Patterns --------------------------------------------------------------------------------------------------------

function string.gmatch(...)
  local iterator = short_gmatch(...)
  if iterator then return iterator end
  local text, pattern = ...
  if type(text) == 'number' then text = text .. '' end
  if type(pattern) == 'number' then pattern = pattern .. '' end
  if type(text) ~= 'string' or type(pattern) ~= 'string' then return slow.gmatch(...) end
  local at = 0
  local function keep(following, ...)
    at = following
    return ...
  end
  return function() return keep(next_match(text, pattern, at)) end
end
string.gfind = string.gmatch

-- Chunks ----------------------------------------------------------------------------------------------------------

-- Compiled chunks are not taken: behind a space, the parser finds no more in one than a strange first character.
local function as_text(chunk)
  if byte(chunk) == 27 then return ' ' .. chunk end
  return chunk
end

-- The slow twins are for calls that raise an error before they look at a chunk.
local function is_name(name)
  local kind = type(name)
  return kind == 'string' or kind == 'number' or kind == 'nil'
end

function globals.loadstring(...)
  local chunk, name = ...
  if type(chunk) == 'number' then chunk = chunk .. '' end
  if type(chunk) == 'string' and is_name(name) then return raw_loadstring(as_text(chunk), name or chunk) end
  return slow.loadstring(...)
end

function globals.load(...)
  local reader, name = ...
  if type(reader) ~= 'function' or not is_name(name) then return slow.load(...) end
  local first, fault = true, nil
  local chunk, problem = raw_load(function()
    local ok, piece = raw_pcall(reader)
    if not ok then
      fault = { opened(piece) }
      return nil
    end
    if first and type(piece) == 'string' then piece = as_text(piece) end
    first = false
    return piece
  end, name)
  if fault then return nil, fault[1] end
  return chunk, problem
end

-- The collector ----------------------------------------------------------------------------------------------------

-- It goes on as it was made to for all scripts: what one of them asks of it for later is answered and not done.
function globals.collectgarbage(...)
  local option, value = ...
  if option == 'stop' then return 0 end
  if option == 'setpause' or option == 'setstepmul' then
    local before = slow.collectgarbage(...)
    raw_collectgarbage(option, before)
    return before
  end
  return slow.collectgarbage(...)
end

-- Protection ------------------------------------------------------------------------------------------------------

-- Makes `proxy` show what `content` holds and refuse what would change it.
local function protect(content, metatable, proxy)
  proxy = proxy or {}
  contents[proxy], shown[proxy] = content, metatable
  return setmetatable(proxy, { __index = content, __newindex = refuse, __metatable = false })
end

-- As `protect`, for a table in which what is missing is an error.
local function protect_strict(content, proxy)
  setmetatable(content, { __index = missing })
  return protect(content, protect { __index = missing }, proxy)
end

local store = {}
globals.os = { clock = os.clock }
for _, name in ipairs { 'dofile', 'getfenv', 'loadfile', 'module', 'newproxy', 'print', 'require', 'setfenv' } do
  globals[name] = nil
end
for name, value in next, globals do
  if type(value) == 'table' and value ~= globals then value = protect(value) end
  store[name] = value
end
for name in next, store do globals[name] = nil end
protect_strict(store, globals)
getmetatable('').__metatable = protect { __index = store.string }

local function compile(code, name) return raw_loadstring(as_text(code), name) end

return store, contents, protect, protect_strict, compile

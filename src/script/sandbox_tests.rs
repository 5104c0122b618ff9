//! What scripts see and may do.

use super::oracle::{check, run};
use super::sandbox;

const GLOBALS_ARE_READ_ONLY: &[(&str, &str)] = &[
    (
        "x=1",
        "ERR user_script:1: Attempt to modify a readonly table",
    ),
    (
        "\n _G.x=1",
        "ERR user_script:2: Attempt to modify a readonly table",
    ),
    (
        "_G = {}",
        "ERR user_script:1: Attempt to modify a readonly table",
    ),
    (
        "math = nil",
        "ERR user_script:1: Attempt to modify a readonly table",
    ),
    (
        "function f() end",
        "ERR user_script:1: Attempt to modify a readonly table",
    ),
    (
        "math.floor = 1",
        "ERR user_script:1: Attempt to modify a readonly table",
    ),
    (
        "cjson.encode = 1",
        "ERR user_script:1: Attempt to modify a readonly table",
    ),
    (
        "string.x = 1",
        "ERR user_script:1: Attempt to modify a readonly table",
    ),
    (
        "getmetatable('').__index = 1",
        "ERR user_script:1: Attempt to modify a readonly table",
    ),
    (
        "getmetatable(_G).__index = 1",
        "ERR user_script:1: Attempt to modify a readonly table",
    ),
    ("rawset(_G,'x',1)", "ERR Attempt to modify a readonly table"),
    (
        "return rawset(_G,'x',1)",
        "ERR Attempt to modify a readonly table",
    ),
    (
        "rawset(bit,'x',1)",
        "ERR Attempt to modify a readonly table",
    ),
    (
        "setmetatable(_G,{})",
        "ERR Attempt to modify a readonly table",
    ),
    (
        "return setmetatable(math,{})",
        "ERR Attempt to modify a readonly table",
    ),
    (
        "setmetatable(math,nil)",
        "ERR Attempt to modify a readonly table",
    ),
    (
        "table.insert(math,1)",
        "ERR Attempt to modify a readonly table",
    ),
    (
        "table.insert(_G,1,1)",
        "ERR Attempt to modify a readonly table",
    ),
    ("return table.remove(math)", "nil"),
    ("return table.sort(math)", "nil"),
    (
        "local ok, e = pcall(function() x=1 end) return e",
        "user_script:1: Attempt to modify a readonly table",
    ),
    (
        "return select(2, pcall(rawset,_G,'x',1))",
        "Attempt to modify a readonly table",
    ),
    ("return rawget(_G, 'x')", "nil"),
];

#[test]
fn globals_are_read_only() {
    check(GLOBALS_ARE_READ_ONLY);
}

#[test]
fn a_global_that_does_not_exist_is_an_error() {
    check(&[
        (
            "return x",
            "ERR user_script:1: Script attempted to access nonexistent global variable 'x'",
        ),
        (
            "return _G.zz",
            "ERR user_script:1: Script attempted to access nonexistent global variable 'zz'",
        ),
        (
            "return _G[1]",
            "ERR user_script:1: Script attempted to access nonexistent global variable '1'",
        ),
        (
            "return _G[{}]",
            "ERR user_script:1: Second argument to luaProtectedTableError must be a string or number",
        ),
        (
            "getmetatable(_G).__index(1)",
            "ERR user_script:1: Wrong number of arguments to luaProtectedTableError",
        ),
        (
            "print(1)",
            "ERR user_script:1: Script attempted to access nonexistent global variable 'print'",
        ),
        (
            "return loadfile",
            "ERR user_script:1: Script attempted to access nonexistent global variable 'loadfile'",
        ),
        (
            "return dofile",
            "ERR user_script:1: Script attempted to access nonexistent global variable 'dofile'",
        ),
        (
            "return debug",
            "ERR user_script:1: Script attempted to access nonexistent global variable 'debug'",
        ),
        (
            "return io",
            "ERR user_script:1: Script attempted to access nonexistent global variable 'io'",
        ),
        (
            "return require",
            "ERR user_script:1: Script attempted to access nonexistent global variable 'require'",
        ),
        (
            "return package",
            "ERR user_script:1: Script attempted to access nonexistent global variable 'package'",
        ),
        (
            "return setfenv",
            "ERR user_script:1: Script attempted to access nonexistent global variable 'setfenv'",
        ),
        (
            "return getfenv",
            "ERR user_script:1: Script attempted to access nonexistent global variable 'getfenv'",
        ),
        (
            "return newproxy",
            "ERR user_script:1: Script attempted to access nonexistent global variable 'newproxy'",
        ),
        ("return math.zz", "nil"),
    ]);
}

#[test]
fn protected_tables_can_be_read_in_all_ways() {
    let names = "local t={} for k,v in pairs(LIBRARY) do t[#t+1]=k..':'..type(v) end table.sort(t) return table.concat(t,' ')";
    let of = |library: &str| names.replace("LIBRARY", library);
    let expected = [
        (
            "string",
            "byte:function char:function dump:function find:function format:function gfind:function gmatch:function gsub:function len:function lower:function match:function rep:function reverse:function sub:function upper:function",
        ),
        (
            "math",
            "abs:function acos:function asin:function atan2:function atan:function ceil:function cos:function cosh:function deg:function exp:function floor:function fmod:function frexp:function huge:number ldexp:function log10:function log:function max:function min:function mod:function modf:function pi:number pow:function rad:function random:function randomseed:function sin:function sinh:function sqrt:function tan:function tanh:function",
        ),
        (
            "table",
            "concat:function foreach:function foreachi:function getn:function insert:function maxn:function remove:function setn:function sort:function",
        ),
        (
            "coroutine",
            "create:function resume:function running:function status:function wrap:function yield:function",
        ),
        (
            "bit",
            "arshift:function band:function bnot:function bor:function bswap:function bxor:function lshift:function rol:function ror:function rshift:function tobit:function tohex:function",
        ),
        (
            "cjson",
            "_NAME:string _VERSION:string decode:function decode_invalid_numbers:function decode_max_depth:function encode:function encode_invalid_numbers:function encode_keep_buffer:function encode_max_depth:function encode_number_precision:function encode_sparse_array:function new:function null:userdata",
        ),
        (
            "cmsgpack",
            "_COPYRIGHT:string _DESCRIPTION:string _NAME:string _VERSION:string pack:function unpack:function unpack_limit:function unpack_one:function",
        ),
        ("struct", "pack:function size:function unpack:function"),
        ("getmetatable(_G)", "__index:function"),
        ("getmetatable('')", "__index:table"),
    ];
    let scripts: Vec<_> = expected.iter().map(|(library, _)| of(library)).collect();
    let table: Vec<_> = scripts
        .iter()
        .map(String::as_str)
        .zip(expected.map(|(_, names)| names))
        .collect();
    check(&table);
    check(&[
        ("return type(next(math))", "string"),
        ("return type(rawget(math,'pi'))", "number"),
        (
            "local n = 0 table.foreach(struct, function() n = n + 1 end) return n",
            "3",
        ),
        ("return tostring(getmetatable(math))", "nil"),
        ("return type(getmetatable(_G))", "table"),
        ("return tostring(_G == _G._G)", "true"),
        ("return ('x'):rep(3)", "xxx"),
        ("return #math", "0"),
        ("return _VERSION", "Lua 5.1"),
        (
            "return cjson.encode(math)",
            "ERR user_script:1: Cannot serialise function: type not supported",
        ),
    ]);
}

#[test]
fn the_list_of_globals_is_redis_own() {
    let lua = sandbox::new_vm().expect("an interpreter can be built");
    let script =
        "local t={} for k,v in pairs(_G) do t[#t+1]=k end table.sort(t) return table.concat(t,' ')";
    let expected = "_G _VERSION assert bit cjson cmsgpack collectgarbage coroutine error gcinfo getmetatable ipairs \
                    load loadstring math next os pairs pcall rawequal rawget rawset select setmetatable string struct \
                    table tonumber tostring type unpack xpcall";
    assert_eq!(run(&lua, script), expected);
    assert_eq!(
        run(
            &lua,
            "local t={} for k in pairs(os) do t[#t+1]=k end return table.concat(t)"
        ),
        "clock"
    );
}

#[test]
fn errors_are_values_wherever_they_are_caught() {
    check(&[
        (
            "return select(2, pcall(cjson.decode, 'x'))",
            "Expected value but found invalid token at character 1",
        ),
        (
            "return cjson.decode('x')",
            "ERR user_script:1: Expected value but found invalid token at character 1",
        ),
        (
            "local a = 1\nlocal t = cjson.decode('x')",
            "ERR user_script:2: Expected value but found invalid token at character 1",
        ),
        (
            "return select(2, xpcall(function() cjson.decode('x') end, function(e) return e .. '!' end))",
            "user_script:1: Expected value but found invalid token at character 1!",
        ),
        (
            "local c = coroutine.create(function() bit.band() end) return select(2, coroutine.resume(c))",
            "user_script:1: bad argument #1 to 'band' (number expected, got no value)",
        ),
        (
            "coroutine.wrap(function() error('x') end)()",
            "ERR user_script:1: user_script:1: x",
        ),
        (
            "return coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end)(1)",
            "2",
        ),
        ("return select(2, pcall(error, {err='a'}))", "a"),
        ("return select(2, pcall(error, {e='a'})).e", "a"),
        (
            "return select(2, xpcall(function() error({err='a'}) end, function(e) return e end)).err",
            "a",
        ),
        ("return select(2, pcall(error, 'x', 2))", "user_script:1: x"),
        ("return tostring(select(2, pcall(error)))", "nil"),
        (
            "return select(2, pcall(string.gsub, 'x', 'x', function() bit.band() end))",
            "user_script:1: bad argument #1 to 'band' (number expected, got no value)",
        ),
        (
            "return select('#', pcall(function() return 1, nil, nil end))",
            "4",
        ),
    ]);
}

const MISUSE_OF_REPLACED_FUNCTIONS_READS_AS_OF_THE_ORIGINALS: &[(&str, &str)] = &[
    (
        "table.insert(nil,1)",
        "ERR user_script:1: bad argument #1 to 'insert' (table expected, got nil)",
    ),
    (
        "table.insert({})",
        "ERR user_script:1: wrong number of arguments to 'insert'",
    ),
    (
        "table.insert({},1,2,3)",
        "ERR user_script:1: wrong number of arguments to 'insert'",
    ),
    (
        "table.insert({},'x',2)",
        "ERR user_script:1: bad argument #2 to 'insert' (number expected, got string)",
    ),
    ("local t = {1,2} table.insert(t,'1',5) return t[1]", "5"),
    ("local t = {1,2} table.insert(t,nil) return #t", "2"),
    (
        "for k in pairs(nil) do end",
        "ERR user_script:1: bad argument #1 to 'pairs' (table expected, got nil)",
    ),
    (
        "pairs()",
        "ERR user_script:1: bad argument #1 to 'pairs' (table expected, got no value)",
    ),
    (
        "next(1)",
        "ERR user_script:1: bad argument #1 to 'next' (table expected, got number)",
    ),
    (
        "rawset(1)",
        "ERR user_script:1: bad argument #1 to 'rawset' (table expected, got number)",
    ),
    (
        "rawset({},1)",
        "ERR user_script:1: bad argument #3 to 'rawset' (value expected)",
    ),
    (
        "rawget({})",
        "ERR user_script:1: bad argument #2 to 'rawget' (value expected)",
    ),
    (
        "setmetatable(1)",
        "ERR user_script:1: bad argument #1 to 'setmetatable' (table expected, got number)",
    ),
    (
        "setmetatable({},1)",
        "ERR user_script:1: bad argument #2 to 'setmetatable' (nil or table expected)",
    ),
    (
        "setmetatable(setmetatable({},{__metatable=1}),{})",
        "ERR user_script:1: cannot change a protected metatable",
    ),
    (
        "local t = setmetatable({},{}) setmetatable(t,{__index=function() return 7 end}) return t.x",
        "7",
    ),
    (
        "local t = setmetatable({},{}) setmetatable(t,nil) return tostring(getmetatable(t))",
        "nil",
    ),
    (
        "return select(2, pcall(rawset, 1))",
        "bad argument #1 to '?' (table expected, got number)",
    ),
    (
        "local f = table.insert f(1, 2)",
        "ERR user_script:1: bad argument #1 to 'f' (table expected, got number)",
    ),
    (
        "local t = {i = table.insert} t:i()",
        "ERR user_script:1: wrong number of arguments to 'insert'",
    ),
    (
        "local t = {i = rawset} t:i()",
        "ERR user_script:1: bad argument #1 to 'i' (value expected)",
    ),
    (
        "getmetatable()",
        "ERR user_script:1: bad argument #1 to 'getmetatable' (value expected)",
    ),
    (
        "xpcall(1)",
        "ERR user_script:1: bad argument #2 to 'xpcall' (value expected)",
    ),
    (
        "table.foreach(1,1)",
        "ERR user_script:1: bad argument #1 to 'foreach' (table expected, got number)",
    ),
    (
        "coroutine.resume(1)",
        "ERR user_script:1: bad argument #1 to 'resume' (coroutine expected)",
    ),
    (
        "coroutine.wrap(bit.band)",
        "ERR user_script:1: bad argument #1 to 'wrap' (Lua function expected)",
    ),
    (
        "coroutine.wrap(1)",
        "ERR user_script:1: bad argument #1 to 'wrap' (Lua function expected)",
    ),
    ("rawset({},nil,1)", "ERR table index is nil"),
    ("rawset({},0/0,1)", "ERR table index is NaN"),
    ("return rawset({},1,2)[1]", "2"),
    ("return tostring(rawget({5},1))", "5"),
];

#[test]
fn misuse_of_replaced_functions_reads_as_of_the_originals() {
    check(MISUSE_OF_REPLACED_FUNCTIONS_READS_AS_OF_THE_ORIGINALS);
}

#[test]
fn chunks_are_source_alone() {
    check(&[
        (
            "return select(2,loadstring('\\27Lua'))",
            "[string \"\u{1b}Lua\"]:1: unexpected symbol near 'char(27)'",
        ),
        (
            "return select(2,load(function() return '\\27Lua' end))",
            "(load):1: unexpected symbol near 'char(27)'",
        ),
        (
            "return select(2,loadstring(string.dump(function() end), '=x'))",
            "x:1: unexpected symbol near 'char(27)'",
        ),
        (
            "return select(2,loadstring(string.dump(function() end), 12))",
            "[string \"12\"]:1: unexpected symbol near 'char(27)'",
        ),
        (
            "return select(2,load(function() return '\\27Lua' end, 12))",
            "[string \"12\"]:1: unexpected symbol near 'char(27)'",
        ),
        ("return tostring(loadstring(12))", "nil"),
        ("return loadstring('return 1+1')()", "2"),
        (
            "return select(2,loadstring('return )'))",
            "[string \"return )\"]:1: unexpected symbol near ')'",
        ),
        (
            "return select(2,loadstring('return )', '@n'))",
            "n:1: unexpected symbol near ')'",
        ),
        (
            "loadstring('y = 1')()",
            "ERR [string \"y = 1\"]:1: Attempt to modify a readonly table",
        ),
        (
            "local n = 0 return load(function() n = n + 1 return ({'return ', '5'})[n] end)()",
            "5",
        ),
        (
            "loadstring()",
            "ERR user_script:1: bad argument #1 to 'loadstring' (string expected, got no value)",
        ),
        (
            "load(1)",
            "ERR user_script:1: bad argument #1 to 'load' (function expected, got number)",
        ),
    ]);
}

#[test]
fn some_errors_are_clearer_than_redis_own() {
    let lua = sandbox::new_vm().expect("an interpreter can be built");
    for (script, answer) in [
        (
            "pcall()",
            "ERR user_script:1: bad argument #1 to 'pcall' (value expected)",
        ),
        (
            "return select(2, load(function() bit.band() end))",
            "user_script:1: bad argument #1 to 'band' (number expected, got no value)",
        ),
    ] {
        assert_eq!(run(&lua, script), answer);
    }
}

#[test]
fn random_numbers_are_redis_own() {
    check(&[
        (
            "return math.random(0)",
            "ERR user_script:1: bad argument #1 to 'random' (interval is empty)",
        ),
        (
            "return math.random(2,1)",
            "ERR user_script:1: bad argument #2 to 'random' (interval is empty)",
        ),
        (
            "return math.random(1,2,3)",
            "ERR user_script:1: wrong number of arguments",
        ),
        (
            "return math.random('x')",
            "ERR user_script:1: bad argument #1 to 'random' (number expected, got string)",
        ),
        (
            "math.randomseed(7) local t = {} for i=1,6 do t[i] = math.random(100) end return table.concat(t,' ')",
            "27 69 27 13 50 30",
        ),
        (
            "math.randomseed(-12345678901) local t = {} for i=1,4 do t[i] = tostring(math.random(-5,1000000)) end return table.concat(t,' ')",
            "135978 491085 67886 838459",
        ),
        (
            "math.randomseed(3) return tostring(math.random(-2147483648,2147483647))",
            "-2147483648",
        ),
    ]);
}

#[test]
fn random_numbers_go_on_from_script_to_script() {
    let lua = sandbox::new_vm().expect("an interpreter can be built");
    let script = "return tostring(math.random())";
    assert_eq!(run(&lua, script), "0.39646477363839");
    assert_eq!(run(&lua, script), "0.84048536971234");
    sandbox::reseed(&lua);
    assert_eq!(run(&lua, script), "0.39646477363839");
}

#[test]
fn memory_is_bounded() {
    let lua = sandbox::new_vm().expect("an interpreter can be built");
    sandbox::set_memory_limit(&lua, 8 << 20).expect("it counts its memory");
    let hungry = "local t = {} for i = 1, 1e7 do t[i] = i .. 'x' end";
    assert_eq!(run(&lua, hungry), "ERR not enough memory");
    assert_eq!(
        run(&lua, "return string.rep('x', 1e9)"),
        "ERR not enough memory"
    );
    // Many small values are looked at together, however few each has.
    let chained = "local p while true do local n = cjson.decode('{\"next\":0,\"text\":\"0123456789abcdef\"}') n.next = p p = n end";
    assert_eq!(run(&lua, chained), "ERR not enough memory");
    let doubling = "local t = {} for i = 1, 40 do t = {t, t} end return #cjson.encode(t)";
    assert!(run(&lua, doubling).ends_with("not enough memory"));
    // A byte without a sign of its own takes six; a text alone is looked at like one in a table.
    sandbox::set_memory_limit(&lua, 64 << 20).expect("it counts its memory");
    let widened = "return #cjson.encode(('\\1'):rep(3e6))";
    assert!(run(&lua, widened).ends_with("not enough memory"));
    assert_eq!(run(&lua, "return 'still alive'"), "still alive");
}

#[test]
fn libraries_stand_what_scripts_do_to_the_references() {
    let lua = sandbox::new_vm().expect("an interpreter can be built");
    let many = "local t = {} for i = 1, 7900 do t[i] = 's' .. i end ";
    for script in [
        "bit.band(unpack(t))",
        "cmsgpack.pack(unpack(t))",
        "struct.pack(('s'):rep(7800), unpack(t, 1, 7800))",
        "struct.unpack(('s'):rep(7700), ('x\\0'):rep(7700))",
        "cmsgpack.unpack(('\\161x'):rep(7700))",
        "table.insert(t, unpack(t))",
        "pcall(pcall, unpack(t))",
        "next(unpack(t))",
        "rawset(1, unpack(t))",
        "string.gsub(unpack(t))",
        "for i = 1, 9000 do cjson.new() end",
        "local kept = {} for i = 1, 9000 do kept[i] = cjson.new() end",
        "local kept = {} for i = 1, 9000 do kept[i] = ('x'):gmatch('x') end",
        "local kept = {} for i = 1, 9000 do kept[i] = coroutine.wrap(function() end) end",
        "local kept = {} for i = 1, 9000 do kept[i] = select(2, pcall(bit.band)) end",
        "for i = 1, 9000 do pcall(error, {}) end",
        "local f f = function() return pcall(f) end f()",
        "local f f = function() return (('x'):gsub('x', f)) end f()",
        "local f f = function() f() end f()",
        "local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x",
        "local f f = function() coroutine.wrap(f)() end f()",
        "local t = {} t.__index = function(t, k) return t[k] end setmetatable(t, t) return t.x",
        "return tostring(setmetatable({}, {__tostring = function(t) return tostring(t) end}))",
        "table.sort(t, function(a, b) return true end)",
        "local f f = function() xpcall(f, f) end f()",
        "error(error)",
        "error(setmetatable({}, {__index = function() error('x') end}))",
        "pcall(error, setmetatable({}, {__index = function() error('x') end}))",
    ] {
        run(&lua, &format!("{many}{script}"));
        assert_eq!(run(&lua, "return 'still alive'"), "still alive", "{script}");
    }
}

/// What ends Redis's process, or Lua's, or would go on for minutes.
const LIMITS: &[(&str, &str)] = &[
    (
        "return unpack({1, 2}, 0, 2^31 - 1)",
        "ERR user_script:1: too many results to unpack",
    ),
    (
        "return unpack({1, 2}, -2^31, 2^31 - 1)",
        "ERR user_script:1: too many results to unpack",
    ),
    (
        "return unpack({1, 2}, '-2147483648', 0)",
        "ERR user_script:1: too many results to unpack",
    ),
    (
        "return unpack({1, 2}, 1, 1e5)",
        "ERR user_script:1: too many results to unpack",
    ),
    ("return select('#', unpack({1, 2}, -1, 5))", "7"),
    ("return select('#', unpack({1, 2}, nil, 1))", "1"),
    ("return select('#', unpack({1, 2}, 3, -2^31))", "0"),
    (
        "unpack(1)",
        "ERR user_script:1: bad argument #1 to 'unpack' (table expected, got number)",
    ),
    (
        "unpack({}, 'x')",
        "ERR user_script:1: bad argument #2 to 'unpack' (number expected, got string)",
    ),
    ("return #(''):rep(2^31 - 1)", "0"),
    ("return ('ab'):rep(2)", "abab"),
    (
        "(''):rep()",
        "ERR user_script:1: bad argument #1 to 'rep' (number expected, got no value)",
    ),
    (
        "table.insert({}, -2^31, 'x')",
        "ERR user_script:1: bad argument #2 to 'insert' (position out of bounds)",
    ),
    (
        "table.insert({}, 0/0, 'x')",
        "ERR user_script:1: bad argument #2 to 'insert' (position out of bounds)",
    ),
    (
        "table.insert({}, 2^31, 'x')",
        "ERR user_script:1: bad argument #2 to 'insert' (position out of bounds)",
    ),
    ("local t = {1} table.insert(t, -1, 2) return t[-1]", "2"),
    ("return 5 and (''):rep(1e5) .. #('5'):gsub('', ' ')", "3"),
    (
        "local n = 0 for w in string.gmatch(5, ('x*'):rep(1e6)) do n = n + 1 end return n",
        "2",
    ),
    (
        "local t = {} for w in string.gmatch(125, 2) do t[1] = w end return t[1]",
        "2",
    ),
];

#[test]
fn functions_that_could_end_or_hold_the_process_have_limits() {
    let lua = sandbox::new_vm().expect("an interpreter can be built");
    for &(script, answer) in LIMITS {
        assert_eq!(run(&lua, script), answer, "{script}");
    }
}

#[test]
fn no_list_of_calls_follows_an_error_of_luas_own() {
    let lua = sandbox::new_vm().expect("an interpreter can be built");
    let deep = "local function f(s) return string.gsub(s, '.', f) end ";
    for (script, start) in [
        ("return f('a')", "ERR "),
        ("return select(2, pcall(f, 'a'))", ""),
    ] {
        let answer = run(&lua, &format!("{deep}{script}"));
        assert!(
            answer.starts_with(start) && answer.ends_with("C stack overflow"),
            "{answer}"
        );
    }
}

#[test]
fn the_collector_goes_on_whatever_a_script_asks_of_it() {
    let lua = sandbox::new_vm().expect("an interpreter can be built");
    assert_eq!(run(&lua, "return collectgarbage('stop')"), "0");
    run(
        &lua,
        "collectgarbage('setpause', 1e6) collectgarbage('setstepmul', 0)",
    );
    let before = lua.used_memory();
    run(
        &lua,
        "for i = 1, 3000 do local x = ('x'):rep(10000 + i) end",
    );
    let grown = lua.used_memory().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes of garbage are kept");
    assert_eq!(run(&lua, "return collectgarbage('count') > 0"), "1");
    assert_eq!(run(&lua, "return collectgarbage()"), "0");
    assert_eq!(
        run(&lua, "collectgarbage('x')"),
        "ERR user_script:1: bad argument #1 to 'collectgarbage' (invalid option 'x')"
    );
}

#[test]
fn errors_that_are_caught_leave_nothing_behind() {
    let lua = sandbox::new_vm().expect("an interpreter can be built");
    // Many tables make collections rare.
    let script = "local t = {} for i = 1, 9e4 do t[i] = {i, i, i, i, i} end
        local n = 0
        for i = 1, 2e4 do if not pcall(bit.band) and not pcall(cjson.decode, '{') then n = n + 1 end end
        return n";
    assert_eq!(run(&lua, script), "20000");
}

#[test]
fn no_bytes_harm_a_library() {
    let lua = sandbox::new_vm().expect("an interpreter can be built");
    let script = "local input = ...
        local _, value = pcall(cjson.decode, input)
        pcall(cjson.encode, value)
        pcall(cjson.encode, input)
        _, value = pcall(cmsgpack.unpack, input)
        pcall(cmsgpack.pack, value)
        pcall(cmsgpack.unpack_limit, input, 2, 3)
        pcall(struct.unpack, input, input)
        pcall(struct.unpack, input, ('x'):rep(64), 3)
        pcall(struct.pack, input, 1, 'two', 3.5)
        pcall(struct.size, input)
        pcall(string.gsub, input, input, input)
        pcall(loadstring, input)";
    let script = lua.load(script).into_function().expect("it is Lua");
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..4000 {
        let letters: &[u8] = match random.u8(0..3) {
            0 => b"{}[]\",:\\u0019eE+-.aftnils \0",
            1 => b"bBhHlLTiIfdscx!<>0123456789 \0",
            _ => b"\x81\x82\x91\x92\xa1\xc0\xc3\xca\xcb\xcd\xcf\xd3\xd9\xda\xdb\xdc\xdd\xde\xdf\xe0\x01\0",
        };
        let input: Vec<u8> = (0..random.usize(0..24))
            .map(|_| letters[random.usize(0..letters.len())])
            .collect();
        let input = lua.create_string(&input).expect("there is memory");
        let ended =
            sandbox::call::<mlua::Value>(&lua, &script, input).expect("the interpreter is sound");
        assert!(ended.is_ok(), "{ended:?}");
    }
    assert_eq!(run(&lua, "return 'still alive'"), "still alive");
}

const THE_REST_OF_THE_LANGUAGE_IS_AS_IT_WAS: &[(&str, &str)] = &[
    (
        "return cjson.decode('[0.0, -5e3, -1, 0.3e-3, -1023.2, 0e10]')[3]",
        "-1",
    ),
    (
        "return table.concat(cjson.decode('[0.0, -5e3, -1, 0.3e-3, -1023.2, 0e10]'), ' ')",
        "0 -5000 -1 0.0003 -1023.2 0",
    ),
    (
        "return cjson.encode({['key']=1, nested={1,2,{a=true}}})",
        "{\"key\":1,\"nested\":[1,2,{\"a\":true}]}",
    ),
    (
        "local a = {}; for i=1,10 do a[i]=i end; return cjson.encode(a)",
        "[1,2,3,4,5,6,7,8,9,10]",
    ),
    (
        "local a = {x=nil,y=5}; local b = {x=a}; a['x'] = b; local e = cmsgpack.pack(a); local h = ''; for i = 1, #e do h = h .. string.format('%02x', string.byte(e, i)) end return h",
        "82a17905a17881a17882a17905a17881a17882a17905a17881a17882a17905a17881a17882a17905a17881a17882a17905a17881a17882a17905a17881a17882a17905a17881a178c0",
    ),
    ("return struct.pack('>I2h', 1, -2):byte(1,-1)", "0"),
    (
        "return string.format('%5.2f %s %q %x', 3.14159, 'x', 'a\\nb', 255)",
        " 3.14 x \"a\\\nb\" ff",
    ),
    (
        "return tostring(10/3) .. ' ' .. tostring(1e100) .. ' ' .. tostring(2^53)",
        "3.3333333333333 1e+100 9.007199254741e+15",
    ),
    ("return unpack({1,2,3}, 2)", "2"),
    ("return #string.rep('ab', 100)", "200"),
    ("return select('#', table.unpack)", "1"),
    ("return table.getn({1,2,3})", "3"),
    ("return table.maxn({1,2,[10]=3})", "10"),
    (
        "return table.setn({}, 1)",
        "ERR user_script:1: 'setn' is obsolete",
    ),
    ("return math.mod(7, 3)", "1"),
    (
        "return tostring(math.huge) .. tostring(-math.huge) .. tostring(0/0)",
        "inf-inf-nan",
    ),
    ("return collectgarbage('step') and 1 or 0", "0"),
    ("return type(gcinfo())", "number"),
    (
        "return ({pcall(function() return redis_not end)})[2]",
        "user_script:1: Script attempted to access nonexistent global variable 'redis_not'",
    ),
    ("error('abc')", "ERR user_script:1: abc"),
    ("error()", "ERR nil"),
    ("error(nil)", "ERR nil"),
    ("error(12)", "ERR user_script:1: 12"),
    (
        "return nosuch()",
        "ERR user_script:1: Script attempted to access nonexistent global variable 'nosuch'",
    ),
    (
        "local t = nil return t.x",
        "ERR user_script:1: attempt to index local 't' (a nil value)",
    ),
    (
        "return 1 + {}",
        "ERR user_script:1: attempt to perform arithmetic on a table value",
    ),
    (
        "return {} .. 'x'",
        "ERR user_script:1: attempt to concatenate a table value",
    ),
    (
        "return #5",
        "ERR user_script:1: attempt to get length of a number value",
    ),
    (
        "return ('x')()",
        "ERR user_script:1: attempt to call a string value",
    ),
    (
        "local function f(n) if n == 0 then error('deep', 2) end f(n-1) end f(3)",
        "ERR user_script:1: deep",
    ),
    ("return loadstring('return ...')(5)", "5"),
    (
        "return coroutine.status(coroutine.create(function() end))",
        "suspended",
    ),
    ("return coroutine.running()", "nil"),
    (
        "coroutine.yield(1)",
        "ERR attempt to yield across metamethod/C-call boundary",
    ),
    (
        "return select(2, coroutine.resume(coroutine.create(function() error({err='E'}) end))).err",
        "E",
    ),
    (
        "return tostring(select(2, coroutine.resume(coroutine.create(function() error(5) end))))",
        "user_script:1: 5",
    ),
    ("return type(tostring(math)):sub(1,6)", "string"),
    (
        "return string.find(tostring(math), '^table: 0x') and 1 or 0",
        "1",
    ),
    (
        "for k, v in ipairs({1,2,nil,4}) do if k == 3 then return 'bad' end end return 'ok'",
        "ok",
    ),
    (
        "return table.concat({1,2,{}}, ',')",
        "ERR user_script:1: invalid value (table) at index 3 in table for 'concat'",
    ),
    (
        "table.concat({1,2,{}}, ',')",
        "ERR user_script:1: invalid value (table) at index 3 in table for 'concat'",
    ),
    ("return table.concat({1,2,3}, ',', 2, 3)", "2,3"),
    (
        "table.sort({1,'x'})",
        "ERR attempt to compare string with number",
    ),
    (
        "local t = {3,1,2} table.sort(t, function(a,b) return a > b end) return table.concat(t)",
        "321",
    ),
    (
        "table.sort({1,2,3}, 5)",
        "ERR user_script:1: bad argument #2 to 'sort' (function expected, got number)",
    ),
    ("return next({})", "nil"),
    ("return next({}, 'nokey')", "ERR invalid key to 'next'"),
    ("next({}, 'nokey')", "ERR invalid key to 'next'"),
    (
        "local t = setmetatable({}, {__index=function(t,k) return k..'!' end}) return t.foo",
        "foo!",
    ),
    (
        "local t = setmetatable({}, {__newindex=function(t,k,v) rawset(t,k,v*2) end}) t.x = 4 return t.x",
        "8",
    ),
    (
        "local t = setmetatable({}, {__call=function(self, a) return a end}) return t(9)",
        "9",
    ),
    (
        "return getmetatable(setmetatable({}, {__metatable='locked'}))",
        "locked",
    ),
    (
        "return rawlen",
        "ERR user_script:1: Script attempted to access nonexistent global variable 'rawlen'",
    ),
    (
        "return tostring(rawequal(math, math)) .. tostring(math == math)",
        "truetrue",
    ),
    (
        "return string.len(string.dump(function() end)) > 10 and 1 or 0",
        "1",
    ),
    (
        "return string.char(256)",
        "ERR user_script:1: bad argument #1 to 'char' (invalid value)",
    ),
    ("return ('abc'):byte(10)", "nil"),
    (
        "return tonumber('0x10') .. tonumber('z', 36) .. tostring(tonumber('1e')) ",
        "1635nil",
    ),
    (
        "local ok, e = pcall(cjson.encode, function() end) return e",
        "Cannot serialise function: type not supported",
    ),
    (
        "local ok, e = pcall(cmsgpack.unpack) return e",
        "bad argument #1 to '?' (string expected, got no value)",
    ),
];

#[test]
fn the_rest_of_the_language_is_as_it_was() {
    check(THE_REST_OF_THE_LANGUAGE_IS_AS_IT_WAS);
}

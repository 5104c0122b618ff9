//! Patterns as Lua's own functions match them.

use super::cost;
use super::matcher::Matcher;
use crate::script::ffi::library::closed;
use crate::script::oracle::{HEX, check, check_with, run};
use crate::script::sandbox;

/// A prelude: all results in one text.
const ALL: &str = "local function all(...) local t = {} for i = 1, select('#', ...) do t[i] = tostring((select(i, ...))) end \
                   return table.concat(t, ' ') end ";

#[test]
fn find_gives_places_and_captures() {
    check_with(
        ALL,
        &[
            ("return all(('hello world'):find('wor'))", "7 9"),
            ("return all(('hello world'):find('o', 6))", "8 8"),
            ("return all(('hello world'):find('o', -4))", "8 8"),
            ("return all(('hello'):find('', 10))", "6 5"),
            ("return all(('hello'):find('h', 10))", "nil"),
            ("return all(('hello'):find('h', -100))", "1 1"),
            ("return all(('hello'):find(''))", "1 0"),
            ("return all((''):find(''))", "1 0"),
            ("return all(('a.b'):find('.', 1, true))", "2 2"),
            ("return all(('a.b'):find('%.'))", "2 2"),
            ("return all(('a+b'):find('+', 1, true))", "2 2"),
            (
                "return all(('key=value'):find('(%w+)=(%w+)'))",
                "1 9 key value",
            ),
            ("return all(('abc'):find('()b()'))", "2 2 2 3"),
            ("return all(('abc'):find('^b'))", "nil"),
            ("return all(('abc'):find('^a'))", "1 1"),
            ("return all(('abc'):find('^b', 2))", "2 2"),
            ("return all(('abc'):find('c$'))", "3 3"),
            ("return all(('a$c'):find('$c'))", "2 3"),
            ("return all(('a\\0b'):find('\\0b'))", "2 3"),
            ("return all(('a\\0b'):find('a\\0%d'))", "nil"),
            ("return all(('a1\\0b'):find('%d\\0x'))", "2 2"),
            (
                "return all((12345):rep(2):find(34))",
                "ERR user_script:1: attempt to index a number value",
            ),
            ("return all(string.find(12345, 34))", "3 4"),
            ("return all(('aXb'):find('%u', 1.9))", "2 2"),
            (
                "return all(('x'):find('x', 1, false), ('.'):find('.', 1, nil))",
                "1 1 1",
            ),
        ],
    );
}

const ITEMS_MATCH_AS_IN_LUA: &[(&str, &str)] = &[
    (
        "return all(('aaab'):match('a*'), ('aaab'):match('a+'), ('aaab'):match('a-b'), ('aaab'):match('a?b'))",
        "aaa aaa aaab ab",
    ),
    (
        "return all(('aaab'):match('a-'), ('b'):match('a*'), ('b'):match('a+'))",
        "  nil",
    ),
    (
        "return all(('  trim me  '):match('^%s*(.-)%s*$'))",
        "trim me",
    ),
    (
        "return all(('[[x]]'):match('%b[]'), ('(a(b)c)d'):match('%b()'), ('((a'):match('%b()'))",
        "[[x]] (a(b)c) nil",
    ),
    (
        "return all(('xyyx'):match('%bxx'), ('x'):match('%bxx'))",
        "xyyx nil",
    ),
    (
        "return all(('THE (quick) fox'):find('%f[%a]%a+%f[%A]', 2))",
        "6 10",
    ),
    (
        "return all(('foo.bar'):match('%f[%w]%w+$'), ('abc'):match('%f[%z]'), ('abc'):find('%f[%z]'))",
        "bar  4 3",
    ),
    (
        "return all(('\"it\\'s\"'):match('([\"\\'])(.-)%1'))",
        "\" it's",
    ),
    (
        "return all(('abab'):match('(ab)%1'), ('abac'):match('(ab)%1'), ('aa'):match('()%1'))",
        "ab nil nil",
    ),
    (
        "return all(('a-z]'):match('[a%-z]+'), ('a-z]'):match('[]]'), ('a^b'):match('[b^]+'), ('abc'):match('[^a]+'))",
        "a-z ] ^b bc",
    ),
    (
        "return all(('x-y'):match('[x-]+'), ('5-9'):match('[0-9-]+'), ('b'):match('[a-c]'), ('-'):match('[+--]'))",
        "x- 5-9 b -",
    ),
    (
        "return all(('%d'):match('[%%]d'), ('a]'):match('[a%]]+'), ('a%'):match('[a%]+'))",
        "ERR user_script:1: malformed pattern (missing ']')",
    ),
    (
        "return all(('\\200a'):match('%a'), ('\\200'):match('%A') == '\\200', ('\\0'):match('%z') == '\\0', ('\\127'):match('%c') == '\\127')",
        "a true true true",
    ),
    (
        "return all(('ab12_ \\t!F'):match('%l%l%d%w%p%s%s%p%x'))",
        "ab12_ \t!F",
    ),
    ("return all(('abc'):match('((a)(b(c)))'))", "abc a bc c"),
    (
        "return all(('abc'):match('()'), ('abc'):match('', 4), ('abc'):match('', 9))",
        "1  ",
    ),
    ("return all(('aXbXc'):match('^(.-)X(.*)$'))", "a bXc"),
    (
        "return all(('date: 2024-05-06'):match('(%d+)-(%d+)-(%d+)'))",
        "2024 05 06",
    ),
    ("return all(('abc'):match('(a)(b)?'))", "nil"),
    ("return all(('ab?'):match('(a)b%?'))", "a"),
    ("return all(('aab'):match('(a*(.)%w(%s*))'))", "aab a "),
    (
        "return all(('x^y'):match('x^y'), ('a*'):match('*'), ('a'):match('[a-]'))",
        "x^y * a",
    ),
];

#[test]
fn items_match_as_in_lua() {
    check_with(ALL, ITEMS_MATCH_AS_IN_LUA);
}

#[test]
fn gmatch_walks_a_text() {
    check_with(
        ALL,
        &[
            (
                "local t = {} for w in ('one two  three'):gmatch('%a+') do t[#t+1] = w end return table.concat(t, ',')",
                "one,two,three",
            ),
            (
                "local t = {} for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do t[#t+1] = k .. v end return table.concat(t, ',')",
                "a1,b2",
            ),
            (
                "local t = {} for p in ('abc'):gmatch('()') do t[#t+1] = p end return table.concat(t, ',')",
                "1,2,3,4",
            ),
            (
                "local t = {} for p in ('abc'):gmatch('x*') do t[#t+1] = '<' .. p .. '>' end return table.concat(t, ',')",
                "<>,<>,<>,<>",
            ),
            (
                "local t = {} for p in ('^a^a'):gmatch('^a') do t[#t+1] = p end return table.concat(t, ',')",
                "^a,^a",
            ),
            (
                "local f = ('ab'):gmatch('.') return all(f(), f(), f(), f())",
                "a b nil",
            ),
            ("return all(string.gfind('abc', 'b')())", "b"),
            (
                "local t = {} for w in string.gmatch(1213, 1) do t[#t+1] = w end return table.concat(t, ',')",
                "1,1",
            ),
            (
                "string.gmatch()",
                "ERR user_script:1: bad argument #1 to 'gmatch' (string expected, got no value)",
            ),
            (
                "('x'):gmatch()",
                "ERR user_script:1: bad argument #1 to 'gmatch' (string expected, got no value)",
            ),
            (
                "string.gmatch('x', {})",
                "ERR user_script:1: bad argument #2 to 'gmatch' (string expected, got table)",
            ),
            (
                "for w in ('x'):gmatch('%') do end",
                "ERR user_script:1: malformed pattern (ends with '%')",
            ),
            (
                "local n = 0 for i = 1, 20000 do for w in ('a'):gmatch('a') do n = n + 1 end end return n",
                "20000",
            ),
        ],
    );
}

const GSUB_REPLACES: &[(&str, &str)] = &[
    ("return (('hello world'):gsub('o', '0'))", "hell0 w0rld"),
    ("return select(2, ('hello world'):gsub('o', '0'))", "2"),
    ("return (('hello world'):gsub('o', '0', 1))", "hell0 world"),
    ("return (('hello world'):gsub('o', '0', 0))", "hello world"),
    ("return (('hello world'):gsub('o', '0', -1))", "hello world"),
    (
        "return (('hello world'):gsub('(%w+) (%w+)', '%2 %1 %0 %%'))",
        "world hello hello world %",
    ),
    ("return (('abc'):gsub('', '-'))", "-a-b-c-"),
    ("return (('abc'):gsub('x*', '-'))", "-a-b-c-"),
    (
        "return (('abc'):gsub('^a', 'x')) .. (('aaa'):gsub('^a', 'x'))",
        "xbcxaa",
    ),
    ("return (('abc'):gsub('%w', '%0%0'))", "aabbcc"),
    ("return (('abc'):gsub('%w', '%1'))", "abc"),
    ("return (('abc'):gsub('()', '%1'))", "1a2b3c4"),
    ("return hex((('abc'):gsub('b', 'x%')))", "61780063"),
    ("return (('abc'):gsub('b', '%x%y'))", "axyc"),
    ("return (('abc'):gsub('b', 12.5))", "a12.5c"),
    (
        "return (('$name is $age'):gsub('%$(%w+)', {name='x', age=3}))",
        "x is 3",
    ),
    (
        "return (('$a $b'):gsub('%$(%w+)', setmetatable({}, {__index=function(_, k) return k:upper() end})))",
        "A B",
    ),
    (
        "return (('abc'):gsub('%w', function(c) if c == 'b' then return nil end return c .. '.' end))",
        "a.bc.",
    ),
    (
        "return (('abc'):gsub('(%w)(%w)', function(a, b) return b .. a end))",
        "bac",
    ),
    (
        "return (('abc'):gsub('()', function(p) return p end))",
        "1a2b3c4",
    ),
    (
        "return (('abc'):gsub('b', function() return false end))",
        "abc",
    ),
    (
        "return (('abc'):gsub('b', function() return {} end))",
        "ERR user_script:1: invalid replacement value (a table)",
    ),
    (
        "return (('abc'):gsub('b', {b=true}))",
        "ERR user_script:1: invalid replacement value (a boolean)",
    ),
    (
        "return select(2, pcall(string.gsub, 'abc', 'b', function() error({err='E'}) end))",
        "E",
    ),
    (
        "return select(2, pcall(string.gsub, 'abc', 'b', function() error('E') end))",
        "user_script:1: E",
    ),
    (
        "return select(2, pcall(string.gsub, 'abc', 'b', setmetatable({}, {__index=function() error('I') end})))",
        "user_script:1: I",
    ),
    (
        "('abc'):gsub('b', function() bit.band() end)",
        "ERR user_script:1: bad argument #1 to 'band' (number expected, got no value)",
    ),
    (
        "local c = coroutine.wrap(function() ('a'):gsub('a', function() coroutine.yield() end) end) c()",
        "ERR user_script:1: attempt to yield across metamethod/C-call boundary",
    ),
    ("return (('x'):rep(3, 'y'):gsub('x', 'z'))", "zzz"),
    ("return #(('x'):rep(100000):gsub('x', 'yz'))", "200000"),
];

#[test]
fn gsub_replaces() {
    check_with(HEX, GSUB_REPLACES);
}

const FAULTS_ARE_NAMED: &[(&str, &str)] = &[
    (
        "string.find()",
        "ERR user_script:1: bad argument #1 to 'find' (string expected, got no value)",
    ),
    (
        "string.find('x')",
        "ERR user_script:1: bad argument #2 to 'find' (string expected, got no value)",
    ),
    (
        "string.find('x', 'x', 'y')",
        "ERR user_script:1: bad argument #3 to 'find' (number expected, got string)",
    ),
    (
        "string.find({}, 'x')",
        "ERR user_script:1: bad argument #1 to 'find' (string expected, got table)",
    ),
    (
        "('x'):find()",
        "ERR user_script:1: bad argument #1 to 'find' (string expected, got no value)",
    ),
    (
        "('x'):find({})",
        "ERR user_script:1: bad argument #1 to 'find' (string expected, got table)",
    ),
    (
        "('x'):match('%')",
        "ERR user_script:1: malformed pattern (ends with '%')",
    ),
    (
        "('x'):match('[x')",
        "ERR user_script:1: malformed pattern (missing ']')",
    ),
    (
        "('x'):match('[^')",
        "ERR user_script:1: malformed pattern (missing ']')",
    ),
    (
        "('x'):match('[]')",
        "ERR user_script:1: malformed pattern (missing ']')",
    ),
    (
        "('x'):match('[%')",
        "ERR user_script:1: malformed pattern (missing ']')",
    ),
    (
        "('x'):match('[a%')",
        "ERR user_script:1: malformed pattern (missing ']')",
    ),
    ("('x'):match('(x')", "ERR user_script:1: unfinished capture"),
    (
        "('x'):match('x)')",
        "ERR user_script:1: invalid pattern capture",
    ),
    (
        "('x'):match('%1')",
        "ERR user_script:1: invalid capture index",
    ),
    (
        "('x'):match('(%1)')",
        "ERR user_script:1: invalid capture index",
    ),
    (
        "('x'):match('%0')",
        "ERR user_script:1: invalid capture index",
    ),
    (
        "('x'):match('%bx')",
        "ERR user_script:1: unbalanced pattern",
    ),
    ("('x'):match('%b')", "ERR user_script:1: unbalanced pattern"),
    (
        "('x'):match('%f')",
        "ERR user_script:1: missing '[' after '%f' in pattern",
    ),
    (
        "('x'):match('%fx')",
        "ERR user_script:1: missing '[' after '%f' in pattern",
    ),
    (
        "('x'):match('%f[')",
        "ERR user_script:1: malformed pattern (missing ']')",
    ),
    (
        "('x'):match(('()'):rep(33))",
        "ERR user_script:1: too many captures",
    ),
    ("return select('#', ('x'):match(('()'):rep(32)))", "32"),
    (
        "string.gsub()",
        "ERR user_script:1: bad argument #1 to 'gsub' (string expected, got no value)",
    ),
    (
        "('x'):gsub('x')",
        "ERR user_script:1: bad argument #2 to 'gsub' (string/function/table expected)",
    ),
    (
        "('x'):gsub('x', nil)",
        "ERR user_script:1: bad argument #2 to 'gsub' (string/function/table expected)",
    ),
    (
        "('x'):gsub('x', true)",
        "ERR user_script:1: bad argument #2 to 'gsub' (string/function/table expected)",
    ),
    (
        "('x'):gsub('x', 'y', 'z')",
        "ERR user_script:1: bad argument #3 to 'gsub' (number expected, got string)",
    ),
    (
        "('x'):gsub('x', true, 'z')",
        "ERR user_script:1: bad argument #3 to 'gsub' (number expected, got string)",
    ),
    (
        "('x'):gsub('x', '%2')",
        "ERR user_script:1: invalid capture index",
    ),
    (
        "('x'):gsub('(x)', '%2')",
        "ERR user_script:1: invalid capture index",
    ),
    (
        "('x'):gsub('(x', '%1')",
        "ERR user_script:1: unfinished capture",
    ),
    (
        "return ('x'):gsub('%', '')",
        "ERR user_script:1: malformed pattern (ends with '%')",
    ),
];

#[test]
fn faults_are_named() {
    check(FAULTS_ARE_NAMED);
}

#[test]
fn long_patterns_do_not_overflow_the_stack() {
    let lua = sandbox::new_vm().expect("an interpreter can be built");
    for (script, answer) in [
        (
            "return #('a'):rep(400000):match(('a?'):rep(400000))",
            "400000",
        ),
        ("return #('a'):rep(1000):match(('a*'):rep(200000))", "1000"),
        (
            "return #('a'):rep(200000):match(('a-'):rep(100000) .. '$')",
            "200000",
        ),
        (
            "return ('a'):rep(10000):find(('a'):rep(9999) .. 'b', 1, true)",
            "nil",
        ),
        (
            "return #('x'):rep(100000):gsub(('x?'):rep(100000), '')",
            "0",
        ),
    ] {
        assert_eq!(run(&lua, script), answer, "{script}");
    }
}

/// What the functions of patterns make of a text and a pattern, in one text.
const SUMMARY: &str = "local text, pattern = ...
    local parts = {}
    local function note(...)
      for i = 1, select('#', ...) do parts[#parts + 1] = tostring((select(i, ...))) end
    end
    note(pcall(string.find, text, pattern))
    note(pcall(string.match, text, pattern, 2))
    note(pcall(string.gsub, text, pattern, '<%0%1>'))
    note(pcall(string.gsub, text, pattern, {a = 'A', b = false}))
    note(pcall(function() for a, b in string.gmatch(text, pattern) do note(a, b) end end))
    return (table.concat(parts, ' '):gsub('%S*:%d+: ', ''))";

/// The steps of a search for the matches that begin at each place.
fn steps_taken(text: &[u8], pattern: &[u8]) -> u64 {
    let mut matcher = Matcher::new(text, pattern, &|| None);
    let last = if matcher.take_anchor() { 0 } else { text.len() };
    for start in 0..=last {
        if matcher.find(start).is_err() {
            break;
        }
    }
    matcher.taken
}

#[test]
fn what_a_match_may_cost_is_told_by_its_repetitions() {
    let table: &[(&str, u64)] = &[
        ("abc", 100),
        ("^abc", 1),
        ("a*", 100 * 100),
        ("^a+b-", 100 * 100),
        ("^a?b?", 4),
        ("^%a%*", 1),
        ("^[a-z*+?-]", 8),
        ("^[]*]*", 3 * 100),
        ("^[^]*]*", 4 * 100),
        ("^[%]*]", 4),
        ("^%b()", 100),
        ("^%b[ba*]", 100 * 100),
        ("^%b%%a*", 100 * 100),
        ("^%ba[a*]", 100 * 100),
        ("^(a)%1", 100),
        ("^[", 1),
        ("^%", 1),
    ];
    for &(pattern, steps) in table {
        assert_eq!(cost::steps(pattern.as_bytes(), 99), steps, "{pattern}");
    }
    assert_eq!(cost::steps_anywhere(b"^a*", 99), 100 * 100);
    assert_eq!(cost::steps(&[b'a'; 65], 1), u64::MAX);
    assert_eq!(cost::steps(b"a*a*a*a*a*a*a*a*", usize::MAX - 1), u64::MAX);
    assert_eq!(cost::result(9, b"xyz"), 10 * 3 + 9);
    assert_eq!(cost::result(9, b"%0"), 10 * 2 * 10 + 9);
}

#[test]
fn any_pattern_does_what_it_does_in_lua() {
    let lua = mlua::Lua::new();
    let ours = sandbox::new_vm().expect("an interpreter can be built");
    let summaries = [&lua, &ours].map(|lua| {
        let summary = lua.load(SUMMARY).into_function();
        summary.expect("it is Lua")
    });
    let mut random = fastrand::Rng::with_seed(4);
    let mut piece = |letters: &[&'static str], most: usize| -> String {
        (0..random.usize(0..=most))
            .map(|_| letters[random.usize(0..letters.len())])
            .collect()
    };
    for _ in 0..6000 {
        let text = piece(&["a", "b", "1", "(", "ab", " "], 8);
        let pattern = piece(
            &[
                "a", "b", ".", "%a", "%d", "%", "(", ")", "()", "*", "+", "-", "?", "[", "]",
                "[^a]", "[a-b]", "^", "$", "%b()", "%f", "%1", "%s", "1",
            ],
            7,
        );
        let results = || {
            summaries.each_ref().map(|summary| {
                let result = summary.call::<String>((text.as_str(), pattern.as_str()));
                result.expect("errors are caught")
            })
        };
        let [expected, found] = results();
        assert_eq!(found, expected, "{text:?} {pattern:?}");
        let [_, whole] = closed::during(results);
        assert_eq!(whole, expected, "{text:?} {pattern:?} by the matcher here");
        let most = cost::steps(pattern.as_bytes(), text.len());
        let taken = steps_taken(text.as_bytes(), pattern.as_bytes());
        assert!(
            taken <= most.saturating_mul(pattern.len() as u64 + 1),
            "{text:?} {pattern:?}: {taken} steps, {most} at most"
        );
    }
}

//! MessagePack as Redis's library makes and reads it.

use crate::script::oracle::{HEX, check, check_with};

#[test]
fn numbers_take_the_least_room() {
    check_with(
        HEX,
        &[
            (
                "return hex(cmsgpack.pack(0, 1, 127, 128, 255, 256, 65535, 65536))",
                "?",
            ),
            (
                "return hex(cmsgpack.pack(4294967295, 4294967296, 2^53, 2^62, 2^63, 2^64))",
                "?",
            ),
            (
                "return hex(cmsgpack.pack(-1, -32, -33, -128, -129, -32768, -32769))",
                "?",
            ),
            (
                "return hex(cmsgpack.pack(-2147483648, -2147483649, -2^53, -2^63, -2^65))",
                "?",
            ),
            (
                "return hex(cmsgpack.pack(0.5, 0.1, -1.25, 1e300, 3.4e38))",
                "?",
            ),
            ("return hex(cmsgpack.pack(1/0, -1/0, 0/0, -(0/0), -0))", "?"),
        ],
    );
}

#[test]
fn other_values() {
    check_with(
        HEX,
        &[
            (
                "return hex(cmsgpack.pack(nil, true, false, cjson.null, print == nil))",
                "?",
            ),
            (
                "return hex(cmsgpack.pack(nil, true, false, cjson.null, pairs))",
                "?",
            ),
            ("return hex(cmsgpack.pack('', 'abc', ('x'):rep(31)))", "?"),
            ("return hex(cmsgpack.pack(('x'):rep(32)):sub(1, 3))", "?"),
            ("return hex(cmsgpack.pack(('x'):rep(255)):sub(1, 3))", "?"),
            ("return hex(cmsgpack.pack(('x'):rep(256)):sub(1, 4))", "?"),
            ("return hex(cmsgpack.pack(('x'):rep(65536)):sub(1, 6))", "?"),
            ("return hex(cmsgpack.pack({}, {1,2,3}, {{}}, {a=1}))", "?"),
            ("return hex(cmsgpack.pack({1,nil,3}))", "?"),
            ("return hex(cmsgpack.pack({[1]=1,[2]=2,[3]=3}))", "?"),
            (
                "return hex(cmsgpack.pack({[0]=1}, {[1.5]=1}, {[-1]=1}, {[2^31]=1}, {[true]=1}))",
                "?",
            ),
            (
                "local t = {} for i=1,16 do t[i]=i end return hex(cmsgpack.pack(t))",
                "?",
            ),
            (
                "local t = {} for i=1,65536 do t[i]=1 end return hex(cmsgpack.pack(t):sub(1,7))",
                "?",
            ),
            (
                "local t = {} for i=1,16 do t['k'..i]=1 end return hex(cmsgpack.pack(t):sub(1,3))",
                "?",
            ),
            (
                "local t = {} for i=1,65536 do t['k'..i]=1 end return hex(cmsgpack.pack(t):sub(1,5))",
                "?",
            ),
            ("local t = {} t[1] = t return hex(cmsgpack.pack(t))", "?"),
            ("local t = {} t.x = t return hex(cmsgpack.pack(t))", "?"),
            (
                "return hex(cmsgpack.pack(setmetatable({}, {__index=function() return 1 end})))",
                "?",
            ),
            ("return #cmsgpack.pack(struct)", "?"),
        ],
    );
}

#[test]
fn values_are_read_back() {
    check(&[
        (
            "return cjson.encode({cmsgpack.unpack(cmsgpack.pack(0, 127, 255, 65535, 65536, 2^40, -1, -33, -200, -40000, -2^40, 0.5, 0.1, 'abc', true, {1,2,{3}}, {a={b=1}}))})",
            "?",
        ),
        (
            "return select('#', cmsgpack.unpack(cmsgpack.pack(nil, nil)))",
            "2",
        ),
        (
            "return cjson.encode({cmsgpack.unpack('\\207\\255\\255\\255\\255\\255\\255\\255\\255')})",
            "?",
        ),
        (
            "return cjson.encode({cmsgpack.unpack('\\209\\128\\1')})",
            "?",
        ),
        (
            "return cjson.encode({cmsgpack.unpack('\\210\\128\\0\\0\\1')})",
            "?",
        ),
        (
            "return cjson.encode({cmsgpack.unpack('\\211\\128\\0\\0\\0\\0\\0\\0\\1')})",
            "?",
        ),
        (
            "return cjson.encode({cmsgpack.unpack('\\217\\2ab\\218\\0\\2ab\\219\\0\\0\\0\\2ab')})",
            "?",
        ),
        (
            "return cjson.encode({cmsgpack.unpack('\\220\\0\\1\\1\\221\\0\\0\\0\\1\\1')})",
            "?",
        ),
        (
            "return cjson.encode({cmsgpack.unpack('\\222\\0\\1\\1\\2\\223\\0\\0\\0\\1\\1\\2')})",
            "?",
        ),
        (
            "return cjson.encode({cmsgpack.unpack('\\147\\1\\192\\3')})",
            "?",
        ),
        (
            "return cjson.encode({cmsgpack.unpack('\\129\\161a\\192')})",
            "?",
        ),
        ("return cjson.encode({cmsgpack.unpack('')})", "?"),
        (
            "return cjson.encode({cmsgpack.unpack_one(cmsgpack.pack(7, 8, 9))})",
            "?",
        ),
        (
            "return cjson.encode({cmsgpack.unpack_one(cmsgpack.pack(7, 8, 9), 1)})",
            "?",
        ),
        (
            "return cjson.encode({cmsgpack.unpack_one(cmsgpack.pack(7, 8, 9), 2)})",
            "?",
        ),
        (
            "return cjson.encode({cmsgpack.unpack_one(cmsgpack.pack(7, 8, 9), 3)})",
            "?",
        ),
        (
            "return cjson.encode({cmsgpack.unpack_limit(cmsgpack.pack(7, 8, 9), 2)})",
            "?",
        ),
        (
            "return cjson.encode({cmsgpack.unpack_limit(cmsgpack.pack(7, 8, 9), 5, 1)})",
            "?",
        ),
        (
            "return cjson.encode({cmsgpack.unpack_limit(cmsgpack.pack(7, 8, 9), 0)})",
            "?",
        ),
        (
            "return cjson.encode({cmsgpack.unpack_limit(cmsgpack.pack(7, 8, 9), 0, 1)})",
            "?",
        ),
        (
            "local t = {} for i=1,5000 do t[i]=i end return select('#', cmsgpack.unpack(cmsgpack.pack(unpack(t))))",
            "5000",
        ),
        (
            "local s = ('\\145'):rep(900) .. '\\1' local t = cmsgpack.unpack(s) local n = 0 while type(t) == 'table' do t = t[1] n = n + 1 end return n",
            "900",
        ),
    ]);
}

#[test]
fn faults_are_named() {
    check(&[
        ("cmsgpack.pack()", "?"),
        ("cmsgpack.unpack()", "?"),
        ("cmsgpack.unpack({})", "?"),
        ("return cmsgpack.unpack(1)", "?"),
        ("cmsgpack.unpack('\\204')", "?"),
        ("cmsgpack.unpack('\\205\\1')", "?"),
        ("cmsgpack.unpack('\\203\\1\\1')", "?"),
        ("cmsgpack.unpack('\\163ab')", "?"),
        ("cmsgpack.unpack('\\219\\255\\255\\255\\255ab')", "?"),
        ("cmsgpack.unpack('\\146\\1')", "?"),
        ("cmsgpack.unpack('\\129\\1')", "?"),
        ("cmsgpack.unpack('\\221\\255\\255\\255\\255\\1')", "?"),
        ("cmsgpack.unpack('\\193')", "?"),
        ("cmsgpack.unpack('\\196\\1a')", "?"),
        ("cmsgpack.unpack('\\129\\192\\1')", "?"),
        (
            "cmsgpack.unpack('\\129\\203\\127\\248\\0\\0\\0\\0\\0\\0\\1')",
            "?",
        ),
        ("cmsgpack.unpack_one('\\1', -1)", "?"),
        ("cmsgpack.unpack_one('\\1', 2)", "?"),
        ("cmsgpack.unpack_limit('\\1', -1)", "?"),
        ("cmsgpack.unpack_limit('\\1')", "?"),
        ("cmsgpack.unpack_limit('\\1', 1, {})", "?"),
        ("cmsgpack.unpack(('\\1'):rep(9000))", "?"),
        ("cmsgpack.unpack(('\\145'):rep(9000))", "?"),
        ("cmsgpack.unpack(('\\129'):rep(9000))", "?"),
        ("return select(2, pcall(cmsgpack.unpack, '\\204'))", "?"),
    ]);
}

#[test]
fn tens_of_thousands_of_values_keep_their_order() {
    check(&[
        (
            "local t = {} for i=1,30000 do t[i] = 's' .. i end local u = cmsgpack.unpack(cmsgpack.pack(t)) for i=1,30000 do if u[i] ~= t[i] then return i end end return #u",
            "30000",
        ),
        (
            "local t = {} for i=1,30000 do t['k' .. i] = i end local u = cmsgpack.unpack(cmsgpack.pack(t)) local n = 0 for k, v in pairs(u) do n = n + (t[k] == v and 1 or 0) end return n",
            "30000",
        ),
    ]);
}

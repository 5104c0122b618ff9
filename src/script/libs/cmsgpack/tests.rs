//! MessagePack as Redis's library makes and reads it.

use crate::script::oracle::{HEX, check, check_with};

#[test]
fn numbers_take_the_least_room() {
    check_with(
        HEX,
        &[
            (
                "return hex(cmsgpack.pack(0, 1, 127, 128, 255, 256, 65535, 65536))",
                "00017fcc80ccffcd0100cdffffce00010000",
            ),
            (
                "return hex(cmsgpack.pack(4294967295, 4294967296, 2^53, 2^62, 2^63, 2^64))",
                "ceffffffffcf0000000100000000cf0020000000000000cf4000000000000000ca5f000000ca5f800000",
            ),
            (
                "return hex(cmsgpack.pack(-1, -32, -33, -128, -129, -32768, -32769))",
                "ffe0d0dfd080d1ff7fd18000d2ffff7fff",
            ),
            (
                "return hex(cmsgpack.pack(-2147483648, -2147483649, -2^53, -2^63, -2^65))",
                "d280000000d3ffffffff7fffffffd3ffe0000000000000d38000000000000000cae0000000",
            ),
            (
                "return hex(cmsgpack.pack(0.5, 0.1, -1.25, 1e300, 3.4e38))",
                "ca3f000000cb3fb999999999999acabfa00000cb7e37e43c8800759ccb47eff933c78cdfad",
            ),
            (
                "return hex(cmsgpack.pack(1/0, -1/0, 0/0, -(0/0), -0))",
                "ca7f800000caff800000cbfff8000000000000cb7ff800000000000000",
            ),
        ],
    );
}

const OTHER_VALUES: &[(&str, &str)] = &[
    (
        "return hex(cmsgpack.pack(nil, true, false, cjson.null, print == nil))",
        "ERR user_script:1: Script attempted to access nonexistent global variable 'print'",
    ),
    (
        "return hex(cmsgpack.pack(nil, true, false, cjson.null, pairs))",
        "c0c3c2c0c0",
    ),
    (
        "return hex(cmsgpack.pack('', 'abc', ('x'):rep(31)))",
        "a0a3616263bf78787878787878787878787878787878787878787878787878787878787878",
    ),
    (
        "return hex(cmsgpack.pack(('x'):rep(32)):sub(1, 3))",
        "d92078",
    ),
    (
        "return hex(cmsgpack.pack(('x'):rep(255)):sub(1, 3))",
        "d9ff78",
    ),
    (
        "return hex(cmsgpack.pack(('x'):rep(256)):sub(1, 4))",
        "da010078",
    ),
    (
        "return hex(cmsgpack.pack(('x'):rep(65536)):sub(1, 6))",
        "db0001000078",
    ),
    (
        "return hex(cmsgpack.pack({}, {1,2,3}, {{}}, {a=1}))",
        "9093010203919081a16101",
    ),
    ("return hex(cmsgpack.pack({1,nil,3}))", "8201010303"),
    ("return hex(cmsgpack.pack({[1]=1,[2]=2,[3]=3}))", "93010203"),
    (
        "return hex(cmsgpack.pack({[0]=1}, {[1.5]=1}, {[-1]=1}, {[2^31]=1}, {[true]=1}))",
        "81000181ca3fc000000181ff0181ce800000000181c301",
    ),
    (
        "local t = {} for i=1,16 do t[i]=i end return hex(cmsgpack.pack(t))",
        "dc00100102030405060708090a0b0c0d0e0f10",
    ),
    (
        "local t = {} for i=1,65536 do t[i]=1 end return hex(cmsgpack.pack(t):sub(1,7))",
        "dd000100000101",
    ),
    (
        "local t = {} for i=1,16 do t['k'..i]=1 end return hex(cmsgpack.pack(t):sub(1,3))",
        "de0010",
    ),
    (
        "local t = {} for i=1,65536 do t['k'..i]=1 end return hex(cmsgpack.pack(t):sub(1,5))",
        "df00010000",
    ),
    (
        "local t = {} t[1] = t return hex(cmsgpack.pack(t))",
        "91919191919191919191919191919191c0",
    ),
    (
        "local t = {} t.x = t return hex(cmsgpack.pack(t))",
        "81a17881a17881a17881a17881a17881a17881a17881a17881a17881a17881a17881a17881a17881a17881a17881a178c0",
    ),
    (
        "return hex(cmsgpack.pack(setmetatable({}, {__index=function() return 1 end})))",
        "90",
    ),
    ("return #cmsgpack.pack(struct)", "21"),
];

#[test]
fn other_values() {
    check_with(HEX, OTHER_VALUES);
}

const VALUES_ARE_READ_BACK: &[(&str, &str)] = &[
    (
        "return cjson.encode({cmsgpack.unpack(cmsgpack.pack(0, 127, 255, 65535, 65536, 2^40, -1, -33, -200, -40000, -2^40, 0.5, 0.1, 'abc', true, {1,2,{3}}, {a={b=1}}))})",
        "[0,127,255,65535,65536,1099511627776,-1,-33,-200,-40000,-1099511627776,0.5,0.1,\"abc\",true,[1,2,[3]],{\"a\":{\"b\":1}}]",
    ),
    (
        "return select('#', cmsgpack.unpack(cmsgpack.pack(nil, nil)))",
        "2",
    ),
    (
        "return cjson.encode({cmsgpack.unpack('\\207\\255\\255\\255\\255\\255\\255\\255\\255')})",
        "[-1]",
    ),
    (
        "return cjson.encode({cmsgpack.unpack('\\209\\128\\1')})",
        "[-32767]",
    ),
    (
        "return cjson.encode({cmsgpack.unpack('\\210\\128\\0\\0\\1')})",
        "[-2147483647]",
    ),
    (
        "return cjson.encode({cmsgpack.unpack('\\211\\128\\0\\0\\0\\0\\0\\0\\1')})",
        "[-9.2233720368548e+18]",
    ),
    (
        "return cjson.encode({cmsgpack.unpack('\\217\\2ab\\218\\0\\2ab\\219\\0\\0\\0\\2ab')})",
        "[\"ab\",\"ab\",\"ab\"]",
    ),
    (
        "return cjson.encode({cmsgpack.unpack('\\220\\0\\1\\1\\221\\0\\0\\0\\1\\1')})",
        "[[1],[1]]",
    ),
    (
        "return cjson.encode({cmsgpack.unpack('\\222\\0\\1\\1\\2\\223\\0\\0\\0\\1\\1\\2')})",
        "[[2],[2]]",
    ),
    (
        "return cjson.encode({cmsgpack.unpack('\\147\\1\\192\\3')})",
        "[[1,null,3]]",
    ),
    (
        "return cjson.encode({cmsgpack.unpack('\\129\\161a\\192')})",
        "[{}]",
    ),
    ("return cjson.encode({cmsgpack.unpack('')})", "{}"),
    (
        "return cjson.encode({cmsgpack.unpack_one(cmsgpack.pack(7, 8, 9))})",
        "[1,7]",
    ),
    (
        "return cjson.encode({cmsgpack.unpack_one(cmsgpack.pack(7, 8, 9), 1)})",
        "[2,8]",
    ),
    (
        "return cjson.encode({cmsgpack.unpack_one(cmsgpack.pack(7, 8, 9), 2)})",
        "[-1,9]",
    ),
    (
        "return cjson.encode({cmsgpack.unpack_one(cmsgpack.pack(7, 8, 9), 3)})",
        "[-1]",
    ),
    (
        "return cjson.encode({cmsgpack.unpack_limit(cmsgpack.pack(7, 8, 9), 2)})",
        "[2,7,8]",
    ),
    (
        "return cjson.encode({cmsgpack.unpack_limit(cmsgpack.pack(7, 8, 9), 5, 1)})",
        "[-1,8,9]",
    ),
    (
        "return cjson.encode({cmsgpack.unpack_limit(cmsgpack.pack(7, 8, 9), 0)})",
        "[7,8,9]",
    ),
    (
        "return cjson.encode({cmsgpack.unpack_limit(cmsgpack.pack(7, 8, 9), 0, 1)})",
        "[1]",
    ),
    (
        "local t = {} for i=1,3900 do t[i]=i end return select('#', cmsgpack.unpack(cmsgpack.pack(unpack(t))))",
        "3900",
    ),
    (
        "local s = ('\\145'):rep(900) .. '\\1' local t = cmsgpack.unpack(s) local n = 0 while type(t) == 'table' do t = t[1] n = n + 1 end return n",
        "900",
    ),
];

#[test]
fn values_are_read_back() {
    check(VALUES_ARE_READ_BACK);
}

const FAULTS_ARE_NAMED: &[(&str, &str)] = &[
    (
        "cmsgpack.pack()",
        "ERR user_script:1: bad argument #0 to 'pack' (MessagePack pack needs input.)",
    ),
    (
        "cmsgpack.unpack()",
        "ERR user_script:1: bad argument #1 to 'unpack' (string expected, got no value)",
    ),
    (
        "cmsgpack.unpack({})",
        "ERR user_script:1: bad argument #1 to 'unpack' (string expected, got table)",
    ),
    ("return cmsgpack.unpack(1)", "49"),
    (
        "cmsgpack.unpack('\\204')",
        "ERR user_script:1: Missing bytes in input.",
    ),
    (
        "cmsgpack.unpack('\\205\\1')",
        "ERR user_script:1: Missing bytes in input.",
    ),
    (
        "cmsgpack.unpack('\\203\\1\\1')",
        "ERR user_script:1: Missing bytes in input.",
    ),
    (
        "cmsgpack.unpack('\\163ab')",
        "ERR user_script:1: Missing bytes in input.",
    ),
    (
        "cmsgpack.unpack('\\219\\255\\255\\255\\255ab')",
        "ERR user_script:1: Missing bytes in input.",
    ),
    (
        "cmsgpack.unpack('\\146\\1')",
        "ERR user_script:1: Missing bytes in input.",
    ),
    (
        "cmsgpack.unpack('\\129\\1')",
        "ERR user_script:1: Missing bytes in input.",
    ),
    (
        "cmsgpack.unpack('\\221\\255\\255\\255\\255\\1')",
        "ERR user_script:1: Missing bytes in input.",
    ),
    (
        "cmsgpack.unpack('\\193')",
        "ERR user_script:1: Bad data format in input.",
    ),
    (
        "cmsgpack.unpack('\\196\\1a')",
        "ERR user_script:1: Bad data format in input.",
    ),
    ("cmsgpack.unpack('\\129\\192\\1')", "ERR table index is nil"),
    (
        "cmsgpack.unpack('\\129\\203\\127\\248\\0\\0\\0\\0\\0\\0\\1')",
        "ERR table index is NaN",
    ),
    (
        "cmsgpack.unpack_one('\\1', -1)",
        "ERR user_script:1: Invalid request to unpack with offset of -1 and limit of 1.",
    ),
    (
        "cmsgpack.unpack_one('\\1', 2)",
        "ERR user_script:1: Start offset 2 greater than input length 1.",
    ),
    (
        "cmsgpack.unpack_limit('\\1', -1)",
        "ERR user_script:1: Invalid request to unpack with offset of 0 and limit of 1.",
    ),
    (
        "cmsgpack.unpack_limit('\\1')",
        "ERR user_script:1: bad argument #2 to 'unpack_limit' (number expected, got no value)",
    ),
    (
        "cmsgpack.unpack_limit('\\1', 1, {})",
        "ERR user_script:1: bad argument #3 to 'unpack_limit' (number expected, got table)",
    ),
    (
        "cmsgpack.unpack(('\\1'):rep(9000))",
        "ERR user_script:1: stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)",
    ),
    (
        "cmsgpack.unpack(('\\145'):rep(9000))",
        "ERR user_script:1: stack overflow (in function mp_decode_to_lua_array)",
    ),
    (
        "cmsgpack.unpack(('\\129'):rep(9000))",
        "ERR user_script:1: stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)",
    ),
    (
        "return select(2, pcall(cmsgpack.unpack, '\\204'))",
        "Missing bytes in input.",
    ),
];

#[test]
fn faults_are_named() {
    check(FAULTS_ARE_NAMED);
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

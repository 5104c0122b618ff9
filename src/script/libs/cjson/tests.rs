//! JSON as Redis's library makes and reads it.

use crate::script::oracle::{HEX, check, check_with, run};
use crate::script::sandbox;

#[test]
fn values_are_encoded() {
    check(&[
        ("return cjson.encode({1,2,3})", "[1,2,3]"),
        ("return cjson.encode({a=1})", "{\"a\":1}"),
        ("return cjson.encode({})", "{}"),
        ("return cjson.encode({{}, {{}}})", "[{},[{}]]"),
        ("return cjson.encode({1,nil,3})", "[1,null,3]"),
        ("return cjson.encode({[1]=1,[4]=4})", "[1,null,null,4]"),
        ("return cjson.encode({[5]=1})", "[null,null,null,null,1]"),
        (
            "return cjson.encode({[10]=1})",
            "[null,null,null,null,null,null,null,null,null,1]",
        ),
        (
            "return cjson.encode({[11]=1})",
            "ERR user_script:1: Cannot serialise table: excessively sparse array",
        ),
        ("return cjson.encode({[0]=1})", "{\"0\":1}"),
        ("return cjson.encode({[-1]=1})", "{\"-1\":1}"),
        ("return cjson.encode({[1.5]=1})", "{\"1.5\":1}"),
        ("return cjson.encode({[2^31]=1})", "{\"2147483648\":1}"),
        ("return cjson.encode({[2^40]=1})", "{\"1099511627776\":1}"),
        (
            "return cjson.encode({[true]=1})",
            "ERR user_script:1: Cannot serialise boolean: table key must be a number or string",
        ),
        ("return cjson.encode('x')", "\"x\""),
        ("return cjson.encode(nil)", "null"),
        (
            "return cjson.encode(true) .. cjson.encode(false) .. cjson.encode(cjson.null)",
            "truefalsenull",
        ),
        (
            "return cjson.encode({x=print ~= nil})",
            "ERR user_script:1: Script attempted to access nonexistent global variable 'print'",
        ),
        (
            "return cjson.encode({pairs})",
            "ERR user_script:1: Cannot serialise function: type not supported",
        ),
        (
            "return cjson.encode(coroutine.create(function() end))",
            "ERR user_script:1: Cannot serialise thread: type not supported",
        ),
        (
            "return cjson.encode({x={y={z='deep'}}})",
            "{\"x\":{\"y\":{\"z\":\"deep\"}}}",
        ),
        (
            "return cjson.encode(setmetatable({}, {__index=function() return 1 end}))",
            "{}",
        ),
    ]);
}

#[test]
fn strings_are_escaped() {
    check_with(
        HEX,
        &[
            (
                "local t = {} for i=0,63 do t[#t+1] = string.char(i) end return cjson.encode(table.concat(t))",
                "\"\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e\\u000f\\u0010\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001b\\u001c\\u001d\\u001e\\u001f !\\\"#$%&'()*+,-.\\/0123456789:;<=>?\"",
            ),
            (
                "local t = {} for i=64,255 do t[#t+1] = string.char(i) end return hex(cjson.encode(table.concat(t)))",
                "22404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e5c7530303766808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff22",
            ),
            ("return cjson.encode({['a/\"b']=1})", "{\"a\\/\\\"b\":1}"),
        ],
    );
}

#[test]
fn numbers_have_fourteen_digits() {
    check(&[
        (
            "return cjson.encode({0, -0, 1, -1, 0.1, 1/3, -2/3, 100, 1e14, 99999999999999, 123456789012345, 1e15, 1e100, 1e-5, 1e-4, 0.00012345})",
            "[0,0,1,-1,0.1,0.33333333333333,-0.66666666666667,100,1e+14,99999999999999,1.2345678901234e+14,1e+15,1e+100,1e-05,0.0001,0.00012345]",
        ),
        (
            "return cjson.encode({2^53, 2^63, 2^64, 1.5e300, 5e-324, 1.7976931348623157e308, 3.14159265358979})",
            "[9.007199254741e+15,9.2233720368548e+18,1.844674407371e+19,1.5e+300,4.9406564584125e-324,1.7976931348623e+308,3.1415926535898]",
        ),
        (
            "return cjson.encode(1/0)",
            "ERR user_script:1: Cannot serialise number: must not be NaN or Inf",
        ),
        (
            "return cjson.encode(0/0)",
            "ERR user_script:1: Cannot serialise number: must not be NaN or Inf",
        ),
        (
            "return cjson.encode({x=-1/0})",
            "ERR user_script:1: Cannot serialise number: must not be NaN or Inf",
        ),
        (
            "return cjson.encode({[1/0]=1})",
            "ERR user_script:1: Cannot serialise number: must not be NaN or Inf",
        ),
        ("return cjson.encode({[0.1]=1})", "{\"0.1\":1}"),
        (
            "local c = cjson.new() c.encode_number_precision(3) return c.encode({1/3, 1234, 12345.678, 100, 999, 1000})",
            "[0.333,1.23e+03,1.23e+04,100,999,1e+03]",
        ),
        (
            "local c = cjson.new() c.encode_number_precision(1) return c.encode({1/3, 1234, 9.5, 5})",
            "[0.3,1e+03,1e+01,5]",
        ),
        (
            "local c = cjson.new() c.encode_invalid_numbers('on') return c.encode({1/0, -1/0, 0/0, -(0/0)})",
            "[inf,-inf,nan,nan]",
        ),
        (
            "local c = cjson.new() c.encode_invalid_numbers('null') return c.encode({1/0, -1/0, 0/0, [5]=2})",
            "[null,null,null,null,2]",
        ),
        (
            "local c = cjson.new() c.encode_invalid_numbers(true) return c.encode({[1/0]=1})",
            "{\"inf\":1}",
        ),
    ]);
}

const SETTINGS_ANSWER_WHAT_THEY_ARE: &[(&str, &str)] = &[
    (
        "local c = cjson.new() return tostring(c.encode_sparse_array()) .. select(2, c.encode_sparse_array()) .. select(3, c.encode_sparse_array())",
        "false210",
    ),
    (
        "local c = cjson.new() c.encode_sparse_array(true, 3, 20) return tostring(c.encode_sparse_array()) .. select(2, c.encode_sparse_array()) .. select(3, c.encode_sparse_array())",
        "true320",
    ),
    (
        "local c = cjson.new() c.encode_sparse_array(true) return c.encode({[11]=1})",
        "{\"11\":1}",
    ),
    (
        "local c = cjson.new() c.encode_sparse_array(false, 0) return c.encode({[11]=1})",
        "[null,null,null,null,null,null,null,null,null,null,1]",
    ),
    (
        "local c = cjson.new() c.encode_sparse_array(false, 2, 3) return c.encode({[4]=1})",
        "ERR user_script:1: Cannot serialise table: excessively sparse array",
    ),
    (
        "local c = cjson.new() return c.encode_max_depth() .. ' ' .. c.decode_max_depth() .. ' ' .. c.encode_number_precision()",
        "1000 1000 14",
    ),
    (
        "local c = cjson.new() return tostring(c.encode_keep_buffer()) .. tostring(c.encode_keep_buffer(false)) .. tostring(c.encode_keep_buffer('on'))",
        "truefalsetrue",
    ),
    (
        "local c = cjson.new() return tostring(c.encode_invalid_numbers()) .. tostring(c.encode_invalid_numbers('on')) .. tostring(c.encode_invalid_numbers('null'))",
        "falsetruenull",
    ),
    (
        "local c = cjson.new() return tostring(c.decode_invalid_numbers()) .. tostring(c.decode_invalid_numbers('off'))",
        "truefalse",
    ),
    (
        "cjson.encode_max_depth(0)",
        "ERR user_script:1: bad argument #1 to 'encode_max_depth' (expected integer between 1 and 2147483647)",
    ),
    (
        "cjson.encode_max_depth('x')",
        "ERR user_script:1: bad argument #1 to 'encode_max_depth' (number expected, got string)",
    ),
    (
        "cjson.encode_max_depth(1, 2)",
        "ERR user_script:1: bad argument #2 to 'encode_max_depth' (found too many arguments)",
    ),
    (
        "cjson.encode_sparse_array(1)",
        "ERR user_script:1: bad argument #1 to 'encode_sparse_array' (invalid option '1')",
    ),
    (
        "cjson.encode_sparse_array('maybe')",
        "ERR user_script:1: bad argument #1 to 'encode_sparse_array' (invalid option 'maybe')",
    ),
    (
        "local c = cjson.new() c.encode_sparse_array(true, -1)",
        "ERR user_script:1: bad argument #1 to 'encode_sparse_array' (expected integer between 0 and 2147483647)",
    ),
    (
        "local c = cjson.new() c.encode_sparse_array(true, 1, -1)",
        "ERR user_script:1: bad argument #1 to 'encode_sparse_array' (expected integer between 0 and 2147483647)",
    ),
    (
        "local c = cjson.new() c.encode_sparse_array(true, 1, 1, 1)",
        "ERR user_script:1: bad argument #4 to 'encode_sparse_array' (found too many arguments)",
    ),
    (
        "cjson.encode_number_precision(15)",
        "ERR user_script:1: bad argument #1 to 'encode_number_precision' (expected integer between 1 and 14)",
    ),
    (
        "cjson.encode_invalid_numbers('x')",
        "ERR user_script:1: bad argument #1 to 'encode_invalid_numbers' (invalid option 'x')",
    ),
    (
        "cjson.encode_invalid_numbers({})",
        "ERR user_script:1: bad argument #1 to 'encode_invalid_numbers' (string expected, got table)",
    ),
    (
        "cjson.encode()",
        "ERR user_script:1: bad argument #1 to 'encode' (expected 1 argument)",
    ),
    (
        "cjson.encode(1, 2)",
        "ERR user_script:1: bad argument #1 to 'encode' (expected 1 argument)",
    ),
    (
        "cjson.decode()",
        "ERR user_script:1: bad argument #1 to 'decode' (expected 1 argument)",
    ),
    (
        "cjson.decode({})",
        "ERR user_script:1: bad argument #1 to 'decode' (string expected, got table)",
    ),
    ("return cjson.decode(12)", "12"),
    ("return cjson._NAME .. cjson._VERSION", "cjson2.1.0"),
    (
        "return type(cjson.null) .. tostring(cjson.null == cjson.decode('null')) .. tostring(cjson.null)",
        "userdatatrueuserdata: (nil)",
    ),
];

#[test]
fn settings_answer_what_they_are() {
    check(SETTINGS_ANSWER_WHAT_THEY_ARE);
}

#[test]
fn texts_are_decoded() {
    check_with(
        HEX,
        &[
            ("return cjson.encode(cjson.decode('[1,2,3]'))", "[1,2,3]"),
            (
                "return cjson.encode(cjson.decode(' { \"a\" : [ 1 , { } , [ ] ] } '))",
                "{\"a\":[1,{},{}]}",
            ),
            (
                "return cjson.encode(cjson.decode('[null,true,false,\"x\"]'))",
                "[null,true,false,\"x\"]",
            ),
            (
                "return cjson.encode(cjson.decode('{\"a\":null}'))",
                "{\"a\":null}",
            ),
            (
                "return tostring(cjson.decode('1e3')) .. tostring(cjson.decode('-0.5')) .. tostring(cjson.decode('007')) .. tostring(cjson.decode('0x1f'))",
                "1000-0.5731",
            ),
            (
                "return tostring(cjson.decode('inf')) .. tostring(cjson.decode('-Infinity')) .. tostring(cjson.decode('+5'))",
                "inf-inf5",
            ),
            (
                "return tostring(cjson.decode('nan') ~= cjson.decode('NaN'))",
                "true",
            ),
            (
                "return hex(cjson.decode('\"\\\\\"\\\\\\\\\\\\/\\\\b\\\\f\\\\n\\\\r\\\\t\"'))",
                "225c2f080c0a0d09",
            ),
            (
                "return hex(cjson.decode('\"\\\\u0000\\\\u0041\\\\u00e9\\\\u20AC\\\\ud83d\\\\uDE00\"'))",
                "0041c3a9e282acf09f9880",
            ),
            (
                "return hex(cjson.decode('\"a\\\\u0041b\\\\nc\"'))",
                "6141620a63",
            ),
            ("return hex(cjson.decode('\"\\255\\254\"'))", "fffe"),
            ("return cjson.decode('{\"1\":\"x\"}')['1']", "x"),
            ("return cjson.decode('{\"a\":1,\"a\":2}').a", "2"),
            ("return cjson.decode('12\\0junk')", "12"),
            (
                "return #cjson.decode('[' .. ('1,'):rep(20000) .. '1]')",
                "20001",
            ),
            (
                "return #cjson.decode('[' .. ('\"x\",'):rep(20000) .. '1]')",
                "20001",
            ),
        ],
    );
}

const FAULTS_OF_TEXTS_ARE_NAMED: &[(&str, &str)] = &[
    (
        "cjson.decode('')",
        "ERR user_script:1: Expected value but found T_END at character 1",
    ),
    (
        "cjson.decode('x')",
        "ERR user_script:1: Expected value but found invalid token at character 1",
    ),
    (
        "cjson.decode('[')",
        "ERR user_script:1: Expected value but found T_END at character 2",
    ),
    (
        "cjson.decode('[1')",
        "ERR user_script:1: Expected comma or array end but found T_END at character 3",
    ),
    (
        "cjson.decode('[1,]')",
        "ERR user_script:1: Expected value but found T_ARR_END at character 4",
    ),
    (
        "cjson.decode('[1 2]')",
        "ERR user_script:1: Expected comma or array end but found T_NUMBER at character 4",
    ),
    (
        "cjson.decode('[1}')",
        "ERR user_script:1: Expected comma or array end but found T_OBJ_END at character 3",
    ),
    (
        "cjson.decode('{')",
        "ERR user_script:1: Expected object key string but found T_END at character 2",
    ),
    (
        "cjson.decode('{1:2}')",
        "ERR user_script:1: Expected object key string but found T_NUMBER at character 2",
    ),
    (
        "cjson.decode('{\"a\"}')",
        "ERR user_script:1: Expected colon but found T_OBJ_END at character 5",
    ),
    (
        "cjson.decode('{\"a\":}')",
        "ERR user_script:1: Expected value but found T_OBJ_END at character 6",
    ),
    (
        "cjson.decode('{\"a\":1')",
        "ERR user_script:1: Expected comma or object end but found T_END at character 7",
    ),
    (
        "cjson.decode('{\"a\":1]')",
        "ERR user_script:1: Expected comma or object end but found T_ARR_END at character 7",
    ),
    (
        "cjson.decode('{\"a\":1,}')",
        "ERR user_script:1: Expected object key string but found T_OBJ_END at character 8",
    ),
    (
        "cjson.decode('{\"a\":x}')",
        "ERR user_script:1: Expected value but found invalid token at character 6",
    ),
    (
        "cjson.decode('1 2')",
        "ERR user_script:1: Expected the end but found T_NUMBER at character 3",
    ),
    (
        "cjson.decode(']')",
        "ERR user_script:1: Expected value but found T_ARR_END at character 1",
    ),
    (
        "cjson.decode(',')",
        "ERR user_script:1: Expected value but found T_COMMA at character 1",
    ),
    (
        "cjson.decode('tru')",
        "ERR user_script:1: Expected value but found invalid token at character 1",
    ),
    (
        "cjson.decode('nul')",
        "ERR user_script:1: Expected value but found invalid token at character 1",
    ),
    (
        "cjson.decode('  nope')",
        "ERR user_script:1: Expected value but found invalid token at character 3",
    ),
    (
        "cjson.decode('-')",
        "ERR user_script:1: Expected value but found invalid number at character 1",
    ),
    (
        "cjson.decode('-x')",
        "ERR user_script:1: Expected value but found invalid number at character 1",
    ),
    (
        "cjson.decode('+')",
        "ERR user_script:1: Expected value but found invalid number at character 1",
    ),
    (
        "cjson.decode('i')",
        "ERR user_script:1: Expected value but found invalid token at character 1",
    ),
    (
        "cjson.decode('infi')",
        "ERR user_script:1: Expected the end but found invalid token at character 4",
    ),
    (
        "cjson.decode('.5')",
        "ERR user_script:1: Expected value but found invalid token at character 1",
    ),
    (
        "cjson.decode('\"abc')",
        "ERR user_script:1: Expected value but found unexpected end of string at character 5",
    ),
    (
        "cjson.decode('\"ab\\0c\"')",
        "ERR user_script:1: Expected value but found unexpected end of string at character 4",
    ),
    (
        "cjson.decode('\"\\\\x\"')",
        "ERR user_script:1: Expected value but found invalid escape code at character 2",
    ),
    (
        "cjson.decode('\"\\\\')",
        "ERR user_script:1: Expected value but found invalid escape code at character 2",
    ),
    (
        "cjson.decode('\"\\\\u12\"')",
        "ERR user_script:1: Expected value but found invalid unicode escape code at character 2",
    ),
    (
        "cjson.decode('\"\\\\ud800\"')",
        "ERR user_script:1: Expected value but found invalid unicode escape code at character 2",
    ),
    (
        "cjson.decode('\"\\\\udc00\"')",
        "ERR user_script:1: Expected value but found invalid unicode escape code at character 2",
    ),
    (
        "cjson.decode('\"\\\\ud800\\\\u0041\"')",
        "ERR user_script:1: Expected value but found invalid unicode escape code at character 2",
    ),
    (
        "cjson.decode('\\0a')",
        "ERR user_script:1: JSON parser does not support UTF-16 or UTF-32",
    ),
    (
        "cjson.decode('a\\0')",
        "ERR user_script:1: JSON parser does not support UTF-16 or UTF-32",
    ),
    (
        "cjson.decode(('['):rep(1001))",
        "ERR user_script:1: Found too many nested data structures (1001) at character 1001",
    ),
    (
        "cjson.decode(('{\"a\":'):rep(1001))",
        "ERR user_script:1: Found too many nested data structures (1001) at character 5001",
    ),
    (
        "local c = cjson.new() c.decode_max_depth(2) c.decode('[[1]]') c.decode('[[[1]]]')",
        "ERR user_script:1: Found too many nested data structures (3) at character 3",
    ),
    (
        "local c = cjson.new() c.decode_invalid_numbers(false) c.decode('0x1')",
        "ERR user_script:1: Expected value but found invalid number at character 1",
    ),
    (
        "local c = cjson.new() c.decode_invalid_numbers(false) c.decode('01')",
        "ERR user_script:1: Expected value but found invalid number at character 1",
    ),
    (
        "local c = cjson.new() c.decode_invalid_numbers(false) c.decode('nan')",
        "ERR user_script:1: Expected value but found invalid token at character 1",
    ),
    (
        "local c = cjson.new() c.decode_invalid_numbers(false) c.decode('-inf')",
        "ERR user_script:1: Expected value but found invalid number at character 1",
    ),
    (
        "local c = cjson.new() c.decode_invalid_numbers(false) c.decode('+1')",
        "ERR user_script:1: Expected value but found invalid token at character 1",
    ),
    (
        "local c = cjson.new() c.decode_invalid_numbers(false) return tostring(c.decode('0.5'))",
        "0.5",
    ),
];

#[test]
fn faults_of_texts_are_named() {
    check(FAULTS_OF_TEXTS_ARE_NAMED);
}

#[test]
fn nesting_is_bounded() {
    check(&[
        (
            "local t = {} for i=1,999 do t = {t} end return #cjson.encode(t)",
            "2000",
        ),
        (
            "local t = {} for i=1,1000 do t = {t} end return #cjson.encode(t)",
            "ERR user_script:1: Cannot serialise, excessive nesting (1001)",
        ),
        (
            "local t = {} t.x = t return #cjson.encode(t)",
            "ERR user_script:1: Cannot serialise, excessive nesting (1001)",
        ),
        (
            "local t = cjson.decode(('['):rep(1000) .. (']'):rep(1000)) local n = 0 while t do t = t[1] n = n + 1 end return n",
            "1000",
        ),
    ]);
    let lua = sandbox::new_vm().expect("an interpreter can be built");
    let deep = "cjson.encode_max_depth(1e9) cjson.decode_max_depth(1e9) ";
    let array = "local t = {} for i=1,5000 do t = {t} end return cjson.encode(t)";
    let object = "local t = {} for i=1,5000 do t = {x=t} end return cjson.encode(t)";
    let text = "return cjson.decode(('['):rep(100000))";
    let fits = "local t = {} for i=1,1999 do t = {x=t} end return #cjson.encode(cjson.decode(cjson.encode(t)))";
    let encoding = "ERR user_script:1: Cannot serialise, excessive nesting (2001)";
    let decoding =
        "ERR user_script:1: Found too many nested data structures (2001) at character 2001";
    for (script, answer) in [
        (array, encoding),
        (object, encoding),
        (text, decoding),
        (fits, "11996"),
    ] {
        assert_eq!(run(&lua, &format!("{deep}{script}")), answer);
    }
}

//! JSON as Redis's library makes and reads it.

use crate::script::oracle::{HEX, check, check_with, run};
use crate::script::sandbox;

#[test]
fn values_are_encoded() {
    check(&[
        ("return cjson.encode({1,2,3})", "[1,2,3]"),
        ("return cjson.encode({a=1})", "{\"a\":1}"),
        ("return cjson.encode({})", "{}"),
        ("return cjson.encode({{}, {{}}})", "?"),
        ("return cjson.encode({1,nil,3})", "[1,null,3]"),
        ("return cjson.encode({[1]=1,[4]=4})", "?"),
        ("return cjson.encode({[5]=1})", "?"),
        ("return cjson.encode({[10]=1})", "?"),
        ("return cjson.encode({[11]=1})", "?"),
        ("return cjson.encode({[0]=1})", "?"),
        ("return cjson.encode({[-1]=1})", "?"),
        ("return cjson.encode({[1.5]=1})", "?"),
        ("return cjson.encode({[2^31]=1})", "?"),
        ("return cjson.encode({[2^40]=1})", "?"),
        ("return cjson.encode({[true]=1})", "?"),
        ("return cjson.encode('x')", "\"x\""),
        ("return cjson.encode(nil)", "null"),
        (
            "return cjson.encode(true) .. cjson.encode(false) .. cjson.encode(cjson.null)",
            "truefalsenull",
        ),
        ("return cjson.encode({x=print ~= nil})", "?"),
        ("return cjson.encode({pairs})", "?"),
        ("return cjson.encode(coroutine.create(function() end))", "?"),
        ("return cjson.encode({x={y={z='deep'}}})", "?"),
        (
            "return cjson.encode(setmetatable({}, {__index=function() return 1 end}))",
            "?",
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
                "?",
            ),
            (
                "local t = {} for i=64,255 do t[#t+1] = string.char(i) end return hex(cjson.encode(table.concat(t)))",
                "?",
            ),
            ("return cjson.encode({['a/\"b']=1})", "?"),
        ],
    );
}

#[test]
fn numbers_have_fourteen_digits() {
    check(&[
        (
            "return cjson.encode({0, -0, 1, -1, 0.1, 1/3, -2/3, 100, 1e14, 99999999999999, 123456789012345, 1e15, 1e100, 1e-5, 1e-4, 0.00012345})",
            "?",
        ),
        (
            "return cjson.encode({2^53, 2^63, 2^64, 1.5e300, 5e-324, 1.7976931348623157e308, 3.14159265358979})",
            "?",
        ),
        ("return cjson.encode(1/0)", "?"),
        ("return cjson.encode(0/0)", "?"),
        ("return cjson.encode({x=-1/0})", "?"),
        ("return cjson.encode({[1/0]=1})", "?"),
        ("return cjson.encode({[0.1]=1})", "?"),
        (
            "local c = cjson.new() c.encode_number_precision(3) return c.encode({1/3, 1234, 12345.678, 100, 999, 1000})",
            "?",
        ),
        (
            "local c = cjson.new() c.encode_number_precision(1) return c.encode({1/3, 1234, 9.5, 5})",
            "?",
        ),
        (
            "local c = cjson.new() c.encode_invalid_numbers('on') return c.encode({1/0, -1/0, 0/0, -(0/0)})",
            "?",
        ),
        (
            "local c = cjson.new() c.encode_invalid_numbers('null') return c.encode({1/0, -1/0, 0/0, [5]=2})",
            "?",
        ),
        (
            "local c = cjson.new() c.encode_invalid_numbers(true) return c.encode({[1/0]=1})",
            "?",
        ),
    ]);
}

#[test]
fn settings_answer_what_they_are() {
    check(&[
        (
            "local c = cjson.new() return tostring(c.encode_sparse_array()) .. select(2, c.encode_sparse_array()) .. select(3, c.encode_sparse_array())",
            "?",
        ),
        (
            "local c = cjson.new() c.encode_sparse_array(true, 3, 20) return tostring(c.encode_sparse_array()) .. select(2, c.encode_sparse_array()) .. select(3, c.encode_sparse_array())",
            "?",
        ),
        (
            "local c = cjson.new() c.encode_sparse_array(true) return c.encode({[11]=1})",
            "?",
        ),
        (
            "local c = cjson.new() c.encode_sparse_array(false, 0) return c.encode({[11]=1})",
            "?",
        ),
        (
            "local c = cjson.new() c.encode_sparse_array(false, 2, 3) return c.encode({[4]=1})",
            "?",
        ),
        (
            "local c = cjson.new() return c.encode_max_depth() .. ' ' .. c.decode_max_depth() .. ' ' .. c.encode_number_precision()",
            "?",
        ),
        (
            "local c = cjson.new() return tostring(c.encode_keep_buffer()) .. tostring(c.encode_keep_buffer(false)) .. tostring(c.encode_keep_buffer('on'))",
            "?",
        ),
        (
            "local c = cjson.new() return tostring(c.encode_invalid_numbers()) .. tostring(c.encode_invalid_numbers('on')) .. tostring(c.encode_invalid_numbers('null'))",
            "?",
        ),
        (
            "local c = cjson.new() return tostring(c.decode_invalid_numbers()) .. tostring(c.decode_invalid_numbers('off'))",
            "?",
        ),
        ("cjson.encode_max_depth(0)", "?"),
        ("cjson.encode_max_depth('x')", "?"),
        ("cjson.encode_max_depth(1, 2)", "?"),
        ("cjson.encode_sparse_array(1)", "?"),
        ("cjson.encode_sparse_array('maybe')", "?"),
        ("cjson.encode_sparse_array(true, -1)", "?"),
        ("cjson.encode_sparse_array(true, 1, -1)", "?"),
        ("cjson.encode_sparse_array(true, 1, 1, 1)", "?"),
        ("cjson.encode_number_precision(15)", "?"),
        ("cjson.encode_invalid_numbers('x')", "?"),
        ("cjson.encode_invalid_numbers({})", "?"),
        ("cjson.encode()", "?"),
        ("cjson.encode(1, 2)", "?"),
        ("cjson.decode()", "?"),
        ("cjson.decode({})", "?"),
        ("return cjson.decode(12)", "12"),
        ("return cjson._NAME .. cjson._VERSION", "?"),
        (
            "return type(cjson.null) .. tostring(cjson.null == cjson.decode('null')) .. tostring(cjson.null)",
            "?",
        ),
    ]);
}

#[test]
fn texts_are_decoded() {
    check_with(
        HEX,
        &[
            ("return cjson.encode(cjson.decode('[1,2,3]'))", "[1,2,3]"),
            (
                "return cjson.encode(cjson.decode(' { \"a\" : [ 1 , { } , [ ] ] } '))",
                "?",
            ),
            (
                "return cjson.encode(cjson.decode('[null,true,false,\"x\"]'))",
                "?",
            ),
            ("return cjson.encode(cjson.decode('{\"a\":null}'))", "?"),
            (
                "return tostring(cjson.decode('1e3')) .. tostring(cjson.decode('-0.5')) .. tostring(cjson.decode('007')) .. tostring(cjson.decode('0x1f'))",
                "?",
            ),
            (
                "return tostring(cjson.decode('inf')) .. tostring(cjson.decode('-Infinity')) .. tostring(cjson.decode('+5'))",
                "?",
            ),
            (
                "return tostring(cjson.decode('nan') ~= cjson.decode('NaN'))",
                "?",
            ),
            (
                "return hex(cjson.decode('\"\\\\\"\\\\\\\\\\\\/\\\\b\\\\f\\\\n\\\\r\\\\t\"'))",
                "?",
            ),
            (
                "return hex(cjson.decode('\"\\\\u0000\\\\u0041\\\\u00e9\\\\u20AC\\\\ud83d\\\\uDE00\"'))",
                "?",
            ),
            ("return hex(cjson.decode('\"a\\\\u0041b\\\\nc\"'))", "?"),
            ("return hex(cjson.decode('\"\\255\\254\"'))", "?"),
            ("return cjson.decode('{\"1\":\"x\"}')['1']", "x"),
            ("return cjson.decode('{\"a\":1,\"a\":2}').a", "2"),
            ("return cjson.decode('1\\0junk')", "1"),
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

#[test]
fn faults_of_texts_are_named() {
    check(&[
        ("cjson.decode('')", "?"),
        ("cjson.decode('x')", "?"),
        ("cjson.decode('[')", "?"),
        ("cjson.decode('[1')", "?"),
        ("cjson.decode('[1,]')", "?"),
        ("cjson.decode('[1 2]')", "?"),
        ("cjson.decode('[1}')", "?"),
        ("cjson.decode('{')", "?"),
        ("cjson.decode('{1:2}')", "?"),
        ("cjson.decode('{\"a\"}')", "?"),
        ("cjson.decode('{\"a\":}')", "?"),
        ("cjson.decode('{\"a\":1')", "?"),
        ("cjson.decode('{\"a\":1]')", "?"),
        ("cjson.decode('{\"a\":1,}')", "?"),
        ("cjson.decode('{\"a\":x}')", "?"),
        ("cjson.decode('1 2')", "?"),
        ("cjson.decode(']')", "?"),
        ("cjson.decode(',')", "?"),
        ("cjson.decode('tru')", "?"),
        ("cjson.decode('nul')", "?"),
        ("cjson.decode('  nope')", "?"),
        ("cjson.decode('-')", "?"),
        ("cjson.decode('-x')", "?"),
        ("cjson.decode('+')", "?"),
        ("cjson.decode('i')", "?"),
        ("cjson.decode('infi')", "?"),
        ("cjson.decode('.5')", "?"),
        ("cjson.decode('\"abc')", "?"),
        ("cjson.decode('\"ab\\0c\"')", "?"),
        ("cjson.decode('\"\\\\x\"')", "?"),
        ("cjson.decode('\"\\\\')", "?"),
        ("cjson.decode('\"\\\\u12\"')", "?"),
        ("cjson.decode('\"\\\\ud800\"')", "?"),
        ("cjson.decode('\"\\\\udc00\"')", "?"),
        ("cjson.decode('\"\\\\ud800\\\\u0041\"')", "?"),
        ("cjson.decode('\\0a')", "?"),
        ("cjson.decode('a\\0')", "?"),
        ("cjson.decode(('['):rep(1001))", "?"),
        ("cjson.decode(('{\"a\":'):rep(1001))", "?"),
        (
            "local c = cjson.new() c.decode_max_depth(2) c.decode('[[1]]') c.decode('[[[1]]]')",
            "?",
        ),
        (
            "local c = cjson.new() c.decode_invalid_numbers(false) c.decode('0x1')",
            "?",
        ),
        (
            "local c = cjson.new() c.decode_invalid_numbers(false) c.decode('01')",
            "?",
        ),
        (
            "local c = cjson.new() c.decode_invalid_numbers(false) c.decode('nan')",
            "?",
        ),
        (
            "local c = cjson.new() c.decode_invalid_numbers(false) c.decode('-inf')",
            "?",
        ),
        (
            "local c = cjson.new() c.decode_invalid_numbers(false) c.decode('+1')",
            "?",
        ),
        (
            "local c = cjson.new() c.decode_invalid_numbers(false) return tostring(c.decode('0.5'))",
            "0.5",
        ),
    ]);
}

#[test]
fn nesting_is_bounded() {
    check(&[
        (
            "local t = {} for i=1,999 do t = {t} end return #cjson.encode(t)",
            "?",
        ),
        (
            "local t = {} for i=1,1000 do t = {t} end return #cjson.encode(t)",
            "?",
        ),
        ("local t = {} t.x = t return #cjson.encode(t)", "?"),
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

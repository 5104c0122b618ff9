//! For tests: tables of scripts and what they answer, run here, and on a Redis server if one is named.
//!
//! `SCRIPT_ORACLE=127.0.0.1:7000 cargo test --lib script::` compares the same tables with the server there.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use mlua::{Function, Lua, Value};

use super::ffi::library::closed;
use super::sandbox;

/// Runs each script and compares its answer: a text, a number, `nil`, or `ERR` and the error's text. Functions with a short
/// way are to do the same without.
pub(super) fn check(table: &[(&str, &str)]) {
    let mut failures = failures_of(table);
    failures.extend(closed::during(|| failures_of(table)));
    if let Ok(address) = std::env::var("SCRIPT_ORACLE") {
        for &(script, expected) in table {
            let answer = ask(&address, script);
            if answer != expected {
                failures.push(format!(
                    "{script}\n  there is {answer:?}\n  expected {expected:?}"
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is wrong with the answers here.
fn failures_of(table: &[(&str, &str)]) -> Vec<String> {
    let lua = sandbox::new_vm().expect("an interpreter can be built");
    let answers = table
        .iter()
        .map(|&(script, expected)| (script, expected, run(&lua, script)));
    answers
        .filter(|(_, expected, answer)| answer != expected)
        .map(|(script, expected, answer)| {
            format!("{script}\n  is       {answer:?}\n  expected {expected:?}")
        })
        .collect()
}

/// As [`check`], with `prelude` before each script.
pub(super) fn check_with(prelude: &str, table: &[(&str, &str)]) {
    let scripts: Vec<_> = table
        .iter()
        .map(|(script, _)| format!("{prelude}{script}"))
        .collect();
    let answers = table.iter().map(|(_, answer)| *answer);
    let table: Vec<_> = scripts.iter().map(String::as_str).zip(answers).collect();
    check(&table);
}

/// A prelude: `hex(text)`, the bytes of a text in base 16.
pub(super) const HEX: &str = "local function hex(text) return (text:gsub('.', function(letter) \
                              return ('%02x'):format(letter:byte()) end)) end ";

/// What one script answers.
pub(super) fn run(lua: &Lua, script: &str) -> String {
    let chunk = lua.load(script).set_name("@user_script");
    let function: Function = match chunk.into_function() {
        Ok(function) => function,
        Err(error) => return format!("ERR {error}"),
    };
    let answer = sandbox::call::<Value>(lua, &function, ()).expect("the interpreter is sound");
    match answer {
        Ok(value) => shown(&value),
        Err(failure) => format!("ERR {}", shown(&failure.value)),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => latin(&text.as_bytes()),
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => (number.trunc() as i64).to_string(),
        Value::Boolean(true) => "1".to_owned(),
        Value::Nil | Value::Boolean(false) => "nil".to_owned(),
        other => format!("<{}>", other.type_name()),
    }
}

/// Each byte as the character of its number.
fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// What the server at `address` answers.
fn ask(address: &str, script: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the server is there");
    let request = format!(
        "*3\r\n$4\r\nEVAL\r\n${}\r\n{script}\r\n$1\r\n0\r\n",
        script.len()
    );
    stream
        .write_all(request.as_bytes())
        .expect("it takes a script");
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).expect("it answers");
    line.truncate(line.len() - 2);
    let rest = latin(&line[1..]);
    match line[0] {
        b'$' if rest == "-1" => "nil".to_owned(),
        b'$' => {
            let mut text = vec![0; rest.parse().expect("a length is a number")];
            reader.read_exact(&mut text).expect("the text follows");
            latin(&text)
        }
        b'-' => match rest.rfind(" script: ") {
            Some(end) => rest[..end].to_owned(),
            None => rest,
        },
        _ => rest,
    }
}

//! JSON as values.
//!
//! Nesting is kept in a list instead of on the stack. A zero byte ends the text wherever it stands, as the library in C
//! takes it for the end of the string.

use mlua::{Error, Lua, LuaString, Result, Table, Value};

use super::{MAX_DEPTH, Settings};
use crate::script::libs::arguments::Arguments;
use crate::script::raise;
use crate::text::double;

/// The value of a JSON text.
pub(super) fn decode(lua: &Lua, value: &Value, settings: &Settings) -> Result<Value> {
    let values = std::slice::from_ref(value);
    let text = Arguments::new(lua, values).string(1)?;
    let text = text.as_bytes();
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        let text = "JSON parser does not support UTF-16 or UTF-32";
        return Err(raise::error(lua, text));
    }
    let mut decoder = Decoder {
        lua,
        settings,
        text: &text,
        at: 0,
        open: Vec::new(),
        scratch: Vec::new(),
    };
    let token = decoder.token()?;
    let value = decoder.value(token)?;
    match decoder.token()? {
        Token {
            kind: Kind::End, ..
        } => Ok(value),
        token => Err(decoder.unexpected("the end", &token)),
    }
}

struct Token {
    kind: Kind,
    /// The byte at which it begins, or at which its fault is.
    at: usize,
}

enum Kind {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String(LuaString),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    /// Why it is none.
    Fault(&'static str),
}

impl Kind {
    /// The name that errors have for it.
    fn name(&self) -> &'static str {
        match self {
            Kind::ObjectBegin => "T_OBJ_BEGIN",
            Kind::ObjectEnd => "T_OBJ_END",
            Kind::ArrayBegin => "T_ARR_BEGIN",
            Kind::ArrayEnd => "T_ARR_END",
            Kind::String(_) => "T_STRING",
            Kind::Number(_) => "T_NUMBER",
            Kind::Boolean(_) => "T_BOOLEAN",
            Kind::Null => "T_NULL",
            Kind::Colon => "T_COLON",
            Kind::Comma => "T_COMMA",
            Kind::End => "T_END",
            Kind::Fault(reason) => reason,
        }
    }
}

/// An array or object that is not complete.
struct Open {
    table: Table,
    place: Place,
}

/// Where the next value goes.
enum Place {
    Index(i64),
    Key(LuaString),
}

struct Decoder<'a> {
    lua: &'a Lua,
    settings: &'a Settings,
    text: &'a [u8],
    at: usize,
    open: Vec<Open>,
    /// Room for a string that is not in the text as it is.
    scratch: Vec<u8>,
}

impl Decoder<'_> {
    /// The value that begins with `token`.
    fn value(&mut self, mut token: Token) -> Result<Value> {
        loop {
            let mut complete = match token.kind {
                Kind::String(text) => Value::String(text),
                Kind::Number(number) => Value::Number(number),
                Kind::Boolean(value) => Value::Boolean(value),
                Kind::Null => Value::NULL,
                Kind::ObjectBegin | Kind::ArrayBegin => {
                    let (table, first) = self.begin(matches!(token.kind, Kind::ObjectBegin))?;
                    match first {
                        Some(first) => {
                            token = first;
                            continue;
                        }
                        None => Value::Table(table),
                    }
                }
                _ => return Err(self.unexpected("value", &token)),
            };
            loop {
                if self.open.is_empty() {
                    return Ok(complete);
                }
                match self.element(complete)? {
                    Next::Value(next) => {
                        token = next;
                        break;
                    }
                    Next::Closed(table) => complete = Value::Table(table),
                }
            }
        }
    }

    /// Opens an object or array; the table itself, and the token of its first value unless it is empty.
    fn begin(&mut self, is_object: bool) -> Result<(Table, Option<Token>)> {
        let depth = self.open.len() + 1;
        if depth > self.settings.decode_max_depth.min(MAX_DEPTH) as usize {
            let text = format!(
                "Found too many nested data structures ({depth}) at character {}",
                self.at
            );
            return Err(raise::error(self.lua, &text));
        }
        let table = self.lua.create_table()?;
        let token = self.token()?;
        let (place, first) = match token.kind {
            Kind::ObjectEnd if is_object => return Ok((table, None)),
            Kind::ArrayEnd if !is_object => return Ok((table, None)),
            _ if is_object => {
                let (key, first) = self.key(token)?;
                (Place::Key(key), first)
            }
            _ => (Place::Index(1), token),
        };
        let opened = table.clone();
        self.open.push(Open { table, place });
        Ok((opened, Some(first)))
    }

    /// Puts a value in its place of the innermost table, and reads up to the next value or the end of the table.
    fn element(&mut self, value: Value) -> Result<Next> {
        let open = self.open.last_mut().expect("an element is in a table");
        match &mut open.place {
            Place::Index(index) => {
                open.table.raw_set(*index, value)?;
                *index += 1;
            }
            Place::Key(key) => open.table.raw_set(&*key, value)?,
        }
        let is_object = matches!(open.place, Place::Key(_));
        let token = self.token()?;
        match token.kind {
            Kind::ObjectEnd if is_object => Ok(self.close()),
            Kind::ArrayEnd if !is_object => Ok(self.close()),
            Kind::Comma if is_object => {
                let token = self.token()?;
                let (key, first) = self.key(token)?;
                let open = self.open.last_mut().expect("an element is in a table");
                open.place = Place::Key(key);
                Ok(Next::Value(first))
            }
            Kind::Comma => self.token().map(Next::Value),
            _ if is_object => Err(self.unexpected("comma or object end", &token)),
            _ => Err(self.unexpected("comma or array end", &token)),
        }
    }

    fn close(&mut self) -> Next {
        let open = self.open.pop().expect("an element is in a table");
        Next::Closed(open.table)
    }

    /// The key that `token` is, and the token behind its colon.
    fn key(&mut self, token: Token) -> Result<(LuaString, Token)> {
        let Kind::String(key) = token.kind else {
            return Err(self.unexpected("object key string", &token));
        };
        let colon = self.token()?;
        match colon.kind {
            Kind::Colon => Ok((key, self.token()?)),
            _ => Err(self.unexpected("colon", &colon)),
        }
    }

    fn unexpected(&self, expected: &str, token: &Token) -> Error {
        let found = token.kind.name();
        let text = format!(
            "Expected {expected} but found {found} at character {}",
            token.at + 1
        );
        raise::error(self.lua, &text)
    }

    /// The next token. What is none is one too; only a lack of memory is an error.
    fn token(&mut self) -> Result<Token> {
        while let b' ' | b'\t' | b'\n' | b'\r' = self.peek(0) {
            self.at += 1;
        }
        let at = self.at;
        let kind = match self.peek(0) {
            0 => {
                return Ok(Token {
                    kind: Kind::End,
                    at,
                });
            }
            b'"' => return self.string(),
            b'{' => Kind::ObjectBegin,
            b'}' => Kind::ObjectEnd,
            b'[' => Kind::ArrayBegin,
            b']' => Kind::ArrayEnd,
            b',' => Kind::Comma,
            b':' => Kind::Colon,
            b'-' | b'0'..=b'9' => return Ok(self.strict_number()),
            _ => return Ok(self.word()),
        };
        self.at += 1;
        Ok(Token { kind, at })
    }

    /// The byte so far ahead; 0 behind the end.
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// A token that begins with a letter or a plus sign.
    fn word(&mut self) -> Token {
        let at = self.at;
        let rest = &self.text[at..];
        for (word, kind) in [
            (&b"true"[..], Kind::Boolean(true)),
            (b"false", Kind::Boolean(false)),
            (b"null", Kind::Null),
        ] {
            if rest.starts_with(word) {
                self.at += word.len();
                return Token { kind, at };
            }
        }
        let may_be_number = matches!(rest[0], b'i' | b'I' | b'n' | b'N' | b'+');
        match may_be_number && self.settings.decode_invalid && self.is_invalid_number() {
            true => self.number(),
            false => Token {
                kind: Kind::Fault("invalid token"),
                at,
            },
        }
    }

    /// A token that begins with a digit or a minus sign.
    fn strict_number(&mut self) -> Token {
        if !self.settings.decode_invalid && self.is_invalid_number() {
            return Token {
                kind: Kind::Fault("invalid number"),
                at: self.at,
            };
        }
        self.number()
    }

    fn number(&mut self) -> Token {
        let at = self.at;
        let kind = match double::parse_beginning(&self.text[at..]) {
            (_, 0) => Kind::Fault("invalid number"),
            (number, length) => {
                self.at += length;
                Kind::Number(number)
            }
        };
        Token { kind, at }
    }

    /// Whether what comes is a number to `strtod` and none in JSON.
    fn is_invalid_number(&self) -> bool {
        let rest = &self.text[self.at..];
        if rest[0] == b'+' {
            return true;
        }
        let rest = rest.strip_prefix(b"-").unwrap_or(rest);
        match rest.first().copied().unwrap_or(0) {
            b'0' => matches!(rest.get(1), Some(b'x' | b'X' | b'0'..=b'9')),
            byte if byte <= b'9' => false,
            _ => [&b"inf"[..], b"nan"].iter().any(|word| {
                rest.get(..3)
                    .is_some_and(|head| head.eq_ignore_ascii_case(word))
            }),
        }
    }

    fn string(&mut self) -> Result<Token> {
        let begin = self.at;
        self.at += 1;
        self.scratch.clear();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | 0))
                .unwrap_or(rest.len());
            let (plain, rest) = rest.split_at(plain);
            self.at += plain.len();
            match rest.first() {
                Some(b'"') => {
                    self.at += 1;
                    let text = match self.scratch.is_empty() {
                        true => self.lua.create_string(plain)?,
                        false => {
                            self.scratch.extend_from_slice(plain);
                            self.lua.create_string(&self.scratch)?
                        }
                    };
                    return Ok(Token {
                        kind: Kind::String(text),
                        at: begin,
                    });
                }
                Some(b'\\') => {
                    self.scratch.extend_from_slice(plain);
                    if let Err(reason) = self.escape() {
                        return Ok(Token {
                            kind: Kind::Fault(reason),
                            at: self.at,
                        });
                    }
                }
                _ => {
                    let kind = Kind::Fault("unexpected end of string");
                    return Ok(Token { kind, at: self.at });
                }
            }
        }
    }

    /// Reads what a backslash begins.
    fn escape(&mut self) -> std::result::Result<(), &'static str> {
        let byte = match self.peek(1) {
            b'u' => return self.unicode_escape().ok_or("invalid unicode escape code"),
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'f' => 12,
            b'r' => b'\r',
            _ => return Err("invalid escape code"),
        };
        self.scratch.push(byte);
        self.at += 2;
        Ok(())
    }

    /// Reads a code point of four digits, or of two times four as UTF-16 has it.
    fn unicode_escape(&mut self) -> Option<()> {
        let mut length = 6;
        let mut code = self.hex4(2)?;
        if code & 0xf800 == 0xd800 {
            let is_high = code & 0x400 == 0;
            if !is_high || self.peek(6) != b'\\' || self.peek(7) != b'u' {
                return None;
            }
            let low = self.hex4(8)?;
            if low & 0xfc00 != 0xdc00 {
                return None;
            }
            code = ((code & 0x3ff) << 10 | low & 0x3ff) + 0x10000;
            length = 12;
        }
        let letter = char::from_u32(code)?;
        let mut utf8 = [0; 4];
        self.scratch
            .extend_from_slice(letter.encode_utf8(&mut utf8).as_bytes());
        self.at += length;
        Some(())
    }

    fn hex4(&self, ahead: usize) -> Option<u32> {
        (ahead..ahead + 4).try_fold(0, |value, ahead| {
            Some(value << 4 | char::from(self.peek(ahead)).to_digit(16)?)
        })
    }
}

/// What follows an element.
enum Next {
    /// The token with which the next value begins.
    Value(Token),
    /// The table was complete.
    Closed(Table),
}

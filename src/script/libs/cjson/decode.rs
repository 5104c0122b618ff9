//! JSON as values.
//!
//! Nesting is kept in a list instead of on the stack. A zero byte ends the text wherever it stands, as the library in C
//! takes it for the end of the string.

use mlua::{Error, Lua, Result, Value};

use super::{MAX_DEPTH, Settings};
use crate::script::ffi::{self, Builder};
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
    ffi::build(lua, |builder| {
        let mut decoder = Decoder {
            lua,
            settings,
            text: &text,
            at: 0,
            open: Vec::new(),
            scratch: Vec::new(),
            builder,
        };
        let token = decoder.token();
        decoder.value(token)?;
        match decoder.token() {
            Token {
                kind: Kind::End, ..
            } => Ok(()),
            token => Err(decoder.unexpected("the end", &token)),
        }
    })
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
    String(Text),
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

/// Where the text of a string is.
#[derive(Clone, Copy)]
enum Text {
    /// As it is between these bytes of the JSON text.
    Plain(usize, usize),
    /// In the decoder's scratch, until the next token.
    Unescaped,
}

/// Where the next value of an array or object goes that is not complete.
enum Place {
    Index(i64),
    /// Under the key below it.
    Key,
}

struct Decoder<'a, 'l> {
    lua: &'a Lua,
    settings: &'a Settings,
    text: &'a [u8],
    at: usize,
    open: Vec<Place>,
    /// Room for a string that is not in the text as it is.
    scratch: Vec<u8>,
    /// Gets the values.
    builder: &'a mut Builder<'l>,
}

impl Decoder<'_, '_> {
    /// Makes the value that begins with `token`.
    fn value(&mut self, mut token: Token) -> Result<()> {
        loop {
            match token.kind {
                Kind::String(text) => self.push_text(text)?,
                Kind::Number(number) => self.builder.number(number)?,
                Kind::Boolean(value) => self.builder.boolean(value)?,
                Kind::Null => self.builder.null()?,
                Kind::ObjectBegin | Kind::ArrayBegin => {
                    if let Some(first) = self.begin(matches!(token.kind, Kind::ObjectBegin))? {
                        token = first;
                        continue;
                    }
                }
                _ => return Err(self.unexpected("value", &token)),
            }
            loop {
                let Some(place) = self.open.last_mut() else {
                    return Ok(());
                };
                let is_object = match place {
                    Place::Index(index) => {
                        self.builder.put_element(*index);
                        *index += 1;
                        false
                    }
                    Place::Key => {
                        self.builder.put_pair();
                        true
                    }
                };
                if let Some(next) = self.go_on(is_object)? {
                    token = next;
                    break;
                }
            }
        }
    }

    fn push_text(&mut self, text: Text) -> Result<()> {
        match text {
            Text::Plain(from, to) => self.builder.text(&self.text[from..to]),
            Text::Unescaped => self.builder.text(&self.scratch),
        }
    }

    /// Begins an object or array; the token of its first value unless it is empty.
    fn begin(&mut self, is_object: bool) -> Result<Option<Token>> {
        let depth = self.open.len() + 1;
        if depth > self.settings.decode_max_depth.min(MAX_DEPTH) as usize {
            let text = format!(
                "Found too many nested data structures ({depth}) at character {}",
                self.at
            );
            return Err(raise::error(self.lua, &text));
        }
        self.builder.table(0, 0)?;
        let token = self.token();
        let (place, first) = match token.kind {
            Kind::ObjectEnd if is_object => return Ok(None),
            Kind::ArrayEnd if !is_object => return Ok(None),
            _ if is_object => (Place::Key, self.key(token)?),
            _ => (Place::Index(1), token),
        };
        self.open.push(place);
        Ok(Some(first))
    }

    /// Reads what follows an element of the innermost table, up to the next value or the end of the table.
    fn go_on(&mut self, is_object: bool) -> Result<Option<Token>> {
        let token = self.token();
        match token.kind {
            Kind::ObjectEnd if is_object => self.open.pop(),
            Kind::ArrayEnd if !is_object => self.open.pop(),
            Kind::Comma if is_object => {
                let token = self.token();
                return self.key(token).map(Some);
            }
            Kind::Comma => return Ok(Some(self.token())),
            _ if is_object => return Err(self.unexpected("comma or object end", &token)),
            _ => return Err(self.unexpected("comma or array end", &token)),
        };
        Ok(None)
    }

    /// Takes `token` for a key; answers the token behind its colon.
    fn key(&mut self, token: Token) -> Result<Token> {
        let Kind::String(key) = token.kind else {
            return Err(self.unexpected("object key string", &token));
        };
        self.push_text(key)?;
        let colon = self.token();
        match colon.kind {
            Kind::Colon => Ok(self.token()),
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

    /// The next token. What is none is one too.
    fn token(&mut self) -> Token {
        while let b' ' | b'\t' | b'\n' | b'\r' = self.peek(0) {
            self.at += 1;
        }
        let at = self.at;
        let kind = match self.peek(0) {
            0 => {
                return Token {
                    kind: Kind::End,
                    at,
                };
            }
            b'"' => return self.string(),
            b'{' => Kind::ObjectBegin,
            b'}' => Kind::ObjectEnd,
            b'[' => Kind::ArrayBegin,
            b']' => Kind::ArrayEnd,
            b',' => Kind::Comma,
            b':' => Kind::Colon,
            b'-' | b'0'..=b'9' => return self.strict_number(),
            _ => return self.word(),
        };
        self.at += 1;
        Token { kind, at }
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

    fn string(&mut self) -> Token {
        let begin = self.at;
        self.at += 1;
        self.scratch.clear();
        loop {
            let from = self.at;
            let rest = &self.text[from..];
            let plain = rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | 0))
                .unwrap_or(rest.len());
            let (plain, rest) = rest.split_at(plain);
            self.at += plain.len();
            let kind = match rest.first() {
                Some(b'"') => {
                    let text = match from == begin + 1 {
                        true => Text::Plain(from, self.at),
                        false => {
                            self.scratch.extend_from_slice(plain);
                            Text::Unescaped
                        }
                    };
                    self.at += 1;
                    return Token {
                        kind: Kind::String(text),
                        at: begin,
                    };
                }
                Some(b'\\') => {
                    self.scratch.extend_from_slice(plain);
                    match self.escape() {
                        Ok(()) => continue,
                        Err(reason) => Kind::Fault(reason),
                    }
                }
                _ => Kind::Fault("unexpected end of string"),
            };
            return Token { kind, at: self.at };
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

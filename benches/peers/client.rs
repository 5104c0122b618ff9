//! The load generator's own connection: blocking, pipelined, with just enough of RESP to write unique keys and to
//! see that each write was accepted.
//!
//! redis-benchmark draws its keys at random, so it can neither write each key once nor time a single batch.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Result, bail};

/// Commands in one write of [`Client::load`].
const LOAD_BATCH: u64 = 1000;

/// A server that answers nothing for this long is taken for hung.
const REPLY_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection to a server under measurement.
#[derive(Debug)]
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    out: Vec<u8>,
    line: Vec<u8>,
}

impl Client {
    /// Connects to a port of 127.0.0.1.
    pub(crate) fn connect(port: u16) -> Result<Client> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
        Ok(Client {
            stream: BufReader::with_capacity(64 * 1024, stream),
            out: Vec::new(),
            line: Vec::new(),
        })
    }

    /// Fails unless the server answers PONG.
    pub(crate) fn ping(&mut self) -> Result<()> {
        self.push(&[b"PING"]);
        self.flush()?;
        match self.reply_line()? {
            b"+PONG" => Ok(()),
            other => bail!("PING was answered with {}", other.escape_ascii()),
        }
    }

    /// Adds a command to the batch that the next [`Client::flush`] sends.
    pub(crate) fn push(&mut self, arguments: &[&[u8]]) {
        // Writing to a Vec cannot fail.
        let _ = write!(self.out, "*{}\r\n", arguments.len());
        for argument in arguments {
            let _ = write!(self.out, "${}\r\n", argument.len());
            self.out.extend_from_slice(argument);
            self.out.extend_from_slice(b"\r\n");
        }
    }

    /// Sends the batch.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.stream.get_mut().write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// Reads `count` replies of one line each; fails on an error reply.
    pub(crate) fn expect_ok(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            let line = self.reply_line()?;
            if !line.starts_with(b"+") && !line.starts_with(b":") {
                bail!("a write was answered with {}", line.escape_ascii());
            }
        }
        Ok(())
    }

    /// Reads `count` lines, whatever they say; fails on an error reply.
    pub(crate) fn expect_lines(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            let line = self.reply_line()?;
            if line.starts_with(b"-") {
                bail!("the answer was {}", line.escape_ascii());
            }
        }
        Ok(())
    }

    /// Reads what has come, whatever it says, `most` bytes at the most; waits for some.
    pub(crate) fn read_some(&mut self, most: u64) -> Result<u64> {
        let there = self.stream.fill_buf()?.len();
        if there == 0 {
            bail!("the server has closed the connection");
        }
        let count = there.min(usize::try_from(most)?);
        self.stream.consume(count);
        Ok(count as u64)
    }

    /// Whether the server has a command. The answer is not read to its end: the connection is of no more use.
    pub(crate) fn knows(mut self, command: &str) -> Result<bool> {
        self.push(&[b"COMMAND", b"INFO", command.as_bytes()]);
        self.flush()?;
        match self.reply_line()? {
            b"*1" => Ok(!matches!(self.reply_line()?, b"*-1" | b"$-1" | b"_")),
            other => bail!("COMMAND INFO was answered with {}", other.escape_ascii()),
        }
    }

    /// Sends a command and reads the integer that it answers.
    pub(crate) fn integer(&mut self, arguments: &[&[u8]]) -> Result<u64> {
        self.push(arguments);
        self.flush()?;
        let line = self.reply_line()?;
        let digits = line
            .strip_prefix(b":")
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| digits.parse().ok()) {
            Some(number) => Ok(number),
            None => bail!("no integer: {}", line.escape_ascii()),
        }
    }

    /// A number that INFO gives in a section.
    pub(crate) fn info_number(&mut self, section: &str, name: &str) -> Result<u64> {
        self.push(&[b"INFO", section.as_bytes()]);
        self.flush()?;
        let head = self.reply_line()?;
        let len = head
            .strip_prefix(b"$")
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| digits.parse::<usize>().ok());
        let Some(len) = len else {
            bail!("INFO was answered with {}", head.escape_ascii());
        };
        let mut text = vec![0; len + 2];
        self.stream.read_exact(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        match value.and_then(|value| value.parse().ok()) {
            Some(number) => Ok(number),
            None => bail!("INFO has no number {name}"),
        }
    }

    /// Reads `count` replies that are integers, bulk strings, or arrays of one bulk string; fails on anything else.
    pub(crate) fn skip_replies(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            let mut line = self.reply_line()?;
            if line == b"*1" {
                line = self.reply_line()?;
            }
            match line {
                [b':', ..] => {}
                [b'$', b'1'..=b'9', ..] => {
                    self.reply_line()?;
                }
                other => bail!("a read was answered with {}", other.escape_ascii()),
            }
        }
        Ok(())
    }

    /// Writes numbers 0 to `count` by the commands that `push` adds for each; `per_number` is how many those are.
    pub(crate) fn load(
        &mut self,
        count: u64,
        per_number: u64,
        mut push: impl FnMut(&mut Client, u64),
    ) -> Result<()> {
        let mut number = 0;
        while number < count {
            let batch = LOAD_BATCH.min(count - number);
            for _ in 0..batch {
                push(self, number);
                number += 1;
            }
            self.flush()?;
            self.expect_ok(batch * per_number)?;
        }
        Ok(())
    }

    /// The next line of the stream, without its end.
    fn reply_line(&mut self) -> Result<&[u8]> {
        self.line.clear();
        self.stream.read_until(b'\n', &mut self.line)?;
        match self.line.strip_suffix(b"\r\n") {
            Some(line) => Ok(line),
            None => bail!("the connection was closed"),
        }
    }
}

/// The name that redis-benchmark draws for `number`: 16 bytes for the prefix `key:`.
pub(crate) fn key_name(prefix: &str, number: u64) -> String {
    format!("{prefix}{number:012}")
}

//! A server process for the checks, and how they are counted; the lines are those of `../python/harness.py`.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const START_TIMEOUT: Duration = Duration::from_secs(10);

/// A server with a port, a Unix socket and a folder of its own; killed when dropped.
pub struct Server {
    pub port: u16,
    pub unix_socket: PathBuf,
    folder: PathBuf,
    options: Vec<String>,
    process: Option<Child>,
}

impl Server {
    /// Starts the program that RUDDLE_BIN names, with these options beside the usual ones.
    pub fn start(options: &[&str]) -> Result<Server> {
        let port = free_port()?;
        let folder = std::env::temp_dir().join(format!("ruddle-interop-rs-{port}"));
        fs::create_dir_all(&folder)?;
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let unix_socket = folder.join("s");
        let mut server = Server {
            port,
            unix_socket,
            folder,
            options,
            process: None,
        };
        server.restart()?;
        Ok(server)
    }

    /// Starts the process on the server's own port and waits until it answers.
    pub fn restart(&mut self) -> Result<()> {
        let program = std::env::var_os("RUDDLE_BIN").context("RUDDLE_BIN is not set")?;
        let log = File::create(self.folder.join("log"))?;
        let mut command = Command::new(program);
        command.args([
            "--port",
            &self.port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        command
            .arg("--dir")
            .arg(&self.folder)
            .arg("--unixsocket")
            .arg(&self.unix_socket);
        command
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        self.process = Some(command.spawn()?);
        let deadline = Instant::now() + START_TIMEOUT;
        while !self.answers() {
            if Instant::now() > deadline {
                bail!(
                    "no answer: {}",
                    fs::read_to_string(self.folder.join("log"))?
                );
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    fn answers(&self) -> bool {
        let mut reply = [0; 5];
        let exchange =
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).and_then(|mut stream| {
                stream.write_all(b"PING\r\n")?;
                stream.read_exact(&mut reply)
            });
        exchange.is_ok() && (&reply == b"+PONG" || &reply == b"-NOAU")
    }

    /// Ends the process at once; it has no time to say good-bye to its clients.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Neither failure leaves anything that could still be done.
        let _ = self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A port on which nothing listens, below those that the system gives to outgoing connections: a restarted server
/// finds its own still free.
fn free_port() -> Result<u16> {
    let mut ports = std::iter::repeat_with(|| fastrand::u16(20_000..30_000)).take(100);
    ports
        .find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        .context("no free port")
}

/// Runs one check and prints how it ended; a failed assertion is a failed check.
pub fn check(name: &str, body: impl FnOnce() -> Result<()>) {
    let outcome = catch_unwind(AssertUnwindSafe(body));
    let reason = match outcome {
        Ok(Ok(())) => return println!("ok   {name}"),
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => "an assertion failed, see above".to_owned(),
    };
    println!("FAIL {name} -- {}", reason.replace(['\r', '\n'], " "));
}

/// Polls until the condition holds.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + START_TIMEOUT;
    while !condition()? {
        if Instant::now() > deadline {
            bail!("{what}: not within {START_TIMEOUT:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
